/**
 * Chunks of the log (protocol 5.3, 5.4, 6): from every offset, the entry that reaches the threshold
 * closes the chunk, a full chunk never changes, and offsets between entries are legal. The expected
 * chunks are computed from an array. Bodies lie in several segments, old and recent, some longer
 * than a page and one so long that the index of a segment cannot hold its size.
 */

import assert from "node:assert/strict";
import { afterEach, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { SNAPSHOT_END, type LogOffset } from "../../src/model/log-offset.ts";
import {
  appendTo,
  bodyOf,
  createShape,
  logOf,
  readAll,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
  textOf,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const THRESHOLD = 2000;

interface Entry {
  readonly lsn: bigint;
  readonly op: number;
  readonly body: string;
}

/** Three entries to a transaction, other shapes' in between. */
async function fill(harness: StoreHarness, key: number, other: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let transaction = 0; transaction < 60; transaction++) {
    const lsn = BigInt(1000 + 8 * transaction);
    for (let index = 0; index < 6; index++) {
      const op = 2 * index;
      const isLong = transaction === 30 && index === 2;
      const body = bodyOf(`k${index}`, lsn, op, isLong ? 70_000 : (transaction * 53) % 400);
      const isOurs = index % 2 === 0;
      appendTo(harness, lsn, op, body, isOurs ? [other, key] : [other]);
      if (isOurs) entries.push({ lsn, op, body });
    }
    harness.store.commit(lsn as Lsn);
    if (transaction % 7 === 0) await harness.store.flushed();
  }
  await harness.store.flushed();
  return entries;
}

async function assertChunkAfter(
  harness: StoreHarness,
  key: number,
  entries: readonly Entry[],
  after: LogOffset,
): Promise<void> {
  const rest = entries.filter(
    ({ lsn, op }) => lsn > after.tx || (lsn === after.tx && op > after.op),
  );
  let count = 0;
  for (let size = 0; count < rest.length && size < THRESHOLD; count++) {
    size += rest[count]!.body.length;
  }
  const chunk = await logOf(harness, key).readChunk(after);
  assert.equal(chunk.isUpToDate, count === rest.length);
  assert.equal(chunk.isEmpty, count === 0);
  const last = rest[count - 1];
  if (last !== undefined) assert.deepEqual(chunk.end, { tx: last.lsn, op: last.op });
  const expected = rest
    .slice(0, count)
    .map(({ lsn, body }, index) =>
      rest[index + 1]?.lsn === lsn ? body : body.slice(0, -2) + ',"last":true}}',
    );
  assert.equal(await textOf(chunk), expected.join(",\n"));
}

test("the chunk behind every offset", async () => {
  const directory = temporaryDirectory();
  const options = {
    chunkBytesThreshold: THRESHOLD,
    capacity: 150,
    limits: { segmentBytes: 6000, frameBytes: 2000, pageBytes: 512, openSegments: 3 },
  };
  let harness = await startStore(directory, options);
  const [key, other] = [await createShape(harness), await createShape(harness)];
  const entries = await fill(harness, key, other);
  assert.ok(harness.store.statistics().segments > 10);
  assert.ok(harness.store.statistics().runs > 0);
  for (const isRestarted of [false, true]) {
    if (isRestarted) {
      await harness.store.close();
      harness = await startStore(directory, options);
    }
    for (const { lsn, op } of entries) {
      await assertChunkAfter(harness, key, entries, { tx: lsn, op });
      await assertChunkAfter(harness, key, entries, { tx: lsn, op: op + 1 });
    }
    for (const after of [
      SNAPSHOT_END,
      { tx: 0n, op: 0 },
      { tx: 1n, op: 0 },
      { tx: 1003n, op: 7 },
    ]) {
      await assertChunkAfter(harness, key, entries, after);
    }
  }
  await harness.store.close();
});

test("the entry that reaches the threshold exactly closes the chunk", async () => {
  const size = bodyOf("k", 1000n, 0).length;
  const harness = await startStore(temporaryDirectory(), { chunkBytesThreshold: 2 * size });
  const key = await createShape(harness);
  for (let lsn = 1000n; lsn < 1040n; lsn += 8n) {
    appendTo(harness, lsn, 0, bodyOf("k", lsn, 0), [key]);
    harness.store.commit(lsn as Lsn);
  }
  await harness.store.flushed();
  const { ends } = await readAll(logOf(harness, key), SNAPSHOT_END);
  assert.deepEqual(ends, [
    { tx: 1008n, op: 0 },
    { tx: 1024n, op: 0 },
    { tx: 1032n, op: 0 },
  ]);
  await harness.store.close();
});

test("a page holds whole messages and stays below its limit", async () => {
  const harness = await startStore(temporaryDirectory(), { limits: { pageBytes: 1024 } });
  const [key, other] = [await createShape(harness), await createShape(harness)];
  const entries = await fill(harness, key, other);
  const chunk = await logOf(harness, key).readChunk(SNAPSHOT_END);
  let count = 0;
  for await (const page of chunk.pages()) {
    const text = Buffer.from(page).toString();
    const messages = (count === 0 ? text : text.slice(2)).split(",\n");
    if (count > 0) assert.ok(text.startsWith(",\n"));
    for (const message of messages) JSON.parse(message);
    assert.ok(page.length <= 1024 || messages.length === 1);
    count += messages.length;
  }
  assert.equal(count, entries.length);
  await harness.store.close();
});

test("readers during writes and checkpoints see a beginning that ends on a commit", async () => {
  const harness = await startStore(temporaryDirectory(), {
    isCheckpointInline: false,
    capacity: 200,
    limits: { segmentBytes: 20_000, frameBytes: 1500, pageBytes: 512, runsPerLevel: 2 },
  });
  const [key, other] = [await createShape(harness), await createShape(harness)];
  const writing = fill(harness, key, other);
  let isWriting = true;
  void writing.finally(() => (isWriting = false));
  const reader = async (): Promise<void> => {
    while (isWriting) {
      const { messages } = await readAll(logOf(harness, key), SNAPSHOT_END);
      assert.equal(messages.length % 3, 0, "half a transaction was seen");
      messages.forEach((message, index) => {
        const lsn = 1000 + 8 * Math.floor(index / 3);
        assert.equal((JSON.parse(message) as { headers: { lsn: string } }).headers.lsn, `${lsn}`);
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([writing, reader(), reader(), reader()]);
  await harness.store.close();
  assert.ok(harness.store.statistics().runs > 0);
  assert.deepEqual(harness.failures, []);
});
