/**
 * Goal: while a shape lives its id is its own and never changes; a retired id does not come back
 * while work for its last shape may be under way, and comes back with another generation.
 * Method: random additions, removals and epochs against a Map, on the real core.
 */

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { parseShapeHandle, type ShapeId, type StorageKey } from "../../src/model/ids.ts";
import { loadCore, type Core } from "../../src/router/core.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { ShapeRegistry } from "../../src/shapes/registry.ts";
import { check } from "../support/property.ts";

const EPOCH_MICROSECONDS = 1_767_225_600_000_000;

let cores: Core[];
beforeAll(async () => {
  cores = await Promise.all(Array.from({ length: 1 }, () => loadCore()));
});

interface Held {
  readonly id: ShapeId;
  readonly handle: string;
  readonly key: StorageKey;
  readonly generation: number;
}

test("ids and handles stay together for the life of a shape", () => {
  const registry = new ShapeRegistry(new ShapeTable(cores[0]!), EPOCH_MICROSECONDS, systemClock);
  let nextKey = 0;
  const actions = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ type: fc.constant("add"), hash: fc.nat(0xffffff) }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("retire"), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("epoch") }) },
    ),
    { maxLength: 60 },
  );
  check(
    fc.property(actions, (steps) => {
      const live = new Map<ShapeId, Held>();
      const gone: Held[] = [];
      const countBefore = registry.count;
      for (const step of steps) {
        if (step.type === "add" && "hash" in step) {
          const key = ++nextKey as StorageKey;
          const id = registry.add(key, step.hash)!;
          expect(live.has(id)).toBe(false);
          const handle = registry.handleOf(id)!;
          expect(handle).toBe(`${step.hash}-${EPOCH_MICROSECONDS + key}`);
          expect(registry.keyOfHandle(handle)).toBe(key);
          live.set(id, { id, key, handle, generation: registry.generationOf(id) });
        } else if (step.type === "retire" && "pick" in step && live.size > 0) {
          const held = [...live.values()][step.pick % live.size]!;
          registry.retire(held.id);
          live.delete(held.id);
          gone.push(held);
        } else if (step.type === "epoch") {
          registry.advanceEpoch();
        }
        for (const held of live.values()) {
          expect(registry.handleOf(held.id)).toBe(held.handle);
          expect(registry.isCurrent(held.id, held.generation)).toBe(true);
        }
        for (const held of gone) expect(registry.isCurrent(held.id, held.generation)).toBe(false);
        expect(registry.count - countBefore).toBe(live.size);
      }
      for (const { id } of live.values()) registry.retire(id);
      expect(registry.count).toBe(countBefore);
    }),
  );
});

test("a lookup that misses is an outcome", () => {
  const registry = new ShapeRegistry(new ShapeTable(cores[0]!), EPOCH_MICROSECONDS, systemClock);
  const id = registry.add((2 ** 39) as StorageKey, 5)!;
  registry.retire(id);
  expect(registry.handleOf(id)).toBeUndefined();
  expect(registry.handleForLog(id)).toBe(`unknown, id: ${id}`);
  expect(registry.keyOfHandle(parseShapeHandle("5-17")!)).toBeUndefined();
});

test("keys are translated in bulk, those of retired shapes as 0", () => {
  const registry = new ShapeRegistry(new ShapeTable(cores[0]!), EPOCH_MICROSECONDS, systemClock);
  const first = registry.add((2 ** 38 + 1) as StorageKey, 1)!;
  const second = registry.add((2 ** 38 + 2) as StorageKey, 2)!;
  registry.retire(first);
  expect([...registry.keysOf(Uint32Array.of(first, second, second)).subarray(0, 3)]).toEqual([
    0,
    2 ** 38 + 2,
    2 ** 38 + 2,
  ]);
});
