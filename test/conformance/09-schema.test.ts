/** Protocol section 9: the `electric-schema` header. */

import { describe, expect, test } from "vitest";
import { serveLitz, type Answer } from "./subject.ts";

const COLUMNS: readonly (readonly [type: string, info: object])[] = [
  ["uuid", { type: "uuid" }],
  ["int8", { type: "int8" }],
  ["text", { type: "text" }],
  ["text NOT NULL", { type: "text", not_null: true }],
  ["int8[]", { type: "int8", dims: 1 }],
  ["int8[][]", { type: "int8", dims: 2 }],
  ["posint", { type: "posint" }],
  ["posint[]", { type: "posint", dims: 1 }],
  ["mood", { type: "mood" }],
  ["mood[][]", { type: "mood", dims: 2 }],
  ["complex", { type: "complex" }],
  ["complex[]", { type: "complex", dims: 1 }],
  ["varchar", { type: "varchar" }],
  ["varchar(8)", { type: "varchar", max_length: 8 }],
  ["varchar(8)[]", { type: "varchar", dims: 1, max_length: 8 }],
  ["char(5)", { type: "bpchar", length: 5 }],
  ["bit(4)", { type: "bit", length: 4 }],
  ["varbit(7)", { type: "varbit", length: 7 }],
  ["time(3)", { type: "time", precision: 3 }],
  ["timetz(2)", { type: "timetz", precision: 2 }],
  ["timestamp(1)", { type: "timestamp", precision: 1 }],
  ["timestamptz(6)", { type: "timestamptz", precision: 6 }],
  ["timestamptz", { type: "timestamptz" }],
  ["numeric", { type: "numeric" }],
  ["numeric(10,2)", { type: "numeric", precision: 10, scale: 2 }],
  ["numeric(10,-2)", { type: "numeric", precision: 10, scale: -2 }],
  ["interval", { type: "interval" }],
  ["interval(3)", { type: "interval", precision: 3 }],
  ["interval YEAR TO MONTH", { type: "interval", fields: "YEAR TO MONTH" }],
  ["interval DAY", { type: "interval", fields: "DAY" }],
  ["interval MINUTE TO SECOND(2)", { type: "interval", fields: "MINUTE TO SECOND", precision: 2 }],
];

const subject = serveLitz({
  schema: `
    CREATE DOMAIN posint AS int;
    CREATE TYPE mood AS ENUM ('sad');
    CREATE TYPE complex AS (r float8, i float8);
    CREATE TABLE typed (id int PRIMARY KEY,
      ${COLUMNS.map(([type], index) => `c${index} ${type}`).join(", ")});
    CREATE TABLE pairs (a int, b text, c int, PRIMARY KEY (c, a));
    CREATE TABLE "日本" ("名前 😀" text PRIMARY KEY);`,
});

function schemaOf(answer: Answer): unknown {
  expect(answer.status, answer.text).toBe(200);
  return JSON.parse(answer.header("electric-schema")!);
}

test.each(COLUMNS.map(([type, info], index) => [type, info, index] as const))(
  "§9 %s is %j",
  async (_type, info, index) => {
    const schema = schemaOf(await subject.get({ table: "typed", offset: "-1" }));
    expect((schema as Record<string, object>)[`c${index}`]).toEqual(info);
  },
);

test("§9 the key's columns by their place in the key", async () => {
  expect(schemaOf(await subject.get({ table: "pairs", offset: "-1" }))).toEqual({
    a: { type: "int4", pk_index: 1, not_null: true },
    b: { type: "text" },
    c: { type: "int4", pk_index: 0, not_null: true },
  });
});

test("§9 selected columns only", async () => {
  const schema = schemaOf(await subject.get({ table: "pairs", offset: "-1", columns: "a,c" }));
  expect(Object.keys(schema as object).sort()).toEqual(["a", "c"]);
});

test("§9 names outside ASCII are safe in a header", async () => {
  const answer = await subject.get({ table: "日本", offset: "-1" });
  expect(answer.header("electric-schema")).toMatch(/^[ -~]+$/);
  expect(schemaOf(answer)).toEqual({ "名前 😀": { type: "text", pk_index: 0, not_null: true } });
});

describe("§9 where it is", () => {
  test("§9 on every non-live 200", async () => {
    const pairs = { table: "pairs", offset: "-1" };
    const { position } = await subject.read({ table: "pairs" });
    const expected = schemaOf(await subject.get(pairs));
    for (const pending of [
      subject.head(pairs),
      subject.post(pairs, {}),
      subject.get({ ...pairs, offset: "now" }),
      subject.get({ ...pairs, ...position }),
      subject.get({ ...pairs, subset__where: "true" }),
      subject.post(pairs, { where: "true" }),
    ]) {
      expect(schemaOf(await pending)).toEqual(expected);
    }
  });

  test("§9 not on live answers", async () => {
    const { position } = await subject.read({ table: "pairs" });
    const answer = await subject.get({ table: "pairs", ...position, live: "true" });
    expect(answer.header("electric-schema")).toBeNull();
  });
});
