/**
 * The sorted ranges of the report's ordinary engines equal a list of them.
 *
 * Method: thousands of ranges, many with the same beginning, come in order, in no order and in
 * bursts of one place, so that chunks are cut both ways; some go, and what is found is compared.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { RangeIndex } from "../../src/report/classes/clause-index.ts";
import { COLUMN } from "../../src/report/classes/events.ts";
import { seededRandom } from "../support/random.ts";

test("ranges in chunks equal a list", () => {
  const random = seededRandom("ranges in chunks");
  const below = (count: number): number => Math.floor(random() * count);
  const index = new RangeIndex<number>();
  const model = new Map<number, readonly [number, number]>();
  const add = (ref: number, from: number): void => {
    const to = from + below(40);
    model.set(ref, [from, to]);
    index.add(ref, [String(from), String(to)]);
  };
  const compare = (): void => {
    for (let round = 0; round < 200; round += 1) {
      const n = below(1_100) - 50;
      const found: number[] = [];
      const text = (column: number) => (column === COLUMN.n ? String(n) : null);
      index.find({ text }, (ref) => found.push(ref));
      const expected = [...model].filter(([, [from, to]]) => from <= n && n <= to);
      assert.deepEqual(
        found.sort((a, b) => a - b),
        expected.map(([ref]) => ref).sort((a, b) => a - b),
      );
    }
  };
  for (let ref = 0; ref < 2_000; ref += 1) add(ref, Math.floor(ref / 2));
  compare();
  for (let ref = 2_000; ref < 4_000; ref += 1) add(ref, below(1_000));
  for (let ref = 4_000; ref < 6_000; ref += 1) add(ref, 500);
  compare();
  for (const [ref, [from, to]] of model) {
    if (below(3) === 0) continue;
    model.delete(ref);
    index.remove(ref, [String(from), String(to)]);
  }
  compare();
  for (const [ref, [from, to]] of model) index.remove(ref, [String(from), String(to)]);
  model.clear();
  compare();
  add(1, 7);
  compare();
});
