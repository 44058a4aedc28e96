/**
 * The consumer registry, by its door, against a map from shape to waiters.
 *
 * Goal: whoever waits for a shape is woken once when it grows, nobody else is, and nothing is left
 * of those who have gone.
 *
 * Method: few shapes, so that lists of waiters are long and are left at the front, in the middle
 * and at the end; ids repeat in a wake-up, and among them are ids of shapes that nobody waits for
 * or that have been retired.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { ShapeId, StorageKey, WaiterId } from "../../src/model/ids.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { Waiters } from "../../src/router/waiters.ts";
import { builds, newCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const SHAPES = 6;
type Operation =
  | { type: "park" | "wakeAll"; shape: number }
  | { type: "leave"; which: number }
  | { type: "wake"; shapes: number[] };

const shape = fc.integer({ min: 1, max: SHAPES });
const park: fc.Arbitrary<Operation> = fc.record({ type: fc.constant("park"), shape });
const operations = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: park },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("leave" as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("wakeAll" as const), shape }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("wake" as const),
        shapes: fc.array(fc.integer({ min: 1, max: SHAPES + 1 }), { maxLength: 8 }),
      }),
    },
  ),
  { maxLength: 120, size: "max" },
);

describe.each(builds)("waiters, $name", (build) => {
  test("those who wait are woken, once, and no others", () => {
    const { core, exports } = newCore(build);
    const table = new ShapeTable(core);
    const waiters = new Waiters(core);
    for (let n = 1; n <= SHAPES + 1; n++) table.mint(n as StorageKey, 0);
    table.retire((SHAPES + 1) as ShapeId);
    check(
      fc.property(operations, (operations) => {
        const model = new Map<WaiterId, number>();
        for (const operation of operations) {
          apply(operation, waiters, model);
          assert.equal(waiters.count, model.size);
          exports.waiterVerify();
        }
        for (const waiter of model.keys()) waiters.leave(waiter);
        exports.waiterVerify();
        assert.equal(exports.poolPagesOf(10), 1);
      }),
      100,
    );
  });

  test("more waiters than the exchange holds are all woken", () => {
    const { core, exports } = newCore(build);
    const table = new ShapeTable(core);
    const waiters = new Waiters(core);
    const ids = Uint32Array.from({ length: 20_000 }, (_, n) =>
      table.mint((n + 1) as StorageKey, 0)!,
    );
    const parked = new Set<WaiterId>();
    for (let n = 0; n < 30_000; n++) {
      const id = (n < 10_000 ? 77 : ids[n % 20_000]!) as ShapeId;
      parked.add(waiters.park(id)!);
    }
    assert.equal(parked.size, 30_000);
    exports.waiterVerify();
    const woken: WaiterId[] = [];
    waiters.wake(ids, ids.length, (waiter) => woken.push(waiter));
    assert.equal(woken.length, 30_000);
    assert.equal(new Set(woken).size, 30_000);
    assert.equal(waiters.count, 0);
    exports.waiterVerify();

    for (let n = 0; n < 20_000; n++) waiters.park(5 as ShapeId);
    woken.length = 0;
    waiters.wakeAll(5 as ShapeId, (waiter) => woken.push(waiter));
    assert.equal(woken.length, 20_000);
  });

  test("whoever is woken may wait again at once", () => {
    const { core } = newCore(build);
    const table = new ShapeTable(core);
    const waiters = new Waiters(core);
    const id = table.mint(1 as StorageKey, 0)!;
    waiters.park(id);
    waiters.park(id);
    let visits = 0;
    waiters.wake(Uint32Array.of(id, id), 2, () => {
      visits += 1;
      waiters.park(id);
    });
    assert.equal(visits, 2);
    assert.equal(waiters.count, 2);
  });
});

function apply(operation: Operation, waiters: Waiters, model: Map<WaiterId, number>): void {
  switch (operation.type) {
    case "park": {
      const waiter = waiters.park(operation.shape as ShapeId)!;
      assert.ok(!model.has(waiter));
      model.set(waiter, operation.shape);
      break;
    }
    case "leave": {
      const waiter = [...model.keys()][operation.which % Math.max(1, model.size)];
      if (waiter === undefined) return;
      waiters.leave(waiter);
      model.delete(waiter);
      break;
    }
    case "wake":
    case "wakeAll": {
      const shapes = operation.type === "wake" ? operation.shapes : [operation.shape];
      const expected = [...model].filter(([, shape]) => shapes.includes(shape));
      const woken: WaiterId[] = [];
      if (operation.type === "wakeAll") {
        waiters.wakeAll(operation.shape as ShapeId, (waiter) => woken.push(waiter));
      } else {
        waiters.wake(Uint32Array.from(shapes), shapes.length, (waiter) => woken.push(waiter));
      }
      assert.deepEqual(woken.sort(), expected.map(([waiter]) => waiter).sort());
      for (const waiter of woken) model.delete(waiter);
    }
  }
}
