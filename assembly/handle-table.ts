/**
 * The handle table is the one column in which a shape id meets what names the shape outside.
 *
 * A handle's text is `<hash>-<microseconds>`, and its number is the moment at which the data
 * directory was made plus the storage key: so key and hash, eight bytes, are the handle and the key
 * on disk in one.
 *
 *     63                    24                0
 *     ┌─────────────────────┬─────────────────┐
 *     │ storage key, 40 bit │ hash, 24 bit    │       0: this id has no handle
 *     └─────────────────────┴─────────────────┘
 *
 * There is no index from handle to id: every request for a shape carries its definition, which
 * finds the id through the equality index, and then `matches` says whether it is the same shape.
 * That index would take 6.6 bytes a shape.
 *
 * The column lies in the chunks of the shape table, which owns, zeroes and links its rows. Nothing
 * here allocates.
 */

import * as shapeTable from "./shape-table";

const HASH_BITS: u64 = 24;
const HASH_MASK: u32 = 0xffffff;
const ID_MASK: u32 = 0xffffff;

/** Names a live shape. REQUIRES: key > 0. */
export function set(id: u32, keyLow: u32, keyHigh: u32, hash: u32): void {
  assert(shapeTable.isLive(id));
  assert(keyHigh < 256 && (keyLow | keyHigh) != 0 && hash <= HASH_MASK);
  store<u64>(shapeTable.handleAddress(id), pack(keyLow, keyHigh, hash));
}

/** The storage key; 0 for an id that has none. */
export function keyOf(id: u32): u64 {
  return load<u64>(shapeTable.handleAddress(id)) >> HASH_BITS;
}

export function hashOf(id: u32): u32 {
  return (<u32>load<u64>(shapeTable.handleAddress(id))) & HASH_MASK;
}

/** Whether this id is live under this very handle. */
export function matches(id: u32, keyLow: u32, keyHigh: u32, hash: u32): bool {
  if (!shapeTable.isLive(id)) return false;
  return load<u64>(shapeTable.handleAddress(id)) == pack(keyLow, keyHigh, hash);
}

/**
 * Writes the storage keys of `count` ids as 64-bit floats; 0 for an id that has been retired. Bits
 * above the 24 of an id are ignored. REQUIRES: each id was minted once.
 */
export function keys(ids: usize, count: u32, out: usize): void {
  const end = ids + <usize>(count << 2);
  while (ids < end) {
    store<f64>(out, <f64>keyOf(load<u32>(ids) & ID_MASK));
    ids += 4;
    out += 8;
  }
}

export function liveBytes(): usize {
  return (<usize>shapeTable.count()) << 3;
}

function pack(keyLow: u32, keyHigh: u32, hash: u32): u64 {
  return ((((<u64>keyHigh) << 32) | (<u64>keyLow)) << HASH_BITS) | (<u64>hash);
}
