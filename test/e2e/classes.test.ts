/**
 * One shape of each class of clause, followed by the official client while rows move in and out of
 * it by update: the classes of `where/explain.ts`, and what has no index.
 */

import { Shape, ShapeStream, type Row, type ShapeStreamInterface } from "@electric-sql/client";
import assert from "node:assert/strict";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TYPE mood AS ENUM ('glad', 'sad', 'so so');
    CREATE TABLE items (
      id int PRIMARY KEY, tenant int, price numeric(10, 2), score float8, title text COLLATE "C",
      made timestamptz, due date, tags text[], data jsonb, token uuid, done bool, mood mood,
      code char(5), note text
    );
    INSERT INTO items VALUES
      (1, 1, 1.50, 0.5, 'alpha', '2024-01-01T12:00Z', '2024-01-01', '{a,b}', '{"a": {"b": "x"}}',
       '00000000-0000-0000-0000-000000000001', true, 'glad', 'ab', 'n'),
      (2, 2, 20, 'NaN', 'beta', '2024-06-01T00:00Z', '2024-06-01', '{}', '{"a": 1}',
       '00000000-0000-0000-0000-000000000002', false, 'sad', 'cd', NULL),
      (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
  server = await startServer(database);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

/** A clause, and what a row has to be set to so that it is outside and inside. */
const CLASSES: readonly [shapeClass: string, where: string, outside: string, inside: string][] = [
  ["equality", "tenant = 1", "tenant = 2", "tenant = 1"],
  ["equality", "price = 1.5", "price = 1.51", "price = 1.50"],
  ["equality", "code = 'ab'", "code = 'a'", "code = 'ab'"],
  ["equality", "mood = 'so so'", "mood = 'sad'", "mood = 'so so'"],
  ["equality", "made = '2024-01-01 13:00+01'", "made = NULL", "made = '2024-01-01 12:00Z'"],
  ["equality", "tenant IN (1, 5, 9)", "tenant = 4", "tenant = 9"],
  ["equality", "title = ANY ('{alpha,gamma}')", "title = 'beta'", "title = 'gamma'"],
  ["equality", "tenant = 1 AND title <> 'x'", "title = 'x'", "title = 'y', tenant = 1"],
  ["equality", "tenant = 1 OR tenant = 3", "tenant = 2", "tenant = 3"],
  ["range", "tenant > 5", "tenant = 5", "tenant = 6"],
  ["range", "price BETWEEN 1 AND 2", "price = 2.01", "price = 2.00"],
  ["range", "score >= 1e3", "score = 999.9", "score = 'NaN'"],
  ["range", "due < '2024-03-01'", "due = '2024-03-01'", "due = '0044-03-15 BC'"],
  ["range", "made >= '2024-01-01'", "made = '-infinity'", "made = 'infinity'"],
  ["range", "title >= 'b' AND title < 'c'", "title = 'c'", "title = 'bé'"],
  [
    "range",
    "token <= '00000000-0000-0000-0000-000000000001'",
    "token = NULL",
    "token = '00000000-0000-0000-0000-000000000000'",
  ],
  ["prefix", "title LIKE 'al%'", "title = 'bal'", "title = 'al'"],
  ["prefix", "title LIKE 'alphabetical%'", "title = 'alphabetic'", "title = 'alphabetically'"],
  ["null", "tenant IS NULL", "tenant = 1", "tenant = NULL"],
  ["equality", "done", "done = NULL", "done = true"],
  ["union", "done IS NOT TRUE", "done = true", "done = NULL"],
  ["elements", "tags @> '{a}'", "tags = '{b}'", "tags = '{b,a,NULL}'"],
  ["elements", "'b' = ANY (tags)", "tags = NULL", "tags = '{b}'"],
  ["elements", "tags && '{x,y}'", "tags = '{z}'", "tags = '{z,y}'"],
  ["path", "data -> 'a' ->> 'b' = 'x'", `data = '{"a": {"b": "y"}}'`, `data = '{"a": {"b": "x"}}'`],
  [
    "path",
    `data @> '{"a": {"b": "x"}}'`,
    `data = '{"a": {}}'`,
    `data = '{"a": {"b": "x", "c": 1}}'`,
  ],
  ["union", "tenant = 1 OR price > 10", "tenant = 2, price = 10", "tenant = 2, price = 11"],
  ["grams", "title ILIKE '%PHO%'", "title = 'ph o'", "title = 'aPhone'"],
  ["scan", "tenant % 2 = 1", "tenant = 2", "tenant = 3"],
  ["scan", "coalesce(title, mood::text) = 'n'", "title = 'm'", "title = 'n'"],
  ["nothing", "tenant = NULL", "tenant = 1", "tenant = 2"],
];

function follow(where: string, signal: AbortSignal): Shape<Row> {
  const stream = new ShapeStream({
    url: server.shapeUrl,
    params: { table: "items", where, columns: ["id", "note"] },
    signal,
  });
  // The client's own types are not made for exactOptionalPropertyTypes.
  return new Shape<Row>(stream as unknown as ShapeStreamInterface<Row>);
}

async function classOf(where: string): Promise<string> {
  const body = JSON.stringify({ table: "items", where, columns: ["id", "note"] });
  const response = await fetch(`${server.url}/admin/explain`, { method: "POST", body });
  return ((await response.json()) as { class: string }).class;
}

test.each(CLASSES)("%s: %s", async (shapeClass, where, outside, inside) => {
  assert.equal(await classOf(where), shapeClass);
  const abort = new AbortController();
  const shape = follow(where, abort.signal);
  const sql = `SELECT id, note FROM items WHERE ${where} ORDER BY id`;
  const check = async (what: string): Promise<void> => {
    const expected = await database.query(sql);
    const rows = () => [...shape.currentRows].sort((a, b) => Number(a["id"]) - Number(b["id"]));
    await eventually(() => expect(rows(), what).toEqual(expected));
  };
  await shape.rows;
  await check("the snapshot");
  await database.query("INSERT INTO items (id, note) VALUES (99, 'new')");
  for (const set of [outside, inside, `${inside}, note = 'n2'`, outside, inside]) {
    await database.query(`UPDATE items SET ${set} WHERE id = 99`);
    await check(set);
  }
  await database.query("DELETE FROM items WHERE id = 99");
  await check("the end");
  abort.abort();
});
