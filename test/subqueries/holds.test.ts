/**
 * Goal: nothing is confirmed to Postgres that a crash could make a shape ask for again.
 * Method: places are let go of in turns, and the journal becomes durable when the test says so.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { Holds } from "../../src/subqueries/holds.ts";

function journal() {
  const syncs: (() => Promise<void>)[] = [];
  const flushed = () => {
    return new Promise<void>((resolve) => {
      syncs.push(async () => {
        resolve();
        await new Promise((next) => setImmediate(next));
      });
    });
  };
  return { flushed, syncs };
}

test("a place is held until what replaces it is durable, and the least of several counts", async () => {
  const holds = new Holds();
  const { flushed, syncs } = journal();
  let released = 0;
  const seal = () => holds.seal(flushed, () => (released += 1));
  seal();
  assert.equal(syncs.length, 0);
  assert.equal(holds.lowest, undefined);

  holds.loosen(20n as Lsn);
  holds.loosen(30n as Lsn);
  assert.equal(holds.lowest, 20n);
  seal();
  assert.equal(holds.lowest, 20n);
  holds.loosen(10n as Lsn);
  seal();
  assert.equal(holds.lowest, 10n);
  assert.equal(syncs.length, 2);

  await syncs[0]!();
  assert.equal(holds.lowest, 10n);
  await syncs[1]!();
  assert.equal(holds.lowest, undefined);
  assert.equal(released, 2);
});

test("what is let go of between two commits waits for the second", async () => {
  const holds = new Holds();
  const { flushed, syncs } = journal();
  holds.loosen(20n as Lsn);
  holds.seal(flushed, () => undefined);
  holds.loosen(25n as Lsn);
  await syncs[0]!();
  assert.equal(holds.lowest, 25n);
});

test("a journal that fails never lets go", async () => {
  const holds = new Holds();
  holds.loosen(20n as Lsn);
  holds.seal(
    () => Promise.reject(new Error("the disk is gone")),
    () => assert.fail("nothing was released"),
  );
  await new Promise((next) => setImmediate(next));
  assert.equal(holds.lowest, 20n);
});
