/**
 * Everything that is told of a running server, in one object: `GET /admin/status` is it as JSON,
 * `/metrics` is it in the form of Prometheus. Its size depends on how many kinds of things there
 * are, never on how many shapes, tables or clients.
 */

import type { HistogramReport } from "../lib/duration-histogram.ts";
import type { ShapeClass } from "../model/explanation.ts";

export interface Figures {
  readonly server: ServerFigures;
  readonly http: HttpFigures;
  readonly process: ProcessFigures;
  /** Null while storage is being opened. */
  readonly engine: EngineFigures | null;
}

export interface ServerFigures {
  readonly version: string;
  readonly nodeVersion: string;
  readonly status: "active" | "waiting" | "starting";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly uptimeSeconds: number;
}

export interface HttpFigures {
  /** Open sockets of the servers that are ours; those of a host application it counts itself. */
  readonly connections: number;
  /** Requests for shapes under way, waiting ones included, by kind of admission. */
  readonly requests: { readonly initial: number; readonly existing: number };
  /** Those that wait on lanes, without the HTTP layer. */
  readonly waiting: { readonly longPolls: number; readonly eventStreams: number };
  /** Answers since the start, by kind of route and status. */
  readonly answers: readonly AnswerCount[];
}

export interface AnswerCount {
  readonly route: string;
  readonly status: number;
  readonly count: number;
}

export interface ProcessFigures {
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  readonly rssBytes: number;
}

export interface EngineFigures {
  /** Linear memory. */
  readonly coreBytes: number;
  readonly coreBytesMax: number;
  /** They add up to `coreBytes`. */
  readonly structures: readonly StructureFigures[];
  readonly shapes: ShapeFigures;
  readonly snapshots: SnapshotFigures;
  readonly replication: ReplicationFigures;
  /** Shapes that each budget has cost since the start. */
  readonly evictions: { readonly shapes: number; readonly memory: number; readonly disk: number };
  readonly storage: StorageFigures;
}

export interface StructureFigures {
  readonly owner: string;
  readonly entries: number;
  readonly liveBytes: number;
  readonly committedBytes: number;
  readonly wastedBytes: number;
}

export interface ShapeFigures {
  readonly total: number;
  /** Subqueries that shapes stand on, each once. They are no shapes. */
  readonly views: number;
  readonly templates: number;
  /** Those of which every row of the table is tried. */
  readonly unindexed: number;
  /** All classes there are, also those without a shape. */
  readonly classes: readonly { readonly class: ShapeClass; readonly shapes: number }[];
  /** What they wait on in the core: one for all requests that wait for the same thing. */
  readonly waiters: number;
}

export interface SnapshotFigures {
  readonly underWay: number;
  readonly failed: number;
  /** Of those that were read to their end. */
  readonly durations: HistogramReport;
}

export interface ReplicationFigures {
  /** LSNs as Postgres writes them. */
  readonly receivedLsn: string;
  readonly confirmedLsn: string;
  readonly processedLsn: string;
  /** The end of what Postgres has flushed. Null, as all that depends on it: it did not answer. */
  readonly serverLsn: string | null;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  readonly retainedBytes: number | null;
  /** Seconds since 1970, null before the first. */
  readonly lastCommitSeconds: number | null;
  /** Since the start; modulo 2^32. */
  readonly transactions: number;
  readonly changes: number;
  /** Changes that reached a shape, once for each form (columns, replica mode) they had to take. */
  readonly matchedChanges: number;
  /** Shapes that they reached, added up. */
  readonly matches: number;
}

export interface StorageFigures {
  /** Of all files of the data directory. Null: not measured yet. */
  readonly diskBytes: number | null;
  readonly segments: number;
  /** Appended and not synced yet. */
  readonly pendingBytes: number;
  readonly bufferedPostings: number;
  readonly syncs: HistogramReport;
}
