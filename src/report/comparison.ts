/**
 * What follows from the runs: the median of the repetitions for each figure, how many times the
 * core is better than each baseline, and where that is not enough. Nothing is left out because it
 * looks bad: sizes at which Node itself is most of the process are rows like all others.
 */

import type { ReportDocument, Run } from "./document.ts";
import { FIGURES, RATIO_WANTED, type Figure } from "./figures.ts";
import { formatCount, formatRatio } from "./format.ts";
import { median } from "./measure.ts";
import { BASELINE_NAMES, ENGINE_NAMES, type BaselineName, type EngineName } from "./workload.ts";

export interface Value {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export interface ComparedFigure {
  readonly figure: Figure;
  readonly values: Readonly<Partial<Record<EngineName, Value>>>;
  /** How many times the core is better; absent where that cannot be said. */
  readonly ratios: Readonly<Partial<Record<BaselineName, number>>>;
}

/** One workload at one size. */
export interface Comparison {
  readonly workload: string;
  readonly shapeCount: number;
  readonly runs: readonly Run[];
  readonly figures: readonly ComparedFigure[];
  /** Goals of which the core falls short, and by how much. */
  readonly shortfalls: readonly string[];
}

/** In the order of the workloads, sizes ascending. */
export function compare({ runs }: ReportDocument): readonly Comparison[] {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const name = `${run.workload} ${run.shapeCount}`;
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
  const workloads = [...new Set(runs.map(({ workload }) => workload))];
  return [...groups.values()].map(compareGroup).sort((a, b) => {
    const byWorkload = workloads.indexOf(a.workload) - workloads.indexOf(b.workload);
    return byWorkload === 0 ? a.shapeCount - b.shapeCount : byWorkload;
  });
}

/** One loud line for each workload and size in which the core is less than twice as good. */
export function loudLines(comparisons: readonly Comparison[]): readonly string[] {
  return comparisons
    .filter(({ shortfalls }) => shortfalls.length > 0)
    .map(({ workload, shapeCount, shortfalls }) => {
      return `${workload}, ${formatCount(shapeCount)} shapes: ${shortfalls.join("; ")}`;
    });
}

export function valueOf(
  { figures }: Comparison,
  figure: Figure,
  engine: EngineName,
): Value | undefined {
  return figures.find((compared) => compared.figure === figure)?.values[engine];
}

function compareGroup(runs: readonly Run[]): Comparison {
  const { workload, shapeCount } = runs[0]!;
  const figures = FIGURES.map((figure) => compareFigure(figure, runs)).filter(
    ({ values }) => Object.keys(values).length > 0,
  );
  return { workload, shapeCount, runs, figures, shortfalls: figures.flatMap(shortfallsOf) };
}

function compareFigure(figure: Figure, runs: readonly Run[]): ComparedFigure {
  const values: Partial<Record<EngineName, Value>> = {};
  for (const engine of ENGINE_NAMES) {
    const all = runs
      .filter((run) => run.engine === engine)
      .flatMap(({ measurement, shapeCount }) => figure.of(measurement, shapeCount) ?? []);
    if (all.length === 0) continue;
    values[engine] = { median: median(all), lowest: Math.min(...all), highest: Math.max(...all) };
  }
  const ratios: Partial<Record<BaselineName, number>> = {};
  for (const name of BASELINE_NAMES) {
    const ratio = ratioOf(figure, values.core?.median, values[name]?.median);
    if (ratio !== undefined) ratios[name] = ratio;
  }
  return { figure, values, ratios };
}

function ratioOf(
  { better }: Figure,
  core: number | undefined,
  other: number | undefined,
): number | undefined {
  if (core === undefined || other === undefined || better === "neither") return undefined;
  // What was too short to be seen, or shrank, has no ratio.
  if (core <= 0 || other <= 0) return undefined;
  return better === "less" ? other / core : core / other;
}

/** Whether the core falls short of a goal: of other figures it is not expected. */
export function isShort({ goal }: Figure, ratio: number): boolean {
  return goal !== undefined && ratio < RATIO_WANTED;
}

function shortfallsOf({ figure, ratios }: ComparedFigure): string[] {
  const short = BASELINE_NAMES.flatMap((name) => {
    const ratio = ratios[name];
    return ratio === undefined || !isShort(figure, ratio)
      ? []
      : [`${formatRatio(ratio)} of ${name}`];
  });
  return short.length === 0 ? [] : [`${figure.goal} ${short.join(" and ")}`];
}
