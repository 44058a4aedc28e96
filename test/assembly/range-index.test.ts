/**
 * Range indexes against a list of ranges.
 *
 * Goal: a stab finds the ids of exactly the ranges that contain the code, a few at a time or all at
 * once; two trees do not know of each other; emptied, they have no node left.
 *
 * Method: short scripts with codes from a space of a few dozen, extremes among them, and long ones
 * of thousands of ranges that grow trees of three levels and drain them in other orders, checking
 * every invariant on the way.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";
import { mulberry32, seededRandom } from "../support/random.ts";

const UNCHANGED = 1;
const CHANGED = 2;
const MAX = 2n ** 64n - 1n;

interface Range {
  readonly lo: bigint;
  readonly hi: bigint;
  readonly id: number;
}

class Subject {
  readonly test: TestCore;
  readonly #ranges = [new Map<string, Range>(), new Map<string, Range>()];

  constructor(test: TestCore) {
    this.test = test;
  }

  add(tree: number, range: Range): void {
    const ranges = this.#ranges[tree]!;
    const name = nameOf(range);
    const expected = ranges.has(name) ? UNCHANGED : CHANGED;
    assert.equal(this.test.exports.rangeAdd(tree, ...words(range)), expected);
    ranges.set(name, range);
    assert.equal(this.test.exports.rangeCount(tree), ranges.size);
  }

  remove(tree: number, range: Range): void {
    const wasThere = this.#ranges[tree]!.delete(nameOf(range));
    assert.equal(this.test.exports.rangeRemove(tree, ...words(range)) !== 0, wasThere);
  }

  stab(tree: number, code: bigint, capacity: number): void {
    const { core, exports } = this.test;
    const found: number[] = [];
    exports.rangeStab(tree, ...halves(code));
    for (;;) {
      const count = exports.rangeNext(core.exchange, capacity);
      const first = core.exchange >>> 2;
      found.push(...core.words.subarray(first, first + count));
      if (count < capacity) break;
    }
    const expected = [...this.#ranges[tree]!.values()]
      .filter(({ lo, hi }) => lo <= code && code <= hi)
      .map(({ id }) => id);
    assert.deepEqual(sorted(found), sorted(expected));
  }

  rangesOf(tree: number): Range[] {
    return [...this.#ranges[tree]!.values()];
  }

  verify(): void {
    for (const tree of [0, 1]) this.test.exports.rangeVerify(tree);
    this.test.exports.poolVerify();
  }

  drain(): void {
    for (const tree of [0, 1]) for (const range of this.rangesOf(tree)) this.remove(tree, range);
    this.verify();
    assert.equal(this.test.exports.rangeLiveBytes(), 0);
  }
}

const nameOf = ({ lo, hi, id }: Range): string => `${lo} ${hi} ${id}`;
const halves = (code: bigint): [number, number] => [
  Number(code & 0xffff_ffffn) | 0,
  Number(code >> 32n) | 0,
];
const words = ({ lo, hi, id }: Range): number[] => [...halves(lo), ...halves(hi), id];
const sorted = (ids: number[]): number[] => ids.sort((a, b) => a - b);

const code = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt({ min: 0n, max: 30n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, MAX, 2n ** 63n, 2n ** 63n - 1n, 2n ** 32n) },
);
const range: fc.Arbitrary<Range> = fc
  .tuple(code, code, fc.integer({ min: 1, max: 500 }))
  .map(([a, b, id]) => ({ lo: a < b ? a : b, hi: a < b ? b : a, id }));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("add" as const), range }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("remove" as const), pick: fc.nat() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("stab" as const),
      code,
      capacity: fc.integer({ min: 1, max: 9 }),
    }),
  },
);
const scripts = fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), step), {
  maxLength: 400,
  size: "max",
});

describe.each(builds)("range index, $name", (build) => {
  function subject(): Subject {
    const test = newCore(build);
    test.exports.rangeCreate();
    return new Subject(test);
  }

  test("a stab finds the ranges that contain the code", () => {
    const trees = subject();
    check(
      fc.property(scripts, (script) => {
        for (const [tree, step] of script) {
          if (step.type === "add") trees.add(tree, step.range);
          else if (step.type === "stab") trees.stab(tree, step.code, step.capacity);
          else {
            const ranges = trees.rangesOf(tree);
            const picked = ranges[step.pick % Math.max(1, ranges.length)];
            trees.remove(tree, picked ?? { lo: 1n, hi: 2n, id: 3 });
          }
        }
        trees.verify();
        trees.drain();
      }),
      40,
    );
  });

  const orders: [string, (random: () => number, n: number) => bigint][] = [
    ["random", (random) => BigInt(Math.floor(random() * 2 ** 50))],
    ["ascending", (_, n) => BigInt(n)],
    ["descending", (_, n) => BigInt(1_000_000 - n)],
    ["all alike", () => 7n],
    ["from the least code", () => 0n],
  ];
  test.each(orders)("thousands of ranges, %s", (name, loOf) => {
    const random = mulberry32(seededRandom(`ranges ${name}`)() * 2 ** 32);
    const trees = subject();
    for (let n = 1; n <= 6000; n++) {
      const lo = loOf(random, n);
      const width = random() < 0.01 ? 2 ** 49 : random() * 1000;
      trees.add(0, { lo, hi: lo + BigInt(Math.floor(width)), id: n });
      if (n % 500 === 0) trees.verify();
    }
    const probe = (): void => {
      const ranges = trees.rangesOf(0);
      for (let n = 0; n < 30; n++) {
        const { lo, hi } = ranges[Math.floor(random() * ranges.length)]!;
        for (const at of [lo, hi, hi + 1n, (lo + hi) / 2n]) trees.stab(0, at, 256);
      }
    };
    probe();
    const ranges = trees.rangesOf(0).sort(() => random() - 0.5);
    for (const [n, range] of ranges.entries()) {
      if (n === 5000) probe();
      trees.remove(0, range);
      if (n % 500 === 0) trees.verify();
    }
    trees.drain();
  });

  test("a range takes 30 bytes at most, in any order", () => {
    for (const [name, loOf] of orders) {
      const { exports } = subject().test;
      const random = mulberry32(1);
      for (let n = 1; n <= 100_000; n++) {
        const lo = loOf(random, n);
        exports.rangeAdd(0, ...words({ lo, hi: lo + 10n, id: n }));
      }
      const bytes = exports.rangeLiveBytes() / 100_000;
      assert.ok(bytes < 30, `${name}: ${bytes}`);
    }
  });
});
