/**
 * Goal: of the shapes whose snapshot lies beyond a position each is given once, and no list is
 * long, however many there are. Method: shapes at alternating positions.
 */

import { expect, test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { UnplacedShapes } from "../../src/shapes/unplaced-shapes.ts";

test("those beyond a position are taken once, some at a time", () => {
  const unplaced = new UnplacedShapes();
  const count = 1_601;
  for (let n = 1; n <= count; n++) {
    unplaced.add(n as ShapeId, (10 * n) as StorageKey, (n % 2 === 0 ? 70n : 71n) as Lsn);
  }
  expect(unplaced.count).toBe(count);
  const lists = [...unplaced.takeBeyond(70n as Lsn)];
  expect(lists.map(({ length }) => length)).toEqual([250, 250, 250, 51]);
  const odd = Array.from({ length: 801 }, (_, n) => ({ id: 2 * n + 1, key: 20 * n + 10 }));
  expect(lists.flat()).toEqual(odd);
  expect(unplaced.count).toBe(0);
  expect([...unplaced.takeBeyond(0n as Lsn)]).toEqual([]);
});
