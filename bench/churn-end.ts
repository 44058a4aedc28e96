/**
 * Very many shapes that end at once: how long until none is left, and how long the event loop is
 * away meanwhile.
 *
 *     npx tsx bench/churn-end.ts [--shapes 10000,100000]
 *
 * Either their table is *emptied*, or they are *evicted*: the server starts with a limit of one
 * shape. The longest turn of the loop is measured as in `churn.ts`: *own* is without the waiting
 * for a processor that others had, the longest *collection* of garbage is told apart.
 */

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { describeEnvironment } from "./environment.ts";
import { withPostgres, withSeededServer, type Ground, type SeededServer } from "./real-server.ts";

const { values } = parseArgs({
  options: { shapes: { type: "string", default: "10000,100000" } },
});

const POLL_MS = 50;
/** The last removals are settled in storage a moment after they are counted. */
const SETTLE_MS = 1_000;

interface Way {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** How many shapes stay. */
  readonly rest: number;
  readonly begin: (database: pg.Client) => Promise<unknown>;
}

const WAYS: readonly Way[] = [
  { name: "emptied", settings: {}, rest: 0, begin: (database) => database.query("TRUNCATE items") },
  {
    name: "evicted",
    settings: { ELECTRIC_MAX_SHAPES: "1" },
    rest: 1,
    // It begins as the server does.
    begin: () => Promise.resolve(),
  },
];

async function main(): Promise<void> {
  const command = `npx tsx bench/churn-end.ts ${process.argv.slice(2).join(" ")}`.trim();
  print(`${describeEnvironment(command, new Date())}\n- load: ${loadavg()[0]!.toFixed(1)}\n`);
  await withPostgres(async (ground) => {
    await ground.database.query(
      "CREATE TABLE items (id int PRIMARY KEY, tenant_id int, name text)",
    );
    print(HEAD);
    for (const count of values.shapes.split(",").map(Number)) {
      for (const way of WAYS) await measure(ground, count, way);
    }
  });
}

const HEAD =
  "| shapes | how | all gone after, ms | longest turn, ms | own | collection |\n" +
  "| ---: | --- | ---: | ---: | ---: | ---: |";

async function measure(ground: Ground, count: number, way: Way): Promise<void> {
  const { name, settings, rest, begin } = way;
  const seed = { count: count - 1, where: "tenant_id = 1", settings };
  await withSeededServer(ground, seed, async (server) => {
    const { worker } = server;
    await worker.ask({ kind: "watch" });
    const began = performance.now();
    await begin(ground.database);
    while ((await shapeCount(server)) > rest) await sleep(POLL_MS);
    const goneMs = performance.now() - began;
    await sleep(SETTLE_MS);
    const { longestTurnMs, longestOwnTurnMs, longestCollectionMs } = await worker.ask({
      kind: "watched",
    });
    const turns = [longestTurnMs, longestOwnTurnMs, longestCollectionMs];
    const cells = [count, name, goneMs.toFixed(0), ...turns.map((ms) => ms.toFixed(1))];
    print(`| ${cells.join(" | ")} |`);
  });
}

async function shapeCount({ port }: SeededServer): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/admin/status`);
  return ((await response.json()) as Status).engine.shapes.total;
}

interface Status {
  readonly engine: { readonly shapes: { readonly total: number } };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
