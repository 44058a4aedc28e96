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
import type { RelationId, ShapeId } from "./model/ids.ts";
import type { Lsn } from "./model/lsn.ts";
import type { Table } from "./model/table.ts";
import type { Inspector } from "./postgres/inspector.ts";
import type { Publication } from "./postgres/publication.ts";
import type { SnapshotReader } from "./postgres/snapshot-query.ts";
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
import { ShapeRegistry } from "./shapes/registry.ts";
import { restoreShapes } from "./shapes/restore.ts";
import { ShapeCleaner } from "./shapes/shape-cleaner.ts";
import { ShapeCreator } from "./shapes/shape-creator.ts";
import { Shapes } from "./shapes/shapes.ts";
import { StreamSubscriber } from "./shapes/stream-subscriber.ts";
import { TemplateRegistry } from "./shapes/template-registry.ts";
import { WaitingRoom } from "./shapes/waiting-room.ts";
import { openStore } from "./storage/open-store.ts";
import type { RelationName } from "./where/identifiers.ts";

/** What the pipeline stands on: it neither makes nor closes these. */
export interface Foundation {
  readonly config: Config;
  readonly core: Core;
  readonly inspector: Inspector;
  readonly publication: Publication;
  readonly snapshots: SnapshotReader;
  readonly readiness: Readiness;
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
  const { config, core, inspector, logger, publication, readiness, snapshots } = foundation;

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
  const registry = new ShapeRegistry(new ShapeTable(core), store.epochMicroseconds);
  const templates = new TemplateRegistry(router);
  const stages = { router, registry, templates, store, logger };
  const unplaced = await restoreShapes(stages);

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
  const publish = (table: Table) => publication.ensure(table);
  const onSchemaChanged = (table: Table) => subscriber.invalidate(table.oid, "it was redefined");
  const creating = { ...stages, writer, boundaries, cleaner, snapshots, publish, onSchemaChanged };
  const creator = new ShapeCreator(creating);

  const invalidateTable = (oid: number) => {
    inspector.invalidate(oid);
    publication.forget(oid);
  };
  const parts = { writer, boundaries, cleaner, invalidateTable };
  const subscriber = new StreamSubscriber({ ...stages, ...parts });
  const acknowledger = new Acknowledger(() => flushTracker.lowest());
  const { rowBytesMax } = config;
  const oidOf = (relation: RelationId) => templates.oidOf(relation);
  const reading = { router, acknowledger, subscriber, congestion: store, oidOf, rowBytesMax };
  const collector = new LogCollector(reading);
  collector.startAt(store.position);

  const findTable = ({ schema, name }: RelationName) => inspector.findTable(schema, name);
  const processedLsn = () => acknowledger.processed;
  const door = { creator, cleaner, waitingRoom, findTable, processedLsn, readiness };
  const shapes = new Shapes({ ...stages, ...door });
  const accounting = new Accounting(core);
  return {
    ...stages,
    ...door,
    accounting,
    acknowledger,
    collector,
    core,
    shapes,
    unplaced,
    writer,
  };
}
