/**
 * What a role or a database may prescribe for every session.
 *
 * Goal: none of it ends what we do: neither a transaction that is read-only unless it says
 * otherwise, nor limits that ordinary statements and sessions have. Method: a database that
 * prescribes each of them, far below what our work takes.
 */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { afterAll, beforeAll, test } from "vitest";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import { ensureSlot, replicationNamesOf } from "../../src/postgres/slot.ts";
import { DEFAULT_LIMITS, withSnapshot } from "../../src/postgres/snapshot-transaction.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { startServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

/** In milliseconds. */
const LIMITS = {
  statement_timeout: 300,
  lock_timeout: 200,
  idle_in_transaction_session_timeout: 200,
  idle_session_timeout: 500,
  transaction_timeout: 400,
};
/** More than any of them. */
const LONG_MS = 800;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`CREATE TABLE items (id int PRIMARY KEY, name text);
    INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 500) n`);
  const version = Number(
    (await database.query("SHOW server_version_num"))[0]!["server_version_num"],
  );
  for (const [name, limit] of Object.entries(LIMITS)) {
    if (name === "transaction_timeout" && version < 170_000) continue;
    await database.query(`ALTER DATABASE ${database.name} SET ${name} = ${limit}`);
  }
  await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`);
});
afterAll(() => database.dispose());

test("a server starts, publishes a table and follows it", async () => {
  const server = await startServer(database);
  try {
    const url = `${server.shapeUrl}?table=items`;
    const first = await fetch(`${url}&offset=-1`);
    assert.equal(first.status, 200, await first.clone().text());
    assert.equal(((await first.json()) as unknown[]).length, 501);
    const { handle, offset } = positionOf(first);
    const next = fetch(`${url}&offset=${offset}&handle=${handle}&live=true`);
    await database.query("INSERT INTO items VALUES (0, 'late')");
    assert.match(await (await next).text(), /"late"/);
  } finally {
    await server.stop();
  }
});

function positionOf({ headers }: Response) {
  return { handle: headers.get("electric-handle")!, offset: headers.get("electric-offset")! };
}

test("a snapshot takes the time that its table and its reader take", async () => {
  const pool = new Pool(parseConnectionOptions(database.url), { size: 2 });
  try {
    const table = (await new Inspector(pool).findTable("public", "items"))!;
    const { template } = defineShape(table, {
      where: undefined,
      params: {},
      columns: undefined,
      replica: "default",
      log: "full",
    });
    const locker = await lock();
    const snapshot = withSnapshot(pool, DEFAULT_LIMITS, template, NEVER, async (transaction) => {
      let rowCount = 0;
      const query = { sql: "SELECT name FROM items ORDER BY id", parameters: [] };
      for await (const { messages } of transaction.batches(query)) {
        rowCount += messages.length;
        await sleep(LONG_MS);
      }
      assert.ok(rowCount >= 500);
    });
    await sleep(LONG_MS);
    await locker.unlock();
    await snapshot;
  } finally {
    await pool.close();
  }
});

const NEVER = new AbortController().signal;

async function connectUnlimited(): Promise<Client> {
  const client = await database.connect();
  await client.query(`SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY ($1)`, [
    Object.keys(LIMITS),
  ]);
  return client;
}

/** Keeps everybody from reading the table. */
async function lock(): Promise<{ unlock: () => Promise<void> }> {
  const client = await connectUnlimited();
  await client.query("BEGIN READ WRITE");
  await client.query("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
  return {
    unlock: async () => {
      await client.query("COMMIT");
    },
  };
}

test("a slot waits for whoever writes, and its session may be idle", async () => {
  const { slot } = replicationNamesOf(`${database.streamId}_2`);
  const connection = await ReplicationConnection.open(parseConnectionOptions(database.url));
  try {
    const writer = await connectUnlimited();
    await writer.query("BEGIN READ WRITE");
    await writer.query("INSERT INTO items VALUES (-1, 'slow')");
    const made = ensureSlot(connection, slot, () => Promise.resolve());
    await sleep(LONG_MS);
    await writer.query("COMMIT");
    assert.equal((await made).madeBecause, "missing");
    await sleep(LONG_MS);
    assert.equal((await connection.identifySystem()).timeline, 1);
  } finally {
    await connection.close();
  }
});
