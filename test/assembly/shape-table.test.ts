/**
 * The shape table, by its door, against a map and a queue.
 *
 * Goal: an id is live for one shape at a time and its row is that shape's alone; a retired id rests
 * as long as it must and no longer; each time it comes back its generation is one higher.
 *
 * Method: the model keeps every rule of the quarantine in plain words. The ids there may be are
 * limited to a few, so that they run out and the shortened rest is reached; QUARANTINE_MIN itself
 * is reached by an example. Rows are written full, next to each other and on both sides of a
 * chunk's end.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { builds, newCore, type Build, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const QUARANTINE_MIN = 1024;
const EPOCHS_MIN = 2;

type Operation = "mint" | "retire" | "advance";
const operations = fc.tuple(
  fc.integer({ min: 1, max: 12 }),
  fc.array(
    fc.tuple(
      fc.constantFrom<Operation>("mint", "mint", "mint", "retire", "retire", "advance"),
      fc.nat(),
    ),
    { maxLength: 200, size: "max" },
  ),
);

interface Model {
  live: Map<ShapeId, { key: StorageKey; hash: number }>;
  resting: { id: ShapeId; epoch: number }[];
  generations: Map<ShapeId, number>;
  epoch: number;
  nextUnused: number;
  nextKey: number;
}

describe.each(builds)("shape table, $name", (build) => {
  test("ids are minted, rest and come back as the rules say", () => {
    check(
      fc.property(operations, ([idMax, steps]) => {
        const { table, test } = newTable(build);
        test.exports.shapeSetIdMax(idMax);
        const model: Model = {
          live: new Map(),
          resting: [],
          generations: new Map(),
          epoch: 0,
          nextUnused: 1,
          nextKey: 2 ** 40 - 300,
        };
        for (const [operation, choice] of steps) {
          apply(operation, choice, idMax, model, table);
          test.exports.shapeVerify();
          assertSame(model, idMax, table, test);
        }
      }),
      60,
    );
  });

  test("with other ids at hand an id rests until 1,024 younger ones do", () => {
    const { table } = newTable(build);
    const ids = Array.from({ length: 3000 }, (_, n) => mint(table, n + 1));
    for (const id of ids.slice(0, QUARANTINE_MIN)) table.retire(id);
    table.advanceEpoch();
    table.advanceEpoch();
    assert.equal(mint(table, 5000), 3001);
    table.retire(ids[QUARANTINE_MIN]!);
    assert.equal(mint(table, 5001), ids[0]);
    assert.equal(table.generationOf(ids[0]!), 1);
    assert.equal(mint(table, 5002), 3002);
  });

  test("rows do not touch each other, on both sides of a chunk's end", () => {
    const { table, test } = newTable(build);
    const { exports } = test;
    const ids = Array.from({ length: 40_000 }, (_, n) => mint(table, n + 1));
    assert.deepEqual([ids[0], ids.at(-1)], [1, 40_000]);
    const looked = ids.filter((id) => id < 20 || Math.abs((id % 16_384) - 5) < 12 || id > 39_990);
    for (const id of looked) assert.ok(exports.shapeIsZero(id));
    for (const id of looked) exports.shapeFill(id, Math.imul(id, 0x9e37_79b1) >>> 0);
    for (const id of looked) {
      assert.ok(exports.shapeIsFilledWith(id, Math.imul(id, 0x9e37_79b1) >>> 0));
      assert.equal(table.keyOf(id), id);
      assert.equal(table.generationOf(id), 0);
      exports.shapeClear(id);
    }
    assert.equal(exports.poolPagesOf(4), 6);
    assert.equal(exports.poolPagesOf(5), 15);
  });

  test("keys are looked up in bulk, whatever bit 31 of an id says", () => {
    const { table } = newTable(build);
    const ids = Array.from({ length: 20_000 }, (_, n) => mint(table, 2 ** 33 + n));
    table.retire(ids[4]!);
    const list = Uint32Array.from(ids, (id, n) => (n % 3 === 0 ? (id | 0x8000_0000) >>> 0 : id));
    // Few take another way than many.
    for (const length of [0, 1, 5, 16, 17, 20_000]) {
      const keys = table.keysOf(list.subarray(0, length));
      assert.equal(keys.length, length);
      keys.forEach((key, n) => assert.equal(key, n === 4 ? 0 : 2 ** 33 + n));
    }
  });

  test("a use is so many minutes ago, around the end of 16 bits too", () => {
    const { table } = newTable(build);
    const id = mint(table, 1);
    const minutes = 29_000_000;
    table.touch(id, minutes);
    for (const age of [0, 1, 60, 40_000, 65_535]) {
      assert.equal(table.idleMinutes(id, minutes + age), age);
    }
  });

  test("minting is refused when the budget is used up", () => {
    const test = newCore(build, { memoryBytesMax: 256 * 65_536 });
    const table = new ShapeTable(test.core);
    let count = 0;
    while (table.mint((count + 1) as StorageKey, 0) !== undefined) count += 1;
    assert.equal(count, Math.floor((256 - 5) / 7) * 16_384 - 1);
    assert.equal(table.count, count);
  });

  test("a shape that is awaited or routed to is not retired", () => {
    const { table, test } = newTable(build);
    const id = mint(table, 1);
    const waiter = test.exports.waiterPark(id);
    assert.throws(() => table.retire(id));
    test.exports.waiterLeave(waiter);
    test.exports.flushSent(id, 1, 0);
    table.retire(id);
    assert.equal(test.exports.flushCount(), 0);
    assert.throws(() => table.retire(id));
  });
});

function newTable(build: Build): { table: ShapeTable; test: TestCore } {
  const test = newCore(build);
  return { table: new ShapeTable(test.core), test };
}

function mint(table: ShapeTable, key: number): ShapeId {
  const id = table.mint(key as StorageKey, key & 0xffffff);
  assert.ok(id !== undefined);
  return id;
}

function apply(
  operation: Operation,
  choice: number,
  idMax: number,
  model: Model,
  table: ShapeTable,
): void {
  if (operation === "advance") {
    table.advanceEpoch();
    model.epoch += 1;
  } else if (operation === "mint") {
    const key = model.nextKey++ as StorageKey;
    const hash = choice & 0xffffff;
    const id = table.mint(key, hash);
    assert.equal(id, expectedId(model, idMax));
    if (id !== undefined) model.live.set(id, { key, hash });
  } else {
    const id = [...model.live.keys()][choice % Math.max(1, model.live.size)];
    if (id === undefined) return;
    table.retire(id);
    model.live.delete(id);
    model.resting.push({ id, epoch: model.epoch });
  }
}

/** Which id is to be minted: none has to wait for younger ones, so few are there. */
function expectedId(model: Model, idMax: number): ShapeId | undefined {
  if (model.nextUnused <= idMax) {
    const id = model.nextUnused++ as ShapeId;
    model.generations.set(id, 0);
    return id;
  }
  const oldest = model.resting[0];
  if (oldest === undefined || model.epoch - oldest.epoch < EPOCHS_MIN) return undefined;
  model.resting.shift();
  model.generations.set(oldest.id, (model.generations.get(oldest.id)! + 1) & 0xff);
  return oldest.id;
}

function assertSame(model: Model, idMax: number, table: ShapeTable, { exports }: TestCore): void {
  assert.equal(table.count, model.live.size);
  for (let n = 1; n <= idMax + 1; n++) {
    const id = n as ShapeId;
    const shape = model.live.get(id);
    assert.equal(table.keyOf(id), shape?.key);
    const generation = model.generations.get(id);
    if (generation === undefined) continue;
    assert.equal(table.generationOf(id), generation);
    assert.equal(table.isLive(id, generation), shape !== undefined);
    assert.equal(table.isLive(id, generation + 1), false);
    if (shape === undefined) continue;
    const { key, hash } = shape;
    assert.equal(table.hashOf(id), hash);
    const high = Math.floor(key / 2 ** 32);
    assert.equal(exports.shapeMatches(id, key | 0, high, hash), 1);
    assert.equal(exports.shapeMatches(id, key | 0, high ^ 1, hash), 0);
    assert.equal(exports.shapeMatches(id, key | 0, high, hash ^ 1), 0);
  }
}
