/**
 * Goal: which logs end before the journal does is as durable as the logs themselves: a start that
 * took such a log for complete would lose what has happened since (protocol 14.6).
 * Method: recorded, replaced, withdrawn and removed, then read back after a clean end, after a
 * crash that leaves it to the journal, and after a checkpoint with more behind it.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterEach, describe, test } from "vitest";
import type { StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { decodeBehind, encodeBehind } from "../../src/storage/behind.ts";
import { check } from "../support/property.ts";
import {
  appendTo,
  bodyOf,
  copyOf,
  createShape,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
  type HarnessOptions,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const EARLY = { since: 100n as Lsn, position: 99n as Lsn };
const LATE = { since: (2n ** 63n) as Lsn, position: (2n ** 63n) as Lsn };

/** One transaction for the shapes, which is flushed. */
async function write(harness: StoreHarness, lsn: bigint, keys: readonly number[]): Promise<void> {
  appendTo(harness, lsn, 0, bodyOf("k", lsn, 0), keys);
  harness.store.commit(lsn as Lsn);
  await harness.store.flushed();
}

async function recordedIn(directory: string, options: HarnessOptions) {
  const harness = await startStore(directory, options);
  const recorded = new Map(harness.store.behind);
  await harness.store.close();
  return recorded;
}

describe.each([
  ["in the journal", {}],
  ["checkpointed every other transaction", { limits: { checkpointPostings: 4 } }],
])("%s", (_, options: HarnessOptions) => {
  /** The same after a crash and after a clean end. */
  async function expectKept(
    harness: StoreHarness,
    expected: readonly (readonly [StorageKey, object])[],
  ): Promise<void> {
    assert.deepEqual(new Map(harness.store.behind), new Map(expected));
    const crashed = copyOf(harness.directory);
    assert.deepEqual(await recordedIn(crashed, options), new Map(expected));
    await harness.store.close();
    assert.deepEqual(await recordedIn(harness.directory, options), new Map(expected));
  }

  async function twoShapes() {
    const harness = await startStore(temporaryDirectory(), options);
    const keys = [await createShape(harness), await createShape(harness)] as const;
    return { harness, keys, store: harness.store };
  }

  test("it is kept, the last record of a shape counts, and a withdrawn one is gone", async () => {
    const { harness, keys, store } = await twoShapes();
    const [one, two] = keys;
    store.recordBehind(keys, EARLY);
    await write(harness, 8n, keys);
    assert.deepEqual(store.behind.get(one), EARLY);
    store.recordBehind([one], LATE);
    await write(harness, 16n, keys);
    store.recordBehind([two], undefined);
    await write(harness, 24n, keys);
    await expectKept(harness, [[one, LATE]]);
  });

  test("a transaction later it is still known", async () => {
    const { harness, keys, store } = await twoShapes();
    store.recordBehind([keys[1]], EARLY);
    for (let lsn = 8n; lsn <= 80n; lsn += 8n) await write(harness, lsn, keys);
    await expectKept(harness, [[keys[1], EARLY]]);
  });

  test("it goes with its shape", async () => {
    const { harness, keys, store } = await twoShapes();
    store.recordBehind(keys, EARLY);
    await write(harness, 8n, keys);
    await store.removeShape(keys[0]);
    await expectKept(harness, [[keys[1], EARLY]]);
  });

  test("several take effect as one, though nothing else was written", async () => {
    const { harness, keys, store } = await twoShapes();
    await write(harness, 8n, keys);
    store.recordBehind([keys[0]], EARLY);
    store.recordBehind([keys[1]], LATE);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await recordedIn(copyOf(harness.directory), options), new Map());
    store.commit(16n as Lsn);
    await store.flushed();
    assert.equal(store.position, 16n);
    await expectKept(harness, [
      [keys[0], EARLY],
      [keys[1], LATE],
    ]);
  });

  test("it is not there before the transaction with which it was recorded", async () => {
    const { harness, keys, store } = await twoShapes();
    await write(harness, 8n, keys);
    appendTo(harness, 16n, 0, bodyOf("k", 16n, 0), keys);
    store.recordBehind(keys, EARLY);
    await store.flushed();
    assert.deepEqual(await recordedIn(copyOf(harness.directory), options), new Map());
    store.commit(16n as Lsn);
    await store.flushed();
    await expectKept(
      harness,
      keys.map((key) => [key, EARLY]),
    );
  });
});

test("a record is read as it was written", () => {
  const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value as Lsn);
  const keys = fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER }));
  const payload = fc.record({ since: lsn, position: lsn, keys }, { noNullPrototype: true });
  check(
    fc.property(payload, (written) => {
      assert.deepEqual(decodeBehind(encodeBehind(written)), written);
    }),
  );
});
