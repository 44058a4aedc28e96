/**
 * The page pool against an array of owners.
 *
 * Goal: no page is handed out twice or unzeroed, what was reserved can be acquired whole, a refusal
 * changes nothing, and the counts of owners add up to linear memory.
 *
 * Method: few pages are acquired at a time, runs of up to 12, and released in any order, so that
 * free runs of all lengths lie between used ones. Every page that is handed out is written full.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { OWNERS } from "../../src/router/accounting.ts";
import { builds, newCore, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const PAGE = 65_536;
const ZEROS = Buffer.alloc(12 * PAGE);
const FIRST_OWNER = 3;
const OWNER_COUNT = OWNERS.length;

type Operation =
  | { type: "acquire"; owner: number; counts: number[] }
  | { type: "release"; which: number }
  | { type: "releasePart"; which: number }
  | { type: "assign"; which: number; owner: number };

const owner = fc.integer({ min: FIRST_OWNER, max: OWNER_COUNT - 1 });
const which = fc.nat();
const counts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 });
const operations = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("acquire" as const), owner, counts }),
    fc.record({ type: fc.constant("release" as const), which }),
    fc.record({ type: fc.constant("releasePart" as const), which }),
    fc.record({ type: fc.constant("assign" as const), which, owner }),
  ),
  { maxLength: 60, size: "max" },
);

interface Held {
  first: number;
  count: number;
  owner: number;
}

describe.each(builds)("page pool, $name", (build) => {
  test("pages are handed out once, zeroed, and accounted to their owner", () => {
    const pool = newCore(build);
    const before = pool.exports.poolPagesOf(0);
    check(
      fc.property(operations, (operations) => {
        const held: Held[] = [];
        for (const operation of operations) {
          apply(operation, held, pool);
          assertSame(held, pool);
        }
        for (const { first, count } of held) pool.exports.poolRelease(first * PAGE, count);
        assertSame([], pool);
      }),
      100,
    );
    const grown = pool.core.exports.memory.buffer.byteLength / PAGE - 256;
    assert.equal(pool.exports.poolPagesOf(0), before + grown);
  });

  test("memory grows by a quarter, at least 16 MiB, and not beyond the budget", () => {
    const { core, exports } = newCore(build, { memoryBytesMax: 700 * PAGE });
    const pages = (): number => core.exports.memory.buffer.byteLength / PAGE;
    assert.equal(pages(), 256);
    assert.equal(exports.poolReserve(400), 1);
    assert.ok(pages() >= 512);
    const at = exports.poolAcquire(FIRST_OWNER, 400) >>> 0;
    assert.equal(exports.poolReserve(pages() - 399), 1);
    assert.equal(pages(), 700);
    const { buffer } = core.exports.memory;
    assert.equal(exports.poolReserve(301), 0);
    assert.equal(core.exports.memory.buffer, buffer);
    exports.poolRelease(at, 400);
    assert.equal(exports.poolReserve(600), 1);
    exports.poolVerify();
  });

  test("without a reservation acquiring traps instead of growing", () => {
    const { exports } = newCore(build);
    assert.throws(() => exports.poolAcquire(FIRST_OWNER, 1000));
  });
});

function apply(operation: Operation, held: Held[], { core, exports }: TestCore): void {
  if (operation.type === "acquire") {
    // Reserved as a sum, taken one by one.
    const sum = operation.counts.reduce((a, b) => a + b, 0);
    assert.equal(exports.poolReserve(sum), 1);
    const { buffer } = core.exports.memory;
    for (const count of operation.counts) {
      const first = (exports.poolAcquire(operation.owner, count) >>> 0) / PAGE;
      const bytes = core.bytes.subarray(first * PAGE, (first + count) * PAGE);
      assert.equal(Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)), 0);
      bytes.fill(0xff);
      held.push({ first, count, owner: operation.owner });
    }
    assert.equal(core.exports.memory.buffer, buffer);
    return;
  }
  const index = operation.which % Math.max(1, held.length);
  const block = held[index];
  if (block === undefined) return;
  if (operation.type === "assign") {
    exports.poolAssign(block.first * PAGE, block.count, operation.owner);
    block.owner = operation.owner;
  } else if (operation.type === "releasePart" && block.count > 1) {
    exports.poolRelease((block.first + block.count - 1) * PAGE, 1);
    block.count -= 1;
  } else {
    exports.poolRelease(block.first * PAGE, block.count);
    held.splice(index, 1);
  }
}

function assertSame(held: readonly Held[], { core, exports }: TestCore): void {
  const seen = new Set<number>();
  const pages = new Array<number>(OWNER_COUNT).fill(0);
  pages[FIRST_OWNER] = 1; // the exchange
  pages[10] = 1; // the consumer registry's index
  pages[11] = 1; // the flush tracker's
  for (const { first, count, owner } of held) {
    pages[owner] = pages[owner]! + count;
    for (let page = first; page < first + count; page++) {
      assert.equal(seen.has(page), false);
      seen.add(page);
    }
  }
  let sum = 0;
  for (let owner = 0; owner < OWNER_COUNT; owner++) {
    if (owner >= FIRST_OWNER) assert.equal(exports.poolPagesOf(owner), pages[owner]);
    sum += exports.poolPagesOf(owner) * PAGE;
  }
  assert.equal(sum, core.exports.memory.buffer.byteLength);
  exports.poolVerify();
}
