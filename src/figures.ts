/**
 * Gathers what is told of a running service (`metrics/figures.ts`) from the stages that count it.
 * Everything is read when somebody asks; Postgres is asked how far it is, at most once a second.
 */

import type { Config } from "./config.ts";
import type { Traffic } from "./http/traffic.ts";
import { VERSION } from "./http/version.ts";
import type { Clock } from "./lib/clock.ts";
import { DurationHistogram } from "./lib/duration-histogram.ts";
import type {
  EngineFigures,
  Figures,
  ReplicationFigures,
  ShapeFigures,
} from "./metrics/figures.ts";
import { SHAPE_CLASSES } from "./model/explanation.ts";
import { formatLsn } from "./model/lsn.ts";
import type { WalWatch } from "./postgres/wal-watch.ts";
import type { DiskWatch } from "./storage/disk-watch.ts";
import type { Pipeline } from "./server.ts";
import type { MeasuredSnapshots } from "./shapes/measured-snapshots.ts";
import type { Readiness } from "./shapes/readiness.ts";
import { classOf } from "./where/explain.ts";

/** From a disk that confirms from its cache to one that is in trouble. */
const SYNC_BOUNDS_SECONDS = [
  ...[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
];

export function syncHistogram(): DurationHistogram {
  return new DurationHistogram(SYNC_BOUNDS_SECONDS);
}

export interface FigureSources {
  readonly config: Config;
  readonly clock: Clock;
  readonly startedAtMs: number;
  readonly readiness: Readiness;
  readonly traffic: Traffic;
  readonly engine: EngineSources | undefined;
}

/** What there is once storage is open. */
export interface EngineSources {
  readonly pipeline: Pipeline;
  readonly snapshots: MeasuredSnapshots;
  readonly syncs: DurationHistogram;
  readonly wal: WalWatch;
  readonly disk: DiskWatch;
}

export async function gatherFigures(sources: FigureSources): Promise<Figures> {
  const { clock, config, engine, readiness, startedAtMs, traffic } = sources;
  const { external, heapUsed, rss } = process.memoryUsage();
  return {
    server: {
      version: VERSION,
      nodeVersion: process.version,
      status: readiness.status,
      startedAtMs,
      uptimeSeconds: (clock.nowMilliseconds() - startedAtMs) / 1000,
    },
    http: traffic.report(),
    process: { heapUsedBytes: heapUsed, externalBytes: external, rssBytes: rss },
    engine: engine === undefined ? null : await engineFigures(engine, config),
  };
}

async function engineFigures(engine: EngineSources, config: Config): Promise<EngineFigures> {
  const { disk, pipeline, snapshots, syncs } = engine;
  // What takes time comes first, so that all other numbers are of one moment.
  const [replication, diskBytes] = await Promise.all([replicationFigures(engine), disk.bytes()]);
  const storage = pipeline.store.statistics();
  return {
    coreBytes: pipeline.core.bytes.byteLength,
    coreBytesMax: config.coreMemoryMax,
    structures: pipeline.accounting.report(),
    shapes: shapeFigures(pipeline),
    snapshots: {
      underWay: pipeline.creator.count,
      failed: snapshots.failedCount,
      durations: snapshots.durations,
    },
    replication,
    evictions: { ...pipeline.eviction.evicted },
    storage: {
      diskBytes: diskBytes ?? null,
      segments: storage.segments,
      pendingBytes: storage.pendingBytes,
      bufferedPostings: storage.bufferedPostings,
      syncs: syncs.report(),
    },
  };
}

function shapeFigures({ registry, templates, waitingRoom }: Pipeline): ShapeFigures {
  const counts = new Map(SHAPE_CLASSES.map((name) => [name, 0]));
  let views = 0;
  for (const { shapeCount, template } of templates.all()) {
    const name = classOf(template.where);
    if (template.projection !== undefined) views += shapeCount;
    else counts.set(name, counts.get(name)! + shapeCount);
  }
  return {
    total: registry.count,
    views,
    templates: templates.templateCount,
    unindexed: counts.get("scan")!,
    classes: [...counts].map(([name, shapes]) => ({ class: name, shapes })),
    waiters: waitingRoom.count,
  };
}

async function replicationFigures({ pipeline, wal }: EngineSources): Promise<ReplicationFigures> {
  const { acknowledger, collector, stream, writer } = pipeline;
  const lag = await wal.lag(() => ({
    confirmed: collector.acknowledged,
    transactionCount: stream.transactionCount,
    delaySeconds: (stream.delayMicroseconds ?? 0) / 1e6,
  }));
  const committed = stream.commitTimeMicroseconds;
  return {
    receivedLsn: formatLsn(acknowledger.received),
    confirmedLsn: formatLsn(collector.acknowledged),
    processedLsn: formatLsn(acknowledger.processed),
    serverLsn: lag === undefined ? null : formatLsn(lag.position),
    lagBytes: lag?.lagBytes ?? null,
    lagSeconds: lag?.lagSeconds ?? null,
    retainedBytes: lag?.retainedBytes ?? null,
    lastCommitSeconds: committed === undefined ? null : committed / 1e6,
    transactions: stream.transactionCount,
    changes: stream.changeCount,
    matchedChanges: writer.bodyCount,
    matches: writer.matchCount,
  };
}
