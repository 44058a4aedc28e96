/**
 * Goal: what shapes leave behind when they go comes back to the disk, and nobody who reads the
 * others notices, neither while a segment is written again, nor after a crash at any step of it,
 * nor where the segment is damaged.
 *
 * Method: many small segments whose bodies belong to a few of many shapes each, most of which go.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "vitest";
import type { StorageKey } from "../../src/model/ids.ts";
import { SNAPSHOT_END } from "../../src/model/log-offset.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { nodeFiles, type Files } from "../../src/storage/files.ts";
import { SEGMENT_HEADER_SIZE } from "../../src/storage/segment-format.ts";
import { seededRandom } from "../support/random.ts";
import {
  appendTo,
  bodyOf,
  copyOf,
  createShape,
  logOf,
  readAll,
  removeTemporaryDirectories,
  startStore,
  takeSlot,
  temporaryDirectory,
  textOf,
  type HarnessOptions,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const SHAPES = 40;
const KEPT = 4;
const TRANSACTIONS = 1500;
const OPTIONS: HarnessOptions = {
  capacity: 4000,
  limits: { segmentBytes: 20_000, frameBytes: 4_000, checkpointPostings: 500, pageBytes: 2_000 },
};

type Logs = ReadonlyMap<number, readonly string[]>;

/** A store with what its shapes' logs are without their snapshots. */
async function filled(options: HarnessOptions): Promise<{ harness: StoreHarness; logs: Logs }> {
  const harness = await startStore(temporaryDirectory(), { ...OPTIONS, ...options });
  const random = seededRandom("fill");
  const keys: StorageKey[] = [];
  const logs = new Map<number, string[]>();
  for (let shape = 0; shape < SHAPES; shape++) {
    const key = await createShape(harness, [`{"row":"${"r".repeat(300)}"}`]);
    keys.push(key);
    logs.set(key, []);
  }
  for (let index = 1; index <= TRANSACTIONS; index++) {
    const lsn = BigInt(8 * index);
    const body = bodyOf(`k${index}`, lsn, 0, 100);
    const count = 1 + Math.floor(random() * 2);
    const reached = new Set(Array.from({ length: count }, () => Math.floor(random() * SHAPES)));
    const reachedKeys = [...reached].map((shape) => keys[shape]!);
    appendTo(harness, lsn, 0, body, reachedKeys);
    for (const key of reachedKeys) logs.get(key)!.push(`${body.slice(0, -2)},"last":true}}`);
    harness.store.commit(lsn as Lsn);
    if (index % 20 === 0) await harness.store.flushed();
  }
  await harness.store.flushed();
  return { harness, logs };
}

async function removeMost(harness: StoreHarness): Promise<void> {
  for (const key of [...harness.slots.keys()].sort((a, b) => a - b).slice(KEPT)) {
    await harness.store.removeShape(key as StorageKey);
    takeSlot(harness, key);
  }
}

async function assertLogs(harness: StoreHarness, logs: Logs): Promise<void> {
  assert.equal(harness.slots.size, KEPT);
  for (const key of harness.slots.keys()) {
    const { messages } = await readAll(logOf(harness, key));
    assert.equal(messages[0]!.length, 310);
    assert.deepEqual(messages.slice(2), logs.get(key));
  }
}

for (const isCheckpointInline of [true, false]) {
  const where = isCheckpointInline ? "in place" : "in the thread";
  test(`what shapes leave comes back to the disk, ${where}`, async () => {
    const { harness, logs } = await filled({ isCheckpointInline });
    const { store } = harness;
    const [kept] = harness.slots.keys();
    // A reader in the middle of a chunk.
    const chunk = await logOf(harness, kept!).readChunk(SNAPSHOT_END);
    const pages = chunk.pages();
    const first = await pages.next();

    await store.reclaim();
    const before = await store.diskBytes();
    await removeMost(harness);
    await store.reclaim();
    const after = await store.diskBytes();
    assert.ok(after < 0.45 * before, `${after} of ${before} bytes are left`);
    await assertLogs(harness, logs);

    let text = Buffer.from(first.value!).toString();
    for await (const page of pages) text += Buffer.from(page).toString();
    assert.deepEqual(text.split(",\n"), logs.get(kept!));

    await store.close();
    const reopened = await startStore(harness.directory, OPTIONS);
    await assertLogs(reopened, logs);
    await reopened.store.close();
    assert.deepEqual(harness.failures, []);
  });
}

test("a crash before or after a segment takes its place loses nothing", async () => {
  const copies: string[] = [];
  let directory = "";
  const files: Files = {
    ...nodeFiles,
    renameNow: (from, to) => {
      copies.push(copyOf(directory));
      nodeFiles.renameNow(from, to);
      copies.push(copyOf(directory));
    },
  };
  const { harness, logs } = await filled({ files });
  directory = harness.directory;
  await removeMost(harness);
  await harness.store.reclaim();
  await harness.store.close();
  assert.ok(copies.length >= 10);
  const leftBeside = copies.filter((copy) => rewritten(copy).length > 0);
  assert.ok(leftBeside.length >= 5);
  for (const copy of copies) {
    const reopened = await startStore(copy, OPTIONS);
    assert.deepEqual(rewritten(copy), []);
    await assertLogs(reopened, logs);
    await reopened.store.close();
  }
});

test("a damaged segment is left as it is", async () => {
  const { harness, logs } = await filled({});
  await removeMost(harness);
  const path = join(
    harness.directory,
    "journal",
    readdirSync(join(harness.directory, "journal"))[2]!,
  );
  const bytes = readFileSync(path);
  // In a key list or a record, whichever it is: the checksum of the first frame is wrong.
  const at = SEGMENT_HEADER_SIZE + bytes.readUInt32LE(SEGMENT_HEADER_SIZE + 4) - 1;
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
  await harness.store.reclaim();
  assert.deepEqual(readFileSync(path), bytes);
  await assertLogs(harness, logs);
  await harness.store.close();
  assert.deepEqual(harness.failures, []);
});

test("a reader of a shape that went with its records is told, and reads nothing else", async () => {
  const { harness } = await filled({});
  const key = [...harness.slots.keys()].at(-1)!;
  const chunk = await logOf(harness, key).readChunk(SNAPSHOT_END);
  await removeMost(harness);
  await harness.store.reclaim();
  await assert.rejects(textOf(chunk), { code: "STORE_CORRUPT" });
  await harness.store.close();
});

function rewritten(directory: string): string[] {
  return readdirSync(join(directory, "journal")).filter((name) => !name.endsWith(".seg"));
}
