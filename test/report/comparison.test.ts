/**
 * Goal: the comparison does not flatter. Ratios point the right way for what should be small and
 * for what should be large, the median of the repetitions counts, what falls short is said aloud,
 * and what cannot be compared is not.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { compare, loudLines, valueOf } from "../../src/report/comparison.ts";
import { makeDocument, type ReportDocument, type Run } from "../../src/report/document.ts";
import { BYTES_PER_SHAPE, FIGURES } from "../../src/report/figures.ts";
import { renderMarkdown } from "../../src/report/markdown.ts";
import type { Measurement } from "../../src/report/measurement.ts";
import { renderPage } from "../../src/report/page.ts";
import { gainRows } from "../../src/report/subqueries/gains.ts";
import type { EngineName } from "../../src/report/workload.ts";

const NOTHING = { count: 0, totalMs: 0, longestMs: 0 };
const SHAPES = 1000;

/** A run in which nothing but these differs between engines. */
function runOf(
  engine: EngineName,
  bytesPerShape: number,
  perSecond: number,
  { repetition = 1, workload = "equality" } = {},
): Run {
  const process = { heapUsedBytes: 1e7, externalBytes: 1e6, rssBytes: engine === "core" ? 1 : 2 };
  const measurement: Measurement = {
    building: { perSecond, longestBatchMs: 1, collections: NOTHING },
    memory: {
      before: process,
      after: process,
      peakRssBytes: 1,
      committedBytes: bytesPerShape * SHAPES,
      liveBytes: bytesPerShape * SHAPES,
      structures: [],
      fullCollectionMs: 1,
    },
  };
  return { workload, engine, shapeCount: SHAPES, repetition, measurement };
}

function documentOf(runs: readonly Run[]): ReportDocument {
  return makeDocument({
    date: "2026-11-22T00:00:00.000Z",
    command: "litz report",
    environment: {
      processor: "a <processor>",
      processorCount: 2,
      memoryGib: 8,
      loadBefore: 9,
      platform: "linux x64",
      node: "v20",
      v8: "11",
      litz: "0.1.0",
      commit: "abc",
    },
    parameters: { workloads: ["equality"], shapeCounts: [SHAPES], repetitions: 1, seed: 1 },
    runs,
    heaps: [],
    servers: [],
    failures: [],
  });
}

function ratiosOf(document: ReportDocument, label: RegExp) {
  const [comparison] = compare(document);
  return comparison!.figures.find(({ figure }) => label.test(figure.label))!.ratios;
}

test("ratios say how many times the core is better, of small and of large", () => {
  const document = documentOf([runOf("string-keyed", 200, 1000), runOf("core", 40, 3000)]);
  assert.deepEqual(ratiosOf(document, /^bytes per shape/), { "string-keyed": 5 });
  assert.deepEqual(ratiosOf(document, /added per second/), { "string-keyed": 3 });
  assert.deepEqual(loudLines(compare(document)), []);
});

test("less than twice as good is said aloud, worse all the more", async () => {
  const document = documentOf([runOf("integer-keyed", 60, 2000), runOf("core", 40, 1000)]);
  const line =
    "equality, 1,000 shapes: bytes per shape 1.50x of integer-keyed; " +
    "additions 0.50x of integer-keyed";
  assert.deepEqual(loudLines(compare(document)), [line]);
  assert.ok(renderMarkdown(document).includes(`- **!!! ${line}**`));
  const page = await renderPage(document);
  assert.match(page, /<li><b>equality, 1,000 shapes<\/b> bytes per shape 1\.50x/);
  assert.match(page, /<b class="short">0\.50x<\/b>/);
});

test("the median of the repetitions counts, and the others are kept", () => {
  const runs = [30, 10, 20].map((bytes, index) =>
    runOf("core", bytes, 1, { repetition: index + 1 }),
  );
  const value = valueOf(compare(documentOf(runs))[0]!, BYTES_PER_SHAPE, "core");
  assert.deepEqual(value, { median: 20, lowest: 10, highest: 30 });
});

test("a heap that seems to have shrunk is shown and not compared", () => {
  const document = documentOf([runOf("string-keyed", -5, 1000), runOf("core", 40, 3000)]);
  assert.deepEqual(ratiosOf(document, /^bytes per shape/), {});
  assert.match(renderMarkdown(document), /\| bytes per shape, committed \| -5\.0 \|  \| 40\.0 \|/);
});

test("what ids, the container and sharing give is said apart", async () => {
  const engines = ["string-keyed", "integer-keyed", "core"] as const;
  const runsOf = (workload: string, bytes: readonly number[]): Run[] =>
    engines.map((engine, index) => runOf(engine, bytes[index]!, 1, { workload }));
  const document = documentOf([
    ...runsOf("subqueries-unshared", [900, 600, 120]),
    ...runsOf("subqueries-shared", [300, 200, 80]),
    ...runsOf("subqueries-uuid", [9000, 8000, 1600]),
  ]);
  const integers = ["900.0", "600.0", "1.50x", "120.0", "5.0x", "80.0", "1.50x", "3.0x"];
  const uuids = ["9,000", "8,000", "1.13x", "1,600", "5.0x", "", "", ""];
  const rows = [
    ["10 integers, 1,000 shapes", ...integers],
    ["50 UUIDs, 1,000 shapes", ...uuids],
  ];
  assert.deepEqual(gainRows(compare(document)), rows);
  assert.ok(
    renderMarkdown(document).includes(rows.map((row) => `| ${row.join(" | ")} |`).join("\n")),
  );
  assert.match(await renderPage(document), />10 integers, 1,000 shapes</);
  const ofOthers = documentOf(runsOf("equality", [3, 2, 1]));
  assert.deepEqual(gainRows(compare(ofOthers)), []);
  assert.doesNotMatch(renderMarkdown(ofOthers), /sharing/);
});

test("a busy machine is named, and nothing of the origin is markup", async () => {
  const document = documentOf([runOf("core", 40, 1)]);
  assert.match(renderMarkdown(document), /^- load when it began: 9: the machine was BUSY$/m);
  assert.ok((await renderPage(document)).includes("a &lt;processor&gt;"));
});

test("every figure has a name of its own", () => {
  const labels = FIGURES.map(({ label }) => label);
  assert.equal(new Set(labels).size, labels.length);
});
