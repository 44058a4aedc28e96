/** What the page and the Markdown have in common: rows of text, from the document. */

import type { Comparison } from "./comparison.ts";
import type { ReportDocument } from "./document.ts";
import { formatBytes, formatCount } from "./format.ts";
import type { StructureReport } from "./structure-report.ts";

/** Above this the machine had other work than ours when the report was begun. */
const QUIET_LOAD_MAX = 1.5;

export function describeOrigin(document: ReportDocument): readonly (readonly [string, string])[] {
  const { environment, parameters, command, date } = document;
  const { processor, processorCount, memoryGib, platform, loadBefore } = environment;
  const isQuiet = loadBefore <= QUIET_LOAD_MAX;
  const measured: [string, string][] = [
    ["workloads", parameters.workloads.join(", ")],
    ["shapes", parameters.shapeCounts.map(formatCount).join(" / ")],
    ["repetitions", parameters.repetitions === 1 ? "1" : `${parameters.repetitions}, medians`],
    ["seed", String(parameters.seed)],
  ];
  return [
    ["machine", `${processor}, ${processorCount} cores, ${memoryGib} GiB, ${platform}`],
    ["load when it began", isQuiet ? String(loadBefore) : `${loadBefore}: the machine was BUSY`],
    ["versions", `litz ${environment.litz}, Node ${environment.node}, V8 ${environment.v8}`],
    ["commit", environment.commit],
    ["date", date],
    ["command", command],
    ...measured,
  ];
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
