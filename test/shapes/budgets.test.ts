/**
 * Goal: each budget says that something has to go when it is short, how much, and when it is
 * enough. Method: a core of 32 MiB that is filled with shapes until it refuses; and a directory
 * whose size is a number.
 */

import { expect, test } from "vitest";
import type { StorageKey } from "../../src/model/ids.ts";
import { Accounting } from "../../src/router/accounting.ts";
import { loadCore } from "../../src/router/core.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { MemoryBudget } from "../../src/shapes/memory-budget.ts";
import { StorageBudget } from "../../src/shapes/storage-budget.ts";

const MIB = 2 ** 20;

test("shapes fill the memory budget, go, and find the room of those before them", async () => {
  const core = await loadCore({ memoryBytesMax: 32 * MIB });
  const table = new ShapeTable(core);
  const accounting = new Accounting(core);
  const budget = new MemoryBudget(table, accounting, core.budgetBytes);
  let key = 0;
  const add = () => table.mint((key += 1) as StorageKey, 0);
  const fill = () => {
    let isRefused = false;
    while (!budget.isPressed && !isRefused) isRefused = add() === undefined;
    expect(isRefused).toBe(false);
  };
  const evict = () => {
    let count = budget.excess();
    for (let id = table.next(undefined); id !== undefined && count > 0; count--) {
      const next = table.next(id);
      table.retire(id);
      id = next;
    }
    table.advanceEpoch();
    table.advanceEpoch();
  };

  expect(budget.isPressed).toBe(false);
  expect(budget.excess()).toBe(0);
  fill();
  const full = table.count;
  expect(accounting.usedBytes).toBeGreaterThanOrEqual(30 * MIB);
  evict();
  expect(table.count).toBe(full - Math.ceil(full / 16));
  // Not a page has come back, and still there is room.
  for (let round = 0; round < 5; round++) {
    expect(budget.excess()).toBe(0);
    fill();
    expect(Math.abs(table.count - full)).toBeLessThan(2);
    evict();
  }

  // Refused all the same: less fits than it seemed.
  budget.refused();
  const before = table.count;
  expect(budget.isPressed).toBe(true);
  evict();
  expect(table.count).toBeLessThan(before * 0.9);
  expect(budget.isPressed).toBe(false);
  for (let id = table.next(undefined); id !== undefined; id = table.next(id)) table.retire(id);
  expect(budget.excess()).toBe(0);
});

test("the disk is given back what is dead, and only then do shapes go, some at a time", async () => {
  const disk = { live: 90, dead: 0, writtenBytes: 0, reclaimed: 0 };
  const store = {
    get writtenBytes() {
      return disk.writtenBytes;
    },
    diskBytes: () => Promise.resolve(disk.live + disk.dead),
    reclaim: () => {
      disk.reclaimed += 1;
      disk.dead = 0;
      return Promise.resolve();
    },
  };
  const registry = { count: 900 };
  const budget = new StorageBudget(registry, store, 100);
  expect(await budget.excess()).toBe(0);
  expect(disk.reclaimed).toBe(0);
  expect(budget.isPressed).toBe(false);

  // What is written since counts at once.
  disk.writtenBytes += 4;
  disk.dead += 4;
  expect(budget.isPressed).toBe(true);
  expect(budget.isExhausted).toBe(false);
  disk.writtenBytes += 6;
  disk.dead += 6;
  expect(budget.isExhausted).toBe(true);

  // 90 are alive: more than 87.5, at which it is enough, so a few of 900 have to go.
  const count = await budget.excess();
  expect(disk.reclaimed).toBe(1);
  expect(budget.isExhausted).toBe(false);
  expect(count).toBe(Math.ceil((1 - 87.5 / 90) * 900));
  disk.live -= 2;
  expect(await budget.excess()).toBeGreaterThan(0);
  disk.live -= 1;
  expect(await budget.excess()).toBe(0);
  // From below, nothing happens until it is high again.
  disk.live = 93;
  expect(await budget.excess()).toBe(0);
  disk.live = 1000;
  expect(await budget.excess()).toBe(Math.ceil(900 / 8));
});
