/**
 * A sum of `1e131000` in a clause of four kilobytes took two minutes, at its definition or at each
 * row.
 *
 * Goal: a clause cannot make numbers of many digits, neither by an exponent nor by arithmetic: both
 * are errors, of the client at its definition and of the shape at a row. Numbers of the size that a
 * column can be declared with (manual, 8.1.2) are as they were.
 */

import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import type { ShapeDefinition } from "../../src/model/shape-definition.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { compileFilter } from "../../src/where/filter.ts";
import { EvaluationError } from "../../src/where/values/errors.ts";
import { column, table } from "../where/tables.ts";

const prices = table(column("id", "int4"), column("price", "numeric"), column("data", "jsonb"));

function define(where: string): ShapeDefinition {
  const request = {
    where,
    params: {},
    columns: undefined,
    replica: "default",
    log: "full",
  } as const;
  return defineShape(prices, request);
}

test.each([
  "price > 1e131000",
  "price IN (1, 1e131000)",
  "price = ANY ('{1e131000}')",
  "price > 1e-16000",
  "data @> '[1e131000]'",
  "price > 1e1000 * 1e1000 * 1e1000 * 1e1000 * 1e1000",
])("%s is refused", (where) => {
  assert.throws(() => define(where), InvalidParameter);
});

test("a product of many digits is an error at the row", () => {
  const { template, constants } = define("price * 1e1000 * 1e1000 * 1e1000 * 1e1000 > 0");
  const filter = compileFilter(template.where!, {});
  const matches = (price: string) => {
    return filter.matches({ text: (index) => (index === 1 ? price : null) }, constants);
  };
  assert.throws(() => matches("7"), EvaluationError);
  expect(matches("0")).toBe(false);
});

test("a number of a thousand digits is compared", () => {
  expect(define("price > 1e1000 * 2").constants[0]).toBe(`2${"0".repeat(1000)}`);
});
