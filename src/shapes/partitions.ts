/**
 * Which tables are partitions of those that have shapes (protocol 7.11).
 *
 *     root ── partition ── partition          changes come under the names of the leaves;
 *          └─ partition                       the core routes them up (assembly/partition-map.ts)
 *
 * Partitions come and go by DDL alone, which writes no row. A table that was attached brought rows
 * that nobody sent, one that was detached or dropped took some away: either way the root's shapes
 * have to go. A partition that was made as one was empty, and they stay. It is noticed with the
 * first row of the partition, before which Postgres describes it, or when the catalog is compared.
 *
 * What the shapes account for is recorded in the journal, so that they outlive the process: the
 * next one compares it with the catalog before it follows the stream. The catalog alone could not
 * tell, since a table that was detached leaves no trace.
 *
 * Invariants:
 *
 *   1. The tree of every partitioned table with shapes is known, and recorded, from before its
 *      first shape's snapshot was taken.
 *   2. Every partition of it that was described in this session is linked in the core.
 *   3. A difference is recorded after the removal of the shapes that do not account for it.
 */

import type { RelationMessage } from "../decoder/pgoutput.ts";
import { layoutOf } from "../decoder/relation-layout.ts";
import type { PartitionOrigin, PartitionTree } from "../model/partition-tree.ts";
import type { Table } from "../model/table.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore } from "../storage/storage.ts";
import type { LiveRelation, RelationListener, TemplateRegistry } from "./template-registry.ts";

/** `postgres/table-catalog.ts`. */
export interface PartitionCatalog {
  /** Of those of the tables that are partitioned, all partitions at any depth. */
  partitionsOf(oids: readonly number[]): Promise<ReadonlyMap<number, PartitionTree>>;
  originOf(oid: number): Promise<PartitionOrigin>;
  /** Makes Postgres send whole old rows of new partitions. */
  repair(table: Table): Promise<void>;
  /** Takes a table out of the publication in a while, unless it is used by then. */
  removeUnused(table: Table, isUsed: () => boolean): void;
}

export interface PartitionsOptions {
  readonly router: Router;
  readonly catalog: PartitionCatalog;
  readonly store: Pick<ShapeStore, "partitions" | "recordPartitions">;
  readonly templates: () => Pick<TemplateRegistry, "relationOf" | "messageOf" | "relationOids">;
  readonly invalidate: (oid: number, why: string) => Promise<void>;
}

/** Tables that are asked for in one query. */
const BATCH = 100;

export class Partitions implements RelationListener {
  readonly #options: PartitionsOptions;
  /** By root, each `PartitionTree` open to change. */
  readonly #trees = new Map<number, Map<number, number>>();
  /** Trees that are being read. */
  readonly #pending = new Map<number, Promise<void>>();

  constructor(options: PartitionsOptions) {
    this.#options = options;
  }

  /**
   * To be called before the stream begins: shapes of an earlier process go on, unless their tables
   * have become others while nobody looked.
   *
   * @throws {LitzError}
   */
  async restore(): Promise<void> {
    const { catalog, invalidate, store } = this.#options;
    for (const [root, tree] of [...store.partitions]) {
      if (this.#relationOf(root) === undefined) store.recordPartitions(root, undefined);
      else this.#trees.set(root, new Map(tree));
    }
    const oids = this.#options.templates().relationOids();
    for (let first = 0; first < oids.length; first += BATCH) {
      const trees = await catalog.partitionsOf(oids.slice(first, first + BATCH));
      for (const root of trees.keys()) {
        if (!this.#trees.has(root)) await invalidate(root, "its partitions were not recorded");
      }
      await this.#compare(trees);
    }
  }

  /** To be called before each shape of a table is made. @throws {LitzError} */
  async prepare({ oid, isPartitioned }: Table): Promise<void> {
    if (isPartitioned !== true) return;
    if (this.#relationOf(oid) !== undefined && this.#trees.has(oid)) return;
    let pending = this.#pending.get(oid);
    if (pending === undefined) {
      pending = this.#readTree(oid).finally(() => this.#pending.delete(oid));
      this.#pending.set(oid, pending);
    }
    await pending;
  }

  async #readTree(root: number): Promise<void> {
    // At once, so that what is described while the catalog is asked is looked at.
    if (!this.#trees.has(root)) this.#trees.set(root, new Map());
    const now = (await this.#options.catalog.partitionsOf([root])).get(root);
    // If it has got its first shape meanwhile, every difference matters.
    if (now === undefined || this.#relationOf(root) !== undefined) return;
    this.#trees.set(root, new Map(now));
    this.#record(root);
  }

  /** A table has its first shape, or is described anew. False: out of memory budget. */
  added(relation: LiveRelation): boolean {
    const leaves = this.#trees.get(relation.table.oid);
    if (leaves === undefined) return true;
    return [...leaves.keys()].every((oid) => {
      const message = this.#options.templates().messageOf(oid);
      return message === undefined || this.#link(message, relation);
    });
  }

  /**
   * A table has no shape any more; its relation is about to be removed. Its tree is kept up to date
   * all the same: its next shape may be under way.
   */
  removing({ id, table }: LiveRelation): void {
    const { router } = this.#options;
    for (const oid of this.#trees.get(table.oid)?.keys() ?? []) router.unlinkPartition(oid, id);
  }

  /** Its changes need not be sent any more. */
  unused(table: Table): void {
    const isUsed = (): boolean => this.#relationOf(table.oid) !== undefined;
    this.#options.catalog.removeUnused(table, isUsed);
  }

  /** The tables of which this one is a part. */
  rootsOf(oid: number): number[] {
    return [...this.#trees].filter(([, leaves]) => leaves.has(oid)).map(([root]) => root);
  }

  /** A table is described: whose partition is it by now? Undefined: nobody needs to know. */
  described(message: RelationMessage): Promise<void> | undefined {
    return this.#trees.size === 0 ? undefined : this.#examine(message.oid, message);
  }

  /** Compares what is known with the catalog. @throws {LitzError} */
  async reconcile(): Promise<void> {
    const { catalog } = this.#options;
    const roots = [...this.#trees.keys()].filter((oid) => this.#relationOf(oid) !== undefined);
    if (roots.length === 0) return;
    await this.#compare(await catalog.partitionsOf(roots));
  }

  async #compare(trees: ReadonlyMap<number, PartitionTree>): Promise<void> {
    for (const [root, now] of trees) {
      const known = this.#trees.get(root);
      if (known === undefined) continue;
      for (const oid of new Set([...known.keys(), ...now.keys()])) {
        if (known.get(oid) !== now.get(oid)) await this.#examine(oid, undefined);
      }
    }
  }

  async #examine(oid: number, message: RelationMessage | undefined): Promise<void> {
    const origin = await this.#options.catalog.originOf(oid);
    for (const [root, tree] of [...this.#trees]) {
      const since = origin.ancestors.includes(root) ? origin.since : undefined;
      if (tree.get(oid) !== since) {
        // One that was described before anybody knew of it may have had changes.
        const isMissed =
          message === undefined && this.#options.templates().messageOf(oid) !== undefined;
        await this.#change(root, oid, since, origin.isMadeAsPartition && !isMissed);
      }
      if (since !== undefined && message !== undefined) await this.#follow(message, root);
    }
  }

  /** @param since undefined: the table is no partition of the root any more. */
  async #change(
    root: number,
    oid: number,
    since: number | undefined,
    wasEmpty: boolean,
  ): Promise<void> {
    const tree = this.#trees.get(root)!;
    if (tree.has(oid)) {
      // Its links go with the shapes, which are found by the tree.
      await this.#options.invalidate(root, "a partition of it is gone");
      tree.delete(oid);
    } else if (!wasEmpty) {
      await this.#options.invalidate(root, "a table was attached to it");
    } else {
      this.#repair(root);
    }
    if (since !== undefined) tree.set(oid, since);
    this.#record(root);
  }

  #record(root: number): void {
    this.#options.store.recordPartitions(root, this.#trees.get(root));
  }

  async #follow(message: RelationMessage, root: number): Promise<void> {
    const relation = this.#relationOf(root);
    if (relation === undefined) return;
    if (message.replicaIdentity !== "f") this.#repair(root);
    if (this.#link(message, relation)) return;
    await this.#options.invalidate(root, "the core has no memory for its partitions");
  }

  /** Until that is done an update is one that cannot be routed, and the shapes go. */
  #repair(root: number): void {
    const relation = this.#relationOf(root);
    if (relation !== undefined) this.#options.catalog.repair(relation.table).catch(() => undefined);
  }

  #link(message: RelationMessage, { id, table }: LiveRelation): boolean {
    return this.#options.router.linkPartition(message.oid, id, layoutOf(table, message));
  }

  #relationOf(oid: number): LiveRelation | undefined {
    return this.#options.templates().relationOf(oid);
  }
}
