/**
 * A transaction of more than 256 rows lost its 257th, 513th, 1025th... row for every shape: the
 * reference to a record's key list was stored in an array that making room for the record had just
 * replaced (the target of an assignment is evaluated before its value).
 */

import assert from "node:assert/strict";
import { afterEach, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import {
  appendTo,
  bodyOf,
  createShape,
  logOf,
  readAll,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

test("every row of a large transaction is in the log of its shape", async () => {
  const harness = await startStore(temporaryDirectory(), { capacity: 10_000 });
  const keys = [await createShape(harness), await createShape(harness)];
  const rowCount = 5_000;
  for (let row = 0; row < rowCount; row++) {
    appendTo(harness, 100n, 2 * row, bodyOf(`row ${row}`, 100n, 2 * row), [keys[row % 2]!]);
  }
  harness.store.commit(100n as Lsn);
  await harness.store.flushed();
  for (const [remainder, key] of keys.entries()) {
    const { messages } = await readAll(logOf(harness, key));
    const text = messages.join();
    for (let row = remainder; row < rowCount; row += 2) {
      assert.ok(text.includes(`row ${row}`), `row ${row} is missing`);
    }
  }
  await harness.store.close();
});
