/**
 * The shapes as the HTTP edge sees them: definitions and handles in, logs out. What it answers is
 * found by definition first; a handle is then only compared.
 */

import { InvalidParameter, LitzError } from "../lib/errors.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import type { ShapeStore } from "../storage/storage.ts";
import { defineShape } from "../where/define-shape.ts";
import { parseRelationName, type RelationName } from "../where/identifiers.ts";
import { parseTemplate } from "../where/template-text.ts";
import type { ShapeRegistry } from "./registry.ts";
import { OpenShape } from "./served-shape.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { ShapeCreator } from "./shape-creator.ts";
import type {
  DefinitionRequest,
  ServedShape,
  ServiceStatus,
  ShapeService,
} from "./shape-service.ts";
import type { TemplateRegistry } from "./template-registry.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export interface ShapesOptions {
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly creator: ShapeCreator;
  readonly cleaner: ShapeCleaner;
  readonly waitingRoom: WaitingRoom;
  /** The catalog's word on a table; undefined when there is none that can be a shape's root. */
  readonly findTable: (name: RelationName) => Promise<Table | undefined>;
  readonly processedLsn: () => Lsn;
  /** Until the replication stream runs. */
  readonly readiness: { readonly status: ServiceStatus; ready(timeoutMs: number): Promise<void> };
}

type Handle = ServedShape["handle"];

export class Shapes implements ShapeService {
  readonly #options: ShapesOptions;

  constructor(options: ShapesOptions) {
    this.#options = options;
  }

  get status(): ServiceStatus {
    return this.#options.readiness.status;
  }

  ready(timeoutMs: number): Promise<void> {
    return this.#options.readiness.ready(timeoutMs);
  }

  get lastProcessedLsn(): Lsn {
    return this.#options.processedLsn();
  }

  async define(request: DefinitionRequest): Promise<ShapeDefinition> {
    const name = parseRelationName(request.table);
    const table = await this.#options.findTable(name);
    if (table === undefined) {
      throw new InvalidParameter(
        "table",
        `Table "${name.schema}"."${name.name}" does not exist. If the table name contains ` +
          "capitals or special characters you must quote it.",
      );
    }
    return defineShape(table, request);
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

  definitionOf(handle: Handle): ShapeDefinition | undefined {
    return this.#resolve(handle)?.definition;
  }

  async remove(handle: Handle): Promise<void> {
    const { cleaner, registry } = this.#options;
    const shape = this.#resolve(handle);
    if (shape === undefined) return;
    await cleaner.remove(shape.id, registry.generationOf(shape.id));
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
    const { creator, registry, store, templates, waitingRoom } = this.#options;
    return new OpenShape({
      id,
      definition,
      schemaHeader: templates.find(definition.template.text)!.schemaHeader,
      log: store.openLog(registry.keyOf(id)!, registry.slotOf(id)),
      registry,
      waitingRoom,
      snapshotStarted: () => creator.started(id),
    });
  }
}
