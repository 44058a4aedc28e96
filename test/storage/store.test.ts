/**
 * The store's promises one by one, on small directories: what a reader sees, what survives, and how
 * a start is refused.
 */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { BEFORE_ALL, FIRST, formatLogOffset, SNAPSHOT_END } from "../../src/model/log-offset.ts";
import { StoreIdentityMismatch, StoreLocked, StoreUnusable } from "../../src/storage/errors.ts";
import { purgeStore } from "../../src/storage/open-store.ts";
import { ForgetfulFiles } from "../support/forgetful-files.ts";
import {
  appendTo,
  bodyOf,
  createShape,
  logOf,
  readAll,
  removeTemporaryDirectories,
  SNAPSHOT_END_TEXT,
  startStore,
  takeSlot,
  temporaryDirectory,
  textOf,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

function withLast(body: string): string {
  return body.slice(0, -2) + ',"last":true}}';
}

test("a shape's log is its snapshot and then its changes", async () => {
  const harness = await startStore(temporaryDirectory());
  const key = await createShape(harness, ['{"row":1}', '{"row":2}']);
  const log = logOf(harness, key);
  assert.equal(formatLogOffset(log.latestOffset()), "0_inf");

  const first = await log.readChunk(BEFORE_ALL);
  assert.equal(formatLogOffset(first.end), "0_0");
  assert.equal(first.isUpToDate, false);
  assert.equal(await textOf(first), `{"row":1},\n{"row":2},\n${SNAPSHOT_END_TEXT}`);
  const empty = await log.readChunk(FIRST);
  assert.deepEqual([empty.end, empty.isUpToDate, empty.isEmpty], [SNAPSHOT_END, true, true]);

  const bodies = [bodyOf("a", 100n, 0), bodyOf("b", 100n, 2), bodyOf("c", 108n, 0)];
  appendTo(harness, 100n, 0, bodies[0]!, [key]);
  appendTo(harness, 100n, 2, bodies[1]!, [key]);
  assert.equal(formatLogOffset(log.latestOffset()), "0_inf");
  harness.store.commit(100n as Lsn);
  appendTo(harness, 108n, 0, bodies[2]!, [key]);
  harness.store.commit(108n as Lsn);
  await harness.store.flushed();

  assert.equal(harness.store.position, 108n);
  assert.deepEqual(harness.grown.get(108n), new Set([harness.slots.get(key)]));
  const chunk = await log.readChunk(SNAPSHOT_END);
  assert.equal(formatLogOffset(chunk.end), "108_0");
  assert.equal(chunk.isUpToDate, true);
  assert.equal(
    await textOf(chunk),
    [bodies[0], withLast(bodies[1]!), withLast(bodies[2]!)].join(",\n"),
  );
  const rest = await log.readChunk({ tx: 100n, op: 1 });
  assert.equal(await textOf(rest), [withLast(bodies[1]!), withLast(bodies[2]!)].join(",\n"));
  const beyond = await log.readChunk({ tx: 200n, op: 0 });
  assert.deepEqual([formatLogOffset(beyond.end), beyond.isUpToDate], ["200_0", true]);
  await harness.store.close();
});

test("everything durable is there after a clean end, whatever was checkpointed", async () => {
  const directory = temporaryDirectory();
  const limits = { checkpointPostings: 3, segmentBytes: 600, runsPerLevel: 2 };
  let harness = await startStore(directory, { limits, capacity: 4 });
  const keys = [await createShape(harness, ['{"r":1}']), await createShape(harness)];
  const expected = new Map<number, string[]>([
    [keys[0]!, ['{"r":1}', SNAPSHOT_END_TEXT]],
    [keys[1]!, [SNAPSHOT_END_TEXT]],
  ]);
  for (let round = 0; round < 4; round++) {
    for (let index = 0; index < 7; index++) {
      const lsn = BigInt(1000 * (round + 1) + 8 * index);
      const targets = index % 3 === 0 ? keys : [keys[index % 2]!];
      const body = bodyOf(`k${round}`, lsn, 0);
      appendTo(harness, lsn, 0, body, targets);
      for (const key of targets) expected.get(key)!.push(withLast(body));
      harness.store.commit(lsn as Lsn);
    }
    await harness.store.flushed();
    for (const key of keys) {
      assert.deepEqual((await readAll(logOf(harness, key))).messages, expected.get(key));
    }
    await harness.store.close();
    harness = await startStore(directory, { limits, capacity: 4 });
    assert.deepEqual([...harness.slots.keys()], keys);
    for (const key of keys) {
      assert.deepEqual((await readAll(logOf(harness, key))).messages, expected.get(key));
    }
  }
  assert.deepEqual(harness.failures, []);
  await harness.store.close();
});

test("a removed shape is gone, its key is never issued again, its segments go", async () => {
  const directory = temporaryDirectory();
  const limits = { checkpointPostings: 4, segmentBytes: 400 };
  let harness = await startStore(directory, { limits });
  const key = await createShape(harness);
  for (let index = 1; index <= 20; index++) {
    appendTo(harness, BigInt(index * 8), 0, bodyOf("k", BigInt(index * 8), 0), [key]);
    harness.store.commit(BigInt(index * 8) as Lsn);
    await harness.store.flushed();
  }
  assert.ok(harness.store.statistics().segments > 5);
  await harness.store.removeShape(key);
  takeSlot(harness, key);
  assert.equal(harness.store.findShape(key), undefined);
  await harness.store.close();
  harness = await startStore(directory, { limits });
  assert.deepEqual([...harness.slots.keys()], []);
  assert.ok(harness.store.statistics().segments <= 2);
  assert.ok(harness.store.issueKey() > key);
  assert.equal(harness.store.position, 160n);
  await harness.store.close();
});

test("the partitions of tables are what was recorded last, from the journal or a checkpoint", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), { files });
  const { store } = harness;
  store.recordPartitions(1, new Map([[11, 0xffff_ffff]]));
  store.recordPartitions(2, new Map());
  store.recordPartitions(3, new Map([[31, 5]]));
  store.recordPartitions(3, undefined);
  await createShape(harness);
  store.recordPartitions(
    1,
    new Map([
      [11, 7],
      [0xffff_fffe, 8],
    ]),
  );
  const expected = new Map([
    [
      1,
      new Map([
        [11, 7],
        [0xffff_fffe, 8],
      ]),
    ],
    [2, new Map()],
  ]);
  await store.flushed();
  assert.deepEqual(store.partitions, expected);

  const crashed = await startStore(files.copyAfterCrash(harness.directory, () => 0));
  assert.deepEqual(crashed.store.partitions, expected);
  await crashed.store.close();
  const checkpointed = await startStore(crashed.directory);
  assert.deepEqual(checkpointed.store.partitions, expected);
  checkpointed.store.recordPartitions(1, undefined);
  await checkpointed.store.close();
  const last = await startStore(crashed.directory);
  assert.deepEqual([...last.store.partitions.keys()], [2]);
  await last.store.close();
  await store.close();
});

test("a directory that cannot be used is named, with what to do", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "file"), "");
  await assert.rejects(startStore(join(directory, "file", "storage")), (error) => {
    assert.ok(error instanceof StoreUnusable);
    assert.match(error.message, /file\/storage cannot be used .*ENOTDIR.*ELECTRIC_STORAGE_DIR/);
    return true;
  });
  mkdirSync(join(directory, "litz.db"));
  await assert.rejects(startStore(directory), StoreUnusable);
});

test("a second owner and another identity are refused, a purge begins anew", async () => {
  const directory = temporaryDirectory();
  const harness = await startStore(directory);
  await assert.rejects(startStore(directory), StoreLocked);
  await harness.store.close();
  await assert.rejects(startStore(directory, { databaseIdentity: "other" }), StoreIdentityMismatch);
  purgeStore(directory);
  const other = await startStore(directory, { databaseIdentity: "other" });
  assert.equal(other.slots.size, 0);
  await other.store.close();
});
