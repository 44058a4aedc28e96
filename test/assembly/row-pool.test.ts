/**
 * Row pools against a map from number to contents.
 *
 * Goal: numbers are dense, given out once, used again; rows do not touch each other, come zeroed
 * and do not move; when the last one goes, so do all pages.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const ROW = 4096;
const operations = fc.array(fc.tuple(fc.constantFrom("take", "take", "give"), fc.nat()), {
  maxLength: 120,
  size: "max",
});

describe.each(builds)("row pool, $name", (build) => {
  test("rows are apart, zeroed and used again", () => {
    const { core, exports } = newCore(build);
    exports.rowCreate(ROW);
    const pages = exports.poolPagesOf(3);
    check(
      fc.property(operations, (operations) => {
        const rows = new Map<number, number>();
        let top = 0;
        for (const [operation, choice] of operations) {
          if (operation === "take") {
            const row = exports.rowTake();
            assert.ok(row > 0 && row <= top + 1 && !rows.has(row));
            top = Math.max(top, row);
            const address = exports.rowAddress(row) >>> 0;
            const bytes = core.bytes.subarray(address, address + ROW);
            assert.ok(bytes.every((byte) => byte === 0));
            bytes.fill(row);
            rows.set(row, address);
          } else {
            const row = [...rows.keys()][choice % Math.max(1, rows.size)];
            if (row === undefined) continue;
            const address = rows.get(row)!;
            assert.equal(exports.rowAddress(row) >>> 0, address);
            const bytes = core.bytes.subarray(address, address + ROW);
            assert.ok(bytes.every((byte) => byte === (row & 0xff)));
            exports.rowGive(row);
            rows.delete(row);
            if (rows.size === 0) top = 0;
          }
          assert.equal(exports.rowCount(), rows.size);
          exports.rowVerify();
        }
        assert.ok(rows.size > 0 || exports.poolPagesOf(3) === pages);
        for (const row of rows.keys()) exports.rowGive(row);
        assert.equal(exports.poolPagesOf(3), pages);
      }),
      60,
    );
  });

  test("the directory's end is the last number", () => {
    const { exports } = newCore(build);
    exports.rowCreate(ROW);
    for (let n = 1; n < 256; n++) assert.equal(exports.rowTake(), n);
    assert.equal(exports.rowTake(), 0);
    exports.rowGive(100);
    assert.equal(exports.rowTake(), 100);
  });
});
