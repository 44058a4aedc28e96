/**
 * An id block holds a stretch of an id set: up to 128 ids as a list, or up to 2,048 as a bitmap.
 *
 * Whoever has a block keeps an entry of eight bytes that describes it:
 *
 *     entry   ┌───────────┬──────┐ ┌──────────────┬───────┐
 *             │ count - 1 │ base │ │ address / 8  │ kind  │       two u32; a bitmap has count 0
 *             └───────────┴──────┘ └──────────────┴───────┘
 *             31          23      0               2       0
 *
 *     list    base is the first id; the block says which follow it (see `elias-fano.ts`). One id
 *             alone needs no block.
 *
 *     bitmap  256 bytes, one bit for each id of the window of 2,048 that base is in. No id is below
 *             base; base itself may have been removed.
 *
 * A list is decoded, changed and written again as a whole: at most 128 ids. A full list that lies
 * in one window becomes a bitmap if it has one id in four there, as many more would then take as
 * many bits either way; a sparse bitmap becomes a list.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A list has 1 .. 128 ids, ascending, none below 1; a bitmap at least BITMAP_MIN.
 *   2. The block of a list is as long as the code of its ids.
 *   3. A bitmap has no bit before base.
 */

import * as blockPool from "./block-pool";
import * as eliasFano from "./elias-fano";

/** Bytes of an entry. */
export const ENTRY_SIZE: usize = 8;
/** The most ids of a list. */
const LIST_MAX: u32 = 128;
/** A bitmap of fewer ids becomes a list. */
const BITMAP_MIN: u32 = 96;
/** Lists that are shorter look for a neighbour to join. */
export const LIST_SHORT: u32 = 32;
/** Lists are joined if they have at most so many ids together. */
const JOINED_MAX: u32 = 96;

const KIND_LIST: u32 = 1;
const KIND_BITMAP: u32 = 2;
/** Not a block: an id set uses the same entry to describe a directory of blocks. */
export const KIND_DIRECTORY: u32 = 3;

const WINDOW: u32 = 2048;
/** A full list of so few ids from first to last becomes a bitmap. */
const DENSE_SPAN: u32 = 4 * LIST_MAX;
const BITMAP_SIZE: usize = 256;
const BASE_MASK: u32 = 0xffffff;
/** What an id more adds to the first word of an entry. */
const ONE_MORE: u32 = 0x1000000;

/** What `add` did. */
export const UNCHANGED: u32 = 0;
export const ADDED: u32 = 1;
/** The block was divided or could not take the id: `spill` is an entry that belongs beside it. */
export const SPILLED_BEFORE: u32 = 2;
export const SPILLED_AFTER: u32 = 3;

/** The entry that `add` could not put into the block it was given. */
export const spill: usize = memory.data(8, 4);

/** One list, decoded: LIST_MAX + 1 ids. */
const ids: usize = memory.data(640, 8);

export function baseOf(entry: usize): u32 {
  return load<u32>(entry) & BASE_MASK;
}

export function kindOf(entry: usize): u32 {
  return load<u32>(entry, 4) & 7;
}

export function addressOf(entry: usize): usize {
  return <usize>(load<u32>(entry, 4) & ~7);
}

/** How many ids the block has. */
export function count(entry: usize): u32 {
  if (kindOf(entry) != KIND_BITMAP) return (load<u32>(entry) >> 24) + 1;
  let sum: u64 = 0;
  for (let offset: usize = 0; offset < BITMAP_SIZE; offset += 8) {
    sum += popcnt(load<u64>(addressOf(entry) + offset));
  }
  return <u32>sum;
}

/** Whether an id that belongs here can be put here: a list takes any. */
export function canTake(entry: usize, id: u32): bool {
  return kindOf(entry) != KIND_BITMAP || isInWindow(entry, id);
}

export function has(entry: usize, id: u32): bool {
  if (kindOf(entry) == KIND_BITMAP) return isInWindow(entry, id) && isSet(entry, id);
  return copyList(entry, ids, 1, id) != 0 && idAt(0) == id;
}

/** The smallest id. */
export function first(entry: usize): u32 {
  if (kindOf(entry) != KIND_BITMAP) return baseOf(entry);
  let offset: usize = 0;
  while (load<u64>(addressOf(entry) + offset) == 0) offset += 8;
  const bit = <u32>ctz(load<u64>(addressOf(entry) + offset));
  return (baseOf(entry) & ~(WINDOW - 1)) + ((<u32>offset) << 3) + bit;
}

/** Makes a list of one id. Allocates nothing. */
export function initialize(entry: usize, id: u32): void {
  store<u32>(entry, id);
  store<u32>(entry, KIND_LIST, 4);
}

/** Makes the lists of one id `a` and of one id `b` one list. May acquire a page. */
export function initializePair(blocks: usize, entry: usize, a: u32, b: u32): void {
  initialize(entry, a);
  setId(0, min(a, b));
  setId(1, max(a, b));
  write(blocks, entry, 0, 2);
}

/** Adds an id; see the outcomes above. May acquire two pages. */
export function add(blocks: usize, entry: usize, id: u32): u32 {
  if (kindOf(entry) == KIND_BITMAP) return addToBitmap(entry, id);
  if (append(entry, id)) return ADDED;
  const size = decode(entry);
  let at = size;
  while (at != 0 && idAt(at - 1) >= id) at -= 1;
  if (at != size && idAt(at) == id) return UNCHANGED;
  if (size == LIST_MAX) return addToFull(blocks, entry, id, at);
  memory.copy(addressOfId(at + 1), addressOfId(at), <usize>((size - at) << 2));
  setId(at, id);
  write(blocks, entry, 0, size + 1);
  return ADDED;
}

/** Removes an id; false if it is not there. REQUIRES: it is not the only one. Acquires nothing. */
export function remove(blocks: usize, entry: usize, id: u32): bool {
  if (kindOf(entry) == KIND_BITMAP) return removeFromBitmap(blocks, entry, id);
  const size = decode(entry);
  let at: u32 = 0;
  while (at < size && idAt(at) < id) at += 1;
  if (at == size || idAt(at) != id) return false;
  assert(size > 1);
  memory.copy(addressOfId(at), addressOfId(at + 1), <usize>((size - at - 1) << 2));
  write(blocks, entry, 0, size - 1);
  return true;
}

/**
 * Removes ids in one pass: `size` of them, ascending. REQUIRES: they are there, and are not all
 * there is. Acquires nothing.
 */
export function removeAll(blocks: usize, entry: usize, removed: usize, size: u32): void {
  if (kindOf(entry) == KIND_BITMAP) {
    const end = removed + ((<usize>size) << 2);
    while (removed < end) {
      flip(entry, load<u32>(removed));
      removed += 4;
    }
    shrinkBitmap(blocks, entry);
    return;
  }
  const total = decode(entry);
  let kept: u32 = 0;
  let next: u32 = 0;
  for (let at: u32 = 0; at < total; at += 1) {
    const id = idAt(at);
    if (next != size && load<u32>(removed + ((<usize>next) << 2)) == id) {
      next += 1;
    } else {
      setId(kept, id);
      kept += 1;
    }
  }
  assert(next == size && kept != 0);
  write(blocks, entry, 0, kept);
}

/** Gives the block back. */
export function release(blocks: usize, entry: usize): void {
  const size = blockSize(entry);
  if (size != 0) blockPool.release(blocks, addressOf(entry), size);
}

/** Joins the list `right` to the list `left`, if both are lists and short. May acquire a page. */
export function join(blocks: usize, left: usize, right: usize): bool {
  if (kindOf(left) == KIND_BITMAP || kindOf(right) == KIND_BITMAP) return false;
  const total = count(left) + count(right);
  if (total > JOINED_MAX) return false;
  copyList(right, addressOfId(decode(left)), LIST_MAX, 0);
  release(blocks, right);
  write(blocks, left, 0, total);
  return true;
}

/** Copies ids that are at least `from` to `out`, at most `capacity`. Returns how many. */
export function copyTo(entry: usize, out: usize, capacity: u32, from: u32): u32 {
  const isBitmap = kindOf(entry) == KIND_BITMAP;
  return isBitmap ? copyBitmap(entry, out, capacity, from) : copyList(entry, out, capacity, from);
}

/** Checks every invariant in O(n). Returns the number of ids. */
export function verify(entry: usize): u32 {
  const size = count(entry);
  if (kindOf(entry) == KIND_BITMAP) {
    assert(size >= BITMAP_MIN && first(entry) >= baseOf(entry)); // 1, 3
    return size;
  }
  const decoded = decode(entry);
  assert(decoded == size && size <= LIST_MAX && idAt(0) != 0); // 1
  for (let n: u32 = 1; n < size; n += 1) assert(idAt(n) > idAt(n - 1)); // 1
  assert(blockSize(entry) == listSize(0, size)); // 2
  return size;
}

/** The largest id. */
export function last(entry: usize): u32 {
  if (kindOf(entry) != KIND_BITMAP) {
    const size = decode(entry);
    return idAt(size - 1);
  }
  let offset = BITMAP_SIZE - 8;
  while (load<u64>(addressOf(entry) + offset) == 0) offset -= 8;
  const bit = 63 - <u32>clz(load<u64>(addressOf(entry) + offset));
  return (baseOf(entry) & ~(WINDOW - 1)) + ((<u32>offset) << 3) + bit;
}

/** Adds to a list of LIST_MAX ids, which are decoded: `at` is where the id belongs. */
function addToFull(blocks: usize, entry: usize, id: u32, at: u32): u32 {
  const isInOneWindow = idAt(0) / WINDOW == idAt(LIST_MAX - 1) / WINDOW;
  if (isInOneWindow && idAt(LIST_MAX - 1) - idAt(0) < DENSE_SPAN) {
    release(blocks, entry);
    writeBitmap(blocks, entry);
    return addToBitmap(entry, id);
  }
  if (at == LIST_MAX) {
    // Ids are minted in ascending order: leave full what will not be added to.
    initialize(spill, id);
    return SPILLED_AFTER;
  }
  memory.copy(addressOfId(at + 1), addressOfId(at), <usize>((LIST_MAX - at) << 2));
  setId(at, id);
  const half = (LIST_MAX + 1) / 2;
  write(blocks, entry, 0, half);
  initialize(spill, idAt(half));
  write(blocks, spill, half, LIST_MAX + 1 - half);
  return SPILLED_AFTER;
}

/** Adds an id to a list where nothing else changes. */
function append(entry: usize, id: u32): bool {
  const rest = count(entry) - 1;
  if (rest == 0 || rest + 1 == LIST_MAX) return false;
  if (!eliasFano.append(addressOf(entry), baseOf(entry), rest, id)) return false;
  store<u32>(entry, load<u32>(entry) + ONE_MORE);
  return true;
}

function addToBitmap(entry: usize, id: u32): u32 {
  if (!isInWindow(entry, id)) {
    initialize(spill, id);
    return id < baseOf(entry) ? SPILLED_BEFORE : SPILLED_AFTER;
  }
  if (isSet(entry, id)) return UNCHANGED;
  flip(entry, id);
  if (id < baseOf(entry)) store<u32>(entry, id);
  return ADDED;
}

function removeFromBitmap(blocks: usize, entry: usize, id: u32): bool {
  if (!isInWindow(entry, id) || !isSet(entry, id)) return false;
  flip(entry, id);
  shrinkBitmap(blocks, entry);
  return true;
}

/** Makes a bitmap that has become sparse a list. */
function shrinkBitmap(blocks: usize, entry: usize): void {
  const size = count(entry);
  if (size >= BITMAP_MIN) return;
  copyBitmap(entry, ids, LIST_MAX, 0);
  // In place: the list is shorter.
  writeTo(blocks, entry, addressOf(entry), BITMAP_SIZE, 0, size);
}

/** Makes the decoded list of LIST_MAX ids a bitmap. */
function writeBitmap(blocks: usize, entry: usize): void {
  const bitmap = blockPool.allocate(blocks, BITMAP_SIZE);
  memory.fill(bitmap, 0, BITMAP_SIZE);
  store<u32>(entry, idAt(0));
  store<u32>(entry, (<u32>bitmap) | KIND_BITMAP, 4);
  for (let n: u32 = 0; n < LIST_MAX; n += 1) flip(entry, idAt(n));
}

/** Writes decoded ids as a list in the place of the list that is described by the entry. */
function write(blocks: usize, entry: usize, at: u32, size: u32): void {
  writeTo(blocks, entry, addressOf(entry), blockSize(entry), at, size);
}

/** Writes decoded ids as a list; `block` of `oldSize` bytes is trimmed or replaced. */
function writeTo(
  blocks: usize,
  entry: usize,
  block: usize,
  oldSize: usize,
  at: u32,
  size: u32,
): void {
  const newSize = listSize(at, size);
  if (oldSize != newSize) {
    if (newSize != 0 && newSize < oldSize) {
      blockPool.trim(blocks, block, oldSize, newSize);
    } else {
      if (oldSize != 0) blockPool.release(blocks, block, oldSize);
      block = newSize == 0 ? 0 : blockPool.allocate(blocks, newSize);
    }
  }
  store<u32>(entry, idAt(at) | ((size - 1) << 24));
  store<u32>(entry, (<u32>block) | KIND_LIST, 4);
  if (newSize != 0) eliasFano.encode(block, addressOfId(at), size);
}

/** Bytes of the block, 0 where there is none. */
function blockSize(entry: usize): usize {
  if (kindOf(entry) == KIND_BITMAP) return BITMAP_SIZE;
  const rest = count(entry) - 1;
  return rest == 0 ? 0 : eliasFano.sizeOf(addressOf(entry));
}

/** Bytes of the block of `size` decoded ids. */
function listSize(at: u32, size: u32): usize {
  return size == 1 ? 0 : eliasFano.bytesFor(addressOfId(at), size);
}

function copyList(entry: usize, out: usize, capacity: u32, from: u32): u32 {
  if (capacity == 0) return 0;
  const base = baseOf(entry);
  const isWithBase = base >= from;
  if (isWithBase) store<u32>(out, base);
  const copied: u32 = isWithBase ? 1 : 0;
  const rest = count(entry) - 1;
  if (rest == 0 || capacity == copied) return copied;
  const target = out + ((<usize>copied) << 2);
  const left = capacity - copied;
  return copied + eliasFano.copyTo(addressOf(entry), base, rest, target, left, from);
}

function copyBitmap(entry: usize, out: usize, capacity: u32, from: u32): u32 {
  const window = baseOf(entry) & ~(WINDOW - 1);
  const skip = from > window ? from - window : 0;
  if (skip >= WINDOW) return 0;
  let copied: u32 = 0;
  let word = addressOf(entry) + <usize>((skip >> 6) << 3);
  let id = window + (skip & ~63);
  const below = <u64>(skip & 63);
  let bits = load<u64>(word) & (~(<u64>0) << below);
  while (true) {
    while (bits != 0) {
      if (copied == capacity) return copied;
      store<u32>(out + <usize>(copied << 2), id + <u32>ctz(bits));
      copied += 1;
      bits &= bits - 1;
    }
    id += 64;
    if (id - window == WINDOW) return copied;
    word += 8;
    bits = load<u64>(word);
  }
}

/** Decodes the list of an entry to the scratch. Returns its size. */
function decode(entry: usize): u32 {
  return copyList(entry, ids, LIST_MAX, 0);
}

function isInWindow(entry: usize, id: u32): bool {
  return id / WINDOW == baseOf(entry) / WINDOW;
}

function isSet(entry: usize, id: u32): bool {
  const bit = id & (WINDOW - 1);
  const word = load<u64>(addressOf(entry) + <usize>((bit >> 6) << 3));
  return ((word >> (<u64>(bit & 63))) & 1) != 0;
}

function flip(entry: usize, id: u32): void {
  const bit = id & (WINDOW - 1);
  const word = addressOf(entry) + <usize>((bit >> 6) << 3);
  const shift = <u64>(bit & 63);
  store<u64>(word, load<u64>(word) ^ ((<u64>1) << shift));
}

function addressOfId(at: u32): usize {
  return ids + <usize>(at << 2);
}

function idAt(at: u32): u32 {
  return load<u32>(addressOfId(at));
}

function setId(at: u32, id: u32): void {
  store<u32>(addressOfId(at), id);
}
