/**
 * Goal: the index of a segment that grows holds what it was told and is the footer's bytes at any
 * moment. Method: random entries, gaps and truncations beside an array; what was truncated must not
 * show again as a void entry is made in its place.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { FRAME_HEADER_SIZE, isIntact, readFrameHeader } from "../../src/storage/frame.ts";
import {
  INDEX_ENTRY_SIZE,
  INDEX_SIZE_MAX,
  readIndexEntry,
  SegmentIndex,
  type RecordPlace,
} from "../../src/storage/segment-index.ts";
import { decodeTrailer, encodeFooter, TRAILER_SIZE } from "../../src/storage/segment-format.ts";
import { check } from "../support/property.ts";

const VOID: RecordPlace = { offset: 0, size: 0 };

type Operation =
  | { readonly type: "set"; readonly gap: number; readonly offset: number; readonly size: number }
  | { readonly type: "truncate"; readonly back: number };

const extremes = (max: number) => fc.oneof(fc.integer({ min: 1, max }), fc.constantFrom(1, max));
const operations: fc.Arbitrary<readonly Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("set" as const),
        gap: fc.oneof(fc.constant(0), fc.nat(2_000)),
        offset: extremes(0xffff_ffff),
        size: fc.oneof(fc.nat(200), fc.integer({ min: 0xfffe, max: 0x1_0002 })),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant("truncate" as const), back: fc.nat(3) }),
    },
  ),
);

test("an index holds what an array would hold, and so does the footer", () => {
  check(
    fc.property(operations, (all) => {
      const index = new SegmentIndex();
      const model: RecordPlace[] = [];
      for (const operation of all) apply(operation, index, model);
      assert.equal(index.count, model.length);
      const footer = encodeFooter(7, index, 9n as Lsn, 4_711);
      const entries = footer.subarray(FRAME_HEADER_SIZE, footer.length - TRAILER_SIZE);
      assert.equal(entries.length, model.length * INDEX_ENTRY_SIZE);
      const place = { ...VOID };
      for (const [at, expected] of model.entries()) {
        index.get(at, place);
        assert.deepEqual(place, expected);
        readIndexEntry(entries, at, place);
        assert.deepEqual(place, expected);
      }
      assert.ok(isIntact(footer));
      const header = readFrameHeader(footer, 0)!;
      assert.deepEqual([header.firstSeq, header.count], [7, model.length]);
      assert.equal(decodeTrailer(footer.subarray(-TRAILER_SIZE)), 4_711);
    }),
  );
});

function apply(operation: Operation, index: SegmentIndex, model: RecordPlace[]): void {
  if (operation.type === "truncate") {
    const count = Math.max(0, model.length - operation.back);
    index.truncate(count);
    model.length = count;
    return;
  }
  const { gap, offset, size } = operation;
  const at = model.length + gap;
  index.set(at, offset, size);
  while (model.length < at) model.push(VOID);
  model.push({ offset, size: Math.min(size, INDEX_SIZE_MAX) });
}

test("entries are added in ascending order", () => {
  const index = new SegmentIndex();
  index.set(3, 100, 1);
  assert.throws(() => index.set(3, 200, 1), /ascending/);
});
