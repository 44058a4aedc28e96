/** Turns measurements into Markdown: a row per metric, a column per engine, and their ratios. */

import type { EngineName } from "./engines.ts";
import { median } from "../src/report/measure.ts";
import type { Measurements, WorkloadName } from "./workloads.ts";

/** One run of one engine. */
export interface Run {
  readonly workload: WorkloadName;
  readonly shapeCount: number;
  readonly engine: EngineName;
  readonly measurements: Measurements;
}

/** The core is to be this much better than whatever it is compared with. */
export const RATIO_WANTED = 2;

interface Metric {
  readonly pattern: RegExp;
  /** `same`: not shown, but an engine that differs is reported. */
  readonly better: "less" | "more" | "neither" | "same";
  /** `$1`, `$2` ... are the pattern's groups. */
  readonly label: string;
  readonly format: (value: number) => string;
  /** Whether falling short of `RATIO_WANTED` is said aloud. */
  readonly isGoal: boolean;
}

const bytes = (value: number): string => value.toFixed(1);
const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
const rate = (value: number): string =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : `${(value / 1e3).toFixed(1)} k`;

const MEMORY = "(memory|churned)";
const ROUTE = "route\\.(\\w+)\\.(\\d+)\\.(\\d+)";
const STREAM = "$1, $2 rows per tx, $3 % wanted";

/** In the order of the table. The first pattern that fits a metric names it. */
const METRICS: readonly Metric[] = [
  metric(`${MEMORY}\\.bytesPerShape`, "less", "$1: bytes per shape", bytes, true),
  metric(`${MEMORY}\\.liveBytesPerShape`, "less", "$1: of them live", bytes),
  metric(
    `${MEMORY}\\.heapBytesPerShape`,
    "less",
    "$1: heap + external, free pages too, per shape",
    bytes,
  ),
  metric(`${MEMORY}\\.rssPerShape`, "less", "$1: RSS per shape", bytes),
  metric(`${MEMORY}\\.peakRssMib`, "neither", "$1: peak RSS of the process, MiB", ms),
  metric(`${MEMORY}\\.fullGcMs`, "less", "$1: one full gc(), ms", ms),
  metric("add\\.perSecond", "more", "shapes added per s", rate, true),
  metric("add\\.longestBatchMs", "less", "longest batch of 1,024 adds, ms", ms, true),
  metric("add\\.gcMs", "less", "GC while adding, ms", ms),
  metric("add\\.gcLongestMs", "less", "longest GC while adding, ms", ms),
  metric("remove\\.perSecond", "more", "found and removed per s", rate, true),
  metric("addAgain\\.perSecond", "more", "added again per s", rate, true),
  metric("find\\.perSecond", "more", "shapes found by definition per s", rate, true),
  metric("churn\\.pairsPerSecond", "more", "found, removed and added again per s", rate, true),
  metric("churn\\.longestBatchMs", "less", "longest batch of 1,024 of them, ms", ms, true),
  metric("churn\\.gcMs", "less", "GC while churning, ms", ms),
  metric("churn\\.gcLongestMs", "less", "longest GC while churning, ms", ms),
  metric(
    `${ROUTE}\\.refs\\.rowsPerSecond`,
    "more",
    `${STREAM}: rows/s, bodies by the core only`,
    rate,
  ),
  metric(`${ROUTE}\\.bodies\\.rowsPerSecond`, "more", `${STREAM}: rows/s`, rate, true),
  metric(`${ROUTE}\\.bodies\\.longestCallMs`, "less", `${STREAM}: longest call, ms`, ms),
  metric(`${ROUTE}\\.bodies\\.gcMs`, "less", `${STREAM}: GC, ms`, ms),
  metric(`${ROUTE}\\.bodies\\.matchesPerRow`, "same", `${STREAM}: matches per row`, bytes),
  metric("memory\\.coreMib", "neither", "memory: structures of the core, MiB", bytes),
  metric(`${MEMORY}\\.structure\\.(.+)`, "neither", "$1: bytes per shape in $2", bytes),
];

function metric(
  pattern: string,
  better: Metric["better"],
  label: string,
  format: Metric["format"],
  isGoal = false,
): Metric {
  return { pattern: new RegExp(`^${pattern}$`), better, label, format, isGoal };
}

export interface Report {
  readonly markdown: string;
  /** Where the core is less than twice as good, and where engines disagree. */
  readonly warnings: readonly string[];
}

export function makeReport(runs: readonly Run[]): Report {
  const sections: string[] = [];
  const warnings: string[] = [];
  for (const [title, group] of groupRuns(runs)) {
    const engines = [...new Set(group.map((run) => run.engine))];
    const table = new Table(group, engines);
    sections.push(`## ${title}\n\n${table.markdown()}`);
    warnings.push(...table.warnings().map((warning) => `${title}: ${warning}`));
  }
  return { markdown: sections.join("\n"), warnings };
}

function groupRuns(runs: readonly Run[]): Map<string, Run[]> {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const title = `${run.workload}, ${run.shapeCount.toLocaleString("en")} shapes`;
    groups.set(title, [...(groups.get(title) ?? []), run]);
  }
  return groups;
}

/** One workload at one size. */
class Table {
  readonly #runs: readonly Run[];
  readonly #engines: readonly EngineName[];
  readonly #baselines: readonly EngineName[];

  constructor(runs: readonly Run[], engines: readonly EngineName[]) {
    this.#runs = runs;
    this.#engines = engines;
    this.#baselines = engines.includes("core") ? engines.filter((name) => name !== "core") : [];
  }

  markdown(): string {
    const ratios = this.#baselines.map((name) => `core vs ${name}`);
    const lines = [
      row(["", ...this.#engines, ...ratios]),
      row(["---", ...[...this.#engines, ...ratios].map(() => "---:")]),
    ];
    for (const [name, metric] of this.#metrics()) {
      if (metric.better === "same") continue;
      const values = this.#engines.map((engine) => this.#value(engine, name));
      const cells = values.map((value) => (value === undefined ? "" : metric.format(value)));
      const compared = this.#baselines.map((engine) =>
        formatRatio(this.#ratio(engine, name, metric)),
      );
      lines.push(row([labelOf(name, metric), ...cells, ...compared]));
    }
    return `${lines.join("\n")}\n`;
  }

  warnings(): string[] {
    const warnings: string[] = [];
    for (const [name, metric] of this.#metrics()) {
      for (const engine of this.#baselines) {
        const ratio = this.#ratio(engine, name, metric);
        if (!metric.isGoal || ratio === undefined || ratio >= RATIO_WANTED) continue;
        const label = labelOf(name, metric);
        warnings.push(`${label}: the core is only ${ratio.toFixed(2)} times as good as ${engine}`);
      }
      const values = this.#engines.map((engine) => this.#value(engine, name) ?? 0);
      if (metric.better === "same" && values.some((value) => value !== values[0])) {
        warnings.push(`${labelOf(name, metric)}: the engines DISAGREE: ${values.join(", ")}`);
      }
    }
    return warnings;
  }

  /** Every metric that some engine has, in the order of METRICS. */
  #metrics(): [name: string, metric: Metric][] {
    const names = new Set(this.#runs.flatMap((run) => Object.keys(run.measurements)));
    return METRICS.flatMap((metric) =>
      [...names]
        .filter((name) => metric.pattern.test(name))
        .map((name): [string, Metric] => [name, metric]),
    );
  }

  /** The median of the rounds. */
  #value(engine: EngineName, name: string): number | undefined {
    const values = this.#runs
      .filter((run) => run.engine === engine)
      .flatMap((run) => run.measurements[name] ?? []);
    return values.length === 0 ? undefined : median(values);
  }

  #ratio(engine: EngineName, name: string, { better }: Metric): number | undefined {
    const core = this.#value("core", name);
    const other = this.#value(engine, name);
    if (core === undefined || other === undefined) return undefined;
    if (better !== "less" && better !== "more") return undefined;
    // A pause too short to be seen is no ratio.
    if (core <= 0 || other <= 0) return undefined;
    return better === "less" ? other / core : core / other;
  }
}

function labelOf(name: string, { pattern, label }: Metric): string {
  return name.replace(pattern, label);
}

function formatRatio(ratio: number | undefined): string {
  if (ratio === undefined) return "";
  return ratio >= RATIO_WANTED ? `${ratio.toFixed(1)}x` : `**${ratio.toFixed(2)}x**`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
