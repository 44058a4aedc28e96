/**
 * Goal: what Postgres has sent to others is never missing in a shape. Method: servers with storage
 * directories of their own follow one slot, one after the other; every handle that is older than
 * what the other one has read gets a 409, and no other does.
 */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { freePort, startChildServer } from "../support/child-server.ts";
import { eventually } from "../support/eventually.ts";
import { beginServer, startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let root: TemporaryDirectory;
let server: LiveServer | undefined;

beforeEach(async () => {
  database = await createTestDatabase();
  root = makeTemporaryDirectory();
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, a text);
    CREATE TABLE others (id int);
    INSERT INTO items VALUES (1, 'old')`);
});

afterEach(async () => {
  await stop();
  root.remove();
  await database.dispose();
});

async function start(name: string): Promise<LiveServer> {
  server = await startServer(database, {}, directory(name));
  return server;
}

async function stop(): Promise<void> {
  await server?.stop();
  server = undefined;
}

function directory(name: string): string {
  return join(root.path, name);
}

async function catchUp(follower: LogFollower, a: string, url = server!.url): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(url);
    expect([...follower.rows.values()]).toEqual([{ id: "1", a }]);
  });
  expect(follower.faults).toEqual([]);
}

/** Whether Postgres may forget all that has been written so far. */
async function isAllConfirmed(): Promise<boolean> {
  const [row] = await database.query(
    `SELECT confirmed_flush_lsn >= pg_current_wal_lsn() AS "isConfirmed" FROM pg_replication_slots
     WHERE slot_name = 'electric_slot_${database.streamId}'`,
  );
  return row!["isConfirmed"] as boolean;
}

test("a directory that another one has overtaken begins anew", async () => {
  await start("a");
  const follower = new LogFollower("table=items");
  await catchUp(follower, "old");
  await stop();

  await start("b");
  const other = new LogFollower("table=items");
  await catchUp(other, "old");
  await database.query("UPDATE items SET a = 'new'");
  await catchUp(other, "new");
  await stop();

  await start("a");
  await catchUp(follower, "new");
  expect(follower.refetchCount).toBe(1);
});

test("so does one that was put back from a copy", async () => {
  await start("a");
  const follower = new LogFollower("table=items");
  await catchUp(follower, "old");
  await stop();
  cpSync(directory("a"), directory("copy"), { recursive: true });
  await start("a");
  await database.query("UPDATE items SET a = 'new'");
  await catchUp(follower, "new");
  await stop();

  await start("copy");
  await database.query("UPDATE items SET a = 'newest'");
  const stale = new LogFollower("table=items");
  await catchUp(stale, "newest");
  await catchUp(follower, "newest");
  expect(follower.refetchCount).toBe(1);
});

test("what reaches no shape is written down before it is confirmed", async () => {
  const port = await freePort();
  const child = () => startChildServer(database, directory("a"), port);
  const follower = new LogFollower("table=items");
  let process = await child();
  try {
    await follower.catchUp(process.url);
    await database.query("INSERT INTO others SELECT generate_series(1, 1000)");
    await eventually(async () => expect(await isAllConfirmed()).toBe(true), 20_000);
    await process.kill("SIGKILL");
    process = await child();
    await database.query("UPDATE items SET a = 'new'");
    await catchUp(follower, "new", process.url);
    expect(follower.refetchCount).toBe(0);
  } finally {
    await process.kill("SIGKILL");
  }
});

test("a start that waits for transactions to end says for which", async () => {
  const writer = await database.connect();
  await writer.query("BEGIN; INSERT INTO others VALUES (1)");
  const { rows } = await writer.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => warnings.push(fields) };
  const waiting = await beginServer(database, {}, directory("a"), logger);
  server = waiting;
  await eventually(() => expect(warnings).toHaveLength(1));
  const { writers } = warnings[0] as { writers: string[] };
  expect(writers.join()).toContain(`process ${rows[0]!.pid} of`);
  await writer.query("COMMIT");
  await waiting.started;
});
