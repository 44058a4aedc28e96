/**
 * The catalog as shapes see it, and the header that is made of it.
 *
 * Goal: every property of a column arrives as the protocol wants it, and the cache is right after
 * renames, drops and races. Method: one table with every kind of column in a real database.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { electricSchema } from "../../src/model/electric-schema.ts";
import { DROPPED_COLUMN, liveColumnsOf } from "../../src/model/table.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector, inspectServer } from "../../src/postgres/inspector.ts";
import { Pool, type Queryable } from "../../src/postgres/pool.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool(parseConnectionOptions(database.url), { size: 2 });
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

const ODD_TABLE = `
  CREATE SCHEMA "odd.schema";
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE TYPE pair AS (a int, b int);
  CREATE DOMAIN posint AS int CHECK (VALUE > 0);
  CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE "odd.schema"."Big ""T" (
    gone int, "b" int8 NOT NULL, "1" varchar(8), a int4, n numeric(5,2), n2 numeric(3,-2),
    grid int8[][], nums posint[], moods mood[], m mood, p pair, d posint,
    c char(3), bits bit(4), vb varbit(7), t time(3), ts timestamp(0), tz timestamptz(2),
    iv interval, ivs interval(4), ivy interval YEAR TO MONTH, ivd interval DAY TO SECOND(2),
    loose text COLLATE loose, nm name, tags text[], "日" text,
    doubled int GENERATED ALWAYS AS (a * 2) STORED,
    PRIMARY KEY (a, b) INCLUDE (m)
  );
  ALTER TABLE "odd.schema"."Big ""T" DROP COLUMN gone;
  ALTER TABLE "odd.schema"."Big ""T" REPLICA IDENTITY FULL;
`;

test("a table with every kind of column", async () => {
  await database.query(ODD_TABLE);
  const inspector = new Inspector(pool);
  const table = await inspector.findTable("odd.schema", 'Big "T');
  assert.ok(table);
  assert.equal(table.replicaIdentity, "f");
  // The place of a dropped column is kept: indexes are attribute numbers.
  assert.equal(table.columns[0], DROPPED_COLUMN);
  assert.deepEqual(table.columns[1], {
    name: "b",
    typeOid: 20,
    typeName: "int8",
    typeKind: "b",
    typeModifier: -1,
    dimensionCount: 0,
    isNotNull: true,
    keyIndex: 1,
    hasByteEquality: true,
  });
  const column = (name: string) => table.columns.find((column) => column.name === name)!;
  assert.equal(column("loose").hasByteEquality, false);
  assert.equal(column("moods").typeKind, "e");
  assert.equal(column("m").keyIndex, undefined);
  assert.equal(column("doubled").generated, "stored");

  const header = electricSchema(table, liveColumnsOf(table));
  assert.match(header, /^[\x20-\x7e]+$/);
  assert.ok(header.startsWith('{"b":{"type":"int8","pk_index":1,"not_null":true},"1":'));
  assert.deepEqual(JSON.parse(header), {
    b: { type: "int8", pk_index: 1, not_null: true },
    1: { type: "varchar", max_length: 8 },
    a: { type: "int4", pk_index: 0, not_null: true },
    n: { type: "numeric", precision: 5, scale: 2 },
    n2: { type: "numeric", precision: 3, scale: -2 },
    grid: { type: "int8", dims: 2 },
    nums: { type: "posint", dims: 1 },
    moods: { type: "mood", dims: 1 },
    m: { type: "mood" },
    p: { type: "pair" },
    d: { type: "posint" },
    c: { type: "bpchar", length: 3 },
    bits: { type: "bit", length: 4 },
    vb: { type: "varbit", length: 7 },
    t: { type: "time", precision: 3 },
    ts: { type: "timestamp", type_mod: 0 },
    tz: { type: "timestamptz", precision: 2 },
    iv: { type: "interval" },
    ivs: { type: "interval", precision: 4 },
    ivy: { type: "interval", fields: "YEAR TO MONTH" },
    ivd: { type: "interval", precision: 2, fields: "DAY TO SECOND" },
    loose: { type: "text" },
    nm: { type: "name" },
    tags: { type: "text", dims: 1 },
    日: { type: "text" },
    doubled: { type: "int4" },
  });
});

test("views are no tables, partitioned tables and partitions are", async () => {
  await database.query(`
    CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE part_one PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE VIEW a_view AS SELECT 1 AS id;
    CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id;
  `);
  const inspector = new Inspector(pool);
  for (const name of ["a_view", "a_matview", "nothing"]) {
    assert.equal(await inspector.findTable("public", name), undefined);
  }
  for (const name of ["parted", "part_one"]) {
    assert.equal((await inspector.findTable("public", name))?.columns[0]?.keyIndex, 0);
  }
});

test("answers are remembered until invalidated, misses are not", async () => {
  let count = 0;
  const counted: Queryable = { query: (...args) => (count++, pool.query(...args)) };
  const inspector = new Inspector(counted);
  assert.equal(await inspector.findTable("public", "later"), undefined);
  await database.query("CREATE TABLE later (id int PRIMARY KEY)");
  const [table, again] = await Promise.all([
    inspector.findTable("public", "later"),
    inspector.findTable("public", "later"),
  ]);
  assert.ok(table);
  assert.equal(again, table);
  assert.equal(await inspector.findTable("public", "later"), table);
  assert.equal(await inspector.findTableByOid(table.oid), table);
  assert.equal(count, 2);

  await database.query("ALTER TABLE later RENAME TO renamed");
  inspector.invalidate(table.oid);
  assert.equal(await inspector.findTable("public", "later"), undefined);
  assert.equal((await inspector.findTableByOid(table.oid))?.name, "renamed");
  await database.query("DROP TABLE renamed");
  inspector.invalidate(table.oid);
  assert.equal(await inspector.findTableByOid(table.oid), undefined);
});

test("an answer asked for before an invalidation is not remembered after it", async () => {
  const inspector = new Inspector(pool);
  await database.query("CREATE TABLE raced (id int PRIMARY KEY)");
  const before = inspector.findTable("public", "raced");
  inspector.invalidate(0);
  assert.equal((await before)?.columns.length, 1);
  await database.query("ALTER TABLE raced ADD COLUMN extra int");
  assert.equal((await inspector.findTable("public", "raced"))?.columns.length, 2);
});

test("the cache holds its capacity, and forgets what was used longest ago", async () => {
  let count = 0;
  const counted: Queryable = { query: (...args) => (count++, pool.query(...args)) };
  const inspector = new Inspector(counted, 2);
  await database.query("CREATE TABLE k1 (i int); CREATE TABLE k2 (i int); CREATE TABLE k3 (i int)");
  for (const name of ["k1", "k2", "k1", "k3", "k1", "k2"]) {
    assert.equal((await inspector.findTable("public", name))?.name, name);
    await inspector.findTable("public", name);
  }
  assert.equal(count, 4);
});

test("the server says what it is", async () => {
  const info = await inspectServer(pool);
  assert.ok(info.version >= 140_000);
  assert.equal(info.walLevel, "logical");
  assert.equal(info.walSenderTimeoutMs, 60_000);
  const connection = await ReplicationConnection.open(parseConnectionOptions(database.url));
  const identity = await connection.identifySystem();
  await connection.close();
  assert.equal(info.systemIdentifier, identity.systemIdentifier);
  assert.equal(info.timeline, identity.timeline);
  assert.equal(info.databaseName, database.name);
});
