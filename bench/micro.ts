/**
 * Single operations, one engine beside the other in one process: what a call costs, warm.
 *
 *     npx tsx bench/micro.ts --shapes 100000
 *
 * Figures are of one process whose caches and inline caches all engines share, so they are good for
 * comparing a change with what was before it; `index.ts` has the figures that count.
 */

import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import type { RoutingEngine } from "../src/report/baseline/routing-engine.ts";
import { makeEmptyCall } from "../src/report/core-engine.ts";
import { createEngine, EQUALITY_ENGINES, type EqualityEngineName } from "./engines.ts";
import { FrameWriter } from "../src/report/frame-writer.ts";
import { Random } from "../src/report/random.ts";
import { ALL_COLUMNS, ORDERS, TENANT_COLUMN } from "../src/report/wal-stream.ts";

/** Every task is a batch of so many operations: a single one is shorter than the clock's tick. */
const BATCH = 1000;

interface Subject {
  readonly name: EqualityEngineName;
  readonly engine: RoutingEngine;
  readonly template: number;
}

function makeSubject(name: EqualityEngineName, shapeCount: number): Subject {
  const engine = createEngine(name);
  const terms = [{ column: TENANT_COLUMN, kind: "int" as const }];
  const relation = engine.addRelation(ORDERS);
  const template = engine.addTemplate(relation, {
    terms,
    columns: ALL_COLUMNS,
    replica: "default",
  });
  for (let tenant = 1; tenant <= shapeCount; tenant += 1) engine.add(template, [String(tenant)]);
  return { name, engine, template };
}

/** A transaction of one row, as the socket delivers it. */
function oneRow(tenant: number): Uint8Array {
  const writer = new FrameWriter();
  writer.begin();
  const row = ["1", String(tenant), "ada lovelace", "ada@mail.example", "paid", "12.50"];
  writer.insert(ORDERS.oid, [...row, "2026-11-22 12:00:00.000001"]);
  writer.commit();
  return writer.take().slice();
}

function addTasks(bench: Bench, { name, engine, template }: Subject, shapeCount: number): void {
  const random = new Random(1);
  const definitions = Array.from({ length: 65_536 }, () => [String(1 + random.below(shapeCount))]);
  let next = 0;
  const add = (what: string, work: (constants: readonly string[]) => void): void => {
    bench.add(`${name}: ${what}`, () => {
      for (let count = 0; count < BATCH; count += 1) {
        work(definitions[next & 65_535]!);
        next += 1;
      }
    });
  };
  const wanted = oneRow(1 + (shapeCount >> 1));
  const unwanted = oneRow(shapeCount + 1);
  const sink = (): void => undefined;
  add("find", (constants) => void engine.find(template, constants));
  add("find, remove and add again", (constants) => {
    engine.remove(engine.find(template, constants)!);
    engine.add(template, constants);
  });
  add("route a transaction of one unwanted row", () => engine.route(unwanted, sink));
  add("route a transaction of one wanted row", () => engine.route(wanted, sink));
}

const { values } = parseArgs({ options: { shapes: { type: "string", default: "100000" } } });
const shapeCount = Number(values.shapes);
const bench = new Bench({ time: 300, warmupTime: 100 });
for (const name of EQUALITY_ENGINES) addTasks(bench, makeSubject(name, shapeCount), shapeCount);
const call = makeEmptyCall();
bench.add("a call into the core that reads one word", () => {
  for (let count = 0; count < BATCH; count += 1) call();
});
await bench.run();

process.stdout.write(`${shapeCount} shapes, ns per operation\n\n`);
process.stdout.write("| operation | mean | min | ± % |\n| --- | ---: | ---: | ---: |\n");
for (const { name, result } of bench.tasks) {
  if (!("latency" in result)) throw new Error(`${name} failed`);
  const { mean, min, rme } = result.latency;
  const ns = (ms: number): string => ((ms * 1e6) / BATCH).toFixed(1);
  process.stdout.write(`| ${name} | ${ns(mean)} | ${ns(min)} | ${rme.toFixed(1)} |\n`);
}
