/**
 * Lists that are kept once for all the bodies that belong to them, in a store: what they cost, and
 * that logs are whole whatever becomes of the shapes of a list. The lists themselves are compared
 * with maps in `shared-lists.test.ts`.
 */

import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { afterEach, test } from "vitest";
import { BEFORE_ALL, SNAPSHOT_END } from "../../src/model/log-offset.ts";
import type { Lsn } from "../../src/model/lsn.ts";
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
  type HarnessOptions,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const SHAPES = 40;

async function startWithShapes(
  options?: HarnessOptions,
): Promise<{ harness: StoreHarness; keys: number[] }> {
  const harness = await startStore(temporaryDirectory(), options);
  const keys: number[] = [];
  for (let index = 0; index < SHAPES; index++) keys.push(await createShape(harness));
  return { harness, keys };
}

/** One transaction for each; returns the bodies. */
async function write(
  harness: StoreHarness,
  keys: readonly number[],
  firstLsn: number,
  count: number,
): Promise<string[]> {
  const bodies: string[] = [];
  for (let index = 0; index < count; index++) {
    const lsn = BigInt(firstLsn + 8 * index);
    const body = bodyOf("k", lsn, 0);
    appendTo(harness, lsn, 0, body, keys);
    harness.store.commit(lsn as Lsn);
    bodies.push(`${body.slice(0, -2)},"last":true}}`);
    // Each in a frame of its own: what a frame names is known by itself.
    await harness.store.flushed();
  }
  return bodies;
}

async function entriesOf(harness: StoreHarness, key: number): Promise<string[]> {
  const { messages } = await readAll(logOf(harness, key), BEFORE_ALL);
  return messages.slice(1);
}

test("what reaches the same shapes again is one posting", async () => {
  const { harness, keys } = await startWithShapes();
  const { store } = harness;
  await write(harness, keys, 1000, 30);
  // The first body for each shape; then the list, and 29 bodies.
  assert.equal(store.statistics().bufferedPostings, SHAPES + SHAPES + 29);
  await write(harness, keys.slice(1), 5000, 1);
  await write(harness, keys.slice(2), 6000, 1);
  const unshared = 2 * SHAPES - 3;
  assert.equal(store.statistics().bufferedPostings, 2 * SHAPES + 29 + unshared);
  await store.close();
});

test("logs are whole over checkpoints, removals, slots given again, and a crash", async () => {
  const { harness, keys } = await startWithShapes();
  const { store } = harness;
  const bodies = await write(harness, keys, 1000, 10);
  assert.deepEqual(await entriesOf(harness, keys[3]!), bodies);
  await store.reclaim();
  assert.equal(store.statistics().bufferedPostings, 0);
  assert.deepEqual(await entriesOf(harness, keys[3]!), bodies);
  bodies.push(...(await write(harness, keys, 2000, 5)));
  assert.deepEqual(await entriesOf(harness, keys[3]!), bodies);

  await store.removeShape(keys[0] as never);
  const rest = keys.slice(1);
  bodies.push(...(await write(harness, rest, 3000, 3)));
  for (const key of rest) assert.deepEqual(await entriesOf(harness, key), bodies);

  const crashed = await startStore(copyOf(harness.directory));
  assert.ok(!crashed.slots.has(keys[0]!));
  for (const key of rest) assert.deepEqual(await entriesOf(crashed, key), bodies);
  bodies.push(...(await write(crashed, rest, 4000, 3)));
  for (const key of rest) assert.deepEqual(await entriesOf(crashed, key), bodies);
  await crashed.store.close();
  await store.close();
});

test("a shape with the slot of one that was in a list has a log of its own", async () => {
  const { harness, keys } = await startWithShapes();
  const { store } = harness;
  await write(harness, keys, 1000, 10);
  const [gone, ...rest] = keys;
  const slot = harness.slots.get(gone!);
  await store.removeShape(gone as never);
  takeSlot(harness, gone!);
  const created = await createShape(harness);
  assert.equal(harness.slots.get(created), slot);
  const bodies = await write(harness, rest, 2000, 3);
  // The first checkpoint has the list written, the second one all slots of its members told.
  await store.reclaim();
  await store.reclaim();
  assert.deepEqual(logOf(harness, created).latestOffset(), SNAPSHOT_END);
  assert.deepEqual(await entriesOf(harness, created), []);
  assert.deepEqual((await entriesOf(harness, rest[0]!)).slice(-3), bodies);
  await store.close();
});

test("a shape that is in all lists has postings of its own in most", async () => {
  const limits = { listsPerShape: 3 };
  const { harness, keys } = await startWithShapes({ limits, capacity: 4096 });
  const { store } = harness;
  const [everything, ...others] = keys;
  const bodies: string[] = [];
  for (let n = 0; n < 20; n++) {
    // Of sixteen shapes, and never the same ones twice.
    const some = others.filter((_, index) => (index + n) % 39 < 15 || index === n % 7);
    const list = [...new Set([everything!, ...some, others[n % 39]!])].slice(0, 16);
    assert.equal(list.length, 16);
    const before = store.statistics().bufferedPostings;
    bodies.push(...(await write(harness, list, 1000 + 100 * n, 3)));
    const grown = store.statistics().bufferedPostings - before;
    // One for each shape, then members and two for the list; and for those that stand alone.
    if (n < 3) assert.equal(grown, 16 + 16 + 2);
    else assert.ok(grown >= 16 + 16 + 2 + 2, `list ${n} took ${grown}`);
  }
  assert.deepEqual(await entriesOf(harness, everything!), bodies);
  await store.reclaim();
  assert.deepEqual(await entriesOf(harness, everything!), bodies);
  await store.close();
});

test("a segment of which nothing is left but a list's bodies is given back", async () => {
  const { harness, keys } = await startWithShapes();
  const { store } = harness;
  await write(harness, keys, 1000, 20);
  await store.reclaim();
  for (const key of keys) await store.removeShape(key as never);
  await write(harness, [await createShape(harness)], 9000, 1);
  await store.reclaim();
  await store.reclaim();
  const database = new Database(`${harness.directory}/litz.db`, { readonly: true });
  const live = database.prepare("select sum(live) from segment").pluck().get() as number;
  database.close();
  // The last shape's snapshot and its entry.
  assert.equal(live, 2);
  assert.equal(store.statistics().runs, 1);
  await store.close();
});
