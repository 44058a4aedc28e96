/**
 * Leaf tables against a map from hash to payloads.
 *
 * Goal: a search yields every payload that was filed under the hash it seeks, and ends; one from
 * place to place says whether there is any; what was removed is not found; a table that is drained
 * has the bytes that it began with.
 *
 * Method: the hash of a payload is made of its number, with first bits cleared in some runs, so
 * that one leaf takes everything and cannot split, and with few bits of tag in others, so that tags
 * collide by the dozen. Payloads come in blocks of hundreds, so that leaves grow to sixteen buckets
 * and split, and go in blocks, so that they shrink and merge. `verify` counts what was passed.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, type TestingExports } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const NONE = 0xffff_ffff;

type Operation =
  | { type: "insert"; first: number; count: number }
  | { type: "remove"; first: number; count: number }
  | { type: "replace"; payload: number };

const SPACE = 4000;
const first = fc.integer({ min: 0, max: SPACE - 1 });
const count = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 700 }));
const insert: fc.Arbitrary<Operation> = fc.record({ type: fc.constant("insert"), first, count });
const remove: fc.Arbitrary<Operation> = fc.record({ type: fc.constant("remove"), first, count });
const replace: fc.Arbitrary<Operation> = fc.record({
  type: fc.constant("replace"),
  payload: first,
});
const length = { maxLength: 25, size: "max" } as const;
const operations = fc.oneof(
  fc.array(insert, length),
  fc.array(fc.oneof(insert, remove, replace), length),
);
/** How many first bits of a hash are zero, and which of its tag may be one. */
const shapeOfHashes = fc.constantFrom(
  [0, 0xffff] as const,
  [0, 0xffff] as const,
  [12, 0xffff] as const,
  [0, 0x0003] as const,
  [0, 0xf000] as const,
);

describe.each(builds)("leaf table, $name", (build) => {
  test("a table finds what a map would find", () => {
    const { exports } = newCore(build);
    check(
      fc.property(operations, shapeOfHashes, (operations, [clearedBits, tagMask]) => {
        exports.leafShapeHashes(clearedBits, tagMask);
        const table = exports.leafCreate();
        const bytes = exports.leafLiveBytes(table);
        const model = new Set<number>();
        for (const operation of operations) {
          apply(operation, table, model, exports);
          assert.equal(exports.leafCount(table), model.size);
          exports.leafVerify(table);
        }
        for (let payload = 0; payload < SPACE; payload += 7) {
          const { isFound, count } = find(table, payload, exports);
          assert.equal(isFound, model.has(payload));
          assert.equal(exports.leafMayHave(table, payload), count === 0 ? 0 : 1);
        }
        for (const payload of model) assert.equal(exports.leafRemove(table, payload), 1);
        exports.leafVerify(table);
        assert.equal(exports.leafLiveBytes(table), bytes);
        exports.leafDestroy(table);
        assert.equal(exports.poolPagesOf(6), 0);
      }),
      60,
    );
  });

  test("hashes that agree in all bits but the tag's make a leaf that does not split", () => {
    const { exports } = newCore(build);
    exports.leafShapeHashes(64, 0xffff);
    const table = exports.leafCreate();
    assert.equal(exports.leafInsertMany(table, 1, 700), 1);
    exports.leafVerify(table);
    assert.equal(exports.leafFindMany(table, 1, 700), 700);
    for (let payload = 1; payload <= 700; payload++) exports.leafRemove(table, payload);
    assert.equal(exports.leafCount(table), 0);
    exports.leafVerify(table);
  });

  test("a replaced payload is found under the hash of the one it replaced", () => {
    const { exports } = newCore(build);
    const table = exports.leafCreate();
    exports.leafInsert(table, 5);
    assert.equal(exports.leafReplace(table, 5, 0xffffff), 1);
    assert.equal(exports.leafReplace(table, 5, 9), 0);
    exports.leafSeek(table, 5);
    assert.equal(exports.leafNext() >>> 0, 0xffffff);
    assert.equal(exports.leafNext() >>> 0, NONE);
  });

  test("400,000 entries take at most 6.6 bytes each, and give them all back", () => {
    const { exports } = newCore(build);
    const table = exports.leafCreate();
    const size = exports.leafLiveBytes(table);
    assert.equal(exports.leafInsertMany(table, 1, 400_000), 1);
    assert.equal(exports.leafFindMany(table, 1, 400_000), 400_000);
    assert.equal(exports.leafFindMany(table, 400_001, 100_000), 0);
    const held = (exports.poolPagesOf(6) * 65_536) / 400_000;
    assert.ok(held <= 6.6, `${held} bytes per entry`);
    for (let payload = 1; payload <= 400_000; payload++) exports.leafRemove(table, payload);
    assert.equal(exports.leafLiveBytes(table), size);
    // The table and its one leaf, which need not lie together.
    assert.ok(exports.poolPagesOf(6) <= 2);
    exports.leafVerify(table);
  });

  test("a search changes nothing and grows nothing", () => {
    const { core, exports } = newCore(build);
    const table = exports.leafCreate();
    exports.leafInsertMany(table, 1, 50_000);
    const { buffer } = core.exports.memory;
    const copy = Buffer.from(core.bytes);
    exports.leafFindMany(table, 1, 100_000);
    assert.equal(core.exports.memory.buffer, buffer);
    assert.equal(Buffer.compare(copy, core.bytes), 0);
  });

  test("an insertion that is refused memory leaves the table as it was", () => {
    const { exports } = newCore(build, { memoryBytesMax: 256 * 65_536 });
    const table = exports.leafCreate();
    exports.poolAcquire(3, 230);
    let count = 0;
    while (exports.leafInsert(table, count + 1) !== 0) count += 1;
    assert.ok(count > 100_000);
    assert.equal(exports.leafCount(table), count);
    assert.equal(exports.leafFindMany(table, 1, count), count);
    exports.leafVerify(table);
    for (let payload = 1; payload <= count; payload++) exports.leafRemove(table, payload);
    assert.equal(exports.leafInsert(table, 1), 1);
  });
});

function apply(
  operation: Operation,
  table: number,
  model: Set<number>,
  exports: TestingExports,
): void {
  if (operation.type === "replace") {
    // By itself: another payload would be under a hash that `verify` does not expect.
    const isThere = model.has(operation.payload) ? 1 : 0;
    assert.equal(exports.leafReplace(table, operation.payload, operation.payload), isThere);
    return;
  }
  const end = Math.min(SPACE, operation.first + operation.count);
  for (let payload = operation.first; payload < end; payload++) {
    if (operation.type === "remove") {
      assert.equal(exports.leafRemove(table, payload) !== 0, model.delete(payload));
    } else if (!model.has(payload)) {
      assert.equal(exports.leafInsert(table, payload), 1);
      model.add(payload);
    }
  }
}

/** The candidates of a payload's own hash, and whether it is one of them. */
function find(
  table: number,
  payload: number,
  exports: TestingExports,
): { readonly isFound: boolean; readonly count: number } {
  const candidates: number[] = [];
  exports.leafSeek(table, payload);
  let candidate = exports.leafNext() >>> 0;
  while (candidate !== NONE) {
    candidates.push(candidate);
    candidate = exports.leafNext() >>> 0;
  }
  const found = candidates.filter((each) => each === payload);
  assert.ok(found.length <= 1);
  return { isFound: found.length === 1, count: candidates.length };
}
