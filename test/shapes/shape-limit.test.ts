/**
 * Goal: over the limit the shapes that were asked for longest ago go, as many as are too many, and
 * nobody else; below it nothing happens. Method: shapes of random ages in a real core, whose
 * registry runs on a clock of ours, against a sorted list.
 */

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { loadCore, type Core } from "../../src/router/core.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { BoundaryQueue } from "../../src/shapes/boundary-queue.ts";
import { ShapeRegistry } from "../../src/shapes/registry.ts";
import { ShapeLimit } from "../../src/shapes/shape-limit.ts";
import { checkAsync } from "../support/property.ts";

let core: Core;
beforeAll(async () => {
  core = await loadCore();
});

class Fixture {
  minute = 0;
  readonly registry: ShapeRegistry;
  readonly limit: ShapeLimit;
  readonly removed: ShapeId[] = [];
  /** Called before each removal. */
  interfere: () => void = () => undefined;

  constructor(shapesMax: number | undefined) {
    const clock = { nowMilliseconds: () => this.minute * 60_000, nowMicroseconds: () => 0 };
    this.registry = new ShapeRegistry(new ShapeTable(core), 1, clock);
    const boundaries = new BoundaryQueue(() => {
      this.interfere();
      setImmediate(() => boundaries.runAll());
    });
    const removeNow = (id: ShapeId): Promise<void> => {
      this.removed.push(id);
      this.registry.retire(id);
      return Promise.resolve();
    };
    const { registry } = this;
    this.limit = new ShapeLimit({
      ...{ registry, boundaries, shapesMax, cleaner: { removeNow }, logger: silentLogger },
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

test("those that were asked for longest ago go", async () => {
  const ages = fc.array(fc.oneof(fc.nat(3), fc.nat(0xffff)), { maxLength: 600, size: "max" });
  await checkAsync(
    fc.asyncProperty(ages, fc.integer({ min: 1, max: 600 }), fc.nat(0xffff), async (...random) => {
      const [idle, shapesMax, minute] = random;
      const fixture = new Fixture(shapesMax);
      fixture.minute = 0x10_0000 + minute;
      const ids = fixture.add(idle);
      await fixture.limit.enforce();
      const count = Math.max(0, idle.length - shapesMax);
      expect(fixture.removed.length).toBe(count);
      expect(fixture.registry.count).toBe(idle.length - count);
      const sorted = idle.toSorted((a, b) => b - a);
      const removed = fixture.removed.map((id) => idle[ids.indexOf(id)]!);
      expect(removed.sort((a, b) => b - a)).toEqual(sorted.slice(0, count));
      fixture.empty();
    }),
    30,
  );
});

test("a shape that is asked for while others go is kept, and one that has gone is no fault", async () => {
  const fixture = new Fixture(1);
  fixture.minute = 0x10_0000;
  const [first, second, third, fourth] = fixture.add([9, 8, 7, 6]);
  fixture.interfere = () => {
    fixture.interfere = () => undefined;
    fixture.registry.touch(first!);
    fixture.registry.retire(third!);
  };
  await fixture.limit.enforce();
  expect(fixture.removed).toEqual([second]);
  await fixture.limit.enforce();
  expect(fixture.removed).toEqual([second, fourth]);
  expect(fixture.registry.next(undefined)).toBe(first);
  fixture.empty();
});

test("without a limit nothing is removed, and no timer runs", async () => {
  const fixture = new Fixture(undefined);
  fixture.add([5, 4]);
  await fixture.limit.enforce();
  expect(fixture.removed).toEqual([]);
  fixture.limit.start({
    after: () => () => undefined,
    every: () => {
      throw new Error("nothing has to be done");
    },
  });
  fixture.empty();
});
