/**
 * Names as clients write them.
 *
 * Goal: SQL's rules and the protocol's messages (2.3). Method: the protocol's examples, then round
 * trips of arbitrary names through quoting.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { quoteIdentifier, quoteTable } from "../../src/model/table.ts";
import { parseColumnList, parseRelationName } from "../../src/where/identifiers.ts";
import { check } from "../support/property.ts";

test.each([
  ["items", "public", "items"],
  ["Items", "public", "items"],
  ['"Items"', "public", "Items"],
  ["public.items", "public", "items"],
  ['"public"."items"', "public", "items"],
  ['electric_test."issues for abc_0_1234"', "electric_test", "issues for abc_0_1234"],
  ['"a.b"."c.d"', "a.b", "c.d"],
  ['"a""b"', "public", 'a"b'],
  ['""""', "public", '"'],
  ["_x$1", "public", "_x$1"],
  ["ÀÉü", "public", "ÀÉü"],
  ["日本", "public", "日本"],
  ["x".repeat(63), "public", "x".repeat(63)],
])("%s is a relation", (text, schema, name) => {
  assert.deepEqual(parseRelationName(text), { schema, name });
});

test.each([
  ["a.b.c", "Invalid relation identifier, too many delimiters: a.b.c"],
  ['""', "Invalid zero-length delimited identifier"],
  ['"a"b"', 'Invalid identifier with unescaped quote: a"b'],
  ['"a"""b"', 'Invalid identifier with unescaped quote: a"""b'],
  ['"a', 'Invalid unquoted identifier contains special characters: "a'],
  ["a b", "Invalid unquoted identifier contains special characters: a b"],
  ["1a", "Invalid unquoted identifier contains special characters: 1a"],
  ["a\0", "Invalid unquoted identifier contains special characters: a\0"],
  ['"a\0"', "Invalid identifier contains a null character"],
  ["a.", "Invalid zero-length identifier"],
  [`"${"é".repeat(32)}"`, "Identifier is too long (max length is 63)"],
])("%s is no relation", (text, message) => {
  assert.throws(() => parseRelationName(text), new InvalidParameter("table", message));
});

test("columns come as text or as a list", () => {
  const names = ["id", "Has Space", "has,comma", 'has"quote'];
  const text = 'ID,"Has Space","has,comma","has""quote"';
  assert.deepEqual(parseColumnList(text, "columns"), names);
  assert.deepEqual(
    parseColumnList(["ID", ...names.slice(1).map(quoteIdentifier)], "columns"),
    names,
  );
  assert.deepEqual(parseColumnList([], "columns"), []);
});

test.each([[["id", ""]], ["id,"], [",id"]])("%j has an empty name", (columns) => {
  const error = new InvalidParameter("queryable_columns", "Invalid zero-length identifier");
  assert.throws(() => parseColumnList(columns, "queryable_columns"), error);
});

const name = fc
  .string({ unit: "binary", minLength: 1, maxLength: 15 })
  .filter((text) => !text.includes("\0"));

test("any quoted name comes back", () => {
  check(
    fc.property(name, fc.array(name, { minLength: 1 }), (schema, names) => {
      const relation = { schema, name: names[0]! };
      assert.deepEqual(parseRelationName(quoteTable(relation)), relation);
      assert.deepEqual(parseColumnList(names.map(quoteIdentifier).join(","), "columns"), names);
    }),
  );
});

test("any text is a name or an invalid parameter", () => {
  check(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...Array.from('a1.," A')) })),
      (text) => {
        for (const parse of [parseRelationName, (it: string) => parseColumnList(it, "columns")]) {
          try {
            parse(text);
          } catch (error) {
            assert.ok(error instanceof InvalidParameter);
          }
        }
      },
    ),
  );
});
