/**
 * Goal: templates go with their shapes, so that nobody can fill disk or memory with clauses; none
 * goes that a shape is of, be it one that is being made. Method: a real directory, looked into
 * after it was closed or after a crash.
 */

import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, test } from "vitest";
import type { StorageKey } from "../../src/model/ids.ts";
import { ForgetfulFiles } from "../support/forgetful-files.ts";
import {
  BOUNDS,
  copyOf,
  createShape,
  giveSlot,
  removeTemporaryDirectories,
  startStore,
  takeSlot,
  temporaryDirectory,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

function make(harness: StoreHarness, template: string): Promise<StorageKey> {
  return createShape(harness, [], template);
}

async function remove(harness: StoreHarness, key: StorageKey): Promise<void> {
  await harness.store.removeShape(key);
  takeSlot(harness, key);
}

function templatesIn(directory: string): string[] {
  const database = new Database(join(directory, "litz.db"), { readonly: true });
  const texts = database.prepare("select text from template order by text").pluck().all();
  database.close();
  return texts as string[];
}

test("templates without shapes go at a checkpoint, and may come again", async () => {
  const harness = await startStore(temporaryDirectory());
  const { directory, store } = harness;
  const kept = await make(harness, "kept");
  for (let n = 0; n < 20; n++) await remove(harness, await make(harness, `gone ${n}`));
  const [one] = [await make(harness, "shared"), await make(harness, "shared")];
  await remove(harness, one);
  assert.equal(store.statistics().templates, 22);
  await store.reclaim();
  assert.equal(store.statistics().templates, 2);
  assert.deepEqual(templatesIn(directory), ["kept", "shared"]);

  const again = await make(harness, "gone 3");
  await store.close();
  assert.deepEqual(templatesIn(directory), ["gone 3", "kept", "shared"]);
  const next = await startStore(directory);
  assert.equal(next.store.findShape(kept)!.template, "kept");
  assert.equal(next.store.findShape(again)!.template, "gone 3");
  // Counted anew at the start.
  await remove(next, again);
  await next.store.close();
  assert.deepEqual(templatesIn(directory), ["kept", "shared"]);
});

test("the template of a shape that is being made stays", async () => {
  const harness = await startStore(temporaryDirectory());
  const { directory, store } = harness;
  const first = await make(harness, "clause");
  const key = store.issueKey();
  const slot = giveSlot(harness, key);
  const constants = new Uint8Array(0);
  const removed = remove(harness, first);
  const created = store.createShape({ key, hash: 1, template: "clause", constants }, slot);
  await Promise.all([removed, store.reclaim(), created]);
  await store.writeSnapshot(key).finish(BOUNDS);
  await store.close();
  const next = await startStore(directory);
  assert.equal(next.store.findShape(key)!.template, "clause");
  await next.store.close();
});

test("a crash behind a checkpoint that has dropped a template loses no other", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), { files });
  await remove(harness, await make(harness, "gone"));
  const kept = await make(harness, "kept");
  await harness.store.reclaim();
  const last = await make(harness, "last");
  await remove(harness, await make(harness, "gone"));
  await harness.store.flushed();

  const crashed = await startStore(files.copyAfterCrash(harness.directory, () => 0));
  assert.equal(crashed.store.findShape(kept)!.template, "kept");
  assert.equal(crashed.store.findShape(last)!.template, "last");
  await crashed.store.close();
  assert.deepEqual(templatesIn(crashed.directory), ["kept", "last"]);
  await harness.store.close();
});

test("a template that comes again while a checkpoint drops it outlives a crash", async () => {
  const files = new ForgetfulFiles();
  const harness = await startStore(temporaryDirectory(), { files });
  const { directory, store } = harness;
  const first = await make(harness, "clause");
  await store.reclaim();
  await remove(harness, first);
  const before = copyOf(directory);
  await store.reclaim();
  const key = await make(harness, "clause");
  const copy = files.copyAfterCrash(directory, () => 0);
  await store.close();
  // The checkpoint never came to its end.
  for (const name of ["litz.db", "litz.db-wal", "litz.db-shm"]) {
    copyFileSync(join(before, name), join(copy, name));
  }

  // The table still has the text by its first id, the journal by the one that the shape is of.
  const crashed = await startStore(copy);
  await crashed.store.reclaim();
  const next = await make(crashed, "clause");
  await crashed.store.close();
  assert.deepEqual(templatesIn(copy), ["clause"]);
  const reopened = await startStore(copy);
  for (const each of [key, next]) {
    assert.equal(reopened.store.findShape(each)!.template, "clause");
  }
  await reopened.store.close();
  assert.deepEqual(
    [harness, crashed, reopened].flatMap(({ failures }) => failures),
    [],
  );
});
