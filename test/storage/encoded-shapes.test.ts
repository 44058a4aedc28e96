/**
 * Goal: a checkpoint gets every shape that has changed, in the order of the table, and while it is
 * made ready others have their turn. Method: what was encoded is decoded again, of random maps; and
 * the turns of the event loop are counted.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import type { CatalogShape } from "../../src/storage/catalog-change.ts";
import { decodeCatalogRow } from "../../src/storage/catalog-row.ts";
import { encodedRows, encodeShapes } from "../../src/storage/encoded-shapes.ts";
import { checkAsync } from "../support/property.ts";

function shapeOf(key: number): CatalogShape {
  const constants = Uint8Array.from({ length: key % 40 }, () => key & 0xff);
  return { key, hash: key % 1000, templateId: 1 + (key % 300), constants, snapshot: undefined };
}

test("shapes come back in the order of their keys, removed ones apart", async () => {
  const entry = fc.tuple(fc.integer({ min: 1, max: 2 ** 40 - 1 }), fc.boolean());
  await checkAsync(
    fc.asyncProperty(fc.array(entry), async (entries) => {
      const shapes = new Map(
        entries.map(([key, isGone]) => [key, isGone ? undefined : shapeOf(key)]),
      );
      const encoded = await encodeShapes(shapes);
      const sorted = [...shapes].sort(([one], [other]) => one - other);
      const rows = [...encodedRows(encoded)].map(([key, row]) => {
        const shape = decodeCatalogRow(row);
        return [key, { ...shape, constants: Uint8Array.from(shape.constants) }];
      });
      assert.deepEqual(
        rows,
        sorted.filter(([, shape]) => shape !== undefined),
      );
      assert.deepEqual(
        [...encoded.removedKeys],
        sorted.filter(([, shape]) => shape === undefined).map(([key]) => key),
      );
    }),
    100,
  );
});

test("others have their turn meanwhile", async () => {
  const shapes = new Map(Array.from({ length: 10_000 }, (_, key) => [key + 1, shapeOf(key + 1)]));
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await encodeShapes(shapes);
  isOver = true;
  assert.ok(turns >= 9, `${turns} turns`);
});
