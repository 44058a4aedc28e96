/**
 * Subsets as Postgres has them.
 *
 * Goal: rows of the shape alone, in the order asked for, as one snapshot shows them, with what
 * places it in time; a connection is held no longer than it must be and comes back however the
 * reading ends. Method: the reader on a database of its own; who holds what is asked of Postgres.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import type { ShapeDefinition, WhereTemplate } from "../../src/model/shape-definition.ts";
import { isVisibleInSnapshot } from "../../src/model/snapshot-bounds.ts";
import type { Subset, SubsetSnapshot } from "../../src/model/subset.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { SnapshotReader } from "../../src/postgres/snapshot-query.ts";
import { SubsetReader } from "../../src/postgres/subset-query.ts";
import { eventually } from "../support/eventually.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let pool: Pool;
const POOL_SIZE = 3;
const LARGE = 50_000;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE items (id int PRIMARY KEY, tenant int, name text, mood mood);
    INSERT INTO items SELECT n, n % 3, 'name "' || n || '"', 'sad' FROM generate_series(1, 20) n;
    CREATE TABLE large (id int PRIMARY KEY, padding text);
    INSERT INTO large SELECT n, repeat('x', 100) FROM generate_series(1, ${LARGE}) n`);
  pool = new Pool(parseConnectionOptions(database.url), { size: POOL_SIZE });
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

async function define(name: string, sql?: WhereTemplate["sql"], ...constants: string[]) {
  const table = (await new Inspector(pool).findTable("public", name))!;
  const columns = [...table.columns.keys()];
  const where = sql === undefined ? undefined : ({ sql } as WhereTemplate);
  const definition: ShapeDefinition = {
    template: {
      ...{ text: "", table, where, columns, hasExplicitColumns: false, replica: "default" },
      log: "full",
    },
    constants,
  };
  return definition;
}

const ALL: Subset = {
  where: undefined,
  parameters: [],
  orderBy: undefined,
  limit: undefined,
  offset: undefined,
};
const forever = new AbortController().signal;
const reader = (options: Partial<ConstructorParameters<typeof SubsetReader>[1]> = {}) =>
  new SubsetReader(pool, { concurrency: POOL_SIZE, ...options });

interface Message {
  readonly key: string;
  readonly value: { readonly id: string };
  readonly headers: Readonly<Record<string, unknown>>;
}

async function messagesOf({ pages }: SubsetSnapshot): Promise<Message[]> {
  let text = "";
  for await (const page of pages) text += Buffer.from(page).toString();
  return JSON.parse(`[${text}]`) as Message[];
}

/** The ids of a subset, as numbers. */
async function idsOf(definition: ShapeDefinition, subset: Partial<Subset>): Promise<number[]> {
  const snapshot = await reader().read(definition, { ...ALL, ...subset }, forever);
  return (await messagesOf(snapshot)).map(({ value }) => Number(value.id));
}

/** Connections of the pool that Postgres sees at work or in a transaction. */
async function busyCount(): Promise<number> {
  const [row] = await database.query(
    `SELECT count(*)::int FROM pg_stat_activity
     WHERE datname = $1 AND state <> 'idle' AND pid <> pg_backend_pid()`,
    [database.name],
  );
  return row!["count"] as number;
}

test("12: the order is that of order_by, and limit and offset count along it", async () => {
  const items = await define("items");
  assert.deepEqual(
    await idsOf(items, { orderBy: '"items"."id" DESC', limit: 3, offset: 2 }),
    [18, 17, 16],
  );
  const byTenant = '"items"."tenant" DESC, "items"."id"';
  assert.deepEqual(await idsOf(items, { orderBy: byTenant, limit: 2 }), [2, 5]);
  assert.deepEqual(await idsOf(items, { orderBy: '"items"."id"', offset: 19 }), [20]);
  assert.deepEqual(await idsOf(items, { orderBy: '"items"."id"', offset: 20 }), []);
});

test("12: the shape's condition and the subset's are both in brackets", async () => {
  const shape = await define("items", ['"id" = ', 0, '::int4 OR "id" = ', 1, "::int4"], "1", "2");
  const subset = { where: '"tenant" = $1::int4 OR false', parameters: ["2"] };
  assert.deepEqual(await idsOf(shape, subset), [2]);
  assert.deepEqual((await idsOf(shape, {})).sort(), [1, 2]);
});

test("12, 8.1: a row is the one of the shape's own snapshot, with a mark", async () => {
  const items = await define("items");
  const rows: string[] = [];
  const row = (message: Uint8Array) => void rows.push(Buffer.from(message).toString());
  await new SnapshotReader(pool).read(items, () => undefined, row, forever);
  const snapshot = await reader({ random: () => 0.5 }).read(items, ALL, forever);
  assert.equal(snapshot.mark, 2 ** 30);
  const unmarked = (await messagesOf(snapshot)).map(({ headers, ...message }) => {
    const { snapshot_mark: mark, ...rest } = headers;
    assert.equal(mark, snapshot.mark);
    return JSON.stringify({ ...message, headers: rest });
  });
  assert.deepEqual(unmarked, rows);
});

test("12: marks are integers from 0 up to 2^31 - 1", async () => {
  const items = await define("items");
  for (const [random, mark] of [
    [0, 0],
    [1 - Number.EPSILON, 2 ** 31 - 1],
  ] as const) {
    assert.equal((await reader({ random: () => random }).read(items, ALL, forever)).mark, mark);
  }
});

test("12: what a transaction that is still running did does not show, and the bounds say so", async () => {
  const items = await define("items");
  const other = await database.connect();
  await other.query("BEGIN; INSERT INTO items VALUES (100, 0, 'late', NULL)");
  const { rows } = await other.query<{ xid: string }>("SELECT pg_current_xact_id()::xid AS xid");
  const running = Number(rows[0]!.xid);
  await database.query("UPDATE items SET name = 'seen' WHERE id = 1");
  const snapshot = await reader().read(items, ALL, forever);
  await other.query("COMMIT");
  assert.equal(isVisibleInSnapshot(running, snapshot.bounds), false);
  const ids = (await messagesOf(snapshot)).map(({ value }) => value.id);
  assert.equal(ids.includes("100"), false);
  const [after] = await database.query("SELECT pg_current_wal_lsn() - '0/0' AS lsn");
  assert.ok(snapshot.bounds.lsn > 0n && snapshot.bounds.lsn <= BigInt(after!["lsn"] as string));
  await database.query("DELETE FROM items WHERE id = 100");
});

test("a subset of less than a batch gives its connection back before it is read", async () => {
  const items = await define("items");
  const snapshots = [];
  for (let count = 0; count < POOL_SIZE + 2; count++) {
    snapshots.push(await reader({ concurrency: 1 }).read(items, ALL, forever));
  }
  assert.equal(await busyCount(), 0);
  for (const snapshot of snapshots) assert.equal((await messagesOf(snapshot)).length, 20);
});

test("a large subset comes in batches, in order, and then gives its connection back", async () => {
  const large = await define("large");
  const one = reader({ concurrency: 1 });
  const snapshot = await one.read(large, { ...ALL, orderBy: '"large"."id" DESC' }, forever);
  assert.equal(await busyCount(), 1);
  const ids = (await messagesOf(snapshot)).map(({ value }) => Number(value.id));
  assert.deepEqual(
    ids,
    Array.from({ length: LARGE }, (_, index) => LARGE - index),
  );
  await eventually(async () => assert.equal(await busyCount(), 0));
  await one.read(large, { ...ALL, limit: 1 }, forever);
});

test("a subset that nobody reads on is given up: not begun, in the middle, with its signal", async () => {
  const large = await define("large");
  const one = reader({ concurrency: 1 });
  const abort = new AbortController();
  for (const leave of [
    async ({ pages }: SubsetSnapshot) => pages.return(),
    async ({ pages }: SubsetSnapshot) => {
      await pages.next();
      await pages.next();
      await pages.return();
    },
    async ({ pages }: SubsetSnapshot) => {
      await pages.next();
      abort.abort();
      await assert.rejects(async () => {
        for await (const page of pages) assert.ok(page.length > 0);
      });
    },
  ]) {
    await leave(await one.read(large, ALL, abort.signal));
    await eventually(async () => assert.equal(await busyCount(), 0));
  }
  await messagesOf(await one.read(large, ALL, forever));
});

test("a reader who takes too long over a large subset loses it", async () => {
  const large = await define("large");
  const one = reader({ concurrency: 1, limits: { readerTimeoutMs: 50 } });
  const { pages } = await one.read(large, ALL, forever);
  await eventually(async () => assert.equal(await busyCount(), 0));
  await assert.rejects(async () => {
    for await (const page of pages) assert.ok(page.length > 0);
  });
});

const SLOW: Partial<Subset> = { where: "pg_sleep(600) IS NOT NULL" };

test("a query whose client goes away ends in Postgres as well", async () => {
  const items = await define("items");
  const abort = new AbortController();
  const patient = reader({ limits: { batchTimeoutMs: 600_000 } });
  const reading = patient.read(items, { ...ALL, ...SLOW }, abort.signal);
  reading.catch(() => undefined);
  const isAsleep = "SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'";
  await eventually(async () => {
    assert.equal((await database.query(isAsleep, [database.name])).length, 1);
  });
  abort.abort();
  await assert.rejects(reading);
  await eventually(async () => assert.equal(await busyCount(), 0));
});

test("a query that takes too long is a timeout", async () => {
  const items = await define("items");
  const impatient = reader({ limits: { batchTimeoutMs: 50 } });
  await assert.rejects(impatient.read(items, { ...ALL, ...SLOW }, forever), {
    code: "POSTGRES_TIMEOUT",
  });
});

test("no more subsets than may be have a connection; the others wait, not for ever", async () => {
  const large = await define("large");
  const one = reader({ concurrency: 1, limits: { queueTimeoutMs: 50 } });
  const first = await one.read(large, ALL, forever);
  await assert.rejects(one.read(large, ALL, forever), { code: "POSTGRES_POOL_EXHAUSTED" });
  const abort = new AbortController();
  const waiting = one.read(large, ALL, abort.signal);
  abort.abort();
  await assert.rejects(waiting, { code: "SUBSET_ABANDONED" });
  const next = one.read(large, { ...ALL, limit: 1 }, forever);
  await first.pages.return();
  await messagesOf(await next);
});

test("3.3: a value that its type does not know is Postgres' to say", async () => {
  const items = await define("items");
  const subset = { ...ALL, where: '"mood" = $1::mood', parameters: ["bored"] };
  await assert.rejects(reader().read(items, subset, forever), {
    sqlState: "22P02",
    postgresMessage: 'invalid input value for enum mood: "bored"',
  });
});

test("12: a table that is not the one that was defined is a change of schema", async () => {
  await database.query("CREATE TABLE gone (id int PRIMARY KEY)");
  const gone = await define("gone");
  await database.query("DROP TABLE gone; CREATE TABLE gone (id int PRIMARY KEY)");
  await assert.rejects(reader().read(gone, ALL, forever), { code: "SCHEMA_CHANGED" });
  await database.query("DROP TABLE gone");
  await assert.rejects(reader().read(gone, ALL, forever), { code: "SCHEMA_CHANGED" });
});
