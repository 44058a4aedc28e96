/**
 * The ORDER BY of a subset.
 *
 * Goal: what protocol 12 allows becomes SQL of ours, and anything else is refused with the text and
 * the location of 3.3. Method: tables of examples.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { parseOrderBy } from "../../src/where/order-by.ts";
import { column, table } from "./tables.ts";

const names = ["id", "name", "Created At", "é", 'q"x'];
const items = table(...names.map((name) => column(name, "text")));
const parse = (text: string): string | undefined => parseOrderBy(text, items, items.columns);

test.for([
  ["id", '"items"."id"'],
  ["ID", '"items"."id"'],
  ["id ASC", '"items"."id" ASC'],
  ['"Created At" desc NULLS FIRST', '"items"."Created At" DESC NULLS FIRST'],
  [
    '"id" DESC NULLS LAST,"name" NULLS FIRST',
    '"items"."id" DESC NULLS LAST, "items"."name" NULLS FIRST',
  ],
  ['"q""x"', '"items"."q""x"'],
  ["é", '"items"."é"'],
  ["id, 1, name", '"items"."id", "items"."name"'],
  ["id -- by age", '"items"."id"'],
] as const)("12: %s", ([text, sql]) => {
  assert.equal(parse(text), sql);
});

test("12: constants order nothing", () => {
  for (const text of ["1", "'x'", "NULL", "true", "1.5 DESC"]) assert.equal(parse(text), undefined);
});

test.for([
  ["random()", "At location 18: FuncCall expressions are not allowed in ORDER BY clauses"],
  ["id::text", "At location 20: TypeCast expressions are not allowed in ORDER BY clauses"],
  ["(SELECT 1)", "At location 18: SubLink expressions are not allowed in ORDER BY clauses"],
  [
    "id, CASE WHEN true THEN 1 END",
    "At location 22: CaseExpr expressions are not allowed in ORDER BY clauses",
  ],
  ["id + 1", "At location 21: A_Expr expressions are not allowed in ORDER BY clauses"],
  [
    'name COLLATE "C"',
    "At location 23: CollateClause expressions are not allowed in ORDER BY clauses",
  ],
  ["id, $1", "At location 22: parameter $1 is not supported in ORDER BY clauses"],
  ["nope", "At location 18: unknown reference nope"],
  ["é, nope", "At location 21: unknown reference nope"],
  ["items.id", "At location 18: unknown reference items.id"],
  ["*", 'At location 18: syntax error at or near "*"'],
  ["id; DROP TABLE items", "Unexpected `;` in order by"],
  ["id LIMIT 1", "malformed query ending with SQL clauses"],
  ["id FOR UPDATE", "malformed query ending with SQL clauses"],
  ["id,", "At location 21: syntax error at end of input"],
  ["id x", 'At location 21: syntax error at or near "x"'],
  ["id USING <", "At location 27: USING is not allowed in ORDER BY clauses"],
  ["id\u0000", 'invalid byte sequence for encoding "UTF8"'],
  ["id\ud800", 'invalid byte sequence for encoding "UTF8"'],
  [`id${" x".repeat(4_096)}`, "ORDER BY clause is bigger than maximum size of 8192 bytes"],
] as const)("3.3: %.40s", ([text, message]) => {
  assert.throws(
    () => parse(text),
    (error) => {
      assert.ok(error instanceof InvalidParameter);
      assert.deepEqual([error.field, error.message], ["order_by", message]);
      return true;
    },
  );
});

test("2.1: only columns that may be spoken of are known", () => {
  const visible = items.columns.filter(({ name }) => name === "id");
  assert.equal(parseOrderBy("id", items, visible), '"items"."id"');
  assert.throws(() => parseOrderBy("name", items, visible), /unknown reference name/);
});

test("12: clauses that would break the parser do not reach it", () => {
  const call = (depth: number): string => `${"f(".repeat(depth)}id${")".repeat(depth)}`;
  assert.throws(() => parse(call(200)), /FuncCall expressions are not allowed/);
  assert.throws(() => parse(call(201)), /ORDER BY clause is too complex/);
  const sum = (count: number): string => `id${"+1".repeat(count)}`;
  assert.throws(() => parse(sum(900)), /A_Expr expressions are not allowed/);
  assert.throws(() => parse(sum(1_100)), /ORDER BY clause is too complex/);
  assert.equal(parse("id"), '"items"."id"');
});
