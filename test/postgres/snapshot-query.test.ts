/**
 * Snapshots against replication.
 *
 * Goal: a row in a snapshot is, byte for byte, what the stream makes of it, whatever its types; the
 * bounds place it in time; and every way of failing has its code.
 * Method: the same rows are read both ways and put together here by the words of the protocol.
 */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { systemTimers } from "../../src/lib/timers.ts";
import { LSN_ZERO, parseLsn } from "../../src/model/lsn.ts";
import type { ShapeDefinition, ShapeTemplate } from "../../src/model/shape-definition.ts";
import { isVisibleInSnapshot, type SnapshotBounds } from "../../src/model/snapshot-bounds.ts";
import { keyColumnsOf, quoteTable, type Table } from "../../src/model/table.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import { ReplicationStream } from "../../src/postgres/replication-stream.ts";
import { ensureSlot, replicationNamesOf } from "../../src/postgres/slot.ts";
import { SnapshotReader } from "../../src/postgres/snapshot-query.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { FrameSink } from "../support/wire.ts";

let database: TestDatabase;
let pool: Pool;
let inspector: Inspector;
beforeAll(async () => {
  database = await createTestDatabase();
  // What the snapshot has to overrule.
  await database.query(`ALTER DATABASE ${database.name} SET DateStyle = 'SQL, MDY'`);
  await database.query(`ALTER DATABASE ${database.name} SET bytea_output = 'escape'`);
  await database.query(`ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Tokyo'`);
  await database.query(`ALTER DATABASE ${database.name} SET extra_float_digits = 0`);
  pool = new Pool(parseConnectionOptions(database.url), { size: 4 });
  inspector = new Inspector(pool);
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

async function define(
  name: string,
  where?: string,
  params: readonly string[] = [],
  template: Partial<ShapeTemplate> = {},
): Promise<ShapeDefinition> {
  const table = (await inspector.findTable("public", name))!;
  const definition = defineShape(table, {
    where,
    params: Object.fromEntries(params.map((text, index) => [String(index + 1), text])),
    ...{ columns: undefined, replica: "default", log: "full" },
  });
  return { ...definition, template: { ...definition.template, ...template } };
}

async function read(
  definition: ShapeDefinition,
  signal = new AbortController().signal,
): Promise<{ rows: string[]; bounds: SnapshotBounds }> {
  const rows: string[] = [];
  let bounds: SnapshotBounds | undefined;
  await new SnapshotReader(pool).read(
    definition,
    (known) => {
      assert.equal(rows.length, 0);
      bounds = known;
    },
    (message) => void rows.push(Buffer.from(message).toString()),
    signal,
  );
  return { rows, bounds: bounds! };
}

/** What the stream makes of the values of a tuple, by the words of protocol 8. */
function messageOf(table: Table, values: readonly (string | null)[]): string {
  const textOf = (index: number) => {
    const value = values[index]!;
    return table.columns[index]!.typeOid === 16 ? { t: "true", f: "false" }[value]! : value;
  };
  const parts = keyColumnsOf(table).map((index) =>
    values[index] === null ? "_" : `"${textOf(index).replaceAll("/", "//")}"`,
  );
  const members = table.columns.map(({ name }, index) => {
    const value = values[index] === null ? "null" : JSON.stringify(textOf(index));
    return `${JSON.stringify(name)}:${value}`;
  });
  const key = JSON.stringify([quoteTable(table), ...parts].join("/"));
  const relation = JSON.stringify([table.schema, table.name]);
  return (
    `{"key":${key},"value":{${members.join(",")}},` +
    `"headers":{"operation":"insert","relation":${relation}}}`
  );
}

function valuesOf(insert: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let offset = 8;
  for (let count = insert.readUInt16BE(6); count > 0; count--) {
    const kind = insert[offset++];
    if (kind === 0x6e) {
      values.push(null);
      continue;
    }
    const size = insert.readUInt32BE(offset);
    values.push(insert.toString("utf8", offset + 4, offset + 4 + size));
    offset += 4 + size;
  }
  return values;
}

/** What the stream says of rows inserted by `sql`. */
async function replicate(sql: string, count: number): Promise<(string | null)[][]> {
  const names = replicationNamesOf(database.streamId);
  const connection = await ReplicationConnection.open(parseConnectionOptions(database.url));
  await ensureSlot(connection, names.slot, () => Promise.resolve());
  const sink = new FrameSink();
  const stream = await ReplicationStream.start(connection, {
    ...names,
    ...{ startLsn: LSN_ZERO, sink, clock: systemClock, timers: systemTimers },
    walSenderTimeoutMs: 60_000,
  });
  sink.stream = stream;
  await database.query(sql);
  const inserts = () => sink.messages.filter((message) => message[0] === 0x49);
  await sink.until(() => inserts().length === count);
  await stream.close();
  return inserts().map(valuesOf);
}

test("rows of all types are those of the stream, byte for byte", async () => {
  await database.query(`
    CREATE TYPE mood AS ENUM ('sad', 'o"k');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN posint AS int;
    CREATE DOMAIN padded AS char(5);
    CREATE DOMAIN flag AS bool;
    CREATE TABLE "all ""of\\ 'them" (
      id uuid, part text, yes bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric,
      t text, v varchar(20), c char(6), q "char", nm name, b bytea, d date, tm time, tz timetz,
      ts timestamp, tsz timestamptz, iv interval, j json, jb jsonb, m mood, p pair, po posint,
      pa padded, fl flag, ip inet, net cidr, mac macaddr, pt point, bit bit(4), vb varbit, x xml,
      ai int[], ab bool[], at text[], am mood[], ac char(3)[], r int4range, tsv tsvector, mo money,
      "we""ird\\ é" text, o oid,
      PRIMARY KEY (part, id, yes)
    );
    CREATE PUBLICATION ${replicationNamesOf(database.streamId).publication}
      FOR TABLE "all ""of\\ 'them"`);
  const sql = `INSERT INTO "all ""of\\ 'them" VALUES
    ('8A1F6D3E-3c0e-4a52-9bd8-6f6c3f1fd111', 'a/b//"c"', true, -1, 2147483647, 9223372036854775807,
     0.1, 1e300, 1.10, E'\\x01\\b\\f\\n\\r\\t"\\\\/ é日😀\u2028\\x7f', 'v', 'pad', 'q', 'nm',
     '\\x0001ff', '2024-01-02', '12:34:56.789', '12:34:56+02', '2024-01-02 03:04:05.6',
     '2024-01-02 03:04:05Z', '1 year 2 days 3:04', '{"b": 1,  "a":2}', '{"b": 1,  "a":2}', 'o"k',
     '(1,"x,y")', 7, 'ab', true, '1.2.3.4', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,2)', B'1010',
     B'101', '<a b="c"/>', '{1,NULL,3}', '{t,f}', '{"a,b","c\\"d"}', '{sad}', '{a,bb}', '[1,5)',
     'fat:1 cat', 12.5, 'w', 7),
    ('8a1f6d3e-3c0e-4a52-9bd8-6f6c3f1fd112', '', false, NULL, NULL, NULL, 'NaN', '-Infinity', 'NaN'
     ${", NULL".repeat(36)})`;
  const tuples = await replicate(sql, 2);
  const definition = await define(`all "of\\ 'them`);
  const { table } = definition.template;
  const { rows } = await read(definition);
  assert.deepEqual(rows.toSorted(), tuples.map((values) => messageOf(table, values)).toSorted());
  for (const row of rows) JSON.parse(row);
});

test("a table without a key has every column in its rows' keys", async () => {
  await database.query(
    "CREATE TABLE keyless (a int, b text); INSERT INTO keyless VALUES (NULL, '/')",
  );
  const definition = await define("keyless");
  const { rows } = await read(definition);
  assert.deepEqual(rows, [messageOf(definition.template.table, [null, "/"])]);
  assert.equal((JSON.parse(rows[0]!) as { key: string }).key, `"public"."keyless"/_/"//"`);
});

test("terms select rows, columns are selected, all values of the parameters are safe", async () => {
  await database.query(`CREATE TABLE w (id int PRIMARY KEY, "o'w\\n" text, yes bool, u uuid);
    INSERT INTO w VALUES (1, 'it''s $1 \\', true, 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
                         (2, 'it''s $1 \\', NULL, NULL), (3, NULL, true, NULL)`);
  const ids = async (...args: Parameters<typeof define>) => {
    const { rows } = await read(await define(...args));
    return rows.map((row) => (JSON.parse(row) as { value: { id: string } }).value.id).toSorted();
  };
  assert.deepEqual(await ids("w", `"o'w\\n" = $1`, ["it's $1 \\"]), ["1", "2"]);
  assert.deepEqual(await ids("w", `yes AND "o'w\\n" = $1`, ["it's $1 \\"]), ["1"]);
  assert.deepEqual(await ids("w", "yes AND NOT yes"), []);
  assert.deepEqual(await ids("w", "u = $1", ["b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]), ["1"]);
  const { rows } = await read(
    await define("w", "yes", [], { columns: [0], hasExplicitColumns: true }),
  );
  assert.match(rows[0]!, /"value":\{"id":"1"\}/);
});

test("the bounds come before the rows and tell what is visible from what is not", async () => {
  await database.query("CREATE TABLE b (id int PRIMARY KEY)");
  const other = await database.connect();
  await other.query("BEGIN; INSERT INTO b VALUES (1)");
  const xidOf = async (sql: string) => {
    const result = await other.query<{ xid: string }>(sql);
    return Number(BigInt(result.rows[0]!.xid) & 0xffff_ffffn);
  };
  const open = await xidOf("SELECT pg_current_xact_id()::text AS xid");
  await database.query("INSERT INTO b VALUES (2)");
  const { rows, bounds } = await read(await define("b"));
  assert.deepEqual(rows.length, 1);
  assert.equal(isVisibleInSnapshot(open, bounds), false);
  await other.query("COMMIT");
  const after = await read(await define("b"));
  assert.equal(after.rows.length, 2);
  assert.equal(isVisibleInSnapshot(open, after.bounds), true);
  const [{ lsn }] = (await database.query("SELECT pg_current_wal_insert_lsn() AS lsn")) as [
    { lsn: string },
  ];
  assert.ok(bounds.lsn < after.bounds.lsn && after.bounds.lsn <= parseLsn(lsn));
});

test("many rows come in batches, one at a time, as slowly as they are taken", async () => {
  await database.query(
    "CREATE TABLE many AS SELECT n AS id, repeat('x', 500) AS v FROM generate_series(1, 20000) n",
  );
  let count = 0;
  let inFlight = 0;
  await new SnapshotReader(pool).read(
    await define("many"),
    () => undefined,
    async () => {
      assert.equal(++inFlight, 1);
      if (++count % 1000 === 0) await sleep(1);
      inFlight--;
    },
    new AbortController().signal,
  );
  assert.equal(count, 20000);
});

test("changes_only is placed in time and has no rows", async () => {
  const { rows, bounds } = await read(await define("many", undefined, [], { log: "changes_only" }));
  assert.equal(rows.length, 0);
  assert.ok(bounds.lsn > 0n);
});

test("a table that has changed since it was defined", async () => {
  const code = "SCHEMA_CHANGED";
  await database.query("CREATE TABLE gone (id int PRIMARY KEY, v text)");
  const definition = await define("gone");
  await database.query("ALTER TABLE gone DROP COLUMN v");
  await assert.rejects(read(definition), { code });
  await database.query("DROP TABLE gone");
  await assert.rejects(read(definition), { code });
  await database.query("CREATE TABLE gone (id int PRIMARY KEY, v text)");
  await assert.rejects(read(definition), { code });
  await assert.rejects(
    read({ ...definition, template: { ...definition.template, log: "changes_only" } }),
    { code },
  );
  inspector.invalidate(definition.template.table.oid);
  assert.deepEqual((await read(await define("gone"))).rows, []);
});

test("a locked table, a slow query, a missing privilege, an exhausted pool", async () => {
  await database.query("CREATE TABLE locked (id int PRIMARY KEY)");
  const definition = await define("locked");
  const attempt = (reader: SnapshotReader, wanted = definition) =>
    reader.read(
      wanted,
      () => undefined,
      () => undefined,
      new AbortController().signal,
    );

  const other = await database.connect();
  await other.query("BEGIN; LOCK TABLE locked");
  await assert.rejects(attempt(new SnapshotReader(pool, { lockTimeoutMs: 50 })), {
    code: "POSTGRES_LOCK_TIMEOUT",
  });
  await assert.rejects(attempt(new SnapshotReader(pool, { batchTimeoutMs: 50 })), {
    code: "POSTGRES_TIMEOUT",
  });
  const single = new Pool(parseConnectionOptions(database.url), {
    size: 1,
    acquireTimeoutMs: 2_000,
  });
  let letGo!: () => void;
  const isHeld = new Promise<void>((resolve) => (letGo = resolve));
  const holding = single.withClient(() => isHeld);
  await assert.rejects(attempt(new SnapshotReader(single)), { code: "POSTGRES_POOL_EXHAUSTED" });
  letGo();
  await holding;
  await single.close();
  await other.query("ROLLBACK");

  const role = `reader_${database.streamId}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  const url = new URL(database.url);
  url.username = role;
  url.password = "x";
  const poor = new Pool(parseConnectionOptions(url.href), { size: 1 });
  await assert.rejects(attempt(new SnapshotReader(poor)), {
    code: "POSTGRES_PRIVILEGE",
    postgresMessage: "permission denied for table locked",
  });
  await poor.close();
  await database.query(`DROP ROLE ${role}`);
});

test("an aborted snapshot ends at once, and the pool is as good as new", async () => {
  await database.query("CREATE TABLE slow (id int PRIMARY KEY)");
  const definition = await define("slow");
  const other = await database.connect();
  await other.query("BEGIN; LOCK TABLE slow");
  const stop = new AbortController();
  const reading = read(definition, stop.signal);
  await sleep(50);
  stop.abort();
  await assert.rejects(reading);
  await other.query("ROLLBACK");
  assert.deepEqual((await read(definition)).rows, []);
  await assert.rejects(read(definition, AbortSignal.abort()), { name: "AbortError" });
});
