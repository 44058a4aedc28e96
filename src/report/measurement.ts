/** What a run answers with: plain numbers, which are the raw data of a report. */

import type { StructureReport } from "./structure-report.ts";
import type { EngineName } from "./workload.ts";

/** Which run it was. */
export interface RunOptions {
  readonly workload: string;
  readonly engine: EngineName;
  readonly shapeCount: number;
  readonly seed: number;
}

export interface Collections {
  readonly count: number;
  readonly totalMs: number;
  readonly longestMs: number;
}

/** As `process.memoryUsage()` says, after several full collections. */
export interface ProcessMemory {
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  readonly rssBytes: number;
}

export interface Building {
  /** Shapes per second of processor time. */
  readonly perSecond: number;
  /** The longest of the batches of 1,024. Wall time. */
  readonly longestBatchMs: number;
  readonly collections: Collections;
}

export interface HeldMemory {
  /** All of the process before there was an engine. */
  readonly before: ProcessMemory;
  /** All of the process with all shapes in it. */
  readonly after: ProcessMemory;
  readonly peakRssBytes: number;
  /** What the shapes brought: from an engine without any to one with all of them. */
  readonly committedBytes: number;
  readonly liveBytes: number;
  readonly structures: readonly StructureReport[];
  /** One full collection with all shapes there. Wall time. */
  readonly fullCollectionMs: number;
}

export interface Lookups {
  readonly count: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

/** Turns of the event loop. All of it is wall time. */
export interface Turns {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** The longest turn of each hundredth of the run. */
  readonly longestMsByStretch: readonly number[];
  /** For how long threads of the process had no processor in that time, added up. */
  readonly waitedMs: number;
  readonly collections: Collections;
}

export interface Measurement {
  readonly building: Building;
  readonly memory: HeldMemory;
  readonly lookups?: Lookups;
  readonly churn?: Turns;
  readonly idle?: Turns;
}

/** The JavaScript heap that the shapes brought, by what made it; most bytes first. */
export interface HeapShare {
  readonly constructorName: string;
  readonly count: number;
  readonly bytes: number;
}
