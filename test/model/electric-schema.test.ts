/**
 * The `electric-schema` header.
 *
 * Goal: every member of protocol section 9, and nothing that a header may not contain. Method:
 * columns as a real catalog describes them, then arbitrary names.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { electricSchema } from "../../src/model/electric-schema.ts";
import type { Table, TableColumn } from "../../src/model/table.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { check } from "../support/property.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  await database.query(`
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TYPE pair AS (a int, b int);
    CREATE DOMAIN posint AS int CHECK (VALUE > 0)`);
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

const EXPECTED: Record<string, object> = {
  int4: { type: "int4" },
  "int8 NOT NULL": { type: "int8", not_null: true },
  "int8[][]": { type: "int8", dims: 2 },
  "int4 ARRAY": { type: "int4", dims: 1 },
  "text[] NOT NULL": { type: "text", dims: 1, not_null: true },
  "varchar(8)": { type: "varchar", max_length: 8 },
  "varchar(8)[]": { type: "varchar", dims: 1, max_length: 8 },
  varchar: { type: "varchar" },
  text: { type: "text" },
  name: { type: "name" },
  char: { type: "bpchar", length: 1 },
  "char(3)": { type: "bpchar", length: 3 },
  bpchar: { type: "bpchar" },
  '"char"': { type: "char" },
  bit: { type: "bit", length: 1 },
  "bit(4)": { type: "bit", length: 4 },
  "varbit(7)": { type: "varbit", length: 7 },
  varbit: { type: "varbit" },
  "time(3)": { type: "time", precision: 3 },
  "timetz(6)": { type: "timetz", precision: 6 },
  "timestamp(2)": { type: "timestamp", precision: 2 },
  "timestamptz(1)": { type: "timestamptz", precision: 1 },
  "timestamp(0)": { type: "timestamp", type_mod: 0 },
  "time(0)": { type: "time", type_mod: 0 },
  timestamptz: { type: "timestamptz" },
  numeric: { type: "numeric" },
  "numeric(5)": { type: "numeric", precision: 5, scale: 0 },
  "numeric(5,2)": { type: "numeric", precision: 5, scale: 2 },
  "numeric(3,-2)": { type: "numeric", precision: 3, scale: -2 },
  "numeric(1000,-1000)": { type: "numeric", precision: 1000, scale: -1000 },
  "numeric(1000,1000)": { type: "numeric", precision: 1000, scale: 1000 },
  interval: { type: "interval" },
  "interval(4)": { type: "interval", precision: 4 },
  "interval(0)": { type: "interval", precision: 0 },
  "interval SECOND(3)": { type: "interval", precision: 3, fields: "SECOND" },
  "interval DAY TO SECOND(2)": { type: "interval", precision: 2, fields: "DAY TO SECOND" },
  ...Object.fromEntries(
    [
      ...["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "YEAR TO MONTH", "DAY TO HOUR"],
      ...["DAY TO MINUTE", "DAY TO SECOND", "HOUR TO MINUTE", "HOUR TO SECOND", "MINUTE TO SECOND"],
    ].map((fields) => [`interval ${fields}`, { type: "interval", fields }]),
  ),
  mood: { type: "mood" },
  "mood[]": { type: "mood", dims: 1 },
  pair: { type: "pair" },
  posint: { type: "posint" },
  "posint[]": { type: "posint", dims: 1 },
  jsonb: { type: "jsonb" },
  int4range: { type: "int4range" },
};

test("every kind of column is described as the protocol wants it", async () => {
  const types = Object.keys(EXPECTED);
  const columns = types.map((type, index) => `c${index} ${type}`).join(", ");
  await database.query(`CREATE TABLE everything (${columns}, PRIMARY KEY (c1, c0))`);
  const table = (await new Inspector(pool).findTable("public", "everything"))!;
  const header = JSON.parse(electricSchema(table, [...table.columns.keys()])) as object;
  const expected = Object.fromEntries(types.map((type, at) => [`c${at}`, EXPECTED[type]!]));
  expected["c0"] = { type: "int4", pk_index: 1, not_null: true };
  expected["c1"] = { type: "int8", pk_index: 0, not_null: true };
  assert.deepEqual(header, expected);
});

test("only the selected columns, in their order, spelt with ASCII", () => {
  const table = tableOf(["b", "2", "1", "日\u{1f600}\u007f"]);
  assert.equal(
    electricSchema(table, [0, 2, 3]),
    '{"b":{"type":"int4"},"1":{"type":"int4"},"\\u65e5\\ud83d\\ude00\\u007f":{"type":"int4"}}',
  );
});

test("any name survives, and the header stays a header", () => {
  const names = fc
    .array(fc.string({ unit: "binary", minLength: 1 }), { maxLength: 4 })
    .map((names) => [...new Set(names)]);
  check(
    fc.property(names, (names) => {
      const header = electricSchema(tableOf(names), [...names.keys()]);
      assert.match(header, /^[\x20-\x7e]*$/);
      const read = new Set(Object.keys(JSON.parse(header) as object));
      assert.deepEqual(read, new Set(names));
    }),
  );
});

function tableOf(names: readonly string[]): Table {
  const columns = names.map((name): TableColumn => ({
    name,
    typeOid: 23,
    typeName: "int4",
    typeKind: "b",
    typeModifier: -1,
    dimensionCount: 0,
    isNotNull: false,
    hasByteEquality: true,
  }));
  return { oid: 1, schema: "public", name: "t", columns, replicaIdentity: "f" };
}
