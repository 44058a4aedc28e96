/**
 * A row that no shape wants creates no JavaScript string and no object.
 *
 * Goal: law 6 as far as it can be seen from outside, measured and not believed. Method: see
 * `bench/allocations.ts`. What remains belongs to a chunk of the socket and not to a row: less than
 * one byte a row, where the smallest object takes sixteen. The canary shows that an object for each
 * row would be seen, the string-keyed engine that a string for each row is.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { measureAllocation } from "../../bench/allocations.ts";

const rowCount = 350_000;
const OBJECT_BYTES_MIN = 16;

test.each([1000, 1])(
  "unwanted rows cost no heap, %i to a transaction",
  async (rowsPerTransaction) => {
    const { bytesPerRow } = await measureAllocation({
      subject: "core",
      rowCount,
      rowsPerTransaction,
    });
    assert.ok(bytesPerRow < 1, `${bytesPerRow} bytes per row`);
  },
);

test("an object or a string for each row would be seen", async () => {
  for (const subject of ["canary", "string-keyed"] as const) {
    const { bytesPerRow } = await measureAllocation({
      subject,
      rowCount,
      rowsPerTransaction: 1000,
    });
    assert.ok(bytesPerRow >= OBJECT_BYTES_MIN, `${subject}: ${bytesPerRow} bytes per row`);
  }
});
