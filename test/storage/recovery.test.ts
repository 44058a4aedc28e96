/**
 * How a start ends for every way in which files can be cut, damaged or lost: the failure table of
 * FORMAT.md, one row after the other. What was never acknowledged may go; what was, may not go
 * unnoticed.
 */

import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { StoreCorrupt, StoreFailed } from "../../src/storage/errors.ts";
import { readFrame } from "../../src/storage/frame-reader.ts";
import { SEGMENT_HEADER_SIZE } from "../../src/storage/segment-format.ts";
import { ForgetfulFiles } from "../support/forgetful-files.ts";
import { withResolvers } from "../support/with-resolvers.ts";
import {
  appendTo,
  bodyOf,
  copyOf,
  createShape,
  logOf,
  readAll,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
  type HarnessOptions,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const TRANSACTIONS = 12;

/** A directory as a crash leaves it: 12 transactions, each in a frame of its own. */
async function crashed(
  options: HarnessOptions,
): Promise<{ directory: string; key: number; harness: StoreHarness }> {
  const harness = await startStore(temporaryDirectory(), options);
  const key = await createShape(harness, ['{"r":1}']);
  for (let index = 1; index <= TRANSACTIONS; index++) {
    const lsn = BigInt(8 * index);
    appendTo(harness, lsn, 0, bodyOf("k", lsn, 0, 20), [key]);
    harness.store.commit(lsn as Lsn);
    await harness.store.flushed();
  }
  return { directory: copyOf(harness.directory), key, harness };
}

function segmentsOf(directory: string): string[] {
  const journal = join(directory, "journal");
  return readdirSync(journal)
    .sort()
    .map((name) => join(journal, name));
}

function frameOffsets(path: string): number[] {
  const bytes = readFileSync(path);
  const offsets: number[] = [];
  for (let offset = SEGMENT_HEADER_SIZE; ;) {
    const frame = readFrame(bytes, offset, bytes.length);
    if (frame === undefined) return [...offsets, offset];
    offsets.push(offset);
    offset += frame.header.size;
  }
}

async function countOf(directory: string, key: number, options: HarnessOptions): Promise<number> {
  const harness = await startStore(directory, options);
  const { messages } = await readAll(logOf(harness, key));
  assert.equal(harness.store.position, BigInt(8 * (messages.length - 2)));
  await harness.store.close();
  return messages.length - 2;
}

test("a torn end is cut off wherever it is torn", async () => {
  const { directory, key, harness } = await crashed({});
  const [path] = segmentsOf(directory);
  const bytes = readFileSync(path!);
  const offsets = frameOffsets(path!);
  const last = offsets.at(-2)!;
  assert.equal(await countOf(copyOf(directory), key, {}), TRANSACTIONS);
  for (let size = last; size < bytes.length; size += 7) {
    writeFileSync(path!, bytes.subarray(0, size));
    const copy = copyOf(directory);
    assert.equal(await countOf(copy, key, {}), TRANSACTIONS - 1);
    // What it was cut to is a journal like any other.
    assert.equal(await countOf(copy, key, {}), TRANSACTIONS - 1);
  }
  for (let at = last; at < bytes.length; at += 11) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 0x40;
    writeFileSync(path!, damaged);
    assert.equal(await countOf(copyOf(directory), key, {}), TRANSACTIONS - 1);
  }
  await harness.store.close();
});

test("a hole in front of what was synced later is refused, and nothing is touched", async () => {
  const { directory, harness } = await crashed({});
  const [path] = segmentsOf(directory);
  const bytes = readFileSync(path!);
  for (const offset of frameOffsets(path!).slice(0, -2)) {
    const damaged = Buffer.from(bytes);
    damaged[offset + 50]! ^= 1;
    writeFileSync(path!, damaged);
    await assert.rejects(startStore(directory), StoreCorrupt);
    assert.deepEqual(readFileSync(path!), damaged);
  }
  await harness.store.close();
});

test("a damaged, a missing and a foreign segment are refused", async () => {
  const options = { limits: { segmentBytes: 500 } };
  const { directory, key, harness } = await crashed(options);
  const paths = segmentsOf(directory);
  assert.ok(paths.length > 3);
  assert.equal(await countOf(copyOf(directory), key, options), TRANSACTIONS);
  for (const path of paths.slice(0, -1)) {
    const bytes = readFileSync(path);
    const damaged = Buffer.from(bytes);
    damaged[SEGMENT_HEADER_SIZE + 60]! ^= 1;
    writeFileSync(path, damaged);
    await assert.rejects(startStore(directory, options), StoreCorrupt);
    rmSync(path);
    await assert.rejects(startStore(directory, options), StoreCorrupt);
    writeFileSync(path, bytes);
  }
  copyFileSync(paths[0]!, paths[1]!);
  await assert.rejects(startStore(directory, options), StoreCorrupt);
  await harness.store.close();
});

test("a journal that ends before its checkpoint is refused", async () => {
  const { directory, harness } = await crashed({ limits: { checkpointPostings: 3 } });
  const [path] = segmentsOf(directory);
  const offsets = frameOffsets(path!);
  writeFileSync(path!, readFileSync(path!).subarray(0, offsets[4]));
  await assert.rejects(startStore(directory), /files have been lost/);
  rmSync(path!);
  await assert.rejects(startStore(directory), StoreCorrupt);
  await harness.store.close();
});

test("the beginning of a segment that was never finished is removed", async () => {
  const { directory, key, harness } = await crashed({});
  const torn = join(directory, "journal", "0000000009999.seg");
  for (const size of [0, 10, 64]) {
    writeFileSync(torn, Buffer.alloc(size, 7));
    assert.equal(await countOf(copyOf(directory), key, {}), TRANSACTIONS);
  }
  await harness.store.close();
});

test("a transaction that a checkpoint had begun to file is forgotten whole", async () => {
  const options = { capacity: 8, limits: { frameBytes: 400, segmentBytes: 1500, runsPerLevel: 2 } };
  const { directory, key, harness: first } = await crashed(options);
  await first.store.close();
  let harness = await startStore(directory, options);
  const position = BigInt(8 * TRANSACTIONS);
  for (let round = 1n; round <= 3n; round++) {
    // It is cut off, and the same transaction comes again.
    const lsn = position + 8n * round;
    for (const isInterrupted of [true, false]) {
      for (let index = 0; index < 40; index++) {
        appendTo(harness, lsn, 2 * index, bodyOf("large", lsn, 2 * index), [key]);
        if (harness.store.isCongested) await harness.store.relieved();
      }
      if (!isInterrupted) break;
      while (harness.postings.count === 0 || harness.store.statistics().pendingPairs > 8) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const copy = copyOf(harness.directory);
      harness.store.rollback();
      await harness.store.close();
      harness = await startStore(copy, options);
      assert.equal(harness.store.position, lsn - 8n);
    }
    harness.store.commit(lsn as Lsn);
    await harness.store.flushed();
    const { messages } = await readAll(logOf(harness, key));
    assert.equal(messages.length, 2 + TRANSACTIONS + 40 * Number(round));
  }
  await harness.store.close();
});

test("a rollback that is not durable takes no seq from what comes after the crash", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), {
    files,
    limits: { checkpointPostings: 1 },
  });
  const { store } = harness;
  const key = await createShape(harness);
  const first = withResolvers();
  const second = withResolvers();
  files.gate = first.promise;
  const append = (to: StoreHarness, lsn: bigint): number =>
    appendTo(to, lsn, 0, bodyOf("k", lsn, 0), [key]);
  append(harness, 8n);
  store.commit(8n as Lsn);
  while (files.syncsWaiting === 0) await new Promise((resolve) => setImmediate(resolve));
  // While that is being synced: a transaction, and one that is taken back.
  append(harness, 16n);
  store.commit(16n as Lsn);
  append(harness, 24n);
  store.rollback();
  files.gate = second.promise;
  first.resolve();
  while (harness.positions.at(-1) !== 8n) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.statistics().runs, 1);
  const copy = files.copyAfterCrash(harness.directory, () => 0);
  second.resolve();
  await store.close();

  const again = await startStore(copy);
  assert.equal(again.store.position, 8n);
  for (const lsn of [16n, 24n, 32n]) {
    append(again, lsn);
    again.store.commit(lsn as Lsn);
  }
  await again.store.flushed();
  assert.equal((await readAll(logOf(again, key))).messages.length, 5);
  await again.store.close();
});

test("a sync that fails stops everything, and nobody is told otherwise", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), { files });
  const { store } = harness;
  const key = await createShape(harness);
  appendTo(harness, 8n, 0, bodyOf("k", 8n, 0), [key]);
  store.commit(8n as Lsn);
  await store.flushed();

  files.syncFailure = { after: 0, error: new Error("EIO: i/o error, fdatasync") };
  appendTo(harness, 16n, 0, bodyOf("k", 16n, 0), [key]);
  store.commit(16n as Lsn);
  await assert.rejects(store.flushed(), StoreFailed);
  assert.equal(harness.failures.length, 1);
  assert.equal(store.position, 8n);
  assert.equal((await readAll(logOf(harness, key))).messages.length, 2);

  // Never tried again: the kernel has marked the pages clean, a second sync would lie.
  files.syncFailure = undefined;
  assert.throws(() => store.commit(24n as Lsn), StoreFailed);
  assert.throws(() => appendTo(harness, 24n, 0, bodyOf("k", 24n, 0), [key]), StoreFailed);
  await assert.rejects(async () => store.removeShape(key), StoreFailed);
  await store.relieved();
  await assert.rejects(store.close(), StoreFailed);
  assert.equal(harness.failures.length, 1);
  assert.deepEqual(harness.positions.at(-1), 8n);
});

test("a removal that is not durable is no removal", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), { files });
  const key = await createShape(harness, ['{"r":1}']);
  const before = statSync(segmentsOf(harness.directory)[0]!).size;
  const removed = harness.store.removeShape(key);
  const copy = files.copyAfterCrash(harness.directory, () => 0);
  await removed;
  assert.ok(statSync(segmentsOf(harness.directory)[0]!).size > before);
  const again = await startStore(copy);
  assert.deepEqual([...again.slots.keys()], [key]);
  assert.equal((await readAll(logOf(again, key))).messages.length, 2);
  await again.store.close();
  await harness.store.close();
});

test("a congested store is relieved, also in the middle of a transaction", async () => {
  const harness = await startStore(temporaryDirectory(), {
    limits: { frameBytes: 1000, pendingBytes: 4000 },
  });
  const key = await createShape(harness);
  for (let index = 0; index < 300; index++) {
    appendTo(harness, 8n, 2 * index, bodyOf("k", 8n, 2 * index, 100), [key]);
    if (harness.store.isCongested) await harness.store.relieved();
    assert.ok(harness.store.statistics().pendingBytes < 5000);
  }
  // Larger than everything that may be pending: it must not wait for a commit that cannot come.
  appendTo(harness, 8n, 1000, bodyOf("k", 8n, 1000, 100_000), [key]);
  assert.ok(harness.store.isCongested);
  await harness.store.relieved();
  assert.equal((await readAll(logOf(harness, key))).messages.length, 1);
  harness.store.commit(8n as Lsn);
  await harness.store.flushed();
  assert.equal((await readAll(logOf(harness, key))).messages.length, 302);
  await harness.store.close();
});
