/**
 * Canonical texts against Postgres.
 *
 * Goal: a text is accepted exactly if Postgres accepts it, and becomes what Postgres makes of it.
 * Method: texts are put together from the pieces that the input functions look for, so that about
 * half of them are values; then some are damaged. All of a run go to Postgres in one query.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { canonicalText, type TypeName } from "../../src/where/canonical.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { sample } from "../support/property.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.dispose());

const TYPES: readonly TypeName[] = ["int2", "int4", "int8", "bool", "uuid", "text", "varchar"];

const space = fc.constantFrom("", "", "", " ", "\t\n", "\v\f\r ", "\u00a0");
const glued = (...pieces: readonly fc.Arbitrary<string>[]) => {
  return fc.tuple(...pieces).map((texts) => texts.join(""));
};

const limit = fc
  .constantFrom(2n ** 15n, 2n ** 31n, 2n ** 63n, 2n ** 64n, 0n)
  .chain((power) => fc.bigInt(-1n, 1n).map((step) => power + step));
const digits = fc.oneof(
  limit.map(String),
  fc.bigInt(0n, 2n ** 66n).map(String),
  limit.map((value) => `0x${(value < 0n ? -value : value).toString(16)}`),
  limit.map((value) => `0B${(value < 0n ? -value : value).toString(2)}`),
  limit.map((value) => `0o${(value < 0n ? -value : value).toString(8)}`),
  fc.string({ unit: fc.constantFrom(...Array.from("0019_xXaFob")), maxLength: 8 }),
  fc.constantFrom(
    "1_000",
    "0_1",
    "1__0",
    "1_",
    "_1",
    "0x_1F",
    "0x1_f",
    "0b_1_0",
    "0o7_7",
    "0x",
    "0x_",
  ),
  fc.nat(99).map((value) => "0".repeat(80) + String(value)),
);
const integer = glued(space, fc.constantFrom("", "-", "+", "--", "- "), digits, space);

const word = fc.constantFrom("true", "false", "yes", "no", "on", "off", "1", "0", "10", "t", "f");
const bool = glued(
  space,
  fc.tuple(word, fc.nat(6), fc.boolean()).map(([text, length, isUpper]) => {
    const prefix = text.slice(0, Math.max(1, length));
    return isUpper ? prefix.toUpperCase() : prefix;
  }),
  space,
);

const hyphen = fc.constantFrom("", "", "-", "-", "--");
const group = fc.string({
  unit: fc.constantFrom(...Array.from("09afAF")),
  minLength: 4,
  maxLength: 4,
});
const hexadecimal = fc
  .tuple(fc.array(group, { minLength: 8, maxLength: 8 }), fc.array(hyphen, { minLength: 7 }))
  .map(([groups, hyphens]) => groups.map((text, at) => text + (hyphens[at] ?? "")).join(""));
const uuid = fc.oneof(
  fc.uuid(),
  hexadecimal,
  hexadecimal.map((text) => `{${text}}`),
  hexadecimal.map((text) => `{${text}`),
  hexadecimal.map((text) => `${text}}`),
);

const damaged = fc
  .tuple(
    fc.oneof(integer, bool, uuid),
    fc.nat(40),
    fc.constantFrom("", " ", "-", "_", "0", "g", "é"),
  )
  .map(([text, at, insert]) => text.slice(0, at) + insert + text.slice(at + 1));
const anything = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));

test("a text is accepted if Postgres accepts it, and reads the same", async () => {
  await database.query(`
    CREATE FUNCTION canonical(type text, input text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE output text;
    BEGIN
      EXECUTE format('SELECT format(''%%s'', %L::%s)', input, type) INTO output;
      RETURN output;
    EXCEPTION WHEN data_exception THEN RETURN NULL;
    END $$`);
  const texts = sample("canonical", fc.oneof(integer, bool, uuid, damaged, anything), 1000);
  const rows = await database.query(
    `SELECT type, input, canonical(type, input) AS output
     FROM unnest($1::text[]) AS input, unnest($2::text[]) AS type`,
    [texts, TYPES],
  );
  assert.equal(rows.length, texts.length * TYPES.length);
  let valueCount = 0;
  for (const { type, input, output } of rows) {
    const ours = canonicalText(type as TypeName, input as string) ?? null;
    assert.equal(ours, output, `${String(type)} ${JSON.stringify(input)}`);
    if (output !== null && type !== "text" && type !== "varchar") valueCount += 1;
  }
  assert.ok(valueCount > texts.length / 4, `only ${valueCount} of them were values`);
});

test("what Postgres cannot store is no text", () => {
  for (const text of ["a\0", "\ud800", "x\udc00y"]) {
    for (const type of TYPES) assert.equal(canonicalText(type, text), undefined);
  }
  assert.equal(canonicalText("text", "\u{1f600}"), "\u{1f600}");
});

test("a number of any length is read in no time", () => {
  const zeros = "0".repeat(1_000_000);
  assert.equal(canonicalText("int8", `-${zeros}1`), "-1");
  assert.equal(canonicalText("int8", `1${zeros}`), undefined);
  assert.equal(canonicalText("int8", `0x${zeros}f`), "15");
});
