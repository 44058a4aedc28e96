/**
 * Keeps shapes true to their tables. Tables change under them: columns come, go and are renamed,
 * tables are dropped, emptied and made again (protocol 7.9). Whoever notices, tells here:
 *
 *     a Relation message that says something new ──┐
 *     a snapshot that fails, a request that misses ─┼─> ask the catalog ─> remove the shapes that
 *     the clock, every minute ──────────────────────┘                     the change touches, keep
 *                                                                         the others
 *
 * The catalog says which column is which, by number; it speaks of now. A Relation message says what
 * the rows behind it look like, which may be a while ago, but tells columns by name alone. Shapes
 * are kept only where both agree on the columns that they need.
 *
 * Invariant: every live template of a table holds on `LiveRelation.table`.
 */

import type { RelationMessage } from "../decoder/pgoutput.ts";
import { carries, describesSameTable, mayFollowFrom } from "../decoder/relation-layout.ts";
import { asError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { CancelTimer, Timers } from "../lib/timers.ts";
import type { TemplateId } from "../model/ids.ts";
import type { Table } from "../model/table.ts";
import { holdsOn, isDescribedAlike, usedColumnsOf } from "../model/template-columns.ts";
import type { PublicationFault } from "../postgres/publication.ts";
import type { ShapeStore } from "../storage/storage.ts";
import type { Partitions } from "./partitions.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { LiveRelation, LiveTemplate, TemplateRegistry } from "./template-registry.ts";

/** What the catalog has to say; `postgres/inspector.ts` and `postgres/publication.ts`. */
export interface TableCatalog {
  /** Asks anew. Undefined: there is no such table any more. */
  readTable(oid: number): Promise<Table | undefined>;
  /** The same for many at once. */
  readTables(oids: readonly number[]): Promise<ReadonlyMap<number, Table>>;
  /** What is wrong with how Postgres sends their changes. */
  audit(oids: readonly number[]): Promise<ReadonlyMap<number, PublicationFault>>;
  /** Makes Postgres send whole old rows again. */
  repair(table: Table): Promise<void>;
  /** What is known of the table is out of date. */
  forget(oid: number): void;
}

export interface TableKeeperOptions {
  readonly templates: TemplateRegistry;
  readonly cleaner: ShapeCleaner;
  readonly catalog: TableCatalog;
  readonly partitions: Pick<Partitions, "reconcile">;
  readonly store: Pick<ShapeStore, "flushed">;
  readonly logger: Logger;
}

const UNSENT = "its changes were not sent";
/** Tables that are asked for in one query. */
const BATCH = 100;

export class TableKeeper {
  readonly #options: TableKeeperOptions;
  /** One table is looked at at a time, so that none goes back to an older description. */
  #queue: Promise<unknown> = Promise.resolve();
  #isComparing = false;
  #stop: CancelTimer = () => undefined;

  constructor(options: TableKeeperOptions) {
    this.#options = options;
  }

  /** Whether the message describes the table as its shapes know it. */
  agreesWith(message: RelationMessage): boolean {
    const relation = this.#options.templates.relationOf(message.oid);
    if (relation === undefined) return true;
    return relation.table.isPartial === undefined && describesSameTable(relation.table, message);
  }

  /**
   * Asks the catalog what has become of a table, and removes the shapes that it no longer is the
   * table of. Resolves when none of them is routed to any more.
   *
   * @param message what the stream says of it, where that is the reason to ask.
   */
  reconsider(oid: number, message?: RelationMessage): Promise<void> {
    const { catalog, templates } = this.#options;
    const work = this.#queue.then(async () => {
      catalog.forget(oid);
      const table = await catalog.readTable(oid);
      const relation = templates.relationOf(oid);
      if (relation === undefined) return;
      if (table === undefined) return this.#removeAll(relation, "it is gone");
      await this.#adopt(relation, table, message);
    });
    this.#queue = work.catch(() => undefined);
    return work;
  }

  /** Removes the table's shapes and forgets what the catalog said of it. */
  async invalidate(oid: number, why: string): Promise<void> {
    const relation = this.#options.templates.relationOf(oid);
    this.#options.catalog.forget(oid);
    if (relation !== undefined) await this.#removeAll(relation, why);
  }

  /**
   * The table, or every one, was not published for a while: its shapes, if it has any, are removed.
   * Resolves when that is durable: who publishes it again must not bring them back.
   */
  async haveLostChanges(oid?: number): Promise<void> {
    const { store, templates } = this.#options;
    const oids = oid === undefined ? templates.relationOids() : [oid];
    const lost = oids.filter((each) => templates.relationOf(each) !== undefined);
    for (const each of lost) await this.invalidate(each, UNSENT);
    if (lost.length > 0) await store.flushed();
  }

  /** Compares tables with the catalog now and then, until `stop`. */
  start(intervalMs: number, timers: Timers): void {
    const compare = (): void => {
      if (this.#isComparing) return;
      this.#isComparing = true;
      void this.reconcile()
        .catch((error: unknown) => {
          const { message } = asError(error);
          this.#options.logger.warn({ error: message }, "tables could not be compared");
        })
        .finally(() => {
          this.#isComparing = false;
        });
    };
    this.#stop = timers.every(intervalMs, compare);
    // Much may have happened while nobody looked.
    compare();
  }

  stop(): void {
    this.#stop();
  }

  /**
   * Compares every table that has shapes with the catalog: what changes without a row being written
   * shows nowhere else.
   */
  async reconcile(): Promise<void> {
    const { catalog, templates } = this.#options;
    await this.#options.partitions.reconcile();
    const oids = templates.relationOids();
    for (let first = 0; first < oids.length; first += BATCH) {
      const batch = oids.slice(first, first + BATCH);
      const [tables, faults] = [await catalog.readTables(batch), await catalog.audit(batch)];
      for (const oid of batch) await this.#compare(oid, tables.get(oid), faults.get(oid));
    }
  }

  async #compare(oid: number, table: Table | undefined, fault: PublicationFault | undefined) {
    const { catalog, logger, templates } = this.#options;
    const known = templates.relationOf(oid)?.table;
    if (known === undefined) return;
    if (table === undefined) return this.reconsider(oid);
    // What was restored is alike to nothing before it is reconsidered, and may have a fault still.
    if (!isDescribedAlike(known, table)) await this.reconsider(oid);
    if (fault === "not sent") return this.invalidate(oid, UNSENT);
    if (fault === undefined || templates.relationOf(oid) === undefined) return;
    await catalog.repair(table).catch((error: unknown) => {
      const { message } = asError(error);
      logger.warn({ table: `${table.schema}.${table.name}`, error: message }, "cannot be repaired");
    });
  }

  async #adopt(relation: LiveRelation, table: Table, message?: RelationMessage): Promise<void> {
    const { cleaner, templates } = this.#options;
    if (table.replicaIdentity !== "f") {
      return this.#removeAll(relation, "it no longer sends whole old rows");
    }
    const isLive = (): boolean => templates.relationOf(table.oid) === relation;
    // While some are removed, others may come that were defined before the change was known.
    while (isLive()) {
      const stale = this.#staleTemplates(relation, table, message);
      if (stale.size === 0) break;
      this.#log(relation, "columns that they need have changed");
      await cleaner.removeAllOf(table.oid, (template) => stale.has(template));
    }
    if (isLive() && !templates.redefine(relation, table)) {
      await this.#removeAll(relation, "the core has no memory for its columns");
    }
  }

  #staleTemplates(
    relation: LiveRelation,
    table: Table,
    message: RelationMessage | undefined,
  ): ReadonlySet<TemplateId> {
    const isExplained = message === undefined || describesSameTable(table, message);
    const known = relation.table;
    const mayBeKept =
      isExplained || (known.isPartial === undefined && mayFollowFrom(known, message));
    const holds = ({ template }: LiveTemplate): boolean => {
      if (!mayBeKept || !holdsOn(table, template)) return false;
      if (isExplained) return true;
      return template.hasExplicitColumns && carries(message, table, usedColumnsOf(template));
    };
    const live = this.#options.templates.templatesOf(relation.id);
    return new Set(live.flatMap((one) => (holds(one) ? [] : [one.id])));
  }

  async #removeAll(relation: LiveRelation, why: string): Promise<void> {
    this.#log(relation, why);
    await this.#options.cleaner.removeAllOf(relation.table.oid);
  }

  #log({ table: { schema, name } }: LiveRelation, why: string): void {
    this.#options.logger.info({ table: `${schema}.${name}`, why }, "shapes of a table are removed");
  }
}
