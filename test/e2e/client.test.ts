/**
 * Goal: what the unmodified client holds equals the same query in Postgres.
 * Method: a real Postgres, the whole server, `@electric-sql/client` from npm; after each change the
 * client's rows are compared with a SELECT.
 */

import { Shape, ShapeStream, type Row, type ShapeStreamInterface } from "@electric-sql/client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;
const aborts: AbortController[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, tenant_id int NOT NULL, title text, note text);
    CREATE TABLE users (id uuid PRIMARY KEY, name varchar(20), active bool NOT NULL);
    INSERT INTO items VALUES
      (1, 1, 'one', NULL), (2, 1, 'two "quoted" \\ é 日', 'x'), (3, 2, 'three', '');
    INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001', 'ann', true)`);
  server = await startServer(database);
});

afterEach(() => {
  for (const abort of aborts.splice(0)) abort.abort();
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

function follow(params: Record<string, string | Record<string, string>>, options: object = {}) {
  const abort = new AbortController();
  aborts.push(abort);
  const stream = new ShapeStream({
    url: server.shapeUrl,
    params: params as { table: string },
    signal: abort.signal,
    ...options,
  });
  // The client's own types are not made for exactOptionalPropertyTypes.
  const shape = new Shape<Row>(stream as unknown as ShapeStreamInterface<Row>);
  return { stream, shape };
}

function byId(rows: readonly Row[]): Row[] {
  const key = (row: Row) => JSON.stringify(row["id"]);
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

async function expectEqual(shape: Shape<Row>, sql: string): Promise<void> {
  const expected = await database.query(sql);
  await eventually(() => expect(byId(shape.currentRows)).toEqual(byId(expected as Row[])));
}

describe("a shape with a WHERE", () => {
  const sql = "SELECT * FROM items WHERE tenant_id = 1";

  test("follows inserts, updates, deletes and rows that come and go", async () => {
    const { shape } = follow({ table: "items", where: "tenant_id = 1" });
    await shape.rows;
    await expectEqual(shape, sql);
    for (const change of [
      "INSERT INTO items VALUES (10, 1, 'ten', NULL)",
      "UPDATE items SET title = 'TEN', note = 'n' WHERE id = 10",
      "UPDATE items SET tenant_id = 2 WHERE id = 10",
      "UPDATE items SET tenant_id = 1, note = NULL WHERE id = 10",
      "UPDATE items SET id = 11 WHERE id = 10",
      "DELETE FROM items WHERE id = 11",
      "INSERT INTO items SELECT n, n % 2, repeat('x', 5000), NULL FROM generate_series(100, 400) n",
      "DELETE FROM items WHERE id >= 100",
    ]) {
      await database.query(change);
      await expectEqual(shape, sql);
    }
  });

  test("takes parameters, columns and replica=full", async () => {
    const { shape } = follow({
      table: "items",
      where: "tenant_id = $1 AND title = $2",
      params: { 1: "2", 2: "three" },
      columns: "id,title",
      replica: "full",
    });
    await shape.rows;
    expect(shape.currentRows).toEqual([{ id: 3, title: "three" }]);
  });

  test("an unchanged value out of line stays what it was", async () => {
    const { shape } = follow({ table: "items", where: "tenant_id = 7" });
    await database.query(
      `INSERT INTO items SELECT 700, 7, string_agg(md5(n::text), ''), 'a'
       FROM generate_series(1, 2000) n`,
    );
    await expectEqual(shape, "SELECT * FROM items WHERE tenant_id = 7");
    await database.query("UPDATE items SET note = 'b' WHERE id = 700");
    await expectEqual(shape, "SELECT * FROM items WHERE tenant_id = 7");
    await database.query("UPDATE items SET tenant_id = 8 WHERE id = 700");
    await expectEqual(shape, "SELECT * FROM items WHERE tenant_id = 7");
    await database.query("UPDATE items SET tenant_id = 7 WHERE id = 700");
    await expectEqual(shape, "SELECT * FROM items WHERE tenant_id = 7");
  });
});

describe("several shapes", () => {
  test("see one transaction over two tables whole", async () => {
    const items = follow({ table: "items", where: "tenant_id = 5" });
    const users = follow({ table: "users", where: "active = true" });
    await Promise.all([items.shape.rows, users.shape.rows]);
    await database.query(`
      BEGIN;
      INSERT INTO items VALUES (50, 5, 'fifty', NULL), (51, 5, 'fifty-one', NULL);
      INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000005', 'eve', true);
      UPDATE items SET title = 'L' WHERE id = 50;
      UPDATE users SET active = false WHERE name = 'ann';
      COMMIT`);
    await expectEqual(items.shape, "SELECT * FROM items WHERE tenant_id = 5");
    await expectEqual(users.shape, "SELECT * FROM users WHERE active");
  });

  test("of one definition are one shape", async () => {
    const url = `${server.shapeUrl}?table=items&where=tenant_id%20=%20321&offset=-1`;
    const responses = await Promise.all(Array.from({ length: 20 }, () => fetch(url)));
    const handles = new Set(responses.map(({ headers }) => headers.get("electric-handle")));
    expect(handles.size).toBe(1);
    expect(responses.every(({ status }) => status === 200)).toBe(true);
  });
});

describe("invalidation", () => {
  test("TRUNCATE makes clients start again", async () => {
    await database.query(
      "CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1), (2)",
    );
    const { shape } = follow({ table: "gone" });
    await shape.rows;
    const handle = shape.handle;
    await database.query("TRUNCATE gone");
    await database.query("INSERT INTO gone VALUES (3)");
    await expectEqual(shape, "SELECT * FROM gone");
    expect(shape.handle).not.toBe(handle);
  });

  test("a new column makes clients start again", async () => {
    await database.query("CREATE TABLE grown (id int PRIMARY KEY); INSERT INTO grown VALUES (1)");
    const { shape } = follow({ table: "grown" });
    await shape.rows;
    await database.query("ALTER TABLE grown ADD COLUMN title text");
    await database.query("INSERT INTO grown VALUES (2, 'two')");
    await expectEqual(shape, "SELECT * FROM grown");
  });

  test.each(["DEFAULT", "FULL"])(
    "an open transaction that wrote before the shape was made is not lost, identity %s",
    async (identity) => {
      const table = `early_${identity.toLowerCase()}`;
      await database.query(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
      await database.query(`ALTER TABLE ${table} REPLICA IDENTITY ${identity}`);
      const writer = await database.connect();
      await writer.query("BEGIN");
      await writer.query(`INSERT INTO ${table} VALUES (1)`);
      const { shape } = follow({ table });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await writer.query("COMMIT");
      await database.query(`INSERT INTO ${table} VALUES (2)`);
      await expectEqual(shape, `SELECT * FROM ${table}`);
    },
  );

  test("a deleted shape is made anew under another handle", async () => {
    const { shape } = follow({ table: "users" });
    await shape.rows;
    const handle = shape.handle!;
    const deleted = await fetch(`${server.shapeUrl}?handle=${handle}`, { method: "DELETE" });
    expect(deleted.status).toBe(202);
    await database.query("UPDATE users SET name = 'changed' WHERE name = 'ann'");
    await expectEqual(shape, "SELECT * FROM users");
    expect(shape.handle).not.toBe(handle);
  });
});
