/**
 * Accounting: the committed bytes of all owners are the size of linear memory, to the byte, at any
 * time; nobody uses more than it holds; and what is emptied has no live bytes that it had not
 * before.
 *
 * Method: all structures that do not need the router are filled and emptied in turn.
 */

import assert from "node:assert/strict";
import { describe, test } from "vitest";
import type { LogSlot, Seq, StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { Accounting, OWNERS, type Owner } from "../../src/router/accounting.ts";
import { FlushTracker } from "../../src/router/flush-tracker.ts";
import { PostingBuffer } from "../../src/router/posting-buffer.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { Waiters } from "../../src/router/waiters.ts";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";

const COUNT = 50_000;
/** Not made without the router. */
const ROUTED: readonly Owner[] = [
  "equality index",
  "condition tree",
  "membership index",
  "range index",
  "definition index",
  "accesses",
  "partition map",
  "subquery index",
  "value counts",
  "view history",
];

describe.each(builds)("accounting, $name", (build) => {
  test("every byte of linear memory has one owner", () => {
    const test = newCore(build);
    test.exports.storesCreate();
    const accounting = new Accounting(test.core);
    assert.equal(test.exports.accountingOwnerCount(), OWNERS.length);
    const before = assertAddsUp(accounting);
    const empty = fill(test);
    const filled = assertAddsUp(accounting);
    assert.ok(accounting.totalBytes > 256 * 65_536);
    for (const { owner, entries, liveBytes } of filled) {
      if (ROUTED.includes(owner)) continue;
      assert.ok(owner === "free" || liveBytes > 0, owner);
      if (["handle table", "shape table", "pending postings"].includes(owner)) {
        assert.equal(entries, COUNT, owner);
      }
    }
    empty();
    const after = assertAddsUp(accounting);
    for (const [index, { owner, liveBytes }] of after.entries()) {
      assert.equal(liveBytes, before[index]!.liveBytes, owner);
    }
  });

  test("a shape's row takes 28 bytes, eight of them for its handle", () => {
    const { core } = newCore(build);
    const table = new ShapeTable(core);
    for (let n = 1; n < 16_384; n++) table.mint(n as StorageKey, 0);
    const report = new Accounting(core).report();
    const of = (owner: Owner) => report.find((row) => row.owner === owner)!;
    assert.equal(of("handle table").committedBytes, 8 * 16_384);
    assert.equal(of("shape table").committedBytes, 20 * 16_384);
    assert.equal(of("handle table").wastedBytes, 8);
    assert.equal(of("shape table").wastedBytes, 20);
  });
});

function assertAddsUp(accounting: Accounting) {
  const report = accounting.report();
  let sum = 0;
  for (const { owner, committedBytes, liveBytes, wastedBytes } of report) {
    sum += committedBytes;
    assert.ok(liveBytes <= committedBytes, `${owner} uses ${liveBytes} of ${committedBytes}`);
    assert.equal(wastedBytes, committedBytes - liveBytes);
  }
  assert.equal(sum, accounting.totalBytes);
  return report;
}

/** Fills every structure. Returns what empties them again. */
function fill(test: TestCore): () => void {
  const { core, exports } = test;
  const table = new ShapeTable(core);
  const waiters = new Waiters(core);
  const tracker = new FlushTracker(core);
  const postings = new PostingBuffer(core);
  const ids = Array.from({ length: COUNT }, (_, n) => table.mint((n + 1) as StorageKey, 0)!);
  const values: number[] = [];
  let set = 0;
  const parked = ids.map((id) => {
    const bytes = Buffer.from(`value of shape ${id}`.repeat(20));
    values.push(exports.valueIntern(put(test, bytes), bytes.length));
    set = exports.setAdd(set, id * 3) >>> 0;
    tracker.sent(id, BigInt(id) as Lsn);
    return waiters.park(id)!;
  });
  postings.file(2 as Seq, Uint32Array.of(0, COUNT, ...ids));
  assert.equal(postings.lastSeq(1 as LogSlot), 2);

  return () => {
    for (const value of values) exports.valueRelease(value);
    exports.setRelease(set);
    for (const waiter of parked) waiters.leave(waiter);
    for (let n = 0; n < 2; n++) {
      postings.freeze();
      postings.retire();
    }
    for (const id of ids) table.retire(id);
    exports.poolVerify();
  };
}
