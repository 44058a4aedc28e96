/**
 * The values of a family's views, in rows that are as long as the family's keys and never move. A
 * row number of 24 bits stands for (family, value) wherever a pair of a value and a view is named.
 *
 *     row    ┌──────────────┬───────────────────────┐
 *            │ views: u32   │ key: 4, 8 or 16 bytes │      views: an id set; 0: the row is free,
 *            └──────────────┴───────────────────────┘             and the key links to the next
 *
 * Rows lie in chunks of 128, each of one family, so a row need not say which. A row's number is
 * (chunk, index); a table of chunks, at most 4 MiB and warm, turns it into an address.
 *
 *     number   ┌─────────────────┬─────────┐
 *              │ chunk, 17 bits  │ 7 bits  │    chunk 0 is nobody's: numbers below 128 are free
 *              └─────────────────┴─────────┘      for other uses: see `dependency-view.ts`
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A chunk has a row in use, and `used` is how many.
 *   2. The chunks of a family that have room, and no others, are linked from `openChunk`.
 *
 * `take` may acquire pages. REQUIRES: `pagePool.reserve(PAGES_PER_TAKE)` and `hasRoom`.
 */

import * as blockPool from "./block-pool";
import { OWNER_SUBQUERY_INDEX } from "./owners";
import * as rowPool from "./row-pool";
import * as families from "./view-family";
import { Family } from "./view-family";

/** No row. */
export const NONE: u32 = 0;
/** The first number that a row may have. */
export const FIRST: u32 = 128;

/** A row of the table of chunks, and a chunk. */
export const PAGES_PER_TAKE: u32 = 2;

const CHUNK_SHIFT: u32 = 7;
const CHUNK_ROWS: u32 = 128;
const INDEX_MASK: u32 = CHUNK_ROWS - 1;
/** Bytes of a row before the key. */
const HEAD_SIZE: u32 = 4;

@unmanaged
class Chunk {
  /** First, where a free row of the pool keeps its link. */
  next: u32;
  previous: u32;
  address: u32;
  /** 0: the row is free. */
  family: u32;
  rowSize: u32;
  used: u32;
  firstFree: u32;
  spare: u32;
}

const CHUNK_SIZE: u32 = 32;
if (offsetof<Chunk>() != CHUNK_SIZE) ERROR("a Chunk must be CHUNK_SIZE bytes");

const chunks: usize = memory.data(32, 4);
/** 64 pages of 2,048 chunks: numbers of 24 bits. */
const directory: usize = memory.data(256, 4);
const DIRECTORY_COUNT: u32 = 64;

let blocks: usize = 0;
let total: u32 = 0;

/** To be called once. Takes no memory. */
export function create(): void {
  assert(blocks == 0);
  rowPool.create(chunks, OWNER_SUBQUERY_INDEX, CHUNK_SIZE, directory, DIRECTORY_COUNT);
  blocks = blockPool.create(OWNER_SUBQUERY_INDEX, 64);
}

/** Whether `take` has a row to give. */
export function hasRoom(family: Family): bool {
  return family.openChunk != 0 || rowPool.hasRoom(chunks);
}

/** Hands out a row of a family; its key is the caller's to write. */
export function take(family: u32): u32 {
  const owner = families.at(family);
  if (owner.openChunk == 0) addChunk(family);
  const number = owner.openChunk;
  const chunk = chunkAt(number);
  const index = chunk.firstFree;
  chunk.firstFree = load<u32>(rowAt(chunk, index), HEAD_SIZE);
  chunk.used += 1;
  if (chunk.used == CHUNK_ROWS) close(owner, number);
  owner.valueCount += 1;
  total += 1;
  return (number << CHUNK_SHIFT) | index;
}

/** Takes a row back. */
export function give(row: u32): void {
  const number = row >> CHUNK_SHIFT;
  const chunk = chunkAt(number);
  const owner = families.at(chunk.family);
  owner.valueCount -= 1;
  total -= 1;
  if (chunk.used == CHUNK_ROWS) open(owner, number);
  chunk.used -= 1;
  if (chunk.used == 0) {
    close(owner, number);
    blockPool.release(blocks, <usize>chunk.address, <usize>(chunk.rowSize * CHUNK_ROWS));
    chunk.family = 0;
    rowPool.give(chunks, number);
    return;
  }
  const address = rowAt(chunk, row & INDEX_MASK);
  store<u32>(address, 0);
  store<u32>(address, chunk.firstFree, HEAD_SIZE);
  chunk.firstFree = row & INDEX_MASK;
}

/** The family of a row. */
export function familyOf(row: u32): u32 {
  return chunkAt(row >> CHUNK_SHIFT).family;
}

/** Where the key of a row is. */
export function keyOf(row: u32): usize {
  return addressOf(row) + HEAD_SIZE;
}

/** The views of a row, as an id set: see above. */
export function viewsOf(row: u32): u32 {
  return load<u32>(addressOf(row));
}

export function setViews(row: u32, views: u32): void {
  store<u32>(addressOf(row), views);
}

/** The first row in use of a family from `from` on, NONE if there is none. */
export function next(family: u32, from: u32): u32 {
  let number = max(from, FIRST) >> CHUNK_SHIFT;
  let index: u32 = from < FIRST ? 0 : from & INDEX_MASK;
  while (number < rowPool.limit(chunks)) {
    const chunk = chunkAt(number);
    if (chunk.family == family) {
      while (index < CHUNK_ROWS) {
        if (load<u32>(rowAt(chunk, index)) != 0) return (number << CHUNK_SHIFT) | index;
        index += 1;
      }
    }
    number += 1;
    index = 0;
  }
  return NONE;
}

/** How many rows are in use. */
export function count(): u32 {
  return total;
}

export function liveBytes(): usize {
  return blockPool.liveBytes(blocks) + rowPool.liveBytes(chunks);
}

/** Checks the invariants in O(rows). */
export function verify(): void {
  rowPool.verify(chunks);
  blockPool.verify(blocks);
  let rows: u32 = 0;
  let withRoom: u32 = 0;
  for (let number: u32 = 1; number < rowPool.limit(chunks); number += 1) {
    const chunk = chunkAt(number);
    if (chunk.family == 0) continue;
    let used: u32 = 0;
    for (let index: u32 = 0; index < CHUNK_ROWS; index += 1) {
      if (load<u32>(rowAt(chunk, index)) != 0) used += 1;
    }
    assert(used != 0 && used == chunk.used); // 1
    rows += used;
    if (used != CHUNK_ROWS) withRoom += 1;
  }
  assert(rows == total);
  for (let family: u32 = 1; family < families.limit(); family += 1) {
    if (!families.isInUse(family)) continue;
    let number = families.at(family).openChunk;
    let previous: u32 = 0;
    while (number != 0) {
      const chunk = chunkAt(number);
      assert(chunk.family == family && chunk.used != CHUNK_ROWS); // 2
      assert(chunk.previous == previous);
      withRoom -= 1;
      previous = number;
      number = chunk.next;
    }
  }
  assert(withRoom == 0); // 2
}

function addChunk(family: u32): void {
  const owner = families.at(family);
  const number = rowPool.take(chunks);
  const chunk = chunkAt(number);
  chunk.family = family;
  chunk.rowSize = HEAD_SIZE + owner.keyClass;
  chunk.address = <u32>blockPool.allocate(blocks, <usize>(chunk.rowSize * CHUNK_ROWS));
  for (let index: u32 = 0; index < CHUNK_ROWS; index += 1) {
    const address = rowAt(chunk, index);
    store<u32>(address, 0);
    store<u32>(address, index + 1, HEAD_SIZE);
  }
  open(owner, number);
}

/** Links a chunk that has room. */
function open(owner: Family, number: u32): void {
  const chunk = chunkAt(number);
  chunk.next = owner.openChunk;
  chunk.previous = 0;
  if (chunk.next != 0) chunkAt(chunk.next).previous = number;
  owner.openChunk = number;
}

/** Takes a chunk out of those with room. */
function close(owner: Family, number: u32): void {
  const chunk = chunkAt(number);
  if (chunk.previous == 0) owner.openChunk = chunk.next;
  else chunkAt(chunk.previous).next = chunk.next;
  if (chunk.next != 0) chunkAt(chunk.next).previous = chunk.previous;
}

function addressOf(row: u32): usize {
  return rowAt(chunkAt(row >> CHUNK_SHIFT), row & INDEX_MASK);
}

function rowAt(chunk: Chunk, index: u32): usize {
  return <usize>(chunk.address + index * chunk.rowSize);
}

function chunkAt(number: u32): Chunk {
  return changetype<Chunk>(rowPool.addressOf(chunks, number));
}
