/**
 * Snapshots taken together are those that would be taken one by one.
 *
 * Method: every definition is read both ways, the batch with all requests at once; what is special
 * about a shape (many rows, big rows, an error, an abort) must stay its own affair.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import type { ShapeDefinition } from "../../src/model/shape-definition.ts";
import type { SnapshotBounds } from "../../src/model/snapshot-bounds.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { SnapshotBatcher } from "../../src/postgres/snapshot-batch.ts";
import { SnapshotReader } from "../../src/postgres/snapshot-query.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let pool: Pool;
let alone: SnapshotReader;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`CREATE TYPE mood AS ENUM ('glad', 'sad')`);
  await database.query(
    `CREATE TABLE items (id int PRIMARY KEY, tenant int, title text, mood mood, divisor int)`,
  );
  await database.query(
    `INSERT INTO items
     SELECT n, n % 50, format(E'"%s"\\\\ ''\\n é', n), 'glad', n % 50
     FROM generate_series(1, 1000) n`,
  );
  // Tenant 60 has more rows than a batch takes, tenant 61 bigger ones.
  await database.query(
    `INSERT INTO items SELECT 2000 + n, 60, 'x', 'sad', 1 FROM generate_series(1, 150) n`,
  );
  await database.query(
    `INSERT INTO items
     SELECT 3000 + n, 61, repeat('x', 40000), 'sad', 1 FROM generate_series(1, 3) n`,
  );
  pool = new Pool(parseConnectionOptions(database.url), { size: 4 });
  alone = new SnapshotReader(pool);
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

async function define(
  where: string | undefined,
  log: "full" | "changes_only" = "full",
): Promise<ShapeDefinition> {
  const table = (await new Inspector(pool).findTable("public", "items"))!;
  const request = { where, params: {}, columns: undefined, replica: "default", log } as const;
  return defineShape(table, request);
}

interface Outcome {
  readonly bounds: SnapshotBounds;
  readonly rows: readonly string[];
}

async function read(
  source: Pick<SnapshotReader, "read">,
  definition: ShapeDefinition,
  signal = new AbortController().signal,
): Promise<Outcome> {
  const rows: string[] = [];
  let bounds: SnapshotBounds | undefined;
  const placed = (known: SnapshotBounds) => {
    assert.equal(bounds, undefined, "a snapshot is placed once");
    bounds = known;
    return undefined;
  };
  await source.read(
    definition,
    placed,
    (messages) => void rows.push(...Buffer.from(messages).toString().split(",\n")),
    signal,
  );
  return { bounds: bounds!, rows: rows.sort() };
}

test.each([
  ["tenants", (n: number) => `tenant = ${n}`],
  ["texts that have to be quoted", (n: number) => `title = E'"${n}"\\\\ ''\\n é'`],
  ["an enum, whose type has no name in the query", () => `mood = 'sad'`],
  ["lists", (n: number) => `tenant IN (${n}, ${n + 1}) AND title LIKE '%${n}%'`],
  ["nothing", () => undefined],
])("the shapes of one template: %s", async (_, whereOf) => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const definitions = await Promise.all(Array.from({ length: 70 }, (_, n) => define(whereOf(n))));
  const together = await Promise.all(definitions.map((definition) => read(batcher, definition)));
  let rowCount = 0;
  for (const [index, definition] of definitions.entries()) {
    const { rows } = await read(alone, definition);
    assert.deepEqual(together[index]!.rows, rows);
    rowCount += rows.length;
  }
  assert.ok(rowCount > 0);
});

test("seventy shapes take a handful of snapshots, many rows one of their own", async () => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const snapshots: string[] = [];
  const counting: Pick<SnapshotReader, "read"> = {
    read: (definition, placed, row, signal) => {
      snapshots.push(definition.constants.join());
      return alone.read(definition, placed, row, signal);
    },
  };
  const counted = new SnapshotBatcher(pool, counting, systemClock);
  const definitions = await Promise.all(
    Array.from({ length: 70 }, (_, n) => define(`tenant = ${n}`)),
  );
  await Promise.all(definitions.map((definition) => read(counted, definition)));
  assert.deepEqual(snapshots.sort(), ["60", "61"], "all others went together");
  const bounds = await Promise.all(
    definitions.slice(0, 8).map(async (definition) => (await read(batcher, definition)).bounds),
  );
  assert.ok(new Set(bounds).size < 8, "they share their bounds");
});

test("changes only: bounds and no rows", async () => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const definition = await define("tenant = 1", "changes_only");
  const { rows, bounds } = await read(batcher, definition);
  assert.deepEqual(rows, []);
  assert.ok(bounds.xmax > 0n);
});

test("a division by zero fails the shape that divides", async () => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const good = await define("10 / (divisor - 70) < 0");
  const bad = await define("10 / (divisor - 7) < 0");
  const [goodOutcome, badOutcome] = await Promise.allSettled([
    read(batcher, good),
    read(batcher, bad),
  ]);
  assert.equal(goodOutcome.status, "fulfilled");
  assert.equal(badOutcome.status, "rejected");
  assert.match(String(badOutcome.reason), /division by zero/);
});

test("one that is given up does not hurt the others", async () => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const stop = new AbortController();
  const definitions = await Promise.all([1, 2, 3].map((n) => define(`tenant = ${n}`)));
  const outcomes = definitions.map((definition, index) =>
    read(batcher, definition, index === 1 ? stop.signal : undefined),
  );
  stop.abort(new Error("removed meanwhile"));
  const [first, second, third] = await Promise.allSettled(outcomes);
  assert.equal(first!.status, "fulfilled");
  assert.match(String((second as PromiseRejectedResult).reason), /removed meanwhile/);
  assert.equal(third!.status, "fulfilled");
});

test.each([
  ["another column", "ALTER TABLE items ADD more int", "ALTER TABLE items DROP more"],
  [
    "another key",
    `ALTER TABLE items DROP CONSTRAINT items_pkey;
     ALTER TABLE items ADD CONSTRAINT items_pkey PRIMARY KEY (id, divisor)`,
    `ALTER TABLE items DROP CONSTRAINT items_pkey;
     ALTER TABLE items ADD CONSTRAINT items_pkey PRIMARY KEY (id) INCLUDE (tenant)`,
  ],
  ["another table", "ALTER TABLE items RENAME TO others", "ALTER TABLE others RENAME TO items"],
])("%s is everybody's error; back again, it is nobody's", async (_, change, back) => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const definitions = await Promise.all([1, 2, 3].map((n) => define(`tenant = ${n}`)));
  await database.query(change);
  await Promise.all(
    definitions.map((definition) =>
      assert.rejects(read(batcher, definition), { code: "SCHEMA_CHANGED" }),
    ),
  );
  await database.query(back);
  const again = await define("tenant = 1");
  const { rows } = await read(batcher, again);
  assert.deepEqual(rows, (await read(alone, again)).rows);
  assert.equal(rows.length, 20);
});

test("a table that is locked is waited for once", async () => {
  const asked: string[] = [];
  const counting: Pick<SnapshotReader, "read"> = {
    read: (definition) => {
      asked.push(definition.constants.join());
      return Promise.resolve();
    },
  };
  const batcher = new SnapshotBatcher(pool, counting, systemClock);
  const definition = await define("tenant = 1");
  const holder = await database.connect();
  await holder.query("BEGIN; LOCK TABLE items");
  await assert.rejects(read(batcher, definition), { code: "POSTGRES_LOCK_TIMEOUT" });
  assert.deepEqual(asked, []);
  await holder.query("ROLLBACK");
}, 30_000);
