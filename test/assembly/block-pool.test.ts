/**
 * Block pools against a map of blocks.
 *
 * Goal: blocks never overlap nor move, live bytes are the sum of what is allocated, and when all is
 * released every page is back.
 *
 * Method: sizes from one byte to two pages, many of them around half a page, where blocks become
 * pages; every block is filled with its own byte and read again when it goes or is trimmed.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

type Operation =
  | { type: "allocate"; size: number }
  | { type: "release"; which: number }
  | { type: "trim"; which: number; percent: number };

const size = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 1500 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 131_072 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 8, 9, 64, 65, 32_767, 32_768, 32_769, 65_536, 65_537),
  },
);
const which = fc.nat();
const allocate: fc.Arbitrary<Operation> = fc.record({ type: fc.constant("allocate"), size });
const release: fc.Arbitrary<Operation> = fc.record({ type: fc.constant("release"), which });
const trim: fc.Arbitrary<Operation> = fc.record({
  type: fc.constant("trim"),
  which,
  percent: fc.integer({ min: 1, max: 100 }),
});
const length = { maxLength: 150, size: "max" } as const;
const operations = fc.oneof(
  fc.array(allocate, length),
  fc.array(fc.oneof(allocate, release, trim), length),
);

interface Block {
  address: number;
  size: number;
  mark: number;
}

describe.each(builds)("block pool, $name", (build) => {
  test.each([8, 64])("granules of %i: blocks are apart and all memory comes back", (granule) => {
    const test = newCore(build);
    const { exports } = test;
    check(
      fc.property(operations, (operations) => {
        const pool = exports.blockCreate(granule);
        const blocks: Block[] = [];
        operations.forEach((operation, n) => {
          apply(operation, (n % 255) + 1, blocks, pool, test);
          assert.equal(exports.blockLiveBytes(pool), sumOf(blocks, granule));
          exports.blockVerify(pool);
        });
        expectApart(blocks);
        for (const block of blocks) releaseBlock(block, pool, test);
        assert.equal(exports.blockLiveBytes(pool), 0);
        assert.equal(exports.blockPageCount(pool), 0);
        exports.blockDestroy(pool);
        exports.poolVerify();
      }),
      100,
    );
  });

  test("a drained and refilled pool holds no more than before", () => {
    const { exports } = newCore(build);
    const pool = exports.blockCreate(64);
    const sizes = Array.from({ length: 20_000 }, (_, n) => 64 * (1 + ((n * 7919) % 16)));
    const fill = (): number[] => sizes.map((size) => exports.blockAllocate(pool, size));
    const blocks = fill();
    const pages = exports.blockPageCount(pool);
    blocks.forEach((block, n) => {
      if (n % 8 !== 0) exports.blockRelease(pool, block, sizes[n]!);
    });
    blocks.forEach((_, n) => {
      if (n % 8 !== 0) exports.blockAllocate(pool, sizes[n]!);
    });
    assert.ok(exports.blockPageCount(pool) <= pages * 1.05);
    assert.ok(pages * 65_536 < exports.blockLiveBytes(pool) * 1.05);
  });
});

function apply(
  operation: Operation,
  mark: number,
  blocks: Block[],
  pool: number,
  test: TestCore,
): void {
  const { core, exports } = test;
  if (operation.type === "allocate") {
    const address = exports.blockAllocate(pool, operation.size) >>> 0;
    assert.notEqual(address, 0);
    core.bytes.fill(mark, address, address + operation.size);
    blocks.push({ address, size: operation.size, mark });
    return;
  }
  const index = operation.which % Math.max(1, blocks.length);
  const block = blocks[index];
  if (block === undefined) return;
  if (operation.type === "release") {
    releaseBlock(block, pool, test);
    blocks.splice(index, 1);
  } else {
    const size = Math.max(1, Math.floor((block.size * operation.percent) / 100));
    block.size = exports.blockTrim(pool, block.address, block.size, size) >>> 0;
    expectFilled(block, size, test);
    core.bytes.fill(block.mark, block.address, block.address + block.size);
  }
}

function releaseBlock(block: Block, pool: number, test: TestCore): void {
  expectFilled(block, block.size, test);
  test.exports.blockRelease(pool, block.address, block.size);
}

function expectFilled({ address, mark }: Block, size: number, { core }: TestCore): void {
  const bytes = core.bytes.subarray(address, address + size);
  assert.equal(Buffer.compare(bytes, Buffer.alloc(size, mark)), 0);
}

function expectApart(blocks: readonly Block[]): void {
  const sorted = blocks.toSorted((a, b) => a.address - b.address);
  for (let n = 1; n < sorted.length; n++) {
    const previous = sorted[n - 1]!;
    assert.ok(sorted[n]!.address >= previous.address + previous.size);
  }
}

function sumOf(blocks: readonly Block[], granule: number): number {
  return blocks.reduce((sum, { size }) => sum + Math.ceil(size / granule) * granule, 0);
}
