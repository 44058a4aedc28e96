/**
 * A row whose fields are all NULL is NULL to Postgres, and `(,)` in the stream: a shape of `IS
 * NULL` missed it.
 *
 * Goal: such a test of a column of a composite type is refused; of an array of them it is not, for
 * an array is no row. Postgres says why.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, expect, test } from "vitest";
import type pg from "pg";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
  await client.query(`
    CREATE TYPE pair AS (a int4, b int4);
    CREATE DOMAIN spot AS pair;
    CREATE DOMAIN corner AS spot;
    CREATE DOMAIN label AS text;
    CREATE TABLE places (id int4 PRIMARY KEY, at pair, many pair[], near corner, called label);
    INSERT INTO places VALUES
      (1, ROW(NULL, NULL), ARRAY[ROW(NULL, NULL)::pair], ROW(NULL, NULL)), (2, NULL, NULL, NULL);
  `);
});
afterAll(() => database.dispose());

async function ids(where: string): Promise<number[]> {
  const text = `SELECT id FROM places WHERE ${where} ORDER BY id`;
  const { rows } = await client.query<{ id: number }>(text);
  return rows.map(({ id }) => id);
}

test("a composite column is not tested for NULL", async () => {
  expect(await ids("at IS NULL")).toEqual([1, 2]);
  expect(await ids("near IS NULL")).toEqual([1, 2]);
  expect(await ids("many IS NULL")).toEqual([2]);
  const pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  const table = (await new Inspector(pool).findTable("public", "places"))!;
  await pool.close();
  const define = (where: string) => {
    const rest = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
    return defineShape(table, { where, ...rest });
  };
  assert.throws(() => define("at IS NULL"), /its type is composite/);
  assert.throws(() => define("NOT (at IS NOT NULL)"), /its type is composite/);
  assert.throws(() => define("near IS NULL"), /its type is composite/);
  assert.equal(define("called IS NULL").template.where?.plan.isExact, true);
  assert.equal(define("many IS NULL").template.where?.plan.isExact, true);
});
