/**
 * The value sets of subselects: the core beside both baselines, the same sets in each.
 *
 *     npx tsx bench/subqueries.ts [--scale 1] [--only uuid|shared|zipf]
 *
 *     uuid    subselects with values that no other has, as the upstream of this protocol measures
 *             its own
 *     shared  shapes that all have the same values: each keeping its own, and all sharing one
 *     zipf    a million subselects with ten integers each out of a hundred thousand (scale 1), and
 *             a hundredth as many, which a million shapes share
 *
 * Every line is a process of its own. Bytes are those of value sets alone: what a shape is besides,
 * `npm run bench:memory` counts. Of the core they are pages that were taken, so what rounding and
 * fragmentation cost is in them; of the baselines the heap after a full collection.
 */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeEnvironment } from "./environment.ts";
import { runCase, type Case, type CaseFigures } from "./subquery-case.ts";

const { values: options } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    only: { type: "string" },
    case: { type: "string" },
  },
});

const UUID_GRID = [
  [1000, 50],
  [5000, 50],
  [10_000, 100],
  [1000, 1000],
  [200, 5000],
] as const;
const ENGINES = ["string-keyed", "integer-keyed", "core"] as const;

function* cases(scale: number): Generator<Omit<Case, "engine">, void, void> {
  for (const [views, values] of UUID_GRID) {
    yield { group: "uuid", kind: "uuid", views, values, overlap: "none" };
  }
  for (const values of [1000, 10_000]) {
    for (const views of [1, 10, 100]) {
      yield { group: "shared", kind: "uuid", views, values, overlap: "all" };
    }
  }
  const million = Math.round(1_000_000 * scale);
  for (const views of [million, Math.round(million / 100)]) {
    yield { group: "zipf", kind: "int", views, values: 10, overlap: "zipf" };
  }
}

function inChild(order: Case): CaseFigures {
  const arguments_ = ["--expose-gc", "--max-old-space-size=12288"];
  const self = fileURLToPath(import.meta.url);
  const output = execFileSync(
    process.execPath,
    [...process.execArgv, ...arguments_, self, "--case", JSON.stringify(order)],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  return JSON.parse(output) as CaseFigures;
}

function lineOf({ group, views, values, engine }: Case, figures: CaseFigures): string {
  const numbers = [
    figures.bytesPerPair.toFixed(2),
    Math.round(figures.bytes / 1024),
    figures.pairsPerSecond / 1e6,
    figures.membershipNs,
    figures.removeNs,
    figures.sweepNsPerPair,
    Math.round(figures.bytesLeft / 1024),
  ].map((number) => (typeof number === "string" ? number : formatNumber(number)));
  return `| ${[group, `${views} x ${values}`, engine, ...numbers].join(" | ")} |`;
}

function formatNumber(number: number): string {
  return number >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3)));
}

async function main(): Promise<void> {
  if (options.case !== undefined) {
    console.log(JSON.stringify(await runCase(JSON.parse(options.case) as Case)));
    return;
  }
  console.log(describeEnvironment("npx tsx bench/subqueries.ts", new Date()));
  console.log(
    "\n| sets | subselects x values | engine | bytes a pair | KiB | million pairs/s added |" +
      " membership ns | removal ns a subselect | sweep ns a pair | KiB left |",
  );
  console.log("|---|---|---|---:|---:|---:|---:|---:|---:|---:|");
  for (const order of cases(Number(options.scale))) {
    if (options.only !== undefined && options.only !== order.group) continue;
    for (const engine of ENGINES) {
      const whole = { ...order, engine };
      console.log(lineOf(whole, inChild(whole)));
    }
  }
}

await main();
