/** Protocol section 7: messages, and what changes of rows and tables become. */

import { beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import {
  MUST_REFETCH,
  serveLitz,
  SNAPSHOT_END,
  told,
  UP_TO_DATE,
  type Parameters,
  type ShapeReader,
} from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, title text, n int, long text);
    CREATE TABLE keyless (a text, b int);
    INSERT INTO keyless VALUES ('x', NULL);
    CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO made VALUES (4);
    CREATE TABLE measured (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE measured_1 PARTITION OF measured FOR VALUES FROM (0) TO (10);
    INSERT INTO measured VALUES (1, 1, 'a');`,
  settings: { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "200ms" },
});

const ITEMS = { table: "items" };
const RELATION = ["public", "items"];
const key = (id: number) => `"public"."items"/"${id}"`;

beforeAll(async () => {
  await subject.sql("INSERT INTO items VALUES (1, 'x', NULL)");
});

/** Rows for the tests of one suite: 10, 11 and so on, each seen by the reader. */
async function insertRow(reader: ShapeReader, id: number): Promise<void> {
  await subject.sql(`INSERT INTO items VALUES (${id}, 'old', ${id})`);
  await reader.changes(1);
}

async function xidOf(sql: string): Promise<number> {
  const rows = await subject.sql(`BEGIN; ${sql}; CREATE TEMP TABLE xid ON COMMIT DROP AS
    SELECT pg_current_xact_id()::xid::text AS xid; SELECT xid FROM xid`);
  await subject.sql("COMMIT");
  return Number(rows[0]!["xid"]);
}

describe("§7.1, §7.2 the snapshot", () => {
  test("§7.1 a row is an insert with no more headers than that and its relation", async () => {
    const answer = await subject.get({ ...ITEMS, where: "id = 1", offset: "-1" });
    expect(answer.messages[0]).toEqual({
      key: key(1),
      value: { id: "1", title: "x", n: null, long: null },
      headers: { operation: "insert", relation: RELATION },
    });
  });

  test("§7.2 snapshot-end is there for no rows and for changes_only as well", async () => {
    for (const parameters of [{ where: "id = -1" }, { log: "changes_only" }] as Parameters[]) {
      const answer = await subject.get({ ...ITEMS, ...parameters, offset: "-1" });
      expect(answer.messages).toEqual([SNAPSHOT_END]);
    }
  });

  test("§7.2 it tells which transactions the snapshot shows, as decimal strings", async () => {
    const open = await subject.database.connect();
    await open.query("CREATE TABLE busy (id int PRIMARY KEY)");
    await subject.read({ table: "busy" });
    await open.query("BEGIN; CREATE TEMP TABLE t (id int)");
    const { rows } = await open.query<{ xid: string }>("SELECT pg_current_xact_id()::text AS xid");
    // The list is of those before the latest that has ended.
    await subject.sql("INSERT INTO busy VALUES (1)");
    const { messages } = await subject.get({ table: "busy", where: "id > 0", offset: "-1" });
    const { headers } = messages.at(-1)!;
    await open.query("COMMIT");
    expect(headers["xip_list"]).toContain(rows[0]!.xid);
    expect(BigInt(headers["xmin"] as string) <= BigInt(rows[0]!.xid)).toBe(true);
    expect(BigInt(headers["xmax"] as string) > BigInt(rows[0]!.xid)).toBe(true);
  });
});

describe("§7.3 headers of changes", () => {
  test("§7.3 all of them, with xids as numbers and LSNs as strings", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id >= 100 AND id < 110" });
    const xid = await xidOf("INSERT INTO items VALUES (100, 'a'), (101, 'b')");
    const lsn = expect.stringMatching(/^\d+$/) as string;
    const common = { operation: "insert", relation: RELATION, txids: [xid], lsn };
    const [first, second] = await reader.changes(2);
    expect(first!.headers).toEqual({ ...common, op_position: 0 });
    expect(second!.headers).toEqual({ ...common, op_position: 2, last: true });
  });

  test("§7.3 last is the last of a transaction for this shape", async () => {
    const even = await subject.read({ ...ITEMS, where: "id = 110 OR id = 112" });
    await subject.sql("INSERT INTO items VALUES (110), (111), (112), (113)");
    const changes = await even.changes(2);
    expect(changes.map(({ headers }) => headers["last"])).toEqual([undefined, true]);
  });
});

describe("§7.4 bodies", () => {
  test("§7.4 replica=default", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id = 200" });
    await subject.sql("INSERT INTO items VALUES (200, 'a', 1, 'l')");
    await subject.sql("UPDATE items SET title = 'b', n = NULL WHERE id = 200");
    await subject.sql("DELETE FROM items WHERE id = 200");
    const [insert, update, remove] = await reader.changes(3);
    expect(insert!.value).toEqual({ id: "200", title: "a", n: "1", long: "l" });
    expect(update!.value).toEqual({ id: "200", title: "b", n: null });
    expect(remove!.value).toEqual({ id: "200" });
    for (const { old_value: oldValue } of [insert!, update!, remove!]) {
      expect(oldValue).toBeUndefined();
    }
  });

  test("§7.4 replica=full", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id = 210", replica: "full" });
    await subject.sql("INSERT INTO items VALUES (210, 'a', 1, 'l')");
    await subject.sql("UPDATE items SET title = 'b' WHERE id = 210");
    await subject.sql("DELETE FROM items WHERE id = 210");
    const [insert, update, remove] = await reader.changes(3);
    expect(insert!.value).toEqual({ id: "210", title: "a", n: "1", long: "l" });
    expect(update!.value).toEqual({ id: "210", title: "b", n: "1", long: "l" });
    expect(update!.old_value).toEqual({ title: "a" });
    expect(remove!.value).toEqual({ id: "210", title: "b", n: "1", long: "l" });
    expect(insert).not.toHaveProperty("old_value");
    expect(remove).not.toHaveProperty("old_value");
  });

  test("§7.4 an update that changes no selected column is not emitted", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id = 220", columns: "id,title" });
    await subject.sql("INSERT INTO items VALUES (220, 'a', 1)");
    await subject.sql("UPDATE items SET n = 2 WHERE id = 220");
    await subject.sql("UPDATE items SET title = title WHERE id = 220");
    await subject.sql("UPDATE items SET title = 'b', n = 3 WHERE id = 220");
    const changes = await reader.changes(2);
    expect(changes.map(({ value }) => value)).toEqual([
      { id: "220", title: "a" },
      { id: "220", title: "b" },
    ]);
  });

  test("§7.4 values stored out of line are filled in", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id = 230", replica: "full" });
    await subject.sql(
      `INSERT INTO items SELECT 230, 'a', 1, string_agg(md5(n::text), '')
       FROM generate_series(1, 500) n`,
    );
    await subject.sql("UPDATE items SET n = 2 WHERE id = 230");
    const [insert, update] = await reader.changes(2);
    expect(update!.value!["long"]).toHaveLength(16_000);
    expect(update!.value!["long"]).toBe(insert!.value!["long"]);
    expect(update!.old_value).toEqual({ n: "1" });
  });
});

describe("§7.5 updates under a WHERE", () => {
  test.each<[Parameters, unknown[]]>([
    [
      {},
      [
        ["update", { id: "1", n: "6" }],
        ["delete", { id: "1" }],
      ],
    ],
    [
      { replica: "full" },
      [
        ["update", { id: "1", title: "x", n: "6" }],
        ["delete", { id: "1", title: "x", n: "6" }],
      ],
    ],
  ])("§7.5 %j: in stays, in goes out, out comes in, out stays", async (replica, [stays, goes]) => {
    await subject.sql("UPDATE items SET n = 1 WHERE id = 1");
    const columns = "id,title,n";
    const reader = await subject.read({ ...ITEMS, ...replica, columns, where: "n > 4 AND id = 1" });
    for (const n of ["2", "5", "6", "3", "NULL"]) {
      await subject.sql(`UPDATE items SET n = ${n} WHERE id = 1`);
    }
    const changes = await reader.changes(3);
    expect(changes.map(({ headers, value }) => [headers["operation"], value])).toEqual([
      ["insert", { id: "1", title: "x", n: "5" }],
      stays,
      goes,
    ]);
    expect(changes.map((change) => change.key)).toEqual([key(1), key(1), key(1)]);
  });
});

describe("§7.6 changes of a key", () => {
  test.each<[string, unknown]>([
    ["default", { id: "300" }],
    ["full", { id: "300", title: "old", n: "300", long: null }],
  ])("§7.6 replica=%s: a delete and an insert that name each other", async (replica, old) => {
    const reader = await subject.read({ ...ITEMS, replica, where: "id >= 300 AND id < 310" });
    await insertRow(reader, 300);
    await subject.sql("UPDATE items SET id = 301, title = 'new' WHERE id = 300");
    const [remove, insert] = await reader.changes(2);
    expect(remove).toMatchObject({
      key: key(300),
      headers: { operation: "delete", op_position: 0 },
    });
    expect(remove!.value).toEqual(old);
    expect(remove!.headers["key_change_to"]).toBe(key(301));
    expect(remove!.headers["last"]).toBeUndefined();
    expect(insert).toMatchObject({
      key: key(301),
      headers: { operation: "insert", op_position: 1 },
    });
    expect(insert!.value).toEqual({ id: "301", title: "new", n: "300", long: null });
    expect(insert!.headers["key_change_from"]).toBe(key(300));
    expect(insert!.headers["last"]).toBe(true);
    expect(insert!.headers["lsn"]).toBe(remove!.headers["lsn"]);
    expect(insert!.headers["txids"]).toEqual(remove!.headers["txids"]);
    await subject.sql("DELETE FROM items WHERE id = 301");
  });
});

test("§7.7 without a primary key all columns are the key, NULLs among them", async () => {
  const reader = await subject.read({ table: "keyless" });
  expect(reader.rows[0]!.key).toBe('"public"."keyless"/"x"/_');
  await subject.sql("UPDATE keyless SET b = 1");
  const [remove, insert] = await reader.changes(2);
  expect(remove).toMatchObject({
    key: '"public"."keyless"/"x"/_',
    value: { a: "x", b: null },
    headers: { operation: "delete", key_change_to: '"public"."keyless"/"x"/"1"' },
  });
  expect(insert).toMatchObject({ key: '"public"."keyless"/"x"/"1"', value: { a: "x", b: "1" } });
});

test("§7.8 up-to-date always names a position, as a decimal string", async () => {
  const reader = await subject.read(ITEMS);
  const last = [reader.messages.at(-1), (await reader.step({ live: "true" })).messages.at(-1)];
  expect(last).toEqual([UP_TO_DATE, UP_TO_DATE]);
});

describe("§7.9 tables that change", () => {
  let count = 0;

  /** A table of its own, with a row, and a reader of it. */
  async function makeTable(parameters: Parameters = {}): Promise<ShapeReader> {
    count += 1;
    const table = `changing_${count}`;
    await subject.sql(`CREATE TABLE ${table} (id int PRIMARY KEY, a text, b text NOT NULL);
                       INSERT INTO ${table} VALUES (1, 'a', 'b')`);
    return subject.read({ ...parameters, table });
  }

  /** Requests with the old handle are told to start again. */
  async function expectRefetch({ definition, position }: ShapeReader): Promise<void> {
    await eventually(async () => {
      const answer = await subject.get({ ...definition, ...position });
      expect(answer.status, answer.text).toBe(409);
      expect(answer.json).toEqual(MUST_REFETCH);
      expect(answer.header("electric-handle")).not.toBe(position["handle"]);
    });
  }

  test("§7.9 TRUNCATE ends live requests and the handle", async () => {
    const reader = await makeTable();
    const held = subject.get({ ...reader.definition, ...reader.position, live: "true" });
    await subject.sql(`TRUNCATE ${reader.definition["table"]}`);
    expect((await held).status).toBe(409);
    await expectRefetch(reader);
    expect((await subject.read(reader.definition)).rows).toEqual([]);
  });

  test("§7.9 TRUNCATE of a partition ends the shapes of the root, and the other way round", async () => {
    const root = await subject.read({ table: "measured", where: "v = 'a'" });
    await subject.sql("TRUNCATE measured_1");
    await expectRefetch(root);
    const leaf = await subject.read({ table: "measured_1" });
    await subject.sql("TRUNCATE measured");
    await expectRefetch(leaf);
  });

  test.each([
    [
      "is dropped and made again",
      (table: string) => `DROP TABLE ${table};
      CREATE TABLE ${table} (id int PRIMARY KEY, a text, b text NOT NULL)`,
    ],
    ["gains a column", (table: string) => `ALTER TABLE ${table} ADD COLUMN c int`],
    ["loses a column", (table: string) => `ALTER TABLE ${table} DROP COLUMN a`],
    ["has a column renamed", (table: string) => `ALTER TABLE ${table} RENAME COLUMN a TO c`],
    [
      "has a column of another type",
      (table: string) => `ALTER TABLE ${table} ALTER COLUMN a TYPE varchar(5)`,
    ],
  ])("§7.9 a table that %s ends its shapes", async (_name, ddl) => {
    const reader = await makeTable();
    await subject.sql(ddl(reader.definition["table"]!));
    await expectRefetch(reader);
  });

  test("§7.9 a table that is renamed or dropped does not exist: 400", async () => {
    const renamed = await makeTable();
    const dropped = await makeTable();
    await subject.sql(`ALTER TABLE ${renamed.definition["table"]} RENAME TO renamed;
                       DROP TABLE ${dropped.definition["table"]}`);
    for (const { definition, position } of [renamed, dropped]) {
      await eventually(async () => {
        const answer = await subject.get({ ...definition, ...position });
        expect(answer.status).toBe(400);
        expect(answer.text).toContain("does not exist");
      });
    }
  });

  test("§7.9 a new column leaves alone who has listed his, and a dropped one who has not it", async () => {
    const reader = await makeTable({ columns: "id,b" });
    const { table } = reader.definition;
    await subject.sql(`ALTER TABLE ${table} ADD COLUMN c int; ALTER TABLE ${table} DROP COLUMN a;
                       INSERT INTO ${table} VALUES (2, 'b2', 2)`);
    expect((await reader.changes(1))[0]!.value).toEqual({ id: "2", b: "b2" });
  });

  test("§7.9 nullability alone leaves the shape, and is seen in the schema", async () => {
    const reader = await makeTable();
    await subject.sql(`ALTER TABLE ${reader.definition["table"]} ALTER COLUMN b DROP NOT NULL`);
    await eventually(async () => {
      const answer = await reader.step();
      const schema = JSON.parse(answer.header("electric-schema")!) as { b: object };
      expect(schema.b).toEqual({ type: "text" });
    });
  });
});

test("§7.10 stored generated columns are synced where the publication has them", async () => {
  const reader = await subject.read({ table: "made" });
  expect(reader.rows[0]!.value).toEqual({ id: "4", twice: "8" });
  await subject.sql("INSERT INTO made VALUES (5)");
  expect((await reader.changes(1))[0]!.value).toEqual({ id: "5", twice: "10" });
});

describe("§7.11 partitioned tables", () => {
  test("§7.11 changes of partitions, new ones too, are the root's, under its name", async () => {
    const reader = await subject.read({ table: "measured" });
    await subject.sql("INSERT INTO measured VALUES (2, 2, 'b')");
    await subject.sql("CREATE TABLE measured_2 PARTITION OF measured FOR VALUES FROM (10) TO (20)");
    await subject.sql("INSERT INTO measured VALUES (3, 13, 'c')");
    const changes = await reader.changes(2);
    expect(told(changes)).toEqual(["insert 2", "insert 3"]);
    expect(changes.map((change) => change.key)).toEqual([
      '"public"."measured"/"2"/"2"',
      '"public"."measured"/"3"/"13"',
    ]);
    for (const { headers } of changes) expect(headers["relation"]).toEqual(["public", "measured"]);
    expect((await subject.read({ table: "measured", where: "id = 2" })).rows[0]!.key).toBe(
      changes[0]!.key,
    );
  });

  test("§7.11 a partition is a table as well", async () => {
    const reader = await subject.read({ table: "measured_1" });
    await subject.sql("INSERT INTO measured VALUES (5, 5, 'leaf')");
    const [change] = await reader.changes(1);
    expect(change!.key).toBe('"public"."measured_1"/"5"/"5"');
    expect(change!.headers["relation"]).toEqual(["public", "measured_1"]);
  });
});
