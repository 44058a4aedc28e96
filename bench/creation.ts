/**
 * How many shapes a second are created over HTTP, rows and all.
 *
 *     npm run build
 *     npx tsx bench/creation.ts [--shapes 20000] [--connections 64,512] [--rows 2] [--rounds 3]
 *                               [--clause literal|parameter] [--command dist/command/cli.js]
 *                               [--node-options=--max-semi-space-size=64]
 *
 * The server, Postgres and the clients are processes of their own, the server as it was built:
 * what `tsx` compiles takes some time more for every closure. Every connection asks for a
 * shape that nobody has asked for yet (`tenant_id = n`), reads the answer, which has its rows, and
 * asks for the next. The shapes of a round stay: the last one begins with those of all before.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { BUILT_COMMAND, Command } from "./command.ts";
import type { CreationOrder, CreationReport } from "./creation-clients.ts";
import { describeEnvironment } from "./environment.ts";
import { median } from "../src/report/measure.ts";
import { parentOf, processCpuMs } from "./process-cpu.ts";
import { withPostgres } from "./real-server.ts";
import { Worker } from "./worker.ts";

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "20000" },
    connections: { type: "string", default: "64,512" },
    rows: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    clause: { type: "string", default: "literal" },
    command: { type: "string", default: BUILT_COMMAND },
    "node-options": { type: "string", default: "" },
  },
});
const shapeCount = Number(values.shapes);
const connectionCounts = values.connections.split(",").map(Number);
const rowCount = Number(values.rows);
const roundCount = Number(values.rounds);
const clause = values.clause === "parameter" ? "parameter" : "literal";

type Clients = Worker<CreationOrder, CreationReport>;

interface Round {
  readonly perSecond: number;
  /** Processor time for a shape, in microseconds: whose there is least of sets the pace. */
  readonly serverUs: number;
  readonly postgresUs: number;
  readonly clientUs: number;
  readonly p50: number;
  readonly p99: number;
}

/** Nothing is compiled yet, and batches are still small. */
const WARM_UP_SHAPES = 3_000;

async function main(): Promise<void> {
  const settings = {
    ELECTRIC_MAX_CONCURRENT_REQUESTS: '{"initial":1000000,"existing":1000000}',
  };
  await withPostgres(async ({ url, database, directory }) => {
    const server = new Command({
      url,
      settings,
      path: values.command,
      storage: join(directory, "storage"),
      nodeOptions: values["node-options"].split(" ").filter(Boolean),
    });
    const clients: Clients = new Worker("./creation-clients.ts");
    try {
      await measure(database, server, clients);
    } finally {
      clients.stop();
      await server.stop();
    }
  });
}

async function measure(database: pg.Client, server: Command, clients: Clients): Promise<void> {
  const roundsInAll = roundCount * connectionCounts.length;
  const tenantCount = WARM_UP_SHAPES + shapeCount * roundsInAll;
  await createTable(database, tenantCount);
  const port = Number(new URL(await server.served()).port);
  const postmaster = await findPostmaster(database);
  let next = 0;
  const create = async (connections: number, count: number): Promise<Round> => {
    const order = { port, clause, connections, first: next, count } as const;
    next += count;
    const serverBefore = processCpuMs(server.pid);
    const postgresBefore = processCpuMs(postmaster);
    const { elapsedMs, latencies, failure, ...client } = await clients.ask(order);
    if (failure !== undefined) throw new Error(`a shape could not be created: ${failure}`);
    latencies.sort((a, b) => a - b);
    return {
      perSecond: (count / elapsedMs) * 1000,
      serverUs: ((processCpuMs(server.pid) - serverBefore) * 1000) / count,
      postgresUs: ((processCpuMs(postmaster) - postgresBefore) * 1000) / count,
      clientUs: (client.cpuMs * 1000) / count,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
    };
  };
  await create(connectionCounts[0]!, WARM_UP_SHAPES);
  const command = `npx tsx bench/creation.ts ${process.argv.slice(2).join(" ")}`.trim();
  print(describeEnvironment(command, new Date()));
  print(`- rounds of ${shapeCount} shapes (${clause}) of ${rowCount} rows, medians\n`);
  print(
    "| connections | shapes/s | CPU, us/shape: server | Postgres | clients | p50 ms | p99 ms |",
  );
  print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const connections of connectionCounts) {
    const rounds: Round[] = [];
    for (let round = 0; round < roundCount; round++) {
      rounds.push(await create(connections, shapeCount));
      await sleep(500);
    }
    print(row(connections, rounds));
  }
}

async function findPostmaster(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return parentOf(rows[0]!.pid) ?? 0;
}

async function createTable(database: pg.Client, tenantCount: number): Promise<void> {
  await database.query("CREATE TABLE items (id int PRIMARY KEY, tenant_id int, title text)");
  await database.query(
    `INSERT INTO items
     SELECT n, n / $2::int, 'task ' || n FROM generate_series(0, $1::int * $2::int - 1) n`,
    [tenantCount, rowCount],
  );
  await database.query("CREATE INDEX ON items (tenant_id)");
  await database.query("VACUUM ANALYZE items");
}

function row(connections: number, rounds: readonly Round[]): string {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const cells = [
    connections,
    Math.round(middle((round) => round.perSecond)),
    Math.round(middle((round) => round.serverUs)),
    Math.round(middle((round) => round.postgresUs)),
    Math.round(middle((round) => round.clientUs)),
    middle((round) => round.p50).toFixed(1),
    middle((round) => round.p99).toFixed(1),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** REQUIRES: sorted. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
