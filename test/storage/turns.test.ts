/**
 * Goal: others have their turn while very many shapes are restored, made or removed at once.
 * Method: what is done between two turns of the event loop is counted.
 */

import assert from "node:assert/strict";
import { afterEach, test } from "vitest";
import {
  copyOf,
  createShape,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const SHAPES = 4_500;

/** Calls `look` in each turn until `work` is done. Returns how many turns there were. */
async function watchTurns(work: Promise<unknown>, look = () => {}): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    look();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work;
  isOver = true;
  return turns;
}

/** Watches how many shapes a checkpoint would write: the most by which that grows in a turn. */
async function largestStep({ store }: StoreHarness, work: Promise<unknown>): Promise<number> {
  let before = store.statistics().changedShapes;
  let largest = 0;
  const look = (): void => {
    const { changedShapes } = store.statistics();
    largest = Math.max(largest, changedShapes - before);
    before = changedShapes;
  };
  await watchTurns(work, look);
  look();
  return largest;
}

function manyShapes(harness: StoreHarness) {
  return Promise.all(Array.from({ length: SHAPES }, () => createShape(harness)));
}

test("shapes that are made and removed at once are applied some at a time", async () => {
  const harness = await startStore(temporaryDirectory());
  const making = manyShapes(harness);
  // A shape and its snapshot are two changes.
  assert.ok((await largestStep(harness, making)) <= 500);
  await harness.store.reclaim();
  assert.equal(harness.store.statistics().changedShapes, 0);
  const keys = await making;
  const removing = Promise.all(keys.map((key) => harness.store.removeShape(key)));
  assert.ok((await largestStep(harness, removing)) <= 500);
  assert.equal(harness.store.statistics().changedShapes, SHAPES);
  await harness.store.close();
});

test("shapes are restored some at a time, from the table and from the journal", async () => {
  const directory = temporaryDirectory();
  const harness = await startStore(directory);
  await manyShapes(harness);
  const crashed = copyOf(directory);
  await harness.store.close();

  // Two thousand at a time, and before them each of their two changes five hundred at a time. The
  // first turn is over before anybody counts.
  for (const [path, turnsMin] of [
    [directory, 3 - 1],
    [crashed, 2 * 9 + 3 - 1],
  ] as const) {
    const starting = startStore(path);
    const turns = await watchTurns(starting);
    assert.ok(turns >= turnsMin, `${turns} of ${turnsMin} turns`);
    const { slots, store } = await starting;
    assert.equal(slots.size, SHAPES);
    await store.close();
  }
});
