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

export type Pipeline = ReturnType<typeof openPipeline>;

/**
 * Opens storage and brings back its shapes; nothing is read from Postgres yet.
 *
 * @throws {LitzError} when storage cannot be opened or the shapes do not fit in the core's budget.
 */
export function openPipeline(foundation: Foundation) {
  const { config, core, inspector, logger } = foundation;

  const router = new Router(core);
  const table = new ShapeTable(core);
  const flushTracker = new FlushTracker(core);
  const waitingRoom = new WaitingRoom(new Waiters(core));
  const postings = new PostingBuffer(core);
  const accounting = new Accounting(core);

  const store = openStore({
    directory: foundation.directory,
    databaseIdentity: foundation.databaseIdentity,
    postings,
    chunkBytesThreshold: config.chunkBytesThreshold,
    clock: foundation.clock,
    listener: {
      durable: (position, slots, count) => {
        waitingRoom.grown(slots, count);
        collector.durable(position);
      },
      failed: foundation.onStorageFailure,
    },
  });
  const registry = new ShapeRegistry(table, store.epochMicroseconds);
  const templates = new TemplateRegistry(router);
  const unplaced = restoreShapes({ router, registry, templates, store });

  const boundaries = new BoundaryQueue(() => collector.requestBoundary());
  const writer = new ChangeWriter({
    router,
    registry,
    flushTracker,
    store,
    gateBytesMax: config.snapshotBufferBytesMax,
    onOverfull: (id) => creator.stopOverfull(id),
    onReleased: () => collector.acknowledge(),
  });
  const cleaner = new ShapeCleaner({
    router,
    registry,
    templates,
    store,
    writer,
    boundaries,
    waitingRoom,
    stopSnapshot: (id, reason) => creator.stop(id, reason),
  });
  const creator = new ShapeCreator({
    router,
    registry,
    templates,
    store,
    writer,
    boundaries,
    snapshots: foundation.snapshots,
    publish: (table) => foundation.publication.ensure(table),
    cleaner,
    logger,
  });
  const subscriber = new StreamSubscriber({
    writer,
    boundaries,
    templates,
    cleaner,
    invalidateTable: (oid) => {
      inspector.invalidate(oid);
      foundation.publication.forget(oid);
    },
    logger,
  });
  const acknowledger = new Acknowledger(() => flushTracker.lowest());
  const collector = new LogCollector({
    router,
    acknowledger,
    congestion: store,
    subscriber,
    oidOf: (relation) => templates.oidOf(relation),
    rowBytesMax: config.rowBytesMax,
  });
  collector.startAt(store.position);

  const shapes = new Shapes({
    registry,
    templates,
    store,
    creator,
    cleaner,
    waitingRoom,
    findTable: (name) => inspector.findTable(name.schema, name.name),
    processedLsn: () => acknowledger.processed,
    readiness: foundation.readiness,
  });
  return {
    accounting,
    acknowledger,
    cleaner,
    collector,
    /** The size of linear memory. */
    coreBytes: () => core.bytes.byteLength,
    creator,
    registry,
    shapes,
    store,
    templates,
    unplaced,
    waitingRoom,
    writer,
  };
}
