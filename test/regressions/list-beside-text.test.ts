/**
 * `a = ANY ($1) AND b = $2` has an entry for each element, with the text in each: 64 kB of
 * parameters made 190 MB of entries.
 *
 * Goal: what would be more than a megabyte is refused, whether or not the clause is known already.
 */

import { expect, test } from "vitest";
import { defineShape } from "../../src/where/define-shape.ts";
import { column, table } from "../where/tables.ts";

const items = table(column("id", "int4"), column("a", "int4"), column("b", "text"));

function define(list: number, text: number) {
  const numbers = Array.from({ length: list }, (_, index) => index);
  return defineShape(items, {
    where: "a = ANY ($1) AND b = $2",
    params: { 1: `{${numbers.join(",")}}`, 2: "x".repeat(text) },
    columns: undefined,
    replica: "default",
    log: "full",
  });
}

test("a long list beside a long text is refused", () => {
  const refused = /a long list stands beside a long text/;
  expect(() => define(6_000, 32_000)).toThrow(refused);
  expect(define(6_000, 10).constants).toHaveLength(2);
  expect(define(10, 32_000).constants).toHaveLength(2);
  expect(() => define(6_000, 32_000)).toThrow(refused);
});
