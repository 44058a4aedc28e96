/**
 * One class of WHERE on one engine: memory, adding, removing and routing at a number of shapes.
 * That adding and removing cost the same at any number shows between runs of 10,000, 100,000 and
 * 1,000,000 shapes.
 */

import { IntegerNames } from "../src/report/baseline/shape-names.ts";
import { createCore } from "../src/report/core-engine.ts";
import { heldByShapes } from "../src/report/structure-report.ts";
import {
  collectGarbage,
  Longest,
  settledMemory,
  time,
  type Timing,
} from "../src/report/measure.ts";
import { Random } from "../src/report/random.ts";
import { cutStream } from "../src/report/wal-stream.ts";
import { classClauses, type ClassName } from "../src/report/classes/classes.ts";
import type { ClauseEngine } from "../src/report/classes/clause-set.ts";
import { CoreClauseEngine } from "../src/report/classes/core.ts";
import { makeEventStream } from "../src/report/classes/events.ts";
import { OrdinaryEngine } from "../src/report/classes/ordinary.ts";

export interface ClassOptions {
  readonly name: ClassName;
  readonly engine: "ordinary" | "core";
  readonly shapeCount: number;
  readonly rowCount: number;
  readonly seed: number;
}

/** How many shapes are removed and added again, at most. */
const CHURNED_MAX = 10_000;
/** Where a row costs as much as there are shapes: so many pairs of both. */
const PAIRS_MAX = 20_000_000;
const REPLAYS = 3;

export async function runClass(options: ClassOptions): Promise<Record<string, number>> {
  const { shapeCount, engine: name } = options;
  warmUp(options);
  const before = await settledMemory();
  const engine = createClassEngine(options);
  const emptyBytes = heldBytes(engine);
  const measurements: Record<string, number> = {};

  const adding = time(() => {
    for (let slot = 0; slot < shapeCount; slot += 1) engine.add(slot);
  });
  measurements["add.perSecond"] = perSecond(shapeCount, adding);
  const { heapBytes } = await settledMemory();
  const held = heldBytes(engine);
  const bytes = held === undefined ? heapBytes - before.heapBytes : held - emptyBytes!;
  measurements["memory.bytesPerShape"] = bytes / shapeCount;

  for (const operation of ["insert", "update"] as const) {
    for (const percent of [0, 10]) {
      Object.assign(measurements, route(engine, options, operation, percent));
    }
  }
  Object.assign(measurements, churn(engine, options));
  if (name === "core") measurements["memory.coreMib"] = (held ?? 0) / 2 ** 20;
  return measurements;
}

function route(
  engine: ClauseEngine,
  options: ClassOptions,
  operation: "insert" | "update",
  percent: number,
): Record<string, number> {
  const { name, shapeCount, seed } = options;
  // Without an index every pattern is tried; and a NULL is for all shapes.
  const isOfAll = name === "ilike" || (name === "null" && percent > 0);
  const rowCountMax = isOfAll ? Math.ceil(PAIRS_MAX / shapeCount) : Infinity;
  const rowCount = Math.min(options.rowCount, Math.max(200, rowCountMax));
  const matchedShare = percent / 100;
  const stream = makeEventStream({ seed, rowCount, shapeCount, matchedShare, operation });
  const chunks = cutStream(stream);
  for (const chunk of chunks) engine.route(chunk);
  collectGarbage();
  const longest = new Longest();
  let matches = 0;
  const timing = time(() => {
    for (let replay = 0; replay < REPLAYS; replay += 1) {
      for (const chunk of chunks) {
        longest.step(() => {
          matches += engine.route(chunk);
        });
      }
    }
  });
  const metric = `route.${operation}.1000.${percent}`;
  return {
    [`${metric}.refs.rowsPerSecond`]: perSecond(REPLAYS * rowCount, timing),
    [`${metric}.bodies.matchesPerRow`]: matches / (REPLAYS * rowCount),
  };
}

function churn(engine: ClauseEngine, { shapeCount, seed }: ClassOptions): Record<string, number> {
  const count = Math.min(CHURNED_MAX, shapeCount);
  const random = new Random(seed + 2);
  const slots = new Set<number>();
  while (slots.size < count) slots.add(random.below(shapeCount));
  const removing = time(() => {
    for (const slot of slots) engine.remove(slot);
  });
  const adding = time(() => {
    for (const slot of slots) engine.add(slot);
  });
  return {
    "remove.perSecond": perSecond(count, removing),
    "addAgain.perSecond": perSecond(count, adding),
  };
}

/** Has the code compiled, so that it is not counted as memory of the shapes. */
function warmUp(options: ClassOptions): void {
  const engine = createClassEngine(options);
  const shapeCount = 3000;
  for (let slot = 0; slot < shapeCount; slot += 1) engine.add(slot);
  const rows = { seed: 0, rowCount: 1000, shapeCount, matchedShare: 0.5 };
  engine.route(makeEventStream({ ...rows, operation: "insert" }));
  engine.route(makeEventStream({ ...rows, operation: "update" }));
  for (let slot = 0; slot < shapeCount; slot += 1) engine.remove(slot);
}

function createClassEngine({ name, engine }: ClassOptions): ClauseEngine {
  const clauses = classClauses(name);
  return engine === "core"
    ? new CoreClauseEngine(clauses, createCore())
    : new OrdinaryEngine(clauses, new IntegerNames());
}

function heldBytes(engine: ClauseEngine): number | undefined {
  const structures = engine.structures();
  return structures && heldByShapes(structures).committedBytes;
}

function perSecond(count: number, { cpuMs }: Timing): number {
  return (1000 * count) / cpuMs;
}
