/** A report as Markdown: for a terminal, a commit, an issue. */

import { compare, isShort, loudLines, type ComparedFigure, type Comparison } from "./comparison.ts";
import type { Failure, HeapBreakdown, ReportDocument } from "./document.ts";
import { formatBytes, formatCount, formatRatio } from "./format.ts";
import { describeOrigin, largestOfEach, structuresOf, titleOf } from "./report-parts.ts";
import { serverRows } from "./server/server-rows.ts";
import { gainRows, GAINS_ABOUT, GAINS_HEAD, GAINS_TITLE } from "./subqueries/gains.ts";
import { BASELINE_NAMES, ENGINE_NAMES } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

export function renderMarkdown(document: ReportDocument): string {
  const comparisons = compare(document);
  const sections = [`# ${titleOf(document)}`, originList(document)];
  if (document.failures.length > 0) sections.push(failureSection(document.failures));
  if (document.runs.length > 0) sections.push(loudSection(comparisons));
  sections.push(...comparisons.map(comparisonSection));
  sections.push(...gainsSection(comparisons));
  sections.push(...largestOfEach(comparisons).map(structureSection));
  if (document.heaps.length > 0) sections.push(heapSection(document.heaps));
  for (const run of document.servers) {
    const title = `## A server over HTTP, ${formatCount(run.shapeCount)} shapes`;
    const rows = serverRows(run).map(([label, value]) => row([label, value]));
    sections.push([title, "", row(["", run.url]), row(["---", "---:"]), ...rows].join("\n"));
  }
  return `${sections.join("\n\n")}\n`;
}

function originList(document: ReportDocument): string {
  return describeOrigin(document)
    .map(([label, value]) => `- ${label}: ${label === "command" ? `\`${value}\`` : value}`)
    .join("\n");
}

function failureSection(failures: readonly Failure[]): string {
  const lines = failures.map(({ what, why }) => `- **!!! ${what}**: ${why}`);
  return ["## What could not be measured", "", ...lines].join("\n");
}

function loudSection(comparisons: readonly Comparison[]): string {
  const lines = loudLines(comparisons).map((line) => `- **!!! ${line}**`);
  const title = "## Where the core is less than twice as good";
  return [title, "", ...(lines.length === 0 ? ["Nowhere."] : lines)].join("\n");
}

function comparisonSection({ workload, shapeCount, figures }: Comparison): string {
  const ratios = BASELINE_NAMES.map((name) => `core vs ${name}`);
  return [
    `## ${workload}, ${formatCount(shapeCount)} shapes`,
    "",
    workloadNamed(workload).about,
    "",
    row(["", ...ENGINE_NAMES, ...ratios]),
    row(["---", ...[...ENGINE_NAMES, ...ratios].map(() => "---:")]),
    ...figures.map(figureRow),
  ].join("\n");
}

function figureRow({ figure, values, ratios }: ComparedFigure): string {
  const cells = ENGINE_NAMES.map((engine) => {
    const value = values[engine];
    return value === undefined ? "" : figure.format(value.median);
  });
  const compared = BASELINE_NAMES.map((name) => {
    const ratio = ratios[name];
    if (ratio === undefined) return "";
    return isShort(figure, ratio) ? `**${formatRatio(ratio)}**` : formatRatio(ratio);
  });
  return row([figure.label, ...cells, ...compared]);
}

/** None where no subqueries were measured. */
function gainsSection(comparisons: readonly Comparison[]): readonly string[] {
  const rows = gainRows(comparisons);
  if (rows.length === 0) return [];
  const rule = GAINS_HEAD.map((_, column) => (column === 0 ? "---" : "---:"));
  const table = [GAINS_HEAD, rule, ...rows].map(row).join("\n");
  return [`## ${GAINS_TITLE}`, GAINS_ABOUT, table];
}

function structureSection(comparison: Comparison): string {
  const { workload, shapeCount } = comparison;
  return [
    `## ${workload}: the core's structures at ${formatCount(shapeCount)} shapes`,
    "",
    row(["structure", "entries", "live", "committed", "wasted", "bytes per shape"]),
    row(["---", "---:", "---:", "---:", "---:", "---:"]),
    ...structuresOf(comparison).map(row),
  ].join("\n");
}

function heapSection(heaps: readonly HeapBreakdown[]): string {
  const tables = heaps.map(({ workload, engine, shapeCount, shares }) =>
    [
      `${workload}, ${engine}, ${formatCount(shapeCount)} shapes:`,
      "",
      row(["constructor", "count", "bytes per shape"]),
      row(["---", "---:", "---:"]),
      ...shares.map(({ constructorName, count, bytes }) =>
        row([constructorName, formatCount(count), formatBytes(bytes / shapeCount)]),
      ),
    ].join("\n"),
  );
  return ["## Where the JavaScript heap goes", ...tables].join("\n\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
