/**
 * The pipeline on one screen: one constant per stage, in the order in which data flows.
 *
 *     Postgres ─> replication ─> collector ─> router (core) ─> shapes ─> storage ─> http
 *
 * Where data or news flows against this order, the later stage is reached through a function.
 */

import { Acknowledger } from "./collector/acknowledger.ts";
import { LogCollector } from "./collector/log-collector.ts";
import type { Config } from "./config.ts";
import type { Clock } from "./lib/clock.ts";
import type { Logger } from "./lib/logger.ts";
import type { CaseMapping } from "./model/case-mapping.ts";
import type { RelationId, ShapeId } from "./model/ids.ts";
import type { Lsn } from "./model/lsn.ts";
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
import { Waiters } from "./router/waiters.ts";
import { BoundaryQueue } from "./shapes/boundary-queue.ts";
import { ChangeWriter } from "./shapes/change-writer.ts";
import type { Readiness } from "./shapes/readiness.ts";
import { Partitions } from "./shapes/partitions.ts";
import { ShapeRegistry } from "./shapes/registry.ts";
import { removeUnusableShapes, restoreShapes } from "./shapes/restore.ts";
import { ShapeAdmin, type ShapeAdminOptions } from "./shapes/shape-admin.ts";
import { ShapeCleaner } from "./shapes/shape-cleaner.ts";
import { ShapeCreator, type SnapshotSource } from "./shapes/shape-creator.ts";
import { ShapeLimit } from "./shapes/shape-limit.ts";
import { Shapes, type ShapesOptions, type TimeZoneSource } from "./shapes/shapes.ts";
import { StreamSubscriber } from "./shapes/stream-subscriber.ts";
import { TableKeeper } from "./shapes/table-keeper.ts";
import { TemplateRegistry } from "./shapes/template-registry.ts";
import { WaitingRoom } from "./shapes/waiting-room.ts";
import { openStore } from "./storage/open-store.ts";

/** What the pipeline stands on: it neither makes nor closes these. */
export interface Foundation {
  readonly config: Config;
  readonly core: Core;
  readonly inspector: Inspector;
  readonly publication: Publication;
  readonly snapshots: SnapshotSource;
  readonly subsets: SubsetReader;
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
  const { config, core, inspector, logger, publication, snapshots } = foundation;
  const router = new Router(core);
  const flushTracker = new FlushTracker(core);
  const waitingRoom = new WaitingRoom(new Waiters(core));
  const durable = (position: Lsn, slots: Uint32Array, count: number) => {
    waitingRoom.grown(slots, count);
    collector.durable(position);
  };
  const store = openStore({
    ...foundation,
    postings: new PostingBuffer(core),
    chunkBytesThreshold: config.chunkBytesThreshold,
    listener: { durable, failed: foundation.onStorageFailure },
  });
  const registry = new ShapeRegistry(
    new ShapeTable(core),
    store.epochMicroseconds,
    foundation.clock,
  );
  const catalog = new TableCatalog(inspector, publication);
  const partitions: Partitions = new Partitions({
    ...{ router, catalog, store },
    templates: () => templates,
    invalidate: (oid, why) => keeper.invalidate(oid, why),
  });
  const templates = new TemplateRegistry(router, partitions, foundation);
  const stages = { router, registry, templates, store, logger };
  const { unplaced, unusable } = await restoreShapes(stages);

  const boundaries = new BoundaryQueue(() => collector.requestBoundary());
  const writer = new ChangeWriter({
    ...stages,
    flushTracker,
    gateBytesMax: config.snapshotBufferBytesMax,
    onOverfull: (id) => creator.stopOverfull(id),
    onReleased: () => collector.acknowledge(),
  });
  const stopSnapshot = (id: ShapeId, reason: Error) => creator.stop(id, reason);
  const cleaner = new ShapeCleaner({ ...stages, writer, boundaries, waitingRoom, stopSnapshot });
  const publish = async (table: Table) => {
    await publication.ensure(table);
    await partitions.prepare(table);
  };
  const keeper: TableKeeper = new TableKeeper({ ...stages, cleaner, catalog, partitions });
  const onSchemaChanged = (table: Table) => keeper.reconsider(table.oid);
  const creating = { ...stages, writer, boundaries, cleaner, snapshots, publish, onSchemaChanged };
  const creator = new ShapeCreator(creating);

  const parts = { writer, boundaries, cleaner, keeper, partitions, catalog };
  const subscriber = new StreamSubscriber({ ...stages, ...parts });
  const acknowledger = new Acknowledger(() => flushTracker.lowest());
  const { rowBytesMax } = config;
  const oidOf = (relation: RelationId) => templates.oidOf(relation);
  const reading = { router, acknowledger, subscriber, congestion: store, oidOf, rowBytesMax };
  const collector = new LogCollector(reading);
  collector.startAt(store.position);
  await removeUnusableShapes(unusable, store);

  const door = openDoor(foundation, {
    ...{ ...stages, creator, cleaner, waitingRoom, acknowledger, onSchemaChanged },
  });
  const limit = new ShapeLimit({ ...stages, cleaner, boundaries, shapesMax: config.shapesMax });
  const rest = { acknowledger, cleaner, collector, core, creator, keeper, limit, partitions };
  return {
    ...{ ...stages, ...door, ...rest, unplaced, waitingRoom, writer },
    accounting: new Accounting(core),
  };
}

type Behind = Pick<ShapesOptions, "registry" | "templates" | "store" | "creator" | "cleaner"> &
  Pick<ShapesOptions, "waitingRoom"> &
  Pick<ShapeAdminOptions, "router"> & {
    readonly acknowledger: Acknowledger;
    readonly onSchemaChanged: ShapesOptions["onTableChanged"];
  };

/** What clients and operators see of it all. */
function openDoor(foundation: Foundation, behind: Behind) {
  const { caseMapping, inspector, publication, readiness, subsets, timeZones } = foundation;
  const shapes = new Shapes({
    ...{ ...behind, readiness, subsets, caseMapping, timeZones },
    findTable: ({ schema, name }) => inspector.findTable(schema, name),
    refreshTable: ({ schema, name }) => inspector.refreshTable(schema, name),
    onTableChanged: behind.onSchemaChanged,
    publishesGeneratedColumns: () => publication.publishesGeneratedColumns(),
    processedLsn: () => behind.acknowledger.processed,
  });
  const admin = new ShapeAdmin({ ...behind, shapes, facts: { caseMapping } });
  return { shapes, admin };
}
