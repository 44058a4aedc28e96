/** What the page and the Markdown have in common: rows of text, from the document. */

import type { Comparison } from "./comparison.ts";
import type { Parameters, ReportDocument } from "./document.ts";
import { formatBytes, formatCount } from "./format.ts";
import type { StructureReport } from "./structure-report.ts";
import { sizesOf, workloadNamed } from "./workloads.ts";

/** Above this the machine had other work than ours when the report was begun. */
const QUIET_LOAD_MAX = 1.5;

export function describeOrigin(document: ReportDocument): readonly (readonly [string, string])[] {
  const { environment, parameters, command, date } = document;
  const { processor, processorCount, memoryGib, platform, loadBefore } = environment;
  const isQuiet = loadBefore <= QUIET_LOAD_MAX;
  return [
    ["machine", `${processor}, ${processorCount} cores, ${memoryGib} GiB, ${platform}`],
    ["load when it began", isQuiet ? String(loadBefore) : `${loadBefore}: the machine was BUSY`],
    ["versions", `litz ${environment.litz}, Node ${environment.node}, V8 ${environment.v8}`],
    ["commit", environment.commit],
    ["date", date],
    ["command", command],
    ...describeParameters(parameters),
  ];
}

function describeParameters(parameters: Parameters): readonly (readonly [string, string])[] {
  const { workloads, shapeCounts, repetitions, seed } = parameters;
  const leftOut = workloads
    .filter((name) => sizesOf(name, shapeCounts).length < shapeCounts.length)
    .map((name) => `${name} above ${formatCount(workloadNamed(name).shapesMax!)} shapes`);
  const ofMemory: [string, string][] = [
    ["workloads", workloads.join(", ")],
    ["repetitions", repetitions === 1 ? "1" : `${repetitions}, medians`],
  ];
  return [
    ["shapes", shapeCounts.map(formatCount).join(" / ")],
    // A server over HTTP is measured with none.
    ...(workloads.length === 0 ? [] : ofMemory),
    ...(leftOut.length === 0 ? [] : ([["left out", leftOut.join(", ")]] as const)),
    ["seed", String(seed)],
  ];
}

export function titleOf({ servers }: ReportDocument): string {
  return servers.length > 0 ? "litz: report of a server" : "litz: memory report";
}

/** The largest size of each workload. REQUIRES: sizes ascending. */
export function largestOfEach(comparisons: readonly Comparison[]): readonly Comparison[] {
  return comparisons.filter(({ workload }, index) => comparisons[index + 1]?.workload !== workload);
}

/** Structure, entries, live, committed, wasted, bytes per shape; the sum last. */
export function structuresOf({ runs, shapeCount }: Comparison): readonly (readonly string[])[] {
  const core = runs.find(({ engine }) => engine === "core");
  const structures = core?.measurement.memory.structures ?? [];
  const held = structures.filter(({ committedBytes }) => committedBytes > 0);
  const rows = held.map(({ structure, isOfShapes, ...figures }) =>
    structureRow(isOfShapes ? structure : `${structure} (not of shapes)`, figures, shapeCount),
  );
  if (held.length === 0) return rows;
  return [...rows, structureRow("linear memory", sumOf(held), shapeCount)];
}

type Sizes = Pick<StructureReport, "entries" | "liveBytes" | "committedBytes">;

function structureRow(
  name: string,
  { entries, liveBytes, committedBytes }: Sizes,
  shapeCount: number,
): readonly string[] {
  const sizes = [liveBytes, committedBytes, committedBytes - liveBytes].map(formatCount);
  const perShape = formatBytes(committedBytes / shapeCount);
  return [name, entries === 0 ? "" : formatCount(entries), ...sizes, perShape];
}

/** Entries of different structures are different things. */
function sumOf(structures: readonly StructureReport[]): Sizes {
  let liveBytes = 0;
  let committedBytes = 0;
  for (const structure of structures) {
    liveBytes += structure.liveBytes;
    committedBytes += structure.committedBytes;
  }
  return { entries: 0, liveBytes, committedBytes };
}
