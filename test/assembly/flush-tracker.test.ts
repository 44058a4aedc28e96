/**
 * The flush tracker, by its door, against a map from shape to LSN.
 *
 * Goal: the lowest LSN that is held back is the least of the map, at any time; a shape's LSN is
 * that of the first thing that was sent to it since it last had flushed all.
 *
 * Method: LSNs from a space small enough to repeat, with extremes of both halves of 64 bits, in any
 * order: the tracker must not depend on the order in which transactions come.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { FlushTracker } from "../../src/router/flush-tracker.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { builds, newCore, type Build } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const SHAPES = 40;
const lsn = fc.oneof(
  fc.constantFrom(0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, 0x8000_0000n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 30n }),
);
const operations = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: SHAPES }), lsn), {
  maxLength: 200,
  size: "max",
});

describe.each(builds)("flush tracker, $name", (build) => {
  test("the lowest LSN is the least of what is pending", () => {
    const { tracker, exports } = newTracker(build, SHAPES);
    check(
      fc.property(operations, (operations) => {
        const model = new Map<number, bigint>();
        for (const [isSent, shape, lsn] of operations) {
          const id = shape as ShapeId;
          if (isSent) {
            assert.ok(tracker.sent(id, lsn as Lsn));
            if (!model.has(shape)) model.set(shape, lsn);
          } else {
            tracker.flushed(id);
            model.delete(shape);
          }
          assert.equal(tracker.count, model.size);
          assert.equal(tracker.lowest(), leastOf(model.values()));
          exports.flushVerify();
        }
        for (let shape = 1; shape <= SHAPES; shape++) tracker.flushed(shape as ShapeId);
        assert.equal(tracker.lowest(), undefined);
        exports.flushVerify();
        assert.equal(exports.poolPagesOf(11), 1);
      }),
      100,
    );
  });

  test("forty thousand shapes, on several pages of the heap, go as they came", () => {
    const count = 40_000;
    const { tracker, exports } = newTracker(build, count);
    const lsns = Array.from({ length: count }, (_, n) => BigInt((n * 7919) % 100_003));
    lsns.forEach((lsn, n) => tracker.sent((n + 1) as ShapeId, lsn as Lsn));
    exports.flushVerify();
    const order = lsns.map((_, n) => n).sort((a, b) => Number(lsns[a]! - lsns[b]!));
    order.forEach((n, rank) => {
      if (rank % 997 === 0) assert.equal(tracker.lowest(), lsns[n]);
      tracker.flushed((n + 1) as ShapeId);
    });
    assert.equal(tracker.count, 0);
    assert.ok(exports.poolPagesOf(11) <= 2);
  });
});

function newTracker(build: Build, shapes: number) {
  const { core, exports } = newCore(build);
  const table = new ShapeTable(core);
  for (let n = 1; n <= shapes; n++) table.mint(n as StorageKey, 0);
  return { tracker: new FlushTracker(core), exports };
}

function leastOf(lsns: Iterable<bigint>): bigint | undefined {
  let least: bigint | undefined;
  for (const lsn of lsns) if (least === undefined || lsn < least) least = lsn;
  return least;
}
