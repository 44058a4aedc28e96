/**
 * How clauses are found.
 *
 * Goal: every class of comparison uses the index that is meant for it, AND takes the most selective
 * part, OR takes all or none, and spellings that mean the same are one template. Method: examples,
 * as `explain` tells them. That plans are right is shown by `differential.test.ts`.
 */

import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { ASCII_CASE_MAPPING } from "../../src/model/case-mapping.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { explainShape } from "../../src/where/explain.ts";
import { parseTemplate } from "../../src/where/template-text.ts";
import { column, table } from "./tables.ts";

const things = table(
  column("id", "int4"),
  column("big", "int8"),
  column("price", "numeric"),
  column("ratio", "float8"),
  column("half", "float4"),
  column("name", "text", { collation: { name: "C", isDefault: false, hasByteOrder: true } }),
  column("title", "text", {
    collation: { name: "default", isDefault: true, hasByteOrder: false },
  }),
  column("code", "bpchar"),
  column("flag", "bool"),
  column("day", "date"),
  column("at", "timestamptz"),
  column("token", "uuid"),
  column("span", "interval"),
  column("mood", "mood", { typeKind: "e" }),
  column("doc", "jsonb"),
  column("raw", "json"),
  column("tags", "text", { typeOid: 1009, dimensionCount: 1 }),
  column("counts", "int4", { typeOid: 1007, dimensionCount: 1 }),
  column("odd", "money"),
);

const facts = { publishesGeneratedColumns: false, caseMapping: ASCII_CASE_MAPPING };
const define = (where: string, ...params: string[]) => {
  const numbered = Object.fromEntries(params.map((text, index) => [String(index + 1), text]));
  const request = { where, params: numbered, columns: undefined, replica: "default" } as const;
  const definition = defineShape(things, { ...request, log: "full" }, facts);
  const { template } = definition;
  assert.deepEqual(parseTemplate(template.text).where, template.where);
  return definition;
};

/** By how many entries of each kind a pattern is found. */
function grams(column: string, ofSix: number, ofThree: number, none: number): string {
  const runs = (size: number) => `runs of ${size} bytes of "${column}"`;
  const every = "none: every row of the table is looked at";
  return `grams: ${runs(6)} x${ofSix} + ${runs(3)} x${ofThree} + ${every} x${none}`;
}

test.each<[string, string, boolean]>([
  ["true", "everything", true],
  ["false", "nothing", true],
  ["id = NULL", "nothing", true],
  ["id IN (NULL)", "nothing", true],
  ["id <> ALL ('{1,NULL}')", "nothing", true],
  ["tags && '{}'", "nothing", true],
  ["id = 1", 'equality: equality of "id" x1', true],
  ["id = 1::int8", 'equality: equality of "id" x1', true],
  ["id = 1.5", 'equality: equality of "id" x1', true],
  ["id = 1.5::float8", "scan", false],
  ["half = 0.5", "scan", false],
  ["half = '0.5'", 'equality: equality of "half" x1', true],
  ["ratio = 1", 'equality: equality of "ratio" x1', true],
  ["price = 1", 'equality: equality of "price" x1', true],
  ["code = 'a'", 'equality: equality of "code" x1', true],
  ["code = 'a'::text", "scan", false],
  ["title = 'a'", 'equality: equality of "title" x1', true],
  ["mood = 'ok'", 'equality: equality of "mood" x1', true],
  ["span = '1 day'", "scan", false],
  ["doc = '1'", "scan", false],
  ["id IN (1, 2, 2)", 'equality: equality of "id" x2', true],
  ["id = ANY ('{1,2}')", 'equality: equality of "id" x2', true],
  ["id = 1 OR id = 2 OR id IN (5, 6)", 'equality: equality of "id" x4', true],
  ["id NOT IN (1, 2)", "scan", false],
  ["NOT (id <> 1)", 'equality: equality of "id" x1', true],
  ["id IS NOT DISTINCT FROM 1", 'equality: equality of "id" x1', true],
  ["id = 1 AND name = 'a' AND price > 5", 'equality: equality of "id", "name" x1', false],
  ["id IN (1, 2) AND name = 'a'", 'equality: equality of "id", "name" x2', true],
  ["id IN (1, 2) AND big IN (3, 4)", 'equality: equality of "id" x2', false],
  ["id = 1 OR name = 'a'", 'union: equality of "id" x1 + equality of "name" x1', true],
  ["id = 1 OR lower(name) = 'a'", "scan", false],
  ["(id = 1 OR big > 2) AND flag", 'union: equality of "id" x1 + range of "big" x1', false],
  ["id >= 1 AND id < 5", 'range: range of "id" x1', true],
  ["5 > id", 'range: range of "id" x1', true],
  ["NOT (id < 5)", 'range: range of "id" x1', true],
  ["id BETWEEN 1 AND 5 AND flag", 'range: range of "id" x1', false],
  ["price BETWEEN 1 AND 5", 'range: range of "price" x1', false],
  ["id > 1.5", 'range: range of "id" x1', false],
  ["day > '2024-01-01'", 'range: range of "day" x1', true],
  ["day > '2024-01-01'::timestamp", "scan", false],
  ["at <= '2024-01-01T00:00:00.000Z'", 'range: range of "at" x1', true],
  ["token > '00000000-0000-0000-0000-000000000000'", 'range: range of "token" x1', false],
  ["name > 'm'", 'range: range of "name" x1', false],
  ["title COLLATE \"C\" > 'm'", 'range: range of "title" x1', false],
  ["name LIKE 'ab%'", 'prefix: range of "name" x1', true],
  ["title LIKE 'ab%'", 'prefix: range of "title" x1', true],
  ["name LIKE 'ab%c'", 'prefix: range of "name" x1', false],
  ["name LIKE 'abcdefghi%'", 'prefix: range of "name" x1', false],
  ["name LIKE '%ab'", grams("name", 0, 0, 1), false],
  ["name LIKE '%ab%cd_'", grams("name", 0, 0, 1), false],
  ["name LIKE '%abc%'", grams("name", 0, 1, 0), false],
  ["name LIKE '%日本%'", grams("name", 1, 0, 0), false],
  ["name ILIKE '%日本%'", grams("name", 0, 0, 1), false],
  ["name ILIKE 'abcdéfghijk'", grams("name", 1, 0, 0), false],
  ["code LIKE '%a\\_\\%'", grams("code", 0, 1, 0), false],
  ["name NOT ILIKE '%abc%'", "scan", false],
  ["flag", 'equality: equality of "flag" x1', true],
  ["NOT flag", 'equality: equality of "flag" x1', true],
  ["flag IS NOT TRUE", 'union: equality of "flag" x1 + NULL or not of "flag" x1', true],
  ["id IS NULL", 'null: NULL or not of "id" x1', true],
  ["NOT (id IS NULL)", 'null: NULL or not of "id" x1', true],
  ["odd IS NOT NULL", 'null: NULL or not of "odd" x1', true],
  ["flag IS UNKNOWN", 'null: NULL or not of "flag" x1', true],
  ["tags @> '{a}'", 'elements: elements of "tags" x1', true],
  ["tags @> '{a,b}'", 'elements: elements of "tags" x1', false],
  ["tags @> '{}'", "scan", false],
  ["'{a}' <@ tags", 'elements: elements of "tags" x1', true],
  ["tags && '{a,b}'", 'elements: elements of "tags" x2', true],
  ["tags <@ '{a,b}'", 'union: elements of "tags" x2 + equality of "tags" x1', false],
  ["'a' = ANY (tags)", 'elements: elements of "tags" x1', true],
  ["5 = ANY (counts)", 'elements: elements of "counts" x1', true],
  ["counts = '{1,2}'", 'equality: equality of "counts" x1', true],
  ["doc ->> 'a' = 'x'", 'path: path "a" of "doc" x1', true],
  ["doc -> 'a' ->> 'b' = 'x'", 'path: path "a"."b" of "doc" x1', true],
  ["doc #>> '{a,b}' = 'x'", 'path: path "a"."b" of "doc" x1', true],
  ["doc ->> '0' = 'x'", 'path: path "0" of "doc" x1', true],
  ["raw ->> 'a' = 'x'", 'path: path "a" of "raw" x1', false],
  [`doc @> '{"a": {"b": "x"}}'`, 'path: path "a"."b" of "doc" x1', false],
  [`doc @> '{"a": 1}'`, "scan", false],
  [`doc @> '{"a": "x", "b": "y"}'`, "scan", false],
  ["id + 1 = 2", "scan", false],
  ["id = big", "scan", false],
])("%s", (where, expected, isExact) => {
  const explanation = explainShape(define(where), facts);
  const uses = explanation.indexes.map(({ index, entryCount }) => `${index} x${entryCount}`);
  const hasIndexes = !["everything", "nothing", "scan"].includes(explanation.class);
  const told = hasIndexes ? `${explanation.class}: ${uses.join(" + ")}` : explanation.class;
  expect([told, explanation.isExact]).toEqual([expected, isExact]);
});

test.each([
  [
    ["id = 1", "1 = id", "((id)) = 2", "id = '3'"],
    ["flag", "flag = true", "flag IS TRUE", "NOT flag", "flag = false", "flag <> true"],
    ["id IN (1)", "id IN (1, 2, 3)", "id IN (3, NULL, 2)"],
    ["id > 5", "5 < id", "NOT (id <= 6)"],
    ["id BETWEEN 1 AND 2", "id >= 1 AND id <= 5", "NOT (id < 1 OR id > 2)"],
    ["name = 'a' AND id = 1", "id = 5 AND name = 'b'", "(id = 1 AND name = 'a') IS TRUE"],
    ["name LIKE 'a%'", "name LIKE 'b%'", "NOT (name NOT LIKE 'b%')"],
  ],
])("templates do not depend on constants or spelling", (...groups) => {
  const texts = groups.map((clauses) => new Set(clauses.map((text) => define(text).template.text)));
  assert.ok(texts.every(({ size }) => size === 1));
  assert.equal(new Set(texts.flatMap((set) => [...set])).size, groups.length);
});

test.each([
  ["id IN (1, 2)", "id = ANY ('{1,2}')"],
  ["name LIKE 'a%'", "name LIKE '%a'"],
  ["doc ->> 'a' = 'x'", "doc ->> 'b' = 'x'"],
  ["title > 'a' COLLATE \"C\"", "title COLLATE \"C\" = 'a'"],
])("%s and %s are found in different ways", (one, other) => {
  assert.notEqual(define(one).template.text, define(other).template.text);
});

test("a row is explained part by part", () => {
  const row = { id: "5", name: null, price: "0" };
  const { row: told } = explainShape(define("id = 5 AND name = 'x' AND 1 / price > 1"), facts, row);
  assert.deepEqual(told, {
    matches: false,
    parts: [
      { sql: `("id" = '5'::int4)`, result: "true" },
      { sql: `("name" = 'x'::text)`, result: "null" },
      { sql: `(('1'::numeric / "price") > '1'::numeric)`, result: "error: division by zero" },
    ],
  });
});
