/**
 * The shapes as the HTTP edge sees them: definitions and handles in, logs out. What it answers is
 * found by definition first; a handle is then only compared.
 */

import { LitzError } from "../lib/errors.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import { electricSchema } from "../model/electric-schema.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeDefinition, ShapeTemplate } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import type { Table } from "../model/table.ts";
import type { ShapeStore } from "../storage/storage.ts";
import { parseTemplate } from "../where/template-text.ts";
import type { ShapeRegistry } from "./registry.ts";
import { OpenShape } from "./served-shape.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { ShapeCreator } from "./shape-creator.ts";
import type { DefinerOptions, ShapeDefiner } from "./shape-definer.ts";
import type {
  DefinitionRequest,
  ServedShape,
  ServiceStatus,
  ShapeService,
  SubsetRequest,
} from "./shape-service.ts";
import type { Subsets } from "./subsets.ts";
import { TaggedLog } from "./tagged-log.ts";
import type { TemplateRegistry } from "./template-registry.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export interface ShapesOptions extends DefinerOptions {
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly creator: ShapeCreator;
  readonly cleaner: ShapeCleaner;
  readonly waitingRoom: WaitingRoom;
  readonly subsets: Subsets;
  /** What tags are hashed with, besides the handle (protocol 14.4). */
  readonly stackId: string;
  readonly processedLsn: () => Lsn;
  /** `Moves.heldOf`. */
  readonly heldOf: (id: ShapeId) => Lsn | undefined;
  readonly readiness: Pick<ShapeService, "status" | "readable" | "ready">;
}

type Handle = ServedShape["handle"];

export class Shapes implements ShapeService {
  readonly #options: ShapesOptions;
  #definer: ShapeDefiner | undefined;
  #loadingDefiner: Promise<ShapeDefiner> | undefined;
  readonly #schemaHeaders = new WeakMap<ShapeTemplate, SchemaHeader>();

  constructor(options: ShapesOptions) {
    this.#options = options;
  }

  get status(): ServiceStatus {
    return this.#options.readiness.status;
  }

  readable(timeoutMs: number): Promise<void> | undefined {
    return this.#options.readiness.readable(timeoutMs);
  }

  ready(timeoutMs: number): Promise<void> | undefined {
    return this.#options.readiness.ready(timeoutMs);
  }

  get lastProcessedLsn(): Lsn {
    return this.#options.processedLsn();
  }

  define(request: DefinitionRequest): Promise<ShapeDefinition> | ShapeDefinition {
    if (this.#definer !== undefined) return this.#definer.define(request);
    return this.#loadDefiner().then((definer) => definer.define(request));
  }

  async defineSubset(
    definition: ShapeDefinition,
    request: SubsetRequest,
    queryable: DefinitionRequest["queryableColumns"],
  ): Promise<Subset> {
    return (await this.#loadDefiner()).defineSubset(definition, request, queryable);
  }

  readSubset(
    { definition, handle }: Pick<ServedShape, "definition" | "handle">,
    subset: Subset,
    signal: AbortSignal,
  ): Promise<SubsetSnapshot> {
    const { creator, stackId, subsets } = this.#options;
    const isDependent = definition.template.where?.subqueries !== undefined;
    const id = isDependent ? creator.find(definition) : undefined;
    return subsets.read(id, definition, subset, signal, `${stackId}${handle}`);
  }

  find(definition: ShapeDefinition): ServedShape | undefined {
    const id = this.#options.creator.find(definition);
    return id === undefined ? undefined : this.#open(id, definition);
  }

  async findOrCreate(definition: ShapeDefinition): Promise<ServedShape> {
    const { id, generation } = await this.#options.creator.findOrCreate(definition);
    if (!this.#options.registry.isCurrent(id, generation)) {
      throw new LitzError("the shape was removed as soon as it was made", {
        code: "SHAPE_REMOVED",
        httpStatus: 409,
        retriable: true,
      });
    }
    return this.#open(id, definition);
  }

  /** Of a live shape. */
  idOf(handle: Handle): ShapeId | undefined {
    return this.#resolve(handle)?.id;
  }

  definitionOf(handle: Handle): ShapeDefinition | undefined {
    return this.#resolve(handle)?.definition;
  }

  async remove(handle: Handle): Promise<void> {
    const { cleaner, registry } = this.#options;
    const shape = this.#resolve(handle);
    if (shape === undefined) return;
    await cleaner.remove(shape.id, registry.generationOf(shape.id));
  }

  #loadDefiner(): Promise<ShapeDefiner> {
    return (this.#loadingDefiner ??= import("./shape-definer.ts").then(
      ({ ShapeDefiner }) => (this.#definer = new ShapeDefiner(this.#options)),
    ));
  }

  /** From a handle alone: its catalog row has the definition, the definition leads to the id. */
  #resolve(handle: Handle): { id: ShapeId; definition: ShapeDefinition } | undefined {
    const { creator, registry, store, templates } = this.#options;
    const key = registry.keyOfHandle(handle);
    const record = key === undefined ? undefined : store.findShape(key);
    if (record === undefined) return undefined;
    const template = templates.find(record.template)?.template ?? parseTemplate(record.template);
    const definition = { template, constants: decodeConstants(record.constants) };
    const id = creator.find(definition);
    if (id === undefined || !registry.isHandleOf(handle, id)) return undefined;
    return { id, definition };
  }

  #open(id: ShapeId, definition: ShapeDefinition): ServedShape {
    const { registry, stackId, store } = this.#options;
    registry.touch(id);
    const stored = store.openLog(registry.keyOf(id)!, registry.slotOf(id));
    const isTagged = definition.template.where?.subqueries !== undefined;
    const log = isTagged ? new TaggedLog(stored, `${stackId}${registry.handleOf(id)!}`) : stored;
    const schemaHeader = this.#schemaHeader(definition.template);
    return new OpenShape(this.#options, { id, definition, schemaHeader, log });
  }

  /** Of the table as it is, but see `electricSchema`. */
  #schemaHeader(template: ShapeTemplate): string {
    const first = this.#options.templates.find(template.text)?.template.table;
    const known = this.#schemaHeaders.get(template);
    if (known !== undefined && known.first === first) return known.text;
    const text = electricSchema(template.table, template.columns, first);
    this.#schemaHeaders.set(template, { first, text });
    return text;
  }
}

interface SchemaHeader {
  readonly first: Table | undefined;
  readonly text: string;
}
