/** The figures of a run, in the order in which a report shows them. */

import { formatBytes, formatCount, formatMib, formatMs, formatRate, formatUs } from "./format.ts";
import type { Measurement, Turns } from "./measurement.ts";

export interface Figure {
  readonly label: string;
  readonly better: "less" | "more" | "neither";
  /** As what it is said aloud that the core falls short of `RATIO_WANTED`; undefined: it is not. */
  readonly goal?: string;
  readonly format: (value: number) => string;
  /** Undefined: the workload has none. */
  readonly of: (measurement: Measurement, shapeCount: number) => number | undefined;
}

/** The core is to be this much better than whatever it is compared with. */
export const RATIO_WANTED = 2;

export const BYTES_PER_SHAPE: Figure = {
  label: "bytes per shape, committed",
  better: "less",
  goal: "bytes per shape",
  format: formatBytes,
  of: ({ memory }, shapeCount) => memory.committedBytes / shapeCount,
};

export const RSS: Figure = {
  label: "RSS of the whole process, MiB",
  better: "less",
  goal: "RSS of the process",
  format: formatMib,
  of: ({ memory }) => memory.after.rssBytes,
};

export const FIGURES: readonly Figure[] = [
  BYTES_PER_SHAPE,
  {
    label: "of them live",
    better: "less",
    format: formatBytes,
    of: ({ memory }, shapeCount) => memory.liveBytes / shapeCount,
  },
  process("heapUsed, MiB", ({ after }) => after.heapUsedBytes),
  process("external, MiB", ({ after }) => after.externalBytes),
  RSS,
  process("RSS before there was an engine, MiB", ({ before }) => before.rssBytes),
  process("peak RSS, MiB", ({ peakRssBytes }) => peakRssBytes),
  {
    label: "shapes added per second",
    better: "more",
    goal: "additions",
    format: formatRate,
    of: ({ building }) => building.perSecond,
  },
  pause("longest batch of 1,024 additions, ms", (run) => run.building.longestBatchMs),
  count("collections while adding", (run) => run.building.collections.count),
  pause("their total, ms", (run) => run.building.collections.totalMs),
  pause("the longest of them, ms", (run) => run.building.collections.longestMs),
  pause("one full collection with all shapes, ms", (run) => run.memory.fullCollectionMs),
  lookup("p50", ({ lookups }) => lookups?.p50Ns, "lookups"),
  lookup("p99", ({ lookups }) => lookups?.p99Ns),
  ...turns("churn", ({ churn }) => churn),
  ...turns("other work", ({ idle }) => idle),
];

function process(label: string, of: (memory: Measurement["memory"]) => number): Figure {
  const read = ({ memory }: Measurement): number => of(memory);
  return { label, better: "neither", format: formatMib, of: read };
}

function pause(label: string, of: Figure["of"], goal?: string): Figure {
  return { label, better: "less", format: formatMs, of, ...(goal && { goal }) };
}

function lookup(which: string, of: Figure["of"], goal?: string): Figure {
  const label = `lookup by definition, ${which}, microseconds`;
  return { label, better: "less", format: formatUs, of, ...(goal && { goal }) };
}

function count(label: string, of: Figure["of"]): Figure {
  return { label, better: "neither", format: formatCount, of };
}

/** What a client would notice: how long the event loop was away. */
function turns(name: string, of: (measurement: Measurement) => Turns | undefined): Figure[] {
  return [
    pause(`${name}: median turn of the event loop, ms`, (run) => of(run)?.p50Ms),
    pause(`${name}: p99 turn, ms`, (run) => of(run)?.p99Ms),
    pause(`${name}: longest event-loop delay, ms`, (run) => of(run)?.longestMs, "longest delay"),
    {
      label: `${name}: threads without a processor, total ms`,
      better: "neither",
      format: formatMs,
      of: (run) => of(run)?.waitedMs,
    },
    count(`${name}: collections`, (run) => of(run)?.collections.count),
    pause(`${name}: their total, ms`, (run) => of(run)?.collections.totalMs, "collections"),
    pause(`${name}: the longest of them, ms`, (run) => of(run)?.collections.longestMs),
  ];
}
