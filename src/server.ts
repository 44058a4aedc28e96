/**
 * The pipeline on one screen: one constant per stage, in the order in which data flows.
 *
 *     Postgres ─> replication ─> collector ─> router (core) ─> shapes ─> storage ─> http
 *
 * Where data or news flows against this order, the later stage is reached through a function.
 */

import { Acknowledger } from "./collector/acknowledger.ts";
import { Confirmation } from "./collector/confirmation.ts";
import { LogCollector } from "./collector/log-collector.ts";
import type { Config } from "./config.ts";
import type { Clock } from "./lib/clock.ts";
import type { DurationHistogram } from "./lib/duration-histogram.ts";
import type { Logger } from "./lib/logger.ts";
import type { CaseMapping } from "./model/case-mapping.ts";
import { minLsn, type Lsn } from "./model/lsn.ts";
import type { Table } from "./model/table.ts";
import type { Inspector } from "./postgres/inspector.ts";
import type { Publication } from "./postgres/publication.ts";
import type { SubsetReader } from "./postgres/subset-query.ts";
import { TableCatalog } from "./postgres/table-catalog.ts";
import { Accounting } from "./router/accounting.ts";
import type { Core } from "./router/core.ts";
import { FlushTracker } from "./router/flush-tracker.ts";
import { PostingBuffer } from "./router/posting-buffer.ts";
import { Router } from "./router/router.ts";
import { ShapeTable } from "./router/shape-table.ts";
import { StreamFigures } from "./router/stream-figures.ts";
import { Views } from "./router/views.ts";
import { Waiters } from "./router/waiters.ts";
import { BoundaryQueue } from "./shapes/boundary-queue.ts";
import { ChangeWriter } from "./shapes/change-writer.ts";
import { Eviction, type Budget, type EvictionOptions } from "./shapes/eviction.ts";
import { MemoryBudget } from "./shapes/memory-budget.ts";
import type { Readiness } from "./shapes/readiness.ts";
import { Partitions } from "./shapes/partitions.ts";
import { ShapeRegistry } from "./shapes/registry.ts";
import { removeUnusableShapes, restoreShapes } from "./shapes/restore.ts";
import { ShapeAdmin, type ShapeAdminOptions } from "./shapes/shape-admin.ts";
import { ShapeCleaner } from "./shapes/shape-cleaner.ts";
import { ShapeCountBudget } from "./shapes/shape-count-budget.ts";
import { ShapeCreator, type ShapeRoom, type SnapshotSource } from "./shapes/shape-creator.ts";
import type { TimeZoneSource } from "./shapes/shape-definer.ts";
import { Shapes, type ShapesOptions } from "./shapes/shapes.ts";
import { Subsets } from "./shapes/subsets.ts";
import { StorageBudget } from "./shapes/storage-budget.ts";
import { StreamSubscriber } from "./shapes/stream-subscriber.ts";
import { TableKeeper } from "./shapes/table-keeper.ts";
import { TemplateRegistry } from "./shapes/template-registry.ts";
import { ViewKeeper, type ViewKeeperOptions, type ViewSource } from "./shapes/view-keeper.ts";
import { WaitingRoom } from "./shapes/waiting-room.ts";
import { limitsWithin } from "./storage/limits.ts";
import { openStore } from "./storage/open-store.ts";
import type { DurabilityListener } from "./storage/storage.ts";
import type { Store } from "./storage/store.ts";
import { Moves, type MovesOptions } from "./subqueries/moves.ts";
import type { MoveQuery } from "./subqueries/wanted-rows.ts";

/** What the pipeline stands on: it neither makes nor closes these. */
export interface Foundation {
  readonly config: Config;
  readonly core: Core;
  readonly inspector: Inspector;
  readonly publication: Publication;
  readonly snapshots: SnapshotSource;
  /** Is told how long the journal's syncs take. */
  readonly syncs: DurationHistogram;
  readonly subsets: SubsetReader;
  readonly viewValues: ViewSource;
  readonly moveRows: MoveQuery;
  readonly readiness: Readiness;
  /** How the database folds case; undefined where it cannot be told. */
  readonly caseMapping: CaseMapping | undefined;
  readonly timeZones: TimeZoneSource;
  readonly directory: string;
  /** Which database the stored shapes belong to. */
  readonly databaseIdentity: string;
  /** The disk refused: the process has to stop. */
  readonly onStorageFailure: (error: Error) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Pipeline = Awaited<ReturnType<typeof openPipeline>>;

/**
 * Opens storage and brings back its shapes; nothing is read from Postgres yet.
 *
 * @throws {LitzError} when storage cannot be opened or the shapes do not fit in the core's budget.
 */
export async function openPipeline(foundation: Foundation) {
  const { clock, config, core, inspector, logger, publication, snapshots } = foundation;
  const [router, views] = [new Router(core), new Views(core)];
  const [flushTracker, waitingRoom] = [new FlushTracker(core), new WaitingRoom(new Waiters(core))];
  const durable = (position: Lsn, slots: Uint32Array, count: number) => {
    waitingRoom.grown(slots, count);
    collector.durable(position);
    eviction.consider();
  };
  const store = openStorage(foundation, { durable, failed: foundation.onStorageFailure });
  const registry = new ShapeRegistry(new ShapeTable(core), store.epochMicroseconds, clock);
  const catalog = new TableCatalog(inspector, publication);
  const partitions: Partitions = new Partitions({
    ...{ router, catalog, store },
    templates: () => templates,
    invalidate: (oid, why) => keeper.invalidate(oid, why),
  });
  const templates = new TemplateRegistry(router, views, partitions, foundation);
  const stages = { router, registry, templates, store, logger };
  const [onTrap, isBusy] = [(error: Error) => store.distrust(error), (): boolean => moves.isBusy];
  const boundaries = new BoundaryQueue(() => collector.requestBoundary(), onTrap, isBusy);
  const [askProgress, onReleased] = [() => collector.askProgress(), () => collector.acknowledge()];
  const writer: ChangeWriter = new ChangeWriter({
    ...{ ...stages, flushTracker, onReleased, gateBytesMax: config.snapshotBufferBytesMax },
    onOverfull: (id) => creator.stopOverfull(id),
    onDelta: (body, of) => moves.takeDelta(body, of),
  });
  const { moves, viewKeeper } = openSubqueries(foundation, {
    ...{ ...stages, views, writer, boundaries, askProgress, onReleased },
    remove: (id, why) => cleaner.removeBroken(id, why),
  });
  const { unplaced, unusable } = await restoreShapes({ ...stages, moves, viewKeeper });

  const cleaner = new ShapeCleaner({
    ...{ ...stages, writer, boundaries, waitingRoom, moves, viewKeeper },
    stopSnapshot: (id, reason) => creator.stop(id, reason),
  });
  const keeper: TableKeeper = new TableKeeper({ ...stages, cleaner, catalog, partitions });
  publication.listen((oid) => keeper.haveLostChanges(oid));
  const publish = (table: Table) => publishWhole(table, publication, partitions);
  const onSchemaChanged = (table: Table) => keeper.reconsider(table.oid);
  const [accounting, stream] = [new Accounting(core), new StreamFigures(core)];
  const { eviction, room } = openEviction(foundation, {
    ...{ ...stages, accounting, cleaner, boundaries },
    isInUse: (id) => waitingRoom.isAwaited(id) || creator.isUnderWay(id),
  });
  const creator: ShapeCreator = new ShapeCreator({
    ...{ ...stages, writer, boundaries, cleaner, snapshots, publish, onSchemaChanged },
    ...{ room, moves, viewKeeper, askProgress },
    tagPrefixOf: (id) => `${config.databaseId}${registry.handleOf(id) ?? ""}`,
  });

  const parts = { writer, boundaries, cleaner, keeper, partitions, catalog, moves };
  const subscriber = new StreamSubscriber({ ...stages, ...parts });
  const acknowledger = new Acknowledger(() => lowestOf(flushTracker.lowest(), moves.lowestHeld));
  const collector = new LogCollector({
    ...{ router, acknowledger, subscriber, congestion: store, onTrap },
    ...{ confirmation: new Confirmation(store, clock), rowBytesMax: config.rowBytesMax },
    oidOf: (relation) => templates.oidOf(relation),
  });
  collector.startAt(store.position, moves.lowestHeld ?? store.position);
  moves.recordRestored();
  await removeUnusableShapes(unusable, store);

  const rest = { acknowledger, cleaner, collector, core, creator, eviction, keeper, partitions };
  const subqueries = { moves, viewKeeper, views, unplaced };
  const waits = { boundaries, onSchemaChanged, waitingRoom };
  const door = openDoor(foundation, { ...stages, ...rest, ...subqueries, ...waits });
  return { ...stages, ...door, ...rest, ...subqueries, waitingRoom, writer, accounting, stream };
}

/** Resolves when everything that happens to the table is sent, and found when it is. */
function publishWhole(
  table: Table,
  publication: Publication,
  partitions: Partitions,
): Promise<void> {
  const published = publication.ensure(table);
  if (table.isPartitioned !== true) return published;
  return published.then(() => partitions.prepare(table));
}

function openStorage(foundation: Foundation, listener: DurabilityListener): Store {
  const { chunkBytesThreshold, storageBytesMax } = foundation.config;
  const postings = new PostingBuffer(foundation.core);
  const limits = limitsWithin(storageBytesMax);
  return openStore({ ...foundation, postings, chunkBytesThreshold, limits, listener });
}

type Moving = Pick<MovesOptions, "router" | "views" | "remove" | "askProgress" | "onReleased"> &
  Pick<ViewKeeperOptions, "registry" | "templates" | "boundaries"> & {
    readonly store: Store;
    readonly writer: ChangeWriter;
  };

/** What shapes with subqueries need besides. */
function openSubqueries(foundation: Foundation, around: Moving) {
  const { clock, config, core, logger, moveRows, viewValues } = foundation;
  const { moveBufferBytesMax, moveSliceMicroseconds, subqueryBufferTransactionsMax } = config;
  const moves = new Moves({
    ...{ ...around, clock, logger, log: around.writer, query: moveRows },
    sliceMicroseconds: moveSliceMicroseconds,
    start: around.store.position,
    limits: {
      tapeBytesMax: moveBufferBytesMax,
      rowBytesMax: moveBufferBytesMax,
      transactionsMax: subqueryBufferTransactionsMax,
    },
  });
  const viewKeeper = new ViewKeeper({
    ...{ ...around, moves, source: viewValues, memoryBytesMax: core.budgetBytes },
    endUsersOf: (view) => around.remove(view, "its subquery could not be read"),
  });
  return { moves, viewKeeper };
}

function lowestOf(a: Lsn | undefined, b: Lsn | undefined): Lsn | undefined {
  return a !== undefined && b !== undefined ? minLsn(a, b) : (a ?? b);
}

/** What eviction keeps shapes within. */
function budgetsOf(
  { shapesMax, storageBytesMax }: Config,
  memory: MemoryBudget,
  registry: ShapeRegistry,
  store: Store,
): Budget[] {
  const budgets: Budget[] = [memory];
  if (shapesMax !== undefined) budgets.push(new ShapeCountBudget(registry, shapesMax));
  if (storageBytesMax !== undefined) {
    budgets.push(new StorageBudget(registry, store, storageBytesMax));
  }
  return budgets;
}

type Evicting = Pick<EvictionOptions, "cleaner" | "boundaries" | "isInUse"> & {
  readonly registry: ShapeRegistry;
  readonly store: Store;
  readonly accounting: Accounting;
};

function openEviction(
  foundation: Foundation,
  around: Evicting,
): { readonly eviction: Eviction; readonly room: ShapeRoom } {
  const { accounting, isInUse, registry, store } = around;
  const memory = new MemoryBudget(registry, accounting, foundation.core.budgetBytes);
  const eviction = new Eviction({
    ...{ ...foundation, ...around },
    budgets: budgetsOf(foundation.config, memory, registry, store),
    // Views have no key: they go with the shapes that use them.
    isInUse: (id) => isInUse(id) || registry.keyOf(id) === undefined,
  });
  const refused = () => {
    memory.refused();
    eviction.consider();
  };
  return { eviction, room: { admit: () => eviction.admit(), refused } };
}

type Behind = Pick<ShapeAdminOptions, "viewKeeper"> &
  Pick<ShapesOptions, "registry" | "templates" | "store" | "creator" | "cleaner"> &
  Pick<ShapesOptions, "waitingRoom"> &
  Pick<ShapeAdminOptions, "router" | "views"> & {
    readonly acknowledger: Acknowledger;
    readonly moves: Pick<Moves, "heldOf" | "watches">;
    readonly boundaries: BoundaryQueue;
    readonly onSchemaChanged: ShapesOptions["onTableChanged"];
  };

/** What clients and operators see of it all. */
function openDoor(foundation: Foundation, behind: Behind) {
  const { caseMapping, inspector, publication, readiness, timeZones } = foundation;
  const { boundaries, moves } = behind;
  const subsets = new Subsets({ source: foundation.subsets, watches: moves.watches, boundaries });
  const shapes = new Shapes({
    ...{ ...behind, readiness, subsets, caseMapping, timeZones },
    stackId: foundation.config.databaseId,
    knownTable: ({ schema, name }) => inspector.knownTable(schema, name),
    findTable: ({ schema, name }) => inspector.findTable(schema, name),
    refreshTable: ({ schema, name }) => inspector.refreshTable(schema, name),
    onTableChanged: behind.onSchemaChanged,
    publishesGeneratedColumns: () => publication.publishesGeneratedColumns(),
    processedLsn: () => behind.acknowledger.processed,
    heldOf: (id) => moves.heldOf(id),
  });
  const admin = new ShapeAdmin({ ...behind, shapes, facts: { caseMapping } });
  return { shapes, admin };
}
