/**
 * The flush tracker knows which shapes hold the WAL back, and from where on.
 *
 *     shape -> the first LSN that was sent to it and is not durable yet
 *
 * Postgres may forget what every shape has made durable, and nothing else: the LSN that is
 * acknowledged stays below the least of these (law 1). A shape comes in with the first thing that
 * is sent to it and goes out as a whole when its owner says that all is durable. There is no
 * comparing of offsets: what a shape writes besides its changes, a control message or rows that
 * moved in, cannot keep it here.
 *
 *     heap    ┌───┬───┬───┬─ ─            a row number each; a parent's LSN is not greater than
 *             │ 7 │ 3 │ 9 │               those of its children, so entry 0 has the least
 *             └───┴───┴───┴─ ─
 *     row     ┌──────┬──────────┬───────┐
 *             │ lsn  │ position │ shape │  16 bytes: lsn u64, position in the heap, shape
 *             └──────┴──────────┴───────┘
 *     index   shape ─> row, a leaf table; a bit in the shape's state says whether to look
 *
 * Invariants (`verify` checks them all):
 *
 *   1. heap[rows' position] is the row; the heap has as many entries as there are rows in use.
 *   2. No row's LSN is less than that of its parent in the heap.
 *   3. A shape has STATE_UNFLUSHED if and only if it has a row, which the index finds.
 *
 * `sent` may acquire pages and returns false if it is refused them. Nothing else does.
 */

import { hashWord } from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_FLUSH_TRACKER } from "./owners";
import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";
import * as rowPool from "./row-pool";
import * as shapeTable from "./shape-table";
import { STATE_UNFLUSHED } from "./shape-table";

@unmanaged
class Pending {
  lsn: u64;
  position: u32;
  /** 0: this row is free. */
  shape: u32;
}

const ROW_SIZE: u32 = 16;
if (offsetof<Pending>() != ROW_SIZE) ERROR("a Pending must be ROW_SIZE bytes");

/** 4,096 rows a page: four million shapes that hold something back. */
const DIRECTORY_COUNT: u32 = 1024;
/** 16,384 heap entries a page. */
const HEAP_DIRECTORY_COUNT: u32 = 256;
const HEAP_SHIFT: u32 = 14;
const HASH_SEED: u64 = 0x666c757368; // "flush"

const rows: usize = memory.data(32, 4);
const directory: usize = memory.data(4096, 4);
const heapPages: usize = memory.data(1024, 4);

let index: usize = 0;

/** Creates the one tracker. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(index == 0);
  rowPool.create(rows, OWNER_FLUSH_TRACKER, ROW_SIZE, directory, DIRECTORY_COUNT);
  index = leafTable.create(OWNER_FLUSH_TRACKER, hashOf);
}

/**
 * Something of this LSN was sent to a live shape. No effect if the shape holds something back
 * already. False, with nothing changed, if there is no memory for it.
 */
export function sent(shape: u32, lsnLow: u32, lsnHigh: u32): bool {
  assert(shapeTable.isLive(shape));
  if (isPending(shape)) return true;
  const pages = rowPool.PAGES_PER_TAKE + 1 + leafTable.pagesForInsert(index);
  if (!rowPool.hasRoom(rows) || !pagePool.reserveBeyondBudget(pages)) return false;
  const position = rowPool.count(rows);
  const heapPage = heapPages + <usize>((position >> HEAP_SHIFT) << 2);
  if (load<u32>(heapPage) == 0) {
    store<u32>(heapPage, <u32>pagePool.acquire(OWNER_FLUSH_TRACKER, 1));
  }
  const row = rowPool.take(rows);
  const pending = pendingAt(row);
  pending.lsn = ((<u64>lsnHigh) << 32) | (<u64>lsnLow);
  pending.shape = shape;
  place(row, position);
  siftUp(row);
  leafTable.insert(index, hashOf(row), row);
  shapeTable.setStateBit(shape, STATE_UNFLUSHED, true);
  return true;
}

/** Everything that was sent to the shape is durable, or the shape is gone. */
export function flushed(shape: u32): void {
  if (!isPending(shape)) return;
  const row = find(shape);
  const position = pendingAt(row).position;
  const last = rowPool.count(rows) - 1;
  const moved = rowAt(last);
  leafTable.remove(index, hashOf(row), row);
  pendingAt(row).shape = shapeTable.NONE;
  rowPool.give(rows, row);
  shapeTable.setStateBit(shape, STATE_UNFLUSHED, false);
  if ((last & ((1 << HEAP_SHIFT) - 1)) == 0) releaseHeapPage(last);
  if (moved == row) return;
  place(moved, position);
  siftUp(moved);
  siftDown(moved);
}

/** Whether the shape holds something back. */
export function isPending(shape: u32): bool {
  return (shapeTable.state(shape) & STATE_UNFLUSHED) != 0;
}

/** Number of shapes that hold something back. */
export function count(): u32 {
  return rowPool.count(rows);
}

/** The least LSN that is held back. REQUIRES: `count() != 0`. */
export function minimum(): u64 {
  assert(count() != 0);
  return pendingAt(rowAt(0)).lsn;
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows) + <usize>(count() << 2) + leafTable.liveBytes(index);
}

/** Checks every invariant in O(ids). */
export function verify(): void {
  rowPool.verify(rows);
  leafTable.verify(index);
  const size = count();
  assert(leafTable.count(index) == size); // 3
  for (let position: u32 = 0; position < size; position += 1) {
    const pending = pendingAt(rowAt(position));
    assert(pending.position == position && pending.shape != shapeTable.NONE); // 1
    assert(position == 0 || pendingAt(rowAt((position - 1) >> 1)).lsn <= pending.lsn); // 2
  }
  let marked: u32 = 0;
  for (let shape: u32 = 1; shape < shapeTable.limit(); shape += 1) {
    if (!isPending(shape)) continue;
    marked += 1;
    assert(pendingAt(find(shape)).shape == shape); // 3
  }
  assert(marked == size); // 3
}

function siftUp(row: u32): void {
  const lsn = pendingAt(row).lsn;
  let position = pendingAt(row).position;
  while (position != 0) {
    const parent = (position - 1) >> 1;
    const other = rowAt(parent);
    if (pendingAt(other).lsn <= lsn) break;
    place(other, position);
    position = parent;
  }
  place(row, position);
}

function siftDown(row: u32): void {
  const lsn = pendingAt(row).lsn;
  const size = count();
  let position = pendingAt(row).position;
  while (true) {
    let child = position * 2 + 1;
    if (child >= size) break;
    if (child + 1 < size && pendingAt(rowAt(child + 1)).lsn < pendingAt(rowAt(child)).lsn) {
      child += 1;
    }
    const other = rowAt(child);
    if (pendingAt(other).lsn >= lsn) break;
    place(other, position);
    position = child;
  }
  place(row, position);
}

function place(row: u32, position: u32): void {
  store<u32>(heapSlot(position), row);
  pendingAt(row).position = position;
}

function rowAt(position: u32): u32 {
  return load<u32>(heapSlot(position));
}

function heapSlot(position: u32): usize {
  const page = <usize>load<u32>(heapPages + <usize>((position >> HEAP_SHIFT) << 2));
  return page + ((<usize>(position << 2)) & (PAGE_SIZE - 1));
}

/** Gives the last page of the heap back, whose first entry has just gone. */
function releaseHeapPage(position: u32): void {
  const slot = heapPages + <usize>((position >> HEAP_SHIFT) << 2);
  pagePool.release(<usize>load<u32>(slot), 1);
  store<u32>(slot, 0);
}

/** Returns the row of a shape that has one. */
function find(shape: u32): u32 {
  leafTable.seek(index, hashWord(<u64>shape, HASH_SEED));
  while (true) {
    const row = leafTable.next();
    if (row == leafTable.NONE) unreachable();
    if (pendingAt(row).shape == shape) return row;
  }
}

function hashOf(row: u32): u64 {
  return hashWord(<u64>pendingAt(row).shape, HASH_SEED);
}

function pendingAt(row: u32): Pending {
  return changetype<Pending>(rowPool.addressOf(rows, row));
}
