/**
 * Goal: over a budget the shapes that were asked for longest ago go, as many as are too many, and
 * nobody else; those in use never do; within it nothing happens. Method: shapes of random ages in
 * a real core, whose registry runs on a clock of ours, against a sorted list.
 */

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { loadCore, type Core } from "../../src/router/core.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { BoundaryQueue } from "../../src/shapes/boundary-queue.ts";
import { Eviction, type Budget } from "../../src/shapes/eviction.ts";
import { ShapeRegistry } from "../../src/shapes/registry.ts";
import { ShapeCountBudget } from "../../src/shapes/shape-count-budget.ts";
import { checkAsync } from "../support/property.ts";

let core: Core;
beforeAll(async () => {
  core = await loadCore();
});

class Fixture {
  minute = 0;
  readonly registry: ShapeRegistry;
  readonly eviction: Eviction;
  readonly removed: ShapeId[] = [];
  readonly inUse = new Set<ShapeId>();
  /** Ids that were removed in each turn. */
  readonly steps: number[] = [];
  /** Called before each removal. */
  interfere: () => void = () => undefined;

  constructor(
    budgetsOver: (registry: ShapeRegistry) => readonly Budget[],
    microsecondsPerRemoval = 0,
  ) {
    let microseconds = 0;
    const clock = {
      nowMilliseconds: () => this.minute * 60_000,
      nowMicroseconds: () => microseconds,
    };
    this.registry = new ShapeRegistry(new ShapeTable(core), 1, clock);
    const boundaries = new BoundaryQueue(
      () => {
        this.interfere();
        setImmediate(() => {
          this.steps.push(0);
          boundaries.runAll();
        });
      },
      () => undefined,
    );
    const removeNow = (id: ShapeId): Promise<void> => {
      microseconds += microsecondsPerRemoval;
      this.steps[this.steps.length - 1]! += 1;
      this.removed.push(id);
      this.registry.retire(id);
      return Promise.resolve();
    };
    const { registry } = this;
    this.eviction = new Eviction({
      ...{ registry, boundaries, clock, cleaner: { removeNow }, logger: silentLogger },
      isInUse: (id) => this.inUse.has(id),
      budgets: budgetsOver(registry),
    });
  }

  /** @param ages in minutes, one for each shape. */
  add(ages: readonly number[]): ShapeId[] {
    const now = this.minute;
    const ids = ages.map((age, index) => {
      this.minute = now - age;
      return this.registry.add((index + 1) as StorageKey, 0)!;
    });
    this.minute = now;
    return ids;
  }

  empty(): void {
    let id = this.registry.next(undefined);
    for (; id !== undefined; id = this.registry.next(id)) this.registry.retire(id);
    this.registry.advanceEpoch();
  }
}

const atMost = (shapesMax: number) => (registry: ShapeRegistry) => [
  new ShapeCountBudget(registry, shapesMax),
];

test("those that were asked for longest ago go, but not those in use", async () => {
  const shape = fc.record({
    idle: fc.oneof(fc.nat(3), fc.nat(0xffff)),
    isInUse: fc.integer({ min: 0, max: 9 }).map((digit) => digit === 0),
  });
  const shapes = fc.array(shape, { maxLength: 600, size: "max" });
  await checkAsync(
    fc.asyncProperty(
      shapes,
      fc.integer({ min: 1, max: 600 }),
      fc.nat(0xffff),
      async (...random) => {
        const [shapes, shapesMax, minute] = random;
        const fixture = new Fixture(atMost(shapesMax));
        fixture.minute = 0x10_0000 + minute;
        const ids = fixture.add(shapes.map(({ idle }) => idle));
        ids.forEach((id, index) => shapes[index]!.isInUse && fixture.inUse.add(id));
        await fixture.eviction.enforce();
        const idles = shapes.filter(({ isInUse }) => !isInUse).map(({ idle }) => idle);
        const count = Math.min(idles.length, Math.max(0, shapes.length - shapesMax));
        expect(fixture.removed.length).toBe(count);
        expect(fixture.eviction.evicted.shapes).toBe(count);
        expect(fixture.registry.count).toBe(shapes.length - count);
        expect(fixture.removed.some((id) => fixture.inUse.has(id))).toBe(false);
        const removed = fixture.removed.map((id) => shapes[ids.indexOf(id)]!.idle);
        expect(descending(removed)).toEqual(descending(idles).slice(0, count));
        fixture.empty();
      },
    ),
    30,
  );
});

test("a shape that is asked for while others go is kept, and one that has gone is no fault", async () => {
  const fixture = new Fixture(atMost(2));
  fixture.minute = 0x10_0000;
  const [first, second, third, fourth] = fixture.add([9, 8, 7, 6]);
  fixture.interfere = () => {
    fixture.interfere = () => undefined;
    fixture.registry.touch(first!);
    fixture.registry.retire(third!);
  };
  await fixture.eviction.enforce();
  expect(fixture.removed).toEqual([second]);
  expect([first, fourth].every((id) => fixture.registry.keyOf(id!) !== undefined)).toBe(true);
  fixture.empty();
});

test("a turn removes no more shapes than it has time for", async () => {
  const fixture = new Fixture(atMost(1), 1_500);
  fixture.add(Array.from({ length: 12 }, () => 5));
  await fixture.eviction.enforce();
  // Three of 1.5 ms are the first to exceed 4 ms.
  expect(fixture.steps).toEqual([3, 3, 3, 2]);
  fixture.empty();
});

test("what is exhausted is refused, what nothing can be done about is tried ever less", async () => {
  let asked = 0;
  const excess = () => {
    asked += 1;
    return 1;
  };
  const budget: Budget = {
    ...{ name: "disk", setting: "LITZ_STORAGE_MAX_BYTES", excess },
    ...{ isPressed: true, isExhausted: true },
  };
  const fixture = new Fixture(() => [budget]);
  const askedIn: number[] = [];
  for (let minute = 0; minute < 4; minute++) {
    fixture.minute = minute;
    asked = 0;
    for (let attempt = 0; attempt < 10; attempt++) {
      expect(() => fixture.eviction.admit()).toThrow("LITZ_STORAGE_MAX_BYTES is used up");
      await new Promise((resolve) => setImmediate(resolve));
    }
    askedIn.push(asked);
  }
  expect(askedIn).toEqual([1, 1, 1, 1]);
});

test("without a budget nothing is removed, and no timer runs", async () => {
  const fixture = new Fixture(() => []);
  fixture.add([5, 4]);
  await fixture.eviction.enforce();
  expect(fixture.removed).toEqual([]);
  fixture.eviction.start({
    after: () => () => undefined,
    every: () => {
      throw new Error("nothing has to be done");
    },
  });
  fixture.empty();
});

function descending(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => b - a);
}
