/**
 * The value store keeps byte strings, each once, under small numbers: the constants of shapes.
 *
 *     bytes <-> ValueId        equal bytes have equal ids, so ids can stand for bytes in a key
 *
 * A row of eight bytes per value says where the bytes are and how often they are in use; the bytes
 * lie in a block of their own, without a header unless they are long. A leaf table finds the id of
 * given bytes.
 *
 *     row     ┌──────────────┬─────────┬───────────────┐
 *             │ references   │ size    │ address / 8   │       64 bits
 *             └──────────────┴─────────┴───────────────┘
 *             63             38        28              0
 *     block   ┌──────────────────────┐     ┌──────┬──────────────────────────────┐
 *             │ up to 1022 bytes     │ or  │ size │ size says LONG: more bytes   │
 *             └──────────────────────┘     └──────┴──────────────────────────────┘
 *
 * Bytes per value: 8 + its bytes, rounded up to 8, + 5.9 in the leaf table. A uuid takes 30.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A row in use has at least one reference.
 *   2. The index holds every row in use once, under the hash of its bytes, and nothing else.
 *   3. No two rows in use have equal bytes.
 *
 * `intern` may acquire pages and returns 0 if it is refused them. Nothing else does.
 */

import * as blockPool from "./block-pool";
import { hashBytes } from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_VALUE_STORE } from "./owners";
import * as pagePool from "./page-pool";
import * as rowPool from "./row-pool";
import { ROW_POOL_SIZE } from "./row-pool";

/** No value. */
export const NONE: u32 = 0;

const ROW_SIZE: u32 = 8;
/** 2,048 pages of 8,192 rows: ids of 24 bits. */
const DIRECTORY_COUNT: u32 = 2048;

const REFERENCES_SHIFT: u64 = 39;
const ONE_REFERENCE: u64 = 0x8000000000;
const REFERENCES_MAX: u64 = 0x1ffffff;
const SIZE_SHIFT: u64 = 29;
const SIZE_MASK: u32 = 0x3ff;
const ADDRESS_MASK: u64 = 0x1fffffff;
/** The size in a row that says: the block begins with its size. */
const LONG: u32 = 0x3ff;
const LONG_HEAD: u32 = 4;
/** A value may not take more: far above what an index in Postgres can hold. */
export const VALUE_SIZE_MAX: u32 = 1 << 20;

/** Keeps these hashes apart from those of other tables. */
const HASH_SEED: u64 = 0x76616c7565; // "value"

const rows: usize = memory.data(32, 4);
const directory: usize = memory.data(8192, 4);

let blocks: usize = 0;
let index: usize = 0;

/** Creates the one store. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(index == 0);
  rowPool.create(rows, OWNER_VALUE_STORE, ROW_SIZE, directory, DIRECTORY_COUNT);
  blocks = blockPool.create(OWNER_VALUE_STORE, 8);
  index = leafTable.create(OWNER_VALUE_STORE, hashOf);
}

/** The most pages that `intern` acquires for so many bytes. */
export function pagesForIntern(size: u32): u32 {
  const block = blockPool.pagesForBlock(<usize>(size + LONG_HEAD));
  return rowPool.PAGES_PER_TAKE + block + leafTable.pagesForInsert(index);
}

/**
 * Returns the id of these bytes, and counts one reference more. Returns NONE, with nothing changed,
 * if the store is full. The bytes may lie anywhere; they are copied.
 */
export function intern(bytes: usize, size: u32): u32 {
  assert(size <= VALUE_SIZE_MAX);
  const hash = hashBytes(bytes, size, HASH_SEED);
  let value = search(hash, bytes, size);
  if (value != NONE) {
    retain(value);
    return value;
  }
  if (!rowPool.hasRoom(rows) || !pagePool.reserve(pagesForIntern(size))) return NONE;
  value = rowPool.take(rows);
  store<u64>(rowOf(value), ONE_REFERENCE | writeBlock(bytes, size));
  leafTable.insert(index, hash, value);
  return value;
}

/** Returns the id of these bytes, NONE if there is none. */
export function find(bytes: usize, size: u32): u32 {
  return search(hashBytes(bytes, size, HASH_SEED), bytes, size);
}

/** Counts one reference more. */
export function retain(value: u32): void {
  const row = rowOf(value);
  // Shapes are at most 11 million and name a value a few times: far from 33 million.
  if (load<u64>(row) >> REFERENCES_SHIFT == REFERENCES_MAX) unreachable();
  store<u64>(row, load<u64>(row) + ONE_REFERENCE);
}

/** Counts one reference less; with the last one the value goes. */
export function release(value: u32): void {
  const row = rowOf(value);
  const left = load<u64>(row) - ONE_REFERENCE;
  store<u64>(row, left);
  if (left >> REFERENCES_SHIFT != 0) return;
  const size_ = size(value);
  leafTable.remove(index, hashBytes(address(value), size_, HASH_SEED), value);
  if (size_ != 0) blockPool.release(blocks, blockOf(load<u64>(row)), <usize>blockSize(size_));
  rowPool.give(rows, value);
}

/** Where the bytes of a value lie, until it is released for the last time. */
export function address(value: u32): usize {
  const row = load<u64>(rowOf(value));
  return blockOf(row) + (sizeField(row) == LONG ? <usize>LONG_HEAD : 0);
}

/** How many bytes a value has. */
export function size(value: u32): u32 {
  const row = load<u64>(rowOf(value));
  const size = sizeField(row);
  return size == LONG ? load<u32>(blockOf(row)) : size;
}

/** How many references there are to a value. For tests. */
export function references(value: u32): u32 {
  return <u32>(load<u64>(rowOf(value)) >> REFERENCES_SHIFT);
}

export function count(): u32 {
  return rowPool.count(rows);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows) + blockPool.liveBytes(blocks) + leafTable.liveBytes(index);
}

/** Checks every invariant in O(bytes). */
export function verify(): void {
  rowPool.verify(rows);
  blockPool.verify(blocks);
  leafTable.verify(index);
  // With this and the hashes that the table verified, every id in the index is a row: 2.
  assert(leafTable.count(index) == count());
  let used: u32 = 0;
  for (let value: u32 = 1; value < rowPool.limit(rows); value += 1) {
    // A free row has no references: its first word links to the next, the second is zero.
    if (load<u64>(rowOf(value)) >> REFERENCES_SHIFT == 0) continue;
    used += 1;
    assert(search(hashOf(value), address(value), size(value)) == value); // 2, 3
  }
  assert(used == count()); // 1
}

function search(hash: u64, bytes: usize, wanted: u32): u32 {
  leafTable.seek(index, hash);
  while (true) {
    const value = leafTable.next();
    if (value == leafTable.NONE) return NONE;
    if (size(value) == wanted && memory.compare(address(value), bytes, <usize>wanted) == 0) {
      return value;
    }
  }
}

function hashOf(value: u32): u64 {
  return hashBytes(address(value), size(value), HASH_SEED);
}

/** Copies bytes to a new block. Returns the row without its references. */
function writeBlock(bytes: usize, size: u32): u64 {
  if (size == 0) return 0;
  const block = blockPool.allocate(blocks, <usize>blockSize(size));
  const isLong = size >= LONG;
  if (isLong) store<u32>(block, size);
  memory.copy(block + (isLong ? <usize>LONG_HEAD : 0), bytes, <usize>size);
  return ((<u64>min(size, LONG)) << SIZE_SHIFT) | ((<u64>block) >> 3);
}

function blockSize(size: u32): u32 {
  return size >= LONG ? size + LONG_HEAD : size;
}

function blockOf(row: u64): usize {
  return <usize>((row & ADDRESS_MASK) << 3);
}

function sizeField(row: u64): u32 {
  return (<u32>(row >> SIZE_SHIFT)) & SIZE_MASK;
}

function rowOf(value: u32): usize {
  return rowPool.addressOf(rows, value);
}
