/**
 * The membership index against a map from keys to sets of ids.
 *
 * Goal: a key finds the ids that were filed under it and were not taken out, and what `add` and
 * `remove` say of a change is so; emptied, the index has the bytes that it began with.
 *
 * Method: few keys and ids, so that most operations meet one that is there; values that differ in
 * one half only, and the same under two accesses.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const UNCHANGED = 1;
const CHANGED = 2;
const CHANGED_ROW = 3;

type Key = readonly [access: number, low: number, high: number];

const key: fc.Arbitrary<Key> = fc.tuple(
  fc.integer({ min: 1, max: 2 }),
  fc.constantFrom(0, 1, -1),
  fc.constantFrom(0, 1, -1),
);
const operations = fc.array(
  fc.record({
    type: fc.constantFrom("add" as const, "add" as const, "remove" as const),
    key,
    id: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 100, size: "max" },
);

function idsOf({ core, exports }: TestCore, key: Key): number[] {
  const set = exports.membershipFind(...key) >>> 0;
  const count = exports.setCopyTo(set, core.exchange, 1000, 0);
  return [...core.words.subarray(core.exchange >>> 2, (core.exchange >>> 2) + count)];
}

describe.each(builds)("membership index, $name", (build) => {
  test("a key has the ids that were filed under it", () => {
    const test = newCore(build);
    const { exports } = test;
    exports.storesCreate();
    exports.membershipCreate();
    const bytes = exports.membershipLiveBytes();
    check(
      fc.property(operations, (operations) => {
        const model = new Map<string, Set<number>>();
        for (const { type, key, id } of operations) {
          const ids = model.get(key.join()) ?? new Set();
          model.set(key.join(), ids);
          const isRow = type === "add" ? ids.size === 0 : ids.size === 1;
          const isChange = ids.has(id) === (type === "remove");
          const expected = !isChange ? UNCHANGED : isRow ? CHANGED_ROW : CHANGED;
          if (type === "add") {
            assert.equal(exports.membershipAdd(...key, id), expected);
            ids.add(id);
          } else {
            assert.equal(exports.membershipRemove(...key, id), expected);
            ids.delete(id);
          }
          assert.deepEqual(
            idsOf(test, key),
            [...ids].sort((a, b) => a - b),
          );
        }
        exports.membershipVerify();
        for (const [name, ids] of model) {
          const key = name.split(",").map(Number) as unknown as Key;
          assert.deepEqual(
            idsOf(test, key),
            [...ids].sort((a, b) => a - b),
          );
          for (const id of ids) exports.membershipRemove(...key, id);
        }
        exports.membershipVerify();
        assert.equal(exports.membershipCount(), 0);
        assert.equal(exports.membershipLiveBytes(), bytes);
        exports.poolVerify();
      }),
      100,
    );
  });

  test("a key of one id takes 22.5 bytes", () => {
    const test = newCore(build);
    test.exports.storesCreate();
    test.exports.membershipCreate();
    const before = test.exports.membershipLiveBytes();
    for (let n = 1; n <= 200_000; n++) test.exports.membershipAdd(1, n, 0, n);
    const bytes = (test.exports.membershipLiveBytes() - before) / 200_000;
    assert.ok(bytes > 20 && bytes < 22.6, `${bytes}`);
  });
});
