/**
 * The whole service with very many shapes that nobody asks for, beside the same with few.
 *
 *     npx tsx bench/service.ts [--shapes 100,1000000] [--commits 500] [--rows 1000000] [--rounds 3]
 *                              [--fanout 10000,100000] [--changes 20] [--per-transaction 1000]
 *
 * **latency**: one client waits on one shape, a row of it is inserted, and timed is from then until
 * the client has it. **rates**: rows are inserted while the server is stopped (SIGSTOP), then it is
 * let go. Timed is from when a client has the row in front of them until it has the one behind
 * them, by which all of them are durable. *Unmatched* rows concern no shape, *matched* ones a shape
 * each. The same WAL goes to a client that throws everything away, in turns before and after the
 * server. What the kernel had buffered when they were let go lies in rows in front of all these.
 * **fan-out**: one row reaches so many shapes, until it is durable, which
 * is when a client of one of them has it; bytes are those of the journal.
 */

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { median, percentile } from "../src/report/measure.ts";
import { nowMs, ShapeClient } from "../src/report/server/shape-client.ts";
import { describeEnvironment } from "./environment.ts";
import { openRawStream } from "./raw-stream.ts";
import { withPostgres, withSeededServer, type Ground, type SeededServer } from "./real-server.ts";

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "100,1000000" },
    commits: { type: "string", default: "500" },
    rows: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "3" },
    fanout: { type: "string", default: "10000,100000" },
    changes: { type: "string", default: "20" },
    "per-transaction": { type: "string", default: "1000" },
  },
});
const commitCount = Number(values.commits);
const rowCount = Number(values.rows);
const roundCount = Number(values.rounds);
const changeCount = Number(values.changes);
const perTransaction = Number(values["per-transaction"]);

/** Code is compiled meanwhile, and connections are made. */
const WARM_UP_COMMITS = 50;
/** More than what the kernel holds for one connection, at some 75 bytes a row. */
const BUFFERED_ROWS = 300_000;
/** For the journal to be written, also what readers do not wait for. */
const SETTLE_MS = 500;

async function main(): Promise<void> {
  const command = `npx tsx bench/service.ts ${process.argv.slice(2).join(" ")}`.trim();
  print(`${describeEnvironment(command, new Date())}\n- load: ${loadavg()[0]!.toFixed(1)}\n`);
  await withPostgres(async (ground) => {
    await ground.database.query(
      `CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                           tenant_id int, name text)`,
    );
    print(HEAD);
    for (const count of countsOf(values.shapes)) await measureMany(ground, count);
    if (values.fanout === "") return;
    print(FAN_OUT_HEAD);
    for (const count of countsOf(values.fanout)) await measureFanOut(ground, count);
  });
}

const HEAD =
  `Rows in transactions of ${perTransaction}; rates are medians of ${roundCount} rounds of ` +
  `${rowCount} rows\n\n| shapes | commit to client p50, ms | p99, ms | unmatched rows/s | ` +
  "of the walsender's | matched and durable rows/s | of the walsender's |\n" +
  "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

const FAN_OUT_HEAD =
  `\nOne row, medians of ${changeCount}:\n\n| shapes that it reaches | durable after, ms | ` +
  "bytes written | of it per shape |\n| ---: | ---: | ---: | ---: |";

async function measureMany(ground: Ground, count: number): Promise<void> {
  const where = "tenant_id = 1";
  await withSeededServer(ground, { count, where }, async (server) => {
    const follower = await follow(server, where);
    try {
      const latencies = await measureLatency(ground.database, follower);
      const unmatched = await measureRates(ground, server, follower, { first: -1, tenants: 1 });
      const matched = await measureRates(ground, server, follower, { first: 2, tenants: count });
      const cells = [
        count,
        percentile(latencies, 0.5).toFixed(2),
        percentile(latencies, 0.99).toFixed(2),
        ...ratesOf(unmatched),
        ...ratesOf(matched),
      ];
      print(`| ${cells.join(" | ")} |`);
    } finally {
      await follower.stop();
    }
  });
}

/** A client that waits. */
async function follow({ port }: SeededServer, where: string): Promise<ShapeClient> {
  const url = `http://127.0.0.1:${port}/v1/shape`;
  const follower = new ShapeClient({ url, secret: undefined, table: "items" }, where);
  await follower.open();
  follower.follow((error) => {
    throw error;
  });
  return follower;
}

async function measureLatency(database: pg.Client, follower: ShapeClient): Promise<Float64Array> {
  const latencies = new Float64Array(commitCount);
  for (let commit = -WARM_UP_COMMITS; commit < commitCount; commit++) {
    const arrival = follower.arrived(follower.arrivedCount + 1);
    const began = nowMs();
    await database.query("INSERT INTO items (tenant_id, name) VALUES (1, 'one more')");
    const tookMs = (await arrival) - began;
    if (commit >= 0) latencies[commit] = tookMs;
  }
  return latencies.sort();
}

interface Rates {
  readonly server: number;
  readonly walsender: number;
}

/** Of rows of the tenants from `first` on, in turn. */
async function measureRates(
  { url, database }: Ground,
  { worker, names }: SeededServer,
  follower: ShapeClient,
  { first, tenants }: { readonly first: number; readonly tenants: number },
): Promise<Rates[]> {
  const rounds: Rates[] = [];
  for (let round = 0; round < roundCount; round++) {
    const raw = await openRawStream(url, database, names.publication);
    const [opening, closing] = [`round ${round} begins`, `round ${round} ends`];
    const drainRaw = async (): Promise<number> => {
      await raw.drain(opening);
      return raw.drain(closing);
    };
    const known = follower.arrivedCount;
    const drainServer = async (): Promise<number> => {
      process.kill(worker.pid, "SIGCONT");
      const began = await follower.arrived(known + 1);
      return (await follower.arrived(known + 2)) - began;
    };
    process.kill(worker.pid, "SIGSTOP");
    try {
      await insertMany(database, BUFFERED_ROWS, -1, 1);
      await insertMarker(database, opening);
      await insertMany(database, rowCount, first, tenants);
      await insertMarker(database, closing);
      const drains = [drainRaw, drainServer];
      if (round % 2 === 1) drains.reverse();
      const times = new Map<() => Promise<number>, number>();
      for (const drain of drains) times.set(drain, await drain());
      const perSecond = (drain: () => Promise<number>) => (1000 * rowCount) / times.get(drain)!;
      rounds.push({ server: perSecond(drainServer), walsender: perSecond(drainRaw) });
    } finally {
      process.kill(worker.pid, "SIGCONT");
      await raw.close();
    }
  }
  return rounds;
}

/** A row that the client waits for. */
async function insertMarker(database: pg.Client, name: string): Promise<void> {
  await database.query("INSERT INTO items (tenant_id, name) VALUES (1, $1)", [name]);
}

async function insertMany(
  database: pg.Client,
  count: number,
  first: number,
  tenants: number,
): Promise<void> {
  await database.query(`
    DO $$ BEGIN
      FOR batch IN 0 .. ${Math.ceil(count / perTransaction) - 1} LOOP
        INSERT INTO items (tenant_id, name)
        SELECT ${first} + n % ${tenants}, 'one of many rows'
        FROM generate_series(batch * ${perTransaction},
                             least((batch + 1) * ${perTransaction}, ${count}) - 1) AS n;
        COMMIT;
      END LOOP;
    END $$`);
}

function ratesOf(rounds: readonly Rates[]): string[] {
  const server = median(rounds.map((each) => each.server));
  const share = median(rounds.map((each) => each.server / each.walsender));
  return [server.toFixed(0), `${(100 * share).toFixed(0)} %`];
}

async function measureFanOut(ground: Ground, count: number): Promise<void> {
  const where = "tenant_id = 0 OR tenant_id = 1";
  await withSeededServer(ground, { count: count - 1, where }, async (server) => {
    const follower = await follow(server, where);
    try {
      const times: number[] = [];
      const sizes: number[] = [];
      for (let change = 0; change < changeCount; change++) {
        const before = await server.worker.ask({ kind: "memory" });
        const arrival = follower.arrived(follower.arrivedCount + 1);
        const began = nowMs();
        await ground.database.query("INSERT INTO items (tenant_id, name) VALUES (0, 'for all')");
        times.push((await arrival) - began);
        await sleep(SETTLE_MS);
        const after = await server.worker.ask({ kind: "count" });
        sizes.push(after.writtenBytes - before.writtenBytes);
      }
      const bytes = median(sizes);
      const cells = [count, median(times).toFixed(1), bytes, (bytes / count).toFixed(2)];
      print(`| ${cells.join(" | ")} |`);
    } finally {
      await follower.stop();
    }
  });
}

function countsOf(text: string): number[] {
  return text.split(",").map(Number);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
