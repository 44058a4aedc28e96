/**
 * The least of values that come and go, against a sorted array.
 *
 * Goal: after any coming and going it is the least of those that are there.
 *
 * Method: few different values, so that they come again while they are there, and after they left.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { LeastOf } from "../../src/subqueries/least-of.ts";
import { check } from "../support/property.ts";

const operations = fc.array(
  fc.record({ type: fc.constantFrom("add", "add", "remove", "ask"), number: fc.nat(12) }),
  { maxLength: 200, size: "max" },
);

test("it is the least of what is there", () => {
  check(
    fc.property(operations, (operations) => {
      const leastOf = new LeastOf<number>();
      const model: number[] = [];
      for (const { type, number } of operations) {
        if (type === "add") {
          leastOf.add(number);
          model.push(number);
        } else if (type === "remove" && model.length > 0) {
          const [value] = model.splice(number % model.length, 1);
          leastOf.remove(value!);
        } else {
          assert.equal(leastOf.least, model.toSorted((a, b) => a - b)[0]);
        }
      }
      assert.equal(leastOf.least, model.toSorted((a, b) => a - b)[0]);
    }),
    300,
  );
});

test("positions of the log, which are bigints, will do", () => {
  const leastOf = new LeastOf<bigint>();
  assert.equal(leastOf.least, undefined);
  for (const value of [7n, 5n, 9n]) leastOf.add(value);
  leastOf.remove(5n);
  assert.equal(leastOf.least, 7n);
});
