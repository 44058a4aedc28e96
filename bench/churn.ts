/**
 * Shapes that come and go in rounds, among very many that stay: what that does to memory, and how
 * long the event loop is away.
 *
 *     npx tsx bench/churn.ts [--shapes 1000000] [--round 100000] [--minutes 10] [--connections 16]
 *
 * A round makes shapes over HTTP, each with its snapshot of one row, and removes them with DELETE.
 * Memory is read at the end of every round, after a full collection. The longest turn of the loop
 * is measured by an immediate that follows itself: of the making and of the removing apart, without
 * the collection that we ask for. *Own* is what is left without the waiting for a processor that
 * others on the machine had, clients and Postgres among them; the longest *collection* of garbage
 * in it is told apart. A turn takes up all requests that have come: with 64 connections one of them
 * is 64 shapes long, which says more about the load than about pauses. The first round is a warm-up
 * and is told, but not compared with.
 */

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import type { CreationOrder, CreationReport } from "./creation-clients.ts";
import { describeEnvironment } from "./environment.ts";
import { withPostgres, withSeededServer, type SeededServer } from "./real-server.ts";
import { Worker } from "./worker.ts";

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "1000000" },
    round: { type: "string", default: "100000" },
    minutes: { type: "string", default: "10" },
    connections: { type: "string", default: "16" },
  },
});
const shapeCount = Number(values.shapes);
const roundSize = Number(values.round);
const minutes = Number(values.minutes);
const connections = Number(values.connections);

type Clients = Worker<CreationOrder, CreationReport>;

interface Phase {
  readonly perSecond: number;
  readonly longestTurnMs: number;
  readonly longestOwnTurnMs: number;
  readonly longestCollectionMs: number;
}

interface Round {
  readonly made: Phase;
  readonly removed: Phase;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

const SETTINGS = {
  ELECTRIC_ENABLE_INTEGRATION_TESTING: "true",
  ELECTRIC_MAX_CONCURRENT_REQUESTS: '{"initial":1000000,"existing":1000000}',
};

async function main(): Promise<void> {
  const command = `npx tsx bench/churn.ts ${process.argv.slice(2).join(" ")}`.trim();
  print(`${describeEnvironment(command, new Date())}\n- load: ${loadavg()[0]!.toFixed(1)}\n`);
  await withPostgres(async (ground) => {
    await ground.database.query(
      "CREATE TABLE items (id int PRIMARY KEY, tenant_id int, name text)",
    );
    // Of the shapes that come and go. Those that stay have their rows in storage alone.
    await ground.database.query(
      "INSERT INTO items SELECT n, n, 'item ' || n FROM generate_series($1::int, $2::int) n",
      [firstTenant(), firstTenant() + roundSize - 1],
    );
    await ground.database.query("CREATE INDEX ON items (tenant_id)");
    await ground.database.query("VACUUM ANALYZE items");
    const seed = { count: shapeCount, where: "tenant_id = 1", settings: SETTINGS };
    await withSeededServer(ground, seed, async (server) => {
      const clients: Clients = new Worker("./creation-clients.ts");
      try {
        await churn(server, clients);
      } finally {
        clients.stop();
      }
    });
  });
}

function firstTenant(): number {
  return shapeCount + 2;
}

async function churn(server: SeededServer, clients: Clients): Promise<void> {
  print(HEAD);
  const end = performance.now() + minutes * 60_000;
  const rounds: Round[] = [];
  // At least two: one to warm up.
  while (rounds.length < 2 || performance.now() < end) {
    const made = await measure(server, clients, false);
    const removed = await measure(server, clients, true);
    const { rssBytes, heapBytes } = await server.worker.ask({ kind: "memory" });
    rounds.push({ made, removed, rssBytes, heapBytes });
    print(row(rounds.length, rounds.at(-1)!));
  }
  const [, ...compared] = rounds;
  const [first, last] = [compared[0]!, compared.at(-1)!];
  const phases = compared.flatMap(({ made, removed }) => [made, removed]);
  const longest = Math.max(...phases.map(({ longestTurnMs }) => longestTurnMs));
  const longestOwn = Math.max(...phases.map(({ longestOwnTurnMs }) => longestOwnTurnMs));
  const growth = (last.rssBytes - first.rssBytes) / 2 ** 20;
  print(
    `\n${shapeCount} shapes stay; ${rounds.length} rounds of ${roundSize}. From the second round ` +
      `to the last RSS grew by ${growth.toFixed(1)} MiB; ` +
      `the longest turn was ${longest.toFixed(1)} ms, ${longestOwn.toFixed(1)} ms of its own.`,
  );
}

const HEAD =
  "| round | made/s | longest turn, ms | own | collection | removed/s | longest turn, ms | own | " +
  "collection | RSS, MiB | heap, MiB |\n" +
  `|${" ---: |".repeat(11)}`;

async function measure(
  { worker, port }: SeededServer,
  clients: Clients,
  isRemoval: boolean,
): Promise<Phase> {
  await worker.ask({ kind: "watch" });
  const { elapsedMs, failure } = await clients.ask({
    port,
    connections,
    isRemoval,
    clause: "literal",
    first: firstTenant(),
    count: roundSize,
  });
  const { longestTurnMs, longestOwnTurnMs, longestCollectionMs } = await worker.ask({
    kind: "watched",
  });
  if (failure !== undefined) throw new Error(`a shape could not be made or removed: ${failure}`);
  const perSecond = (1000 * roundSize) / elapsedMs;
  return { perSecond, longestTurnMs, longestOwnTurnMs, longestCollectionMs };
}

function row(number: number, { made, removed, rssBytes, heapBytes }: Round): string {
  const phase = ({ perSecond, longestTurnMs, longestOwnTurnMs, longestCollectionMs }: Phase) => [
    perSecond.toFixed(0),
    ...[longestTurnMs, longestOwnTurnMs, longestCollectionMs].map((ms) => ms.toFixed(1)),
  ];
  const mebibytes = [rssBytes, heapBytes].map((bytes) => (bytes / 2 ** 20).toFixed(1));
  return `| ${[number, ...phase(made), ...phase(removed), ...mebibytes].join(" | ")} |`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
