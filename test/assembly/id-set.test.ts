/**
 * Id sets against Set<number>.
 *
 * Goal: after any sequence of additions and removals of ids, one by one and many at once, a set
 * holds what a Set would hold, in ascending order, from any id on; a set that is emptied has left
 * nothing.
 *
 * Method: runs with a step of 1 become bitmaps, of 3 change between bitmap and list, of 17 and more
 * are lists with more low bits the longer the step. Those that are scattered have buckets of many
 * ids and buckets of none. Starting points are few, so that runs meet and overlap, windows of 2,048
 * are straddled, and blocks are divided, joined and emptied.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";
import { mulberry32 } from "../support/random.ts";

const ID_MAX = 0xaaaaaa;

interface Operation {
  type: "add" | "remove" | "removeAll";
  first: number;
  step: number;
  count: number;
  order: "ascending" | "descending" | "scattered";
}

const operation = (type: Operation["type"]): fc.Arbitrary<Operation> =>
  fc.record({
    type: fc.constant(type),
    first: fc.oneof(
      fc.constantFrom(1, 2, 1000, 2047, 2048, 4000, 70_000, 1_000_000, ID_MAX),
      fc.integer({ min: 1, max: 6000 }),
    ),
    step: fc.constantFrom(1, 2, 3, 17, 255, 256, 1000, 65_535, 65_536, 100_000),
    count: fc.oneof(fc.constantFrom(1, 2, 127, 128, 129), fc.integer({ min: 1, max: 700 })),
    order: fc.constantFrom("ascending", "descending", "scattered"),
  });
const length = { maxLength: 14, size: "max" } as const;
const operations = fc.oneof(
  fc.array(operation("add"), length),
  fc.array(fc.oneof(operation("add"), operation("remove"), operation("removeAll")), length),
);

describe.each(builds)("id set, $name", (build) => {
  test("a set holds what a Set would hold", () => {
    const test = newCore(build);
    const { exports } = test;
    exports.storesCreate();
    check(
      fc.property(operations, (operations) => {
        let set = 0;
        const model = new Set<number>();
        for (const operation of operations) {
          if (operation.type === "removeAll") {
            set = removeAll(set, idsOf(operation), model, test);
            assert.equal(exports.setCount(set), model.size);
          }
          for (const id of operation.type === "removeAll" ? [] : idsOf(operation)) {
            if (operation.type === "add") {
              set = exports.setAdd(set, id) >>> 0;
              assert.notEqual(set, 0);
              model.add(id);
            } else {
              set = exports.setRemove(set, id) >>> 0;
              model.delete(id);
            }
            assert.equal(exports.setCount(set), model.size);
          }
          exports.setVerify(set);
          assertSame(set, model, test);
        }
        for (const id of model) {
          assert.equal(exports.setHas(set, id), 1);
          set = exports.setRemove(set, id) >>> 0;
        }
        assert.equal(set, 0);
        assert.equal(exports.setLiveBytes(), 0);
        assert.equal(exports.poolPagesOf(7), 0);
      }),
      60,
    );
  });

  test("one id is its own set, and takes no memory", () => {
    const { exports } = newCore(build);
    exports.storesCreate();
    for (const id of [1, 2, ID_MAX]) assert.equal(exports.setAdd(0, id) >>> 0, id);
    assert.equal(exports.setAdd(7, 7), 7);
    assert.equal(exports.setRemove(7, 8), 7);
    assert.equal(exports.poolPagesOf(7), 0);
    assert.ok(exports.setAdd(7, 8) >>> 0 > ID_MAX);
  });

  test("a thousand sets of a thousand ids take 1.65 bytes an id, and hold 1.9", () => {
    const { exports } = newCore(build);
    exports.storesCreate();
    const sets = new Uint32Array(1000);
    let random = 1;
    for (let id = 1; id <= 1_000_000; id++) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      const which = (random >>> 8) % 1000;
      sets[which] = exports.setAdd(sets[which]!, id);
    }
    const live = exports.setLiveBytes() / 1_000_000;
    const held = (exports.poolPagesOf(7) * 65_536) / 1_000_000;
    assert.ok(live < 1.65, `${live} bytes per id`);
    assert.ok(held < 1.9, `${held} bytes per id`);
  });

  test("sets of two ids take 16 bytes, a million adjacent ids a bit each", () => {
    const { exports } = newCore(build);
    exports.storesCreate();
    const before = exports.setLiveBytes();
    const pair = exports.setAdd(exports.setAdd(0, 5), 100_000) >>> 0;
    assert.equal(exports.setLiveBytes() - before, 16);
    exports.setRelease(pair);
    let set = 0;
    for (let id = 1; id <= 1_000_000; id++) set = exports.setAdd(set, id) >>> 0;
    assert.ok(exports.setLiveBytes() < 140_000);
    exports.setRelease(set);
    assert.equal(exports.setLiveBytes(), 0);
  });

  test("without memory to join blocks, a set of one id is still that id", () => {
    for (const isAtOnce of [false, true]) {
      const test = newCore(build, { memoryBytesMax: 256 * 65_536 });
      const { exports } = test;
      exports.storesCreate();
      const ids = Array.from({ length: 129 }, (_, index) => 1 + index * 1000);
      let set = ids.reduce((set, id) => exports.setAdd(set, id) >>> 0, 0);
      while (exports.poolPagesOf(0) > 0) exports.poolAcquire(3, 1);
      const model = new Set(ids);
      if (isAtOnce) set = removeAll(set, ids.slice(1), model, test);
      else for (const id of ids.slice(1)) set = exports.setRemove(set, id) >>> 0;
      assert.equal(set, 1);
    }
  });

  test("a removal needs no memory, however uneven the gaps that it leaves", () => {
    const { exports } = newCore(build, { memoryBytesMax: 256 * 65_536 });
    exports.storesCreate();
    while (exports.poolPagesOf(0) > 8) exports.poolAcquire(3, 1);
    const ids = Array.from({ length: 128 }, (_, index) => 1 + index * 60_000);
    const sets: number[] = [];
    let set: number;
    do {
      set = ids.reduce((set, id) => exports.setAdd(set, id) >>> 0, 0);
      sets.push(set);
    } while (exports.setCount(set) === ids.length);
    while (exports.poolPagesOf(0) > 0) exports.poolAcquire(3, 1);
    for (const id of ids.filter((_, index) => index % 4 !== 0)) {
      for (const set of sets.slice(0, -1)) assert.equal(exports.setRemove(set, id) >>> 0, set);
    }
    for (const set of sets) exports.setVerify(set);
  });

  test("an addition that is refused memory changes nothing", () => {
    const { exports } = newCore(build, { memoryBytesMax: 256 * 65_536 });
    exports.storesCreate();
    exports.poolAcquire(3, 200);
    let count = 0;
    while (exports.setAdd(2 * count + 1, 2 * count + 2) !== 0) count += 1;
    assert.ok(count > 10_000);
    assert.equal(exports.setRemove(0xaaaaab, 1), 2);
    exports.setVerify(0xaaaaac);
  });
});

/** Removes at once those that the set has. Returns the set. */
function removeAll(set: number, ids: readonly number[], model: Set<number>, test: TestCore) {
  const { core, exports } = test;
  const present = ids.filter((id) => model.delete(id)).sort((a, b) => a - b);
  core.words.set(present, core.exchange >>> 2);
  return exports.setRemoveAll(set, core.exchange, present.length) >>> 0;
}

/** Scattered: gaps of 1 to twice the step, in no order. */
function idsOf({ first, step, count, order }: Operation): number[] {
  const isScattered = order === "scattered";
  const random = mulberry32(first + step + count);
  const ids: number[] = [];
  for (let n = 0; n < count; n++) {
    const id = first + (isScattered ? Math.floor(random() * count * step) : n * step);
    if (id <= ID_MAX) ids.push(id);
  }
  return order === "descending" ? ids.reverse() : ids;
}

function assertSame(set: number, model: ReadonlySet<number>, { core, exports }: TestCore): void {
  const sorted = [...model].sort((a, b) => a - b);
  assert.equal(exports.setFirst(set) >>> 0, sorted[0] ?? 0);
  const middle = sorted[sorted.length >> 1] ?? 5;
  for (const [from, capacity] of [
    [0, 16_000],
    [middle, 16_000],
    [middle + 1, 16_000],
    [0, 100],
  ]) {
    const expected = sorted.filter((id) => id >= from!).slice(0, capacity);
    const count = exports.setCopyTo(set, core.exchange, capacity!, from!);
    const words = core.words.subarray(core.exchange >>> 2, (core.exchange >>> 2) + count);
    assert.deepEqual([...words], expected);
  }
  for (const id of [1, 2, 3, 127, 128, 2047, 2048, 2049, 65_536, middle, middle + 1, ID_MAX]) {
    assert.equal(exports.setHas(set, id) !== 0, model.has(id));
  }
}
