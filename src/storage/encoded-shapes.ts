/**
 * The shapes that a checkpoint writes, as rows of the catalog. They are encoded some in a turn of
 * the event loop: 64 Ki at once held everybody up for 0.2 s.
 *
 *     keys     │ 5  │ 9  │ ...      ascending, because neighbouring rows share a page of the table
 *     ends     │ 41 │ 86 │ ...      where in `bytes` each of their rows ends
 *     bytes    │ row of 5 │ row of 9 │ ...      `catalog-row.ts`
 *
 * All of it is transferred to the thread and not copied.
 */

import { nextTurn } from "../lib/next-turn.ts";
import { ByteWriter } from "./bytes.ts";
import type { CatalogShape } from "./catalog-change.ts";
import { appendCatalogRow } from "./catalog-row.ts";

export interface EncodedShapes {
  readonly keys: Float64Array;
  readonly ends: Float64Array;
  readonly bytes: Uint8Array;
  readonly removedKeys: Float64Array;
}

/** Some 2 us each. */
const ROWS_PER_TURN = 1_000;
/** Some 0.1 us each, and what is sorted at once takes 4 ms. */
const KEYS_PER_TURN = 20_000;
/** What a row takes as a rule. */
const ROW_SIZE = 64;

/** @param shapes by key, undefined for one that was removed. Must not change meanwhile. */
export async function encodeShapes(
  shapes: ReadonlyMap<number, CatalogShape | undefined>,
): Promise<EncodedShapes> {
  const changed = await sortedKeysOf(shapes);
  const keys = new Float64Array(changed.length);
  const ends = new Float64Array(changed.length);
  const removedKeys = new Float64Array(changed.length);
  let count = 0;
  let removedCount = 0;
  const writer = new ByteWriter(ROW_SIZE * changed.length);
  for (let index = 0; index < changed.length; index++) {
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await nextTurn();
    const key = changed[index]!;
    const shape = shapes.get(key);
    if (shape === undefined) {
      removedKeys[removedCount++] = key;
      continue;
    }
    appendCatalogRow(writer, shape);
    keys[count] = key;
    ends[count++] = writer.size;
  }
  return {
    keys: keys.slice(0, count),
    ends: ends.slice(0, count),
    // A copy: what a writer has may be part of a pool, which cannot be transferred.
    bytes: new Uint8Array(writer.bytes),
    removedKeys: removedKeys.slice(0, removedCount),
  };
}

async function sortedKeysOf(shapes: ReadonlyMap<number, unknown>): Promise<Float64Array> {
  const keys = new Float64Array(shapes.size);
  let count = 0;
  for (const key of shapes.keys()) {
    keys[count++] = key;
    if (count % KEYS_PER_TURN === 0) await nextTurn();
  }
  return keys.sort();
}

/** The rows, in order. */
export function* encodedRows({
  keys,
  ends,
  bytes,
}: Omit<EncodedShapes, "removedKeys">): Generator<[key: number, row: Buffer], void, void> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [index, key] of keys.entries()) {
    yield [key, all.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index])];
  }
}
