/**
 * A row pool numbers rows of one fixed size: 1, 2, 3, ... and uses freed numbers again.
 *
 * Rows never move, so a number or an address may be kept. Rows lie in pages that are taken as they
 * are needed; a directory of page addresses, which the owner supplies because it alone knows its
 * limit, turns a number into an address. A free row holds the number of the next free one in its
 * first word. When the last row is freed all pages go back.
 *
 *     directory ──> ┌───────┬───────┬──────────┬──────────┬─ ─ ─
 *                   │ row 0 │ row 1 │ next │   │  row 3   │          row 0 is never handed out
 *                   └───────┴───────┴──────────┴──────────┴─ ─ ─
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Rows 1 .. top - 1 have been handed out; `count` of them are in use, the rest are linked.
 *   2. The directory has an address for every page up to that of row top - 1 and for no other.
 *
 * `take` may acquire one page. REQUIRES: `pagePool.reserve(PAGES_PER_TAKE)`.
 */

import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";

/** No row. */
export const NONE: u32 = 0;

/** The most pages that `take` acquires. */
export const PAGES_PER_TAKE: u32 = 1;

@unmanaged
class RowPool {
  owner: u32;
  rowSize: u32;
  /** log2 of the rows in a page. */
  shift: u32;
  /** The first number that was never handed out. */
  top: u32;
  /** Rows that fit in the directory, row 0 included. */
  capacity: u32;
  count: u32;
  firstFree: u32;
  directory: u32;
}

/** Bytes of static memory that a pool takes. */
export const ROW_POOL_SIZE: i32 = 32;

if (offsetof<RowPool>() != ROW_POOL_SIZE) ERROR("a RowPool must be ROW_POOL_SIZE bytes");

/**
 * Makes a pool in the zeroed bytes at `pool`. `rowSize` is a power of two.
 * The directory is zeroed memory for `directoryCount` addresses of 4 bytes.
 */
export function create(
  pool: usize,
  owner: u32,
  rowSize: u32,
  directory: usize,
  directoryCount: u32,
): void {
  assert(popcnt(rowSize) == 1 && rowSize >= 4);
  const self = changetype<RowPool>(pool);
  self.owner = owner;
  self.rowSize = rowSize;
  self.shift = 16 - ctz(rowSize);
  self.top = 1;
  self.capacity = directoryCount << self.shift;
  self.count = 0;
  self.firstFree = NONE;
  self.directory = <u32>directory;
}

/** Whether `take` has a number to give. */
export function hasRoom(pool: usize): bool {
  const self = changetype<RowPool>(pool);
  return self.firstFree != NONE || self.top < self.capacity;
}

/** Hands out a row, zeroed. REQUIRES: `hasRoom`. */
export function take(pool: usize): u32 {
  const self = changetype<RowPool>(pool);
  let row = self.firstFree;
  if (row != NONE) {
    self.firstFree = load<u32>(addressOf(pool, row));
  } else {
    row = self.top;
    if (row >= self.capacity) unreachable();
    const slot = slotOf(self, row);
    if (load<u32>(slot) == 0) store<u32>(slot, <u32>pagePool.acquire(self.owner, 1));
    self.top = row + 1;
  }
  self.count += 1;
  memory.fill(addressOf(pool, row), 0, self.rowSize);
  return row;
}

/** Takes a row back. */
export function give(pool: usize, row: u32): void {
  const self = changetype<RowPool>(pool);
  assert(row != NONE && row < self.top && self.count != 0);
  store<u32>(addressOf(pool, row), self.firstFree);
  self.firstFree = row;
  self.count -= 1;
  if (self.count == 0) releaseAll(self);
}

/** Where a row lies. Stays valid until the row is given back. */
export function addressOf(pool: usize, row: u32): usize {
  const self = changetype<RowPool>(pool);
  assert(row < self.top);
  const page = <usize>load<u32>(slotOf(self, row));
  const index = row & (((<u32>1) << self.shift) - 1);
  return page + <usize>index * <usize>self.rowSize;
}

export function count(pool: usize): u32 {
  return changetype<RowPool>(pool).count;
}

/** One more than the highest number in use may be. */
export function limit(pool: usize): u32 {
  return changetype<RowPool>(pool).top;
}

export function liveBytes(pool: usize): usize {
  const self = changetype<RowPool>(pool);
  return <usize>self.count * <usize>self.rowSize;
}

/** Checks every invariant in O(free rows + pages). */
export function verify(pool: usize): void {
  const self = changetype<RowPool>(pool);
  let free: u32 = 0;
  let row = self.firstFree;
  while (row != NONE) {
    assert(row < self.top);
    free += 1;
    assert(free < self.top);
    row = load<u32>(addressOf(pool, row));
  }
  assert(self.count + free + 1 == self.top); // 1
  const pageCount = self.capacity >> self.shift;
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const isNeeded = self.top > 1 && page <= (self.top - 1) >> self.shift;
    const address = load<u32>(<usize>self.directory + <usize>(page << 2));
    assert((address != 0) == isNeeded && (address & (<u32>(PAGE_SIZE - 1))) == 0); // 2
  }
}

function releaseAll(self: RowPool): void {
  const pageCount = ((self.top - 1) >> self.shift) + 1;
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const slot = <usize>self.directory + <usize>(page << 2);
    pagePool.release(<usize>load<u32>(slot), 1);
    store<u32>(slot, 0);
  }
  self.top = 1;
  self.firstFree = NONE;
}

function slotOf(self: RowPool, row: u32): usize {
  return <usize>self.directory + <usize>((row >> self.shift) << 2);
}
