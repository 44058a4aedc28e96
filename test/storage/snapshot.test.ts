/**
 * Snapshots: where chunks end, who waits for what, and that pages joined are the chunk, for rows
 * that stay in the journal, that go to a file, and that are longer than a page. The expected chunks
 * are computed from the rule of protocol section 6, not by the code under test.
 */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "vitest";
import { BEFORE_ALL, formatLogOffset, type LogOffset } from "../../src/model/log-offset.ts";
import { ShapeGone } from "../../src/storage/errors.ts";
import {
  BOUNDS,
  createShape,
  giveSlot,
  logOf,
  removeTemporaryDirectories,
  SNAPSHOT_END_TEXT,
  startStore,
  temporaryDirectory,
  textOf,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const THRESHOLD = 300;

function rowsOf(sizes: readonly number[]): string[] {
  return sizes.map((size, index) => `{"r":${index},"v":"${"v".repeat(size)}"}`);
}

/** The row that reaches the threshold closes its chunk; snapshot-end is the last item of all. */
function chunksOf(rows: readonly string[]): string[] {
  const chunks: string[][] = [[]];
  let size = 0;
  for (const row of rows) {
    chunks.at(-1)!.push(row);
    size += row.length + 1;
    if (size < THRESHOLD) continue;
    chunks.push([]);
    size = 0;
  }
  chunks.at(-1)!.push(SNAPSHOT_END_TEXT);
  return chunks.map((chunk) => chunk.join(",\n"));
}

async function assertChunks(harness: StoreHarness, key: number, rows: string[]): Promise<void> {
  const log = logOf(harness, key);
  let offset: LogOffset = BEFORE_ALL;
  const expected = chunksOf(rows);
  for (const [number, text] of expected.entries()) {
    const chunk = await log.readChunk(offset);
    assert.equal(formatLogOffset(chunk.end), `0_${number}`);
    assert.deepEqual([chunk.isUpToDate, chunk.isEmpty], [false, false]);
    assert.equal(await textOf(chunk), text);
    offset = chunk.end;
  }
  const rest = await log.readChunk(offset);
  assert.deepEqual(
    [formatLogOffset(rest.end), rest.isEmpty, rest.isUpToDate],
    ["0_inf", true, true],
  );
}

const CASES: readonly (readonly [name: string, sizes: readonly number[]])[] = [
  ["no rows", []],
  ["one chunk", [10, 20]],
  ["several chunks", Array.from({ length: 40 }, (_, index) => (index * 37) % 90)],
  // {"r":0,"v":""} has 14 bytes: 14 + 285 + 1 reach the threshold exactly.
  ["a boundary right behind the last row", [285]],
  ["a byte less", [284]],
  ["rows longer than a page", [1000, 5, 2000, 100]],
];

for (const [name, sizes] of CASES) {
  for (const snapshotInlineBytes of [64, 1 << 20]) {
    const place = snapshotInlineBytes === 64 ? "file" : "journal";
    test(`chunks of a snapshot in the ${place}: ${name}`, async () => {
      const directory = temporaryDirectory();
      const options = {
        chunkBytesThreshold: THRESHOLD,
        limits: { snapshotInlineBytes, pageBytes: 128 },
      };
      let harness = await startStore(directory, options);
      const rows = rowsOf(sizes);
      const key = await createShape(harness, rows);
      await assertChunks(harness, key, rows);
      // As a batch of snapshots hands them over.
      const together = await createShape(harness, rows.length === 0 ? [] : [rows.join(",\n")]);
      await assertChunks(harness, together, rows);
      // Chunks stay what they were when the threshold changes.
      for (const chunkBytesThreshold of [THRESHOLD, 50, 10_000]) {
        await harness.store.close();
        harness = await startStore(directory, { ...options, chunkBytesThreshold });
        await assertChunks(harness, key, rows);
        await assertChunks(harness, together, rows);
      }
      await harness.store.removeShape(key);
      await harness.store.removeShape(together);
      assert.deepEqual(readdirSync(join(directory, "snapshots")), []);
      await harness.store.close();
    });
  }
}

test("a reader follows a snapshot while it is written", async () => {
  const harness = await startStore(temporaryDirectory(), {
    chunkBytesThreshold: 200_000,
    limits: { snapshotInlineBytes: 1000, pageBytes: 4096 },
  });
  const { store } = harness;
  const key = store.issueKey();
  const record = { key, hash: 1, template: "t", constants: new Uint8Array(0) };
  await store.createShape(record, giveSlot(harness, key));
  const log = logOf(harness, key);
  const waiting = log.readChunk(BEFORE_ALL);
  const writer = store.writeSnapshot(key);
  const rows = rowsOf(Array.from({ length: 1500 }, () => 200));
  for (const row of rows.slice(0, 400)) await writer.write(Buffer.from(row));

  // More than a page is there, the chunk is not closed: the answer has begun.
  const chunk = await waiting;
  const pages = chunk.pages();
  const first = await pages.next();
  assert.ok(first.done !== true && first.value.length <= 4096);
  assert.equal(store.snapshotBounds(key), undefined);

  let text = Buffer.from(first.value).toString();
  const consumed = (async () => {
    for await (const page of pages) text += Buffer.from(page).toString();
  })();
  const second = log.readChunk(chunk.end);
  for (const row of rows.slice(400)) await writer.write(Buffer.from(row));
  await writer.finish(BOUNDS);
  await consumed;
  const rest = await textOf(await second);
  assert.deepEqual([...text.split(",\n"), ...rest.split(",\n")], [...rows, SNAPSHOT_END_TEXT]);
  assert.deepEqual(store.snapshotBounds(key), BOUNDS);
  await store.close();
});

test("readers of a snapshot that fails get the error, and nothing is left of it", async () => {
  const directory = temporaryDirectory();
  const options = { limits: { snapshotInlineBytes: 100, pageBytes: 256 } };
  let harness = await startStore(directory, options);
  const { store } = harness;
  const key = store.issueKey();
  const record = { key, hash: 1, template: "t", constants: new Uint8Array(0) };
  await store.createShape(record, giveSlot(harness, key));
  const writer = store.writeSnapshot(key);
  for (let index = 0; index < 2000; index++)
    await writer.write(Buffer.from('{"row":"is too much"}'));
  const streamed = (await logOf(harness, key).readChunk(BEFORE_ALL)).pages();
  await streamed.next();
  const waiting = logOf(harness, key).readChunk({ tx: 0n, op: 0 });
  const aborted = assert.rejects(waiting, /query was cancelled/);
  const cut = assert.rejects(async () => {
    for await (const page of streamed) assert.ok(page.length > 0);
  }, /query was cancelled/);
  await writer.abort(new Error("query was cancelled"));
  await aborted;
  await cut;
  assert.deepEqual(readdirSync(join(directory, "snapshots")), []);

  // A shape without a complete snapshot does not survive, nor does a file nobody has.
  await store.close();
  harness = await startStore(directory, options);
  assert.equal(harness.slots.size, 0);
  assert.equal(harness.store.findShape(key), undefined);
  assert.ok(harness.store.issueKey() > key);
  await harness.store.close();
});

test("waiting for a snapshot ends when the reader gives up", async () => {
  const harness = await startStore(temporaryDirectory());
  const { store } = harness;
  const key = store.issueKey();
  const record = { key, hash: 1, template: "t", constants: new Uint8Array(0) };
  await store.createShape(record, giveSlot(harness, key));
  const controller = new AbortController();
  const waiting = assert.rejects(logOf(harness, key).readChunk(BEFORE_ALL, controller));
  controller.abort();
  await waiting;
  await store.close();
});

test("a reader in the middle of a file may finish after the removal, a later one is told", async () => {
  const directory = temporaryDirectory();
  const harness = await startStore(directory, {
    limits: { snapshotInlineBytes: 100, pageBytes: 256 },
  });
  const rows = rowsOf([100, 200, 300, 400]);
  const key = await createShape(harness, rows);
  const slot = harness.slots.get(key)!;
  const log = harness.store.openLog(key, slot);
  const early = (await log.readChunk(BEFORE_ALL)).pages();
  let text = Buffer.from((await early.next()).value as Uint8Array).toString();
  const late = await log.readChunk(BEFORE_ALL);
  await harness.store.removeShape(key);
  assert.ok(!existsSync(join(directory, "snapshots", String(key))));
  for await (const page of early) text += Buffer.from(page).toString();
  assert.deepEqual(text.split(",\n"), [...rows, SNAPSHOT_END_TEXT]);
  await assert.rejects(textOf(late), ShapeGone);
  await assert.rejects(log.readChunk(BEFORE_ALL), ShapeGone);
  await harness.store.close();
});
