/** Goal: what comes out of a seed is what went in, in its order, whatever the sizes. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { ViewSeed } from "../../src/model/view-seed.ts";
import { encodeTuple } from "../../src/model/view-tuple.ts";
import { check } from "../support/property.ts";

const text = fc.oneof(fc.constant(null), fc.string({ unit: "grapheme", maxLength: 40 }));
const long = fc.integer({ min: 400, max: 5_000 }).map((size) => "é".repeat(size));
const entry = fc.tuple(
  fc.array(fc.oneof({ weight: 9, arbitrary: text }, long), { minLength: 1, maxLength: 3 }),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
);

test("a seed holds what was added to it", () => {
  check(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const seed = new ViewSeed();
      for (const [values, count] of entries) seed.add(values, count);
      const held: [Buffer, number][] = [];
      for (const [tuple, count] of seed) held.push([Buffer.from(tuple), count]);
      const expected = entries.map(([values, count]) => [Buffer.from(encodeTuple(values)), count]);
      assert.deepEqual(held, expected);
    }),
  );
});

test("a value takes little more than its text", () => {
  const seed = new ViewSeed();
  let bytes = 0;
  for (let value = 0; value < 500_000; value++) bytes += seed.add([String(value)], 1);
  assert.ok(bytes < 500_000 * 24, `${bytes} bytes`);
  assert.equal([...seed].length, 500_000);
});
