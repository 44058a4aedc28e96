/**
 * Goal: where a store has been given up, nothing more is written to its directory, which may be
 * somebody else's by then; and nobody waits for a thread that is dead.
 *
 * Method: many shapes, so that a checkpoint takes some turns to be made ready, in which the store
 * is distrusted and closed; a store is opened on the same directory meanwhile. A thread that dies,
 * because what it is to write to is no database.
 */

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "vitest";
import type { Seq } from "../../src/model/ids.ts";
import { LSN_ZERO } from "../../src/model/lsn.ts";
import type { CheckpointJob } from "../../src/storage/checkpoint-job.ts";
import { WorkerCheckpointThread } from "../../src/storage/checkpoint-thread.ts";
import { getMeta, openForReading } from "../../src/storage/database.ts";
import { StoreClosed, StoreFailed } from "../../src/storage/errors.ts";
import type { ReclaimJob } from "../../src/storage/reclaim-job.ts";
import {
  BOUNDS,
  giveSlot,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

/** A checkpoint encodes a thousand in a turn. */
const SHAPES = 3_000;

async function withManyShapes(): Promise<StoreHarness> {
  const harness = await startStore(temporaryDirectory(), { isCheckpointInline: false });
  const { store } = harness;
  const constants = new Uint8Array(8);
  const made = Array.from({ length: SHAPES }, async () => {
    const key = store.issueKey();
    const created = store.createShape(
      { key, hash: key, template: "clause", constants },
      giveSlot(harness, key),
    );
    await Promise.all([created, store.writeSnapshot(key).finish(BOUNDS)]);
  });
  await Promise.all(made);
  return harness;
}

function committedSeqIn(directory: string): string | undefined {
  const database = openForReading(join(directory, "litz.db"));
  const seq = getMeta(database, "committed_seq");
  database.close();
  return seq;
}

test("what was being made ready for a store that is given up is not written", async () => {
  const harness = await withManyShapes();
  const { directory, store } = harness;
  const before = committedSeqIn(directory);
  const reclaimed = store.reclaim();
  while (!store.statistics().isCheckpointRunning) await Promise.resolve();
  store.distrust(new Error("a trap"));
  await assert.rejects(store.close(), StoreFailed);
  // Nobody waits for a thread that is not there.
  await reclaimed;
  assert.equal(committedSeqIn(directory), before);

  const next = await startStore(directory);
  assert.equal(next.slots.size, SHAPES);
  await next.store.close();
  assert.notEqual(committedSeqIn(directory), before);
});

const job: CheckpointJob = {
  position: { committedSeq: 1, filedSeq: 1, lsn: LSN_ZERO, highestKey: 0 },
  postings: { own: emptyColumn(), members: emptyColumn(), shared: emptyColumn() },
  templates: [],
  removedTemplates: [],
  shapes: { keys: none(), ends: none(), removedKeys: none(), bytes: new Uint8Array(0) },
  partitions: [],
  behind: "[]",
  confirmed: LSN_ZERO,
  segments: [],
  voids: [],
};
const reclaimJob: ReclaimJob = { segments: [], voids: [], isThorough: true };

function unexpected(error: Error): never {
  throw error;
}

function none(): Float64Array {
  return new Float64Array(0);
}

function emptyColumn() {
  return { count: 0, base: 0 as Seq, keys: none(), seqs: new Uint32Array(0) };
}

test("a thread that has died answers whoever waits, whoever comes, and whoever closes it", async () => {
  const databasePath = join(temporaryDirectory(), "litz.db");
  writeFileSync(databasePath, "no database, and long enough to be seen as none".repeat(100));
  const failures: Error[] = [];
  const thread = new WorkerCheckpointThread({ databasePath, runsPerLevel: 2 }, (error) =>
    failures.push(error),
  );
  const expected = { code: "SQLITE_NOTADB" };
  await assert.rejects(thread.write(job), expected);
  await assert.rejects(thread.write(job), expected);
  await assert.rejects(thread.reclaim(reclaimJob), expected);
  // It has failed, and a little later it has ended, too.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await thread.close();
  assert.deepEqual(failures, []);
});

test("a thread is not begun again when it was closed", async () => {
  const databasePath = join(temporaryDirectory(), "litz.db");
  const thread = new WorkerCheckpointThread({ databasePath, runsPerLevel: 2 }, unexpected);
  await thread.close();
  await assert.rejects(thread.write(job), StoreClosed);
  await assert.rejects(thread.reclaim(reclaimJob), StoreClosed);
  assert.ok(!existsSync(databasePath));
});

test("what is being written while a thread is closed, and fails, is answered too", async () => {
  const databasePath = join(temporaryDirectory(), "litz.db");
  const thread = new WorkerCheckpointThread({ databasePath, runsPerLevel: 2 }, unexpected);
  // A database without any table.
  const written = thread.write(job);
  const [closed] = await Promise.all([thread.close(), assert.rejects(written, /no such table/)]);
  assert.equal(closed, undefined);
});
