/**
 * The whole service with very many shapes that nobody asks for, beside the same with few.
 *
 *     npx tsx bench/service.ts [--shapes 100,1000000] [--commits 500] [--rows 1000000] [--rounds 3]
 *                              [--fanout 10000,100000] [--changes 20] [--per-transaction 1000]
 *
 * **latency**: one client waits on one shape, a row of it is inserted, and timed is from then until
 * the client has it. **rates**: the server is stopped (SIGSTOP) and its walsender ended; rows are
 * inserted; then the server goes on, connects again and is timed from the first transaction that it
 * reads until the last one is durable. *Unmatched* rows concern no shape, *matched* ones a shape
 * each. The *walsender alone* is what a client gets of the same WAL that throws everything away: on
 * a slot made at the same place, with the same options, beginning as late: once before the server
 * and once after it, of which the mean counts, while *itself* tells what the method is worth: the
 * second against the first. Nothing else runs meanwhile: a walsender takes a processor, and so does
 * who reads. **fan-out**: one row reaches so many shapes, until it is durable, which is when a
 * client of one of them has it; bytes are those of the journal.
 */

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { median, percentile } from "../src/report/measure.ts";
import { nowMs, ShapeClient } from "../src/report/server/shape-client.ts";
import { describeEnvironment } from "./environment.ts";
import { RawSlot } from "./raw-stream.ts";
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
const POLL_MS = 20;
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
  `${rowCount} rows\n\n| shapes | commit to client p50, ms | p99, ms | rows | rows/s | ` +
  "walsender alone | share | lowest and highest | of itself | our processor, us a row |\n" +
  "| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |";

const FAN_OUT_HEAD =
  `\nOne row, medians of ${changeCount}:\n\n| shapes that it reaches | durable after, ms | ` +
  "bytes written | of it per shape |\n| ---: | ---: | ---: | ---: |";

async function measureMany(ground: Ground, count: number): Promise<void> {
  const where = "tenant_id = 1";
  await withSeededServer(ground, { count, where }, async (server) => {
    const latencies = await measureLatency(ground, server, where);
    const told = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    const [p50, p99] = told.map((ms) => ms.toFixed(2));
    const unmatched = await measureRates(ground, server, { first: -1, tenants: 1 });
    print(`| ${[count, p50, p99, "unmatched", ...ratesOf(unmatched)].join(" | ")} |`);
    const matched = await measureRates(ground, server, { first: 2, tenants: count });
    print(`| | | | matched | ${ratesOf(matched).join(" | ")} |`);
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

async function measureLatency(
  { database }: Ground,
  server: SeededServer,
  where: string,
): Promise<Float64Array> {
  const follower = await follow(server, where);
  const latencies = new Float64Array(commitCount);
  try {
    for (let commit = -WARM_UP_COMMITS; commit < commitCount; commit++) {
      const arrival = follower.arrived(follower.arrivedCount + 1);
      const began = nowMs();
      await database.query("INSERT INTO items (tenant_id, name) VALUES (1, 'one more')");
      const tookMs = (await arrival) - began;
      if (commit >= 0) latencies[commit] = tookMs;
    }
  } finally {
    await follower.stop();
  }
  return latencies.sort();
}

interface Rates {
  readonly server: number;
  /** Before the server and after it. */
  readonly walsender: readonly [number, number];
  /** Of the server's processor, in microseconds. */
  readonly cpuPerRow: number;
}

/** Of rows of the tenants from `first` on, in turn. */
async function measureRates(
  ground: Ground,
  server: SeededServer,
  { first, tenants }: { readonly first: number; readonly tenants: number },
): Promise<Rates[]> {
  const { url, database } = ground;
  const rounds: Rates[] = [];
  for (let round = 0; round < roundCount; round++) {
    await confirmed(ground, server);
    process.kill(server.worker.pid, "SIGSTOP");
    const slots = [await RawSlot.create(url, database), await RawSlot.create(url, database)];
    try {
      await disconnect(ground, server);
      const [opening, closing] = [`round ${round} begins`, `round ${round} ends`];
      await insertMarker(database, opening);
      await insertMany(database, rowCount, first, tenants);
      const beyond = await currentLsn(database);
      await insertMarker(database, closing);
      const walsenderRate = async (slot: RawSlot) =>
        (1000 * rowCount) / (await slot.drain(server.names.publication, opening, closing));

      const before = await walsenderRate(slots[0]!);
      const draining = server.worker.ask({ kind: "drain", beyond });
      process.kill(server.worker.pid, "SIGCONT");
      const { drainMs, drainedCount, cpuMs } = await draining;
      process.kill(server.worker.pid, "SIGSTOP");
      rounds.push({
        server: (1000 * drainedCount) / drainMs,
        walsender: [before, await walsenderRate(slots[1]!)],
        cpuPerRow: (1000 * cpuMs) / drainedCount,
      });
    } finally {
      process.kill(server.worker.pid, "SIGCONT");
      for (const slot of slots) await slot.drop();
    }
  }
  return rounds;
}

/** Resolves when Postgres need not send again what there was before. */
async function confirmed({ database }: Ground, { names }: SeededServer): Promise<void> {
  const target = await currentLsn(database);
  await until(async () => {
    // Something must follow for the server to confirm it.
    await insertMarker(database, "one between rounds");
    await sleep(SETTLE_MS);
    const { rows } = await database.query<{ reached: boolean }>(
      "SELECT confirmed_flush_lsn >= $2::pg_lsn AS reached FROM pg_replication_slots " +
        "WHERE slot_name = $1",
      [names.slot, target],
    );
    return rows[0]!.reached;
  });
}

/** Ends the walsender of a server that is stopped and will find out when it goes on. */
async function disconnect({ database }: Ground, { names }: SeededServer): Promise<void> {
  const parameters = [names.slot];
  await database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
    parameters,
  );
  await until(async () => {
    const { rows } = await database.query<{ active: boolean }>(
      "SELECT active FROM pg_replication_slots WHERE slot_name = $1",
      parameters,
    );
    return !rows[0]!.active;
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(POLL_MS);
}

async function currentLsn(database: pg.Client): Promise<string> {
  const { rows } = await database.query<{ lsn: string }>("SELECT pg_current_wal_lsn() AS lsn");
  return rows[0]!.lsn;
}

/** A row that a shape wants. */
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
  const middle = (pick: (rates: Rates) => number) => median(rounds.map(pick));
  // Of the time that both took, not of the rates.
  const walsenderOf = ({ walsender: [before, after] }: Rates) => 2 / (1 / before + 1 / after);
  const shares = rounds.map((each) => each.server / walsenderOf(each));
  const itself = rounds.map(({ walsender: [before, after] }) => after / before);
  return [
    middle(({ server }) => server).toFixed(0),
    middle(walsenderOf).toFixed(0),
    percent(median(shares)),
    rangeOf(shares),
    rangeOf(itself),
    middle(({ cpuPerRow }) => cpuPerRow).toFixed(2),
  ];
}

function rangeOf(shares: readonly number[]): string {
  return `${percent(Math.min(...shares))}, ${percent(Math.max(...shares))}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
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
