/**
 * The value sets of subqueries: the core beside both baselines, the same sets in each.
 *
 *     npx tsx bench/subqueries.ts [--scale 1] [--only uuid,shared,zipf,uniform,million]
 *
 *     uuid      shapes with values that no other has, as the upstream of this protocol measures
 *               its own
 *     shared    shapes that all have the same subquery
 *     zipf      a million shapes with ten integers each out of a hundred thousand (scale 1), those
 *     uniform   drawn as words are in a text, or each as often as another
 *     million   a million shapes, a hundred of which have the same subquery of ten integers
 *
 * `subquery-keepers.ts` says what the engines are. Every line is a process of its own. Bytes of the
 * core are pages that were taken, so what rounding and fragmentation cost is in them; of the
 * baselines the heap after a full collection. What a shape is besides, `npm run bench:memory`
 * counts; "core, shared" has all that a subquery adds to it.
 */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeEnvironment } from "./environment.ts";
import { runCase, type Case, type CaseFigures } from "./subquery-case.ts";
import { ENGINES, isSharing } from "./subquery-keepers.ts";

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

function* cases(scale: number): Generator<Omit<Case, "engine">, void, void> {
  const own = { kind: "uuid", overlap: "none" } as const;
  for (const [shapes, values] of UUID_GRID) {
    yield { ...own, group: "uuid", shapes, subqueries: shapes, values };
  }
  for (const values of [1000, 10_000]) {
    for (const shapes of [1, 10, 100]) {
      yield { ...own, group: "shared", shapes, subqueries: 1, values };
    }
  }
  const shapes = Math.round(1_000_000 * scale);
  for (const overlap of ["zipf", "uniform"] as const) {
    yield { group: overlap, kind: "int", shapes, subqueries: shapes, values: 10, overlap };
  }
  const subqueries = Math.round(shapes / 100);
  yield { group: "million", kind: "int", shapes, subqueries, values: 10, overlap: "uniform" };
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

function lineOf({ shapes, subqueries, values, engine, ...of }: Case, figures: CaseFigures): string {
  const cells = [
    of.group,
    subqueries === shapes ? `${shapes}` : `${shapes} of ${subqueries}`,
    values,
    engine,
    (figures.bytes / (shapes * values)).toFixed(2),
    (figures.bytes / shapes).toFixed(1),
    Math.round(figures.bytes / 1024),
    formatNumber((figures.shapesPerSecond * values) / 1e6),
    figures.membershipNs === undefined ? "" : formatNumber(figures.membershipNs),
    formatNumber(figures.removeNs),
    formatNumber(figures.sweepNsPerPair),
    Math.round(figures.bytesLeft / 1024),
  ];
  return `| ${cells.join(" | ")} |`;
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
    "\n| sets | shapes of subqueries | values | engine | bytes a pair | bytes a shape | KiB |" +
      " million pairs/s added | membership ns | removal ns a shape | sweep ns a pair | KiB left |",
  );
  console.log("|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
  const only = options.only?.split(",");
  for (const order of cases(Number(options.scale))) {
    if (only !== undefined && !only.includes(order.group)) continue;
    const isShared = order.subqueries < order.shapes;
    for (const engine of ENGINES) {
      // What every shape has for itself is the same shared.
      if (!isShared && isSharing(engine)) continue;
      const whole = { ...order, engine };
      console.log(lineOf(whole, inChild(whole)));
    }
  }
}

await main();
