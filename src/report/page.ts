/**
 * A report as one HTML file that needs nothing beside it: no script, no font, no network. Charts
 * are inline SVG, the raw data is at its end. Light or dark as the reader has it.
 */

import { chartsOf, ENGINE_COLOURS, loadCharts, type Chart } from "./charts.ts";
import {
  compare,
  isShort,
  loudLines,
  valueOf,
  type ComparedFigure,
  type Comparison,
} from "./comparison.ts";
import type { Failure, HeapBreakdown, ReportDocument } from "./document.ts";
import { BYTES_PER_SHAPE } from "./figures.ts";
import { formatBytes, formatCount, formatRatio } from "./format.ts";
import { STYLES } from "./page-styles.ts";
import { describeOrigin, largestOfEach, structuresOf, titleOf } from "./report-parts.ts";
import { serverRows } from "./server/server-rows.ts";
import type { ServerRun } from "./server/server-run.ts";
import { gainRows, GAINS_ABOUT, GAINS_HEAD, GAINS_TITLE } from "./subqueries/gains.ts";
import { BASELINE_NAMES, ENGINE_NAMES, type EngineName } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

export const NO_CHARTS =
  "There are no charts, because vega and vega-lite are not installed. Once they are " +
  "(`npm install vega vega-lite`), `litz report --from report.json` draws them.";

export async function renderPage(document: ReportDocument): Promise<string> {
  const comparisons = compare(document);
  const render = comparisons.length === 0 ? undefined : await loadCharts();
  const sections: string[] = [];
  for (const { workload } of largestOfEach(comparisons)) {
    const sizes = comparisons.filter((each) => each.workload === workload);
    const heaps = document.heaps.filter((each) => each.workload === workload);
    const charts = render === undefined ? [] : await chartsOf(sizes, render);
    sections.push(workloadSection(sizes, heaps, charts));
  }
  const body = [
    header(document, comparisons),
    document.failures.length === 0 ? "" : failureSection(document.failures),
    comparisons.length === 0 ? "" : loudSection(comparisons),
    comparisons.length > 0 && render === undefined ? `<p class="loud">${code(NO_CHARTS)}</p>` : "",
    ...sections,
    gainsSection(comparisons),
    ...document.servers.map(serverSection),
    comparisons.length === 0 ? "" : METHOD,
    rawData(document),
  ].join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${titleOf(document)}</title>
<style>${STYLES}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

function header(document: ReportDocument, comparisons: readonly Comparison[]): string {
  const origin = describeOrigin(document).map(
    ([label, value]) => `<div><dt>${escape(label)}</dt><dd>${escape(value)}</dd></div>`,
  );
  return `<header>
<h1>${titleOf(document)}</h1>
${headline(comparisons)}
<dl class="origin">${origin.join("")}</dl>
</header>`;
}

/** The first workload at its largest size: one sentence and three bars. */
function headline(comparisons: readonly Comparison[]): string {
  const [first] = largestOfEach(comparisons);
  if (first === undefined) return "";
  const values = ENGINE_NAMES.flatMap((engine) => {
    const value = valueOf(first, BYTES_PER_SHAPE, engine);
    return value === undefined ? [] : [{ engine, bytes: value.median }];
  });
  const most = Math.max(...values.map(({ bytes }) => bytes));
  const bars = values.map(({ engine, bytes }) => {
    const width = Math.max(0.5, (100 * bytes) / most).toFixed(1);
    return `<div class="bar"><span>${engine}</span><i style="width:${width}%;background:${
      ENGINE_COLOURS[engine]
    }"></i><b>${formatBytes(bytes)}</b></div>`;
  });
  const what = `${formatCount(first.shapeCount)} shapes, ${first.workload}`;
  return `<p>Bytes per shape, ${what}. The same contract, kept three times: in Maps keyed by the
handle, in Maps and arrays keyed by small integers, and in litz's core.</p>
<div class="bars">${bars.join("")}</div>`;
}

function failureSection(failures: readonly Failure[]): string {
  const items = failures.map(({ what, why }) => `<li><b>${escape(what)}</b> ${escape(why)}</li>`);
  return `<section class="loud"><h2>What could not be measured</h2>
<ul>${items.join("\n")}</ul></section>`;
}

function loudSection(comparisons: readonly Comparison[]): string {
  const lines = loudLines(comparisons);
  if (lines.length === 0) {
    return `<section><h2>Where the core is less than twice as good</h2><p>Nowhere.</p></section>`;
  }
  const items = lines.map((line) => {
    const [where, shortfalls] = line.split(/: (.*)/);
    return `<li><b>${escape(where!)}</b> ${escape(shortfalls!)}</li>`;
  });
  return `<section class="loud"><h2>Where the core is less than twice as good</h2>
<ul>${items.join("\n")}</ul></section>`;
}

function workloadSection(
  sizes: readonly Comparison[],
  heaps: readonly HeapBreakdown[],
  charts: readonly Chart[],
): string {
  const largest = sizes.at(-1)!;
  const figures = charts.map(
    ({ title, svg }) => `<figure>${svg}<figcaption>${escape(title)}</figcaption></figure>`,
  );
  const tables = sizes.map((comparison) => sizeDetails(comparison, comparison === largest));
  return `<section id="${largest.workload}">
<h2>${escape(largest.workload)}</h2>
<p>${code(workloadNamed(largest.workload).about)}</p>
<div class="charts">${figures.join("\n")}</div>
${tables.reverse().join("\n")}
${structureDetails(largest)}
${heaps.length === 0 ? "" : heapDetails(heaps)}
</section>`;
}

function sizeDetails({ shapeCount, figures }: Comparison, isOpen: boolean): string {
  const ratios = BASELINE_NAMES.map((name) => `core vs ${name}`);
  const rows = figures.map(figureCells);
  return `<details${isOpen ? " open" : ""}><summary>${formatCount(shapeCount)} shapes</summary>
${table(["", ...ENGINE_NAMES, ...ratios], rows)}</details>`;
}

function figureCells({ figure, values, ratios }: ComparedFigure): readonly string[] {
  const measured = ENGINE_NAMES.map((engine) => {
    const value = values[engine];
    if (value === undefined) return "";
    const { format } = figure;
    const range = `${format(value.lowest)} to ${format(value.highest)}`;
    return `<span title="${range}">${format(value.median)}</span>`;
  });
  const compared = BASELINE_NAMES.map((name) => {
    const ratio = ratios[name];
    if (ratio === undefined) return "";
    return isShort(figure, ratio)
      ? `<b class="short">${formatRatio(ratio)}</b>`
      : formatRatio(ratio);
  });
  return [escape(figure.label), ...measured, ...compared];
}

function structureDetails(comparison: Comparison): string {
  const head = ["structure", "entries", "live", "committed", "wasted", "bytes per shape"];
  const rows = structuresOf(comparison).map((cells) => cells.map(escape));
  const size = formatCount(comparison.shapeCount);
  return `<details><summary>the core's structures at ${size} shapes</summary>
${table(head, rows)}</details>`;
}

function heapDetails(heaps: readonly HeapBreakdown[]): string {
  const tables = heaps.map(({ engine, shares, shapeCount }) => {
    const rows = shares.map(({ constructorName, count, bytes }) => [
      escape(constructorName),
      formatCount(count),
      formatBytes(bytes / shapeCount),
    ]);
    const head = ["constructor", "count", "bytes per shape"];
    return `<div><h3>${swatch(engine)}${engine}</h3>${table(head, rows)}</div>`;
  });
  const size = formatCount(heaps[0]!.shapeCount);
  return `<details><summary>where the JavaScript heap goes, ${size} shapes</summary>
<div class="heaps">${tables.join("")}</div></details>`;
}

/** Empty where no subqueries were measured. */
function gainsSection(comparisons: readonly Comparison[]): string {
  const rows = gainRows(comparisons).map((cells) => cells.map(escape));
  if (rows.length === 0) return "";
  return `<section><h2>${GAINS_TITLE}</h2><p>${GAINS_ABOUT}</p>
${table(GAINS_HEAD, rows)}</section>`;
}

function serverSection(run: ServerRun): string {
  const rows = serverRows(run).map(([label, value]) => [escape(label), escape(value)]);
  return `<section><h2>A server over HTTP, ${formatCount(run.shapeCount)} shapes</h2>
${table(["", escape(run.url)], rows)}</section>`;
}

const METHOD = `<section><h2>How it was measured</h2>
<p>Every run is a fresh process; engines take turns; a figure is the median of the repetitions, and
hovering over it shows the lowest and the highest. <i>Bytes per shape</i> counts from an engine
without shapes to one with all of them, after several full collections: for the core the committed
pages of its structures, waste included, and for the others what the heap and external memory grew
by, free pages left out, which is known to some 200 kB and says little of a thousand shapes.
<i>RSS</i> is all of the process, Node included: with few shapes Node is
nearly all of it. Rates are per second of processor time, threads of the garbage collector
included; pauses are wall time, and <i>threads without a processor</i> is how long other work on the
machine kept ours from running meanwhile: a collection lasts until the last of its threads was let.
Lookups are timed one by one, less what reading the clock takes.</p>
</section>`;

/** So that the page alone can be measured against. */
function rawData(document: ReportDocument): string {
  const json = JSON.stringify(document).replaceAll("<", "\\u003c");
  return `<script type="application/json" id="report">${json}</script>`;
}

/** @param rows of HTML. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const titles = head.map((title) => `<th scope="col">${title}</th>`).join("");
  const body = rows.map(([first, ...rest]) => {
    const cells = rest.map((cell) => `<td>${cell}</td>`).join("");
    return `<tr><th scope="row">${first}</th>${cells}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${titles}</tr></thead>
<tbody>${body.join("\n")}</tbody></table></div>`;
}

function swatch(engine: EngineName): string {
  return `<i class="swatch" style="background:${ENGINE_COLOURS[engine]}"></i>`;
}

/** Text with code between backticks. */
function code(text: string): string {
  return escape(text).replace(/`([^`]*)`/g, "<code>$1</code>");
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
