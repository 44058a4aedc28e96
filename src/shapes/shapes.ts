/**
 * The shapes as the HTTP edge sees them: definitions and handles in, logs out. What it answers is
 * found by definition first; a handle is then only compared.
 */

import { InvalidParameter, LitzError } from "../lib/errors.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { CaseMapping } from "../model/case-mapping.ts";
import { electricSchema } from "../model/electric-schema.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeDefinition, ShapeTemplate } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import type { Table } from "../model/table.ts";
import { isDescribedAlike } from "../model/template-columns.ts";
import type { TimeZones } from "../model/time-zone.ts";
import type { ShapeStore } from "../storage/storage.ts";
import { defineShape } from "../where/define-shape.ts";
import { noSuchTable, parseRelationName, type RelationName } from "../where/identifiers.ts";
import { subselectTables } from "../where/subselect.ts";
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
  SubsetRequest,
} from "./shape-service.ts";
import { defineSubset, readSubset, type SubsetSource } from "./subsets.ts";
import { TaggedLog } from "./tagged-log.ts";
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
  /** The same, past what is remembered. */
  readonly refreshTable: (name: RelationName) => Promise<Table | undefined>;
  /** The table is not what it was. Resolves when no shape is served that rests on that. */
  readonly onTableChanged: (table: Table) => Promise<void>;
  /** Whether Postgres replicates stored generated columns. */
  readonly publishesGeneratedColumns: () => Promise<boolean>;
  readonly caseMapping: CaseMapping | undefined;
  readonly timeZones: TimeZoneSource;
  readonly subsets: SubsetSource;
  /** What tags are hashed with, besides the handle (protocol 14.4). */
  readonly stackId: string;
  readonly processedLsn: () => Lsn;
  readonly readiness: Pick<ShapeService, "status" | "readable" | "ready">;
}

/** Time zones that are read when they are needed; `postgres/time-zone-transitions.ts`. */
export interface TimeZoneSource extends TimeZones {
  /** Runs `work`, again if it needed a time zone that had not been read. */
  provide<Result>(work: () => Result): Promise<Result>;
}

type Handle = ServedShape["handle"];

export class Shapes implements ShapeService {
  readonly #options: ShapesOptions;
  /** Tables whose generated columns are replicated; the catalog hands out one object per table. */
  readonly #withPublishedColumns = new WeakSet<Table>();

  constructor(options: ShapesOptions) {
    this.#options = options;
  }

  get status(): ServiceStatus {
    return this.#options.readiness.status;
  }

  readable(timeoutMs: number): Promise<void> {
    return this.#options.readiness.readable(timeoutMs);
  }

  ready(timeoutMs: number): Promise<void> {
    return this.#options.readiness.ready(timeoutMs);
  }

  get lastProcessedLsn(): Lsn {
    return this.#options.processedLsn();
  }

  async define(request: DefinitionRequest): Promise<ShapeDefinition> {
    const names = [parseRelationName(request.table), ...subselectTables(request.where)];
    const tables = await this.#findTables(names);
    try {
      return await this.#defineOn(tables, request);
    } catch (error) {
      if (!(error instanceof InvalidParameter)) throw error;
      const current: Table[] = [];
      for (const [index, table] of tables.entries()) {
        current.push(await this.#refresh(names[index]!, table));
      }
      if (current.every((table, index) => table === tables[index])) throw error;
      return this.#defineOn(current, request);
    }
  }

  /** @throws {InvalidParameter} naming `table`: the first that there is none of. */
  async #findTables(names: readonly RelationName[]): Promise<readonly Table[]> {
    return Promise.all(
      names.map(async (name) => {
        const table = await this.#options.findTable(name);
        if (table === undefined) throw noSuchTable(name);
        return table;
      }),
    );
  }

  /**
   * What is remembered of the table may be what it was: what nobody has written to yet, nobody has
   * told us of. So the catalog is asked before a request is refused (protocol 21.2).
   */
  async #refresh(name: RelationName, known: Table): Promise<Table> {
    const { findTable, onTableChanged, refreshTable } = this.#options;
    const current = await refreshTable(name);
    if (current !== undefined && isDescribedAlike(known, current)) return known;
    await onTableChanged(known);
    const table = await findTable(name);
    if (table === undefined) throw noSuchTable(name);
    return table;
  }

  /** @param tables the shape's own, then those of its subselects. */
  async #defineOn(
    [table, ...innerTables]: readonly Table[],
    request: DefinitionRequest,
  ): Promise<ShapeDefinition> {
    const { caseMapping, timeZones } = this.#options;
    const published = [];
    for (const each of [table!, ...innerTables]) {
      published.push(await this.#publishesGenerated(each));
    }
    // Asked of tables that have generated columns; of others the answer does not matter.
    const publishesGeneratedColumns = published.includes(true);
    const facts = { publishesGeneratedColumns, caseMapping, timeZones, innerTables };
    return timeZones.provide(() => defineShape(table!, request, facts));
  }

  defineSubset(
    definition: ShapeDefinition,
    request: SubsetRequest,
    queryable: DefinitionRequest["queryableColumns"],
  ): Subset {
    return defineSubset(definition, request, queryable);
  }

  readSubset(
    { definition, handle }: Pick<ServedShape, "definition" | "handle">,
    subset: Subset,
    signal: AbortSignal,
  ): Promise<SubsetSnapshot> {
    const { stackId, subsets } = this.#options;
    return readSubset(subsets, definition, subset, signal, `${stackId}${handle}`);
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

  /**
   * Postgres is asked for the few tables where it matters. A yes is remembered for as long as the
   * table is; after a no somebody may repair the publication, and wants to see it work.
   */
  async #publishesGenerated(table: Table): Promise<boolean> {
    if (this.#withPublishedColumns.has(table)) return true;
    if (!table.columns.some(({ generated }) => generated === "stored")) return false;
    const isPublished = await this.#options.publishesGeneratedColumns();
    if (isPublished) this.#withPublishedColumns.add(table);
    return isPublished;
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
    const { creator, registry, stackId, store, waitingRoom } = this.#options;
    registry.touch(id);
    const log = store.openLog(registry.keyOf(id)!, registry.slotOf(id));
    const isTagged = definition.template.where?.subqueries !== undefined;
    return new OpenShape({
      id,
      definition,
      schemaHeader: this.#schemaHeader(definition.template),
      log: isTagged ? new TaggedLog(log, `${stackId}${registry.handleOf(id)!}`) : log,
      registry,
      waitingRoom,
      snapshotStarted: () => creator.started(id),
    });
  }

  /** Of the table as it is, but see `electricSchema`. */
  #schemaHeader({ table, columns, text }: ShapeTemplate): string {
    return electricSchema(table, columns, this.#options.templates.find(text)?.template.table);
  }
}
