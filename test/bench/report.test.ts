/**
 * The report does not flatter.
 *
 * Goal: ratios point the right way for what should be small and for what should be large, the
 * median of the rounds counts, and what falls short, or on which engines disagree, is said aloud.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import type { EngineName } from "../../bench/engines.ts";
import { makeReport, type Run } from "../../bench/report.ts";
import type { Measurements } from "../../bench/workloads.ts";

const TITLE = "churn, 1,000 shapes";

function runOf(engine: EngineName, measurements: Measurements): Run {
  return { workload: "churn", shapeCount: 1000, engine, measurements };
}

test("ratios say how many times the core is better, of small and of large", () => {
  const { markdown, warnings } = makeReport([
    runOf("string-keyed", { "memory.bytesPerShape": 200, "add.perSecond": 100_000 }),
    runOf("core", { "memory.bytesPerShape": 40, "add.perSecond": 300_000 }),
  ]);
  assert.match(markdown, /^\| memory: bytes per shape \| 200\.0 \| 40\.0 \| 5\.0x \|$/m);
  assert.match(markdown, /^\| shapes added per s \| 100\.0 k \| 300\.0 k \| 3\.0x \|$/m);
  assert.deepEqual(warnings, []);
});

test("less than twice as good is said aloud, worse all the more", () => {
  const { markdown, warnings } = makeReport([
    runOf("integer-keyed", { "memory.bytesPerShape": 60, "add.perSecond": 2_000_000 }),
    runOf("core", { "memory.bytesPerShape": 40, "add.perSecond": 1_000_000 }),
  ]);
  assert.match(markdown, /\*\*1\.50x\*\*/);
  assert.match(markdown, /\*\*0\.50x\*\*/);
  assert.deepEqual(warnings, [
    `${TITLE}: memory: bytes per shape: the core is only 1.50 times as good as integer-keyed`,
    `${TITLE}: shapes added per s: the core is only 0.50 times as good as integer-keyed`,
  ]);
});

test("the median of the rounds counts, not the best", () => {
  const rounds = [30, 10, 20].map((value) => runOf("core", { "churn.longestBatchMs": value }));
  assert.match(makeReport(rounds).markdown, /^\| longest batch of 1,024 of them, ms \| 20 \|$/m);
});

test("engines that find different matches are not compared in silence", () => {
  const { warnings } = makeReport([
    runOf("string-keyed", { "route.insert.1.10.bodies.matchesPerRow": 0.1 }),
    runOf("core", { "route.insert.1.10.bodies.matchesPerRow": 0.2 }),
  ]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /DISAGREE/);
});
