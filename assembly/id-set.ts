/**
 * An id set is a set of shape ids, named by a reference of 24 bits that its holder keeps.
 *
 *     0                            the empty set
 *     1 .. SHAPE_ID_MAX            the set of this one id: takes no memory
 *     SHAPE_ID_MAX + 1 .. 2^24-1   two ids or more: row (reference - SHAPE_ID_MAX)
 *
 * A row is an entry that describes one id block (see `id-block.ts`) or, when the set has several, a
 * directory of them in ascending order:
 *
 *     row ──> block                                or       row ──> directory
 *                                                           ┌──────┬────────┬──────────┬───────┐
 *             ids in one list or bitmap                     │ ids  │ blocks │ capacity │ spare │
 *                                                           ├──────┴──┬─────┴───┬──────┴─┬─────┘
 *                                                           │ entry 0 │ entry 1 │ ...    │
 *                                                           └─────────┴─────────┴────────┘
 *
 * Bytes per id: two ids take a row of 8 and a block of 8. A thousand ids, one in a thousand of all,
 * take 1.5 for their code and 0.15 for entries and rounding. Adjacent ids take a bit each.
 *
 * The holder must put the reference that `add` and `remove` return in the place of the one it gave.
 *
 * Invariants (`verify` checks them all, and those of the blocks):
 *
 *   1. A row's set has at least two ids. A directory has at least two blocks.
 *   2. Blocks are ascending and disjoint: all ids of one lie in [its base, the next one's base).
 *   3. A directory's `ids` is the number of its ids.
 *
 * `add` may acquire pages and returns 0, with nothing changed, if it is refused them. `remove`
 * joins small blocks if there is a free page, and needs none.
 */

import * as blockPool from "./block-pool";
import * as idBlock from "./id-block";
import { ENTRY_SIZE, KIND_DIRECTORY } from "./id-block";
import { OWNER_ID_SET } from "./owners";
import * as pagePool from "./page-pool";
import * as rowPool from "./row-pool";
import { SHAPE_ID_MAX } from "./shape-table";

/** The empty set. Also the answer of an `add` that was refused memory. */
export const NONE: u32 = 0;

/** 683 pages of 8,192 rows; references end before the last page does. */
const DIRECTORY_COUNT: u32 = 683;
/** As many sets as there can be while no shape is in two of them. */
const SETS_MAX: u32 = 0xffffff - SHAPE_ID_MAX;
const HEAD_SIZE: usize = 16;

@unmanaged
class Directory {
  ids: u32;
  blocks: u32;
  capacity: u32;
  spare: u32;
}

const rows: usize = memory.data(32, 4);
const rowPages: usize = memory.data(2732, 4);

let blocks: usize = 0;

/** Creates the one table of sets. Takes no memory. */
export function create(): void {
  assert(blocks == 0);
  rowPool.create(rows, OWNER_ID_SET, <u32>ENTRY_SIZE, rowPages, DIRECTORY_COUNT);
  blocks = blockPool.create(OWNER_ID_SET, 8);
}

/** Whether a reference names a row, and not an id or nothing. */
export function isSet(ref: u32): bool {
  return ref > SHAPE_ID_MAX;
}

/** The most pages that `add` acquires: a row, two blocks, a directory. */
export function pagesForAdd(ref: u32): u32 {
  if (!isSet(ref) || idBlock.kindOf(rowOf(ref)) != KIND_DIRECTORY) return 4;
  return 3 + pagePool.pagesFor(directorySize(grownCapacity(directoryOf(ref).blocks + 1)));
}

/** Returns the set with this id in it. NONE, with nothing changed, if it is refused memory. */
export function add(ref: u32, id: u32): u32 {
  assert(id != NONE && id <= SHAPE_ID_MAX);
  if (ref == NONE || ref == id) return id;
  if (!pagePool.reserve(pagesForAdd(ref))) return NONE;
  if (!isSet(ref)) return pair(ref, id);
  const row = rowOf(ref);
  if (idBlock.kindOf(row) == KIND_DIRECTORY) {
    addToDirectory(ref, id);
    return ref;
  }
  const outcome = idBlock.add(blocks, row, id);
  if (outcome == idBlock.SPILLED_BEFORE || outcome == idBlock.SPILLED_AFTER) {
    divide(row, outcome == idBlock.SPILLED_BEFORE);
  }
  return ref;
}

/** Returns the set without this id, which need not be in it. */
export function remove(ref: u32, id: u32): u32 {
  if (ref == id) return NONE;
  if (!isSet(ref)) return ref;
  const row = rowOf(ref);
  if (idBlock.kindOf(row) == KIND_DIRECTORY) {
    removeFromDirectory(ref, id);
    return collapsed(ref);
  }
  return idBlock.remove(blocks, row, id) ? collapsed(ref) : ref;
}

/**
 * Returns the set without `size` ids, ascending, at `ids`, in one pass over the blocks that have
 * them. REQUIRES: they are in it.
 */
export function removeAll(ref: u32, ids: usize, size: u32): u32 {
  if (size == 0) return ref;
  if (count(ref) == size) {
    release(ref);
    return NONE;
  }
  const row = rowOf(ref);
  if (idBlock.kindOf(row) == KIND_DIRECTORY) {
    removeAllFromDirectory(ref, ids, size);
  } else {
    idBlock.removeAll(blocks, row, ids, size);
  }
  return collapsed(ref);
}

export function has(ref: u32, id: u32): bool {
  if (!isSet(ref)) return ref == id && ref != NONE;
  const row = rowOf(ref);
  if (idBlock.kindOf(row) != KIND_DIRECTORY) return idBlock.has(row, id);
  return idBlock.has(entryAt(directoryOf(ref), blockFor(directoryOf(ref), id)), id);
}

/** How many ids the set has. */
export function count(ref: u32): u32 {
  if (!isSet(ref)) return ref == NONE ? 0 : 1;
  const row = rowOf(ref);
  return idBlock.kindOf(row) == KIND_DIRECTORY ? directoryOf(ref).ids : idBlock.count(row);
}

/** The smallest id, NONE of the empty set. */
export function first(ref: u32): u32 {
  if (!isSet(ref)) return ref;
  const row = rowOf(ref);
  const isDirectory = idBlock.kindOf(row) == KIND_DIRECTORY;
  return idBlock.first(isDirectory ? entryAt(directoryOf(ref), 0) : row);
}

/**
 * Copies ids that are at least `from`, ascending, to `out`, at most `capacity`. Returns how many;
 * to go on, call again with the last one plus one.
 */
export function copyTo(ref: u32, out: usize, capacity: u32, from: u32): u32 {
  if (!isSet(ref)) {
    if (ref == NONE || ref < from || capacity == 0) return 0;
    store<u32>(out, ref);
    return 1;
  }
  const row = rowOf(ref);
  if (idBlock.kindOf(row) != KIND_DIRECTORY) return idBlock.copyTo(row, out, capacity, from);
  const directory = directoryOf(ref);
  let copied: u32 = 0;
  let index = blockFor(directory, from);
  while (index < directory.blocks && copied < capacity) {
    const end = out + <usize>(copied << 2);
    copied += idBlock.copyTo(entryAt(directory, index), end, capacity - copied, from);
    index += 1;
  }
  return copied;
}

/** Gives the whole set back. */
export function release(ref: u32): void {
  if (!isSet(ref)) return;
  const row = rowOf(ref);
  if (idBlock.kindOf(row) == KIND_DIRECTORY) {
    const directory = directoryOf(ref);
    for (let index: u32 = 0; index < directory.blocks; index += 1) {
      idBlock.release(blocks, entryAt(directory, index));
    }
    releaseDirectory(directory);
  } else {
    idBlock.release(blocks, row);
  }
  rowPool.give(rows, ref - SHAPE_ID_MAX);
}

/** Number of sets of two ids or more. */
export function setCount(): u32 {
  return rowPool.count(rows);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows) + blockPool.liveBytes(blocks);
}

/** Checks the invariants of one set in O(n). */
export function verify(ref: u32): void {
  if (!isSet(ref)) return;
  const row = rowOf(ref);
  if (idBlock.kindOf(row) != KIND_DIRECTORY) {
    assert(idBlock.verify(row) >= 2); // 1
    return;
  }
  const directory = directoryOf(ref);
  assert(directory.blocks >= 2 && directory.blocks <= directory.capacity); // 1
  let total: u32 = 0;
  for (let index: u32 = 0; index < directory.blocks; index += 1) {
    const entry = entryAt(directory, index);
    total += idBlock.verify(entry);
    const isLast = index + 1 == directory.blocks;
    const end = isLast ? SHAPE_ID_MAX + 1 : baseAt(directory, index + 1);
    assert(idBlock.first(entry) >= idBlock.baseOf(entry) && idBlock.last(entry) < end); // 2
  }
  assert(total == directory.ids); // 3
}

/** Checks what all sets share. */
export function verifyAll(): void {
  rowPool.verify(rows);
  blockPool.verify(blocks);
}

function pair(a: u32, b: u32): u32 {
  if (rowPool.count(rows) == SETS_MAX) return NONE;
  const number = rowPool.take(rows);
  idBlock.initializePair(blocks, rowPool.addressOf(rows, number), a, b);
  return SHAPE_ID_MAX + number;
}

/** The set of a row that has become smaller: if there is only one id left, that id. */
function collapsed(ref: u32): u32 {
  const row = rowOf(ref);
  if (idBlock.kindOf(row) == KIND_DIRECTORY || idBlock.count(row) > 1) return ref;
  const only = idBlock.first(row);
  idBlock.release(blocks, row);
  rowPool.give(rows, ref - SHAPE_ID_MAX);
  return only;
}

/** Makes a directory of a row's one block and what spilled from it. */
function divide(row: usize, isSpillFirst: bool): void {
  const capacity = grownCapacity(2);
  const directory = newDirectory(capacity);
  memory.copy(entryAt(directory, isSpillFirst ? 1 : 0), row, ENTRY_SIZE);
  memory.copy(entryAt(directory, isSpillFirst ? 0 : 1), idBlock.spill, ENTRY_SIZE);
  directory.blocks = 2;
  directory.ids = idBlock.count(row) + idBlock.count(idBlock.spill);
  setDirectory(row, directory);
}

function addToDirectory(ref: u32, id: u32): void {
  let directory = directoryOf(ref);
  let index = blockFor(directory, id);
  if (!idBlock.canTake(entryAt(directory, index), id) && index + 1 < directory.blocks) {
    // A bitmap ends with its window: what lies between it and the next block is the next one's.
    if (id >= baseAt(directory, index)) {
      if (idBlock.canTake(entryAt(directory, index + 1), id)) index += 1;
    }
  }
  const outcome = idBlock.add(blocks, entryAt(directory, index), id);
  if (outcome == idBlock.UNCHANGED) return;
  directory.ids += 1;
  if (outcome == idBlock.ADDED) return;

  if (directory.blocks == directory.capacity) directory = grow(rowOf(ref), directory);
  const at = outcome == idBlock.SPILLED_BEFORE ? index : index + 1;
  const slot = entryAt(directory, at);
  memory.copy(slot + ENTRY_SIZE, slot, <usize>(directory.blocks - at) * ENTRY_SIZE);
  memory.copy(slot, idBlock.spill, ENTRY_SIZE);
  directory.blocks += 1;
}

function removeFromDirectory(ref: u32, id: u32): void {
  const directory = directoryOf(ref);
  const index = blockFor(directory, id);
  const entry = entryAt(directory, index);
  if (idBlock.count(entry) == 1) {
    if (idBlock.first(entry) != id) return;
    idBlock.release(blocks, entry);
    removeEntry(directory, index);
  } else {
    if (!idBlock.remove(blocks, entry, id)) return;
    joinNeighbours(directory, index);
  }
  directory.ids -= 1;
  shrinkDirectory(ref, directory);
}

/** REQUIRES: the directory has all these ids, and more. */
function removeAllFromDirectory(ref: u32, ids: usize, size: u32): void {
  const directory = directoryOf(ref);
  const end = ids + ((<usize>size) << 2);
  directory.ids -= size;
  // Entries in front of `to` are done, those from `from` on have not been looked at.
  let from = blockFor(directory, load<u32>(ids));
  let to = from;
  while (ids < end) {
    const entry = entryAt(directory, to);
    if (to != from) memory.copy(entry, entryAt(directory, from), ENTRY_SIZE);
    from += 1;
    const after = from == directory.blocks ? SHAPE_ID_MAX + 1 : baseAt(directory, from);
    let own = ids;
    while (own < end && load<u32>(own) < after) own += 4;
    const ownSize = <u32>((own - ids) >> 2);
    if (ownSize != 0 && ownSize == idBlock.count(entry)) {
      idBlock.release(blocks, entry);
    } else {
      if (ownSize != 0) idBlock.removeAll(blocks, entry, ids, ownSize);
      if (to == 0 || !joinShort(entryAt(directory, to - 1), entry)) to += 1;
    }
    ids = own;
  }
  const rest = directory.blocks - from;
  memory.copy(entryAt(directory, to), entryAt(directory, from), <usize>rest * ENTRY_SIZE);
  directory.blocks = to + rest;
  if (rest != 0 && to != 0 && joinShort(entryAt(directory, to - 1), entryAt(directory, to))) {
    removeEntry(directory, to);
  }
  shrinkDirectory(ref, directory);
}

/** After blocks have gone: the only one left needs no directory, a much too large one shrinks. */
function shrinkDirectory(ref: u32, directory: Directory): void {
  const row = rowOf(ref);
  if (directory.blocks == 1) {
    memory.copy(row, entryAt(directory, 0), ENTRY_SIZE);
    releaseDirectory(directory);
  } else if (directory.capacity > grownCapacity(directory.blocks) * 2) {
    const capacity = grownCapacity(directory.blocks);
    const oldSize = directorySize(directory.capacity);
    const newSize = blockPool.trim(
      blocks,
      changetype<usize>(directory),
      oldSize,
      directorySize(capacity),
    );
    directory.capacity = <u32>((newSize - HEAD_SIZE) / ENTRY_SIZE);
  }
}

/** Joins a block that has become short with the one after it or before it. */
function joinNeighbours(directory: Directory, index: u32): void {
  const entry = entryAt(directory, index);
  if (idBlock.count(entry) > idBlock.LIST_SHORT) return;
  if (index + 1 < directory.blocks && joinShort(entry, entryAt(directory, index + 1))) {
    removeEntry(directory, index + 1);
  } else if (index != 0 && joinShort(entryAt(directory, index - 1), entry)) {
    removeEntry(directory, index);
  }
}

/** Joins the block `right` to `left`, if one of them is short, and that is possible. */
function joinShort(left: usize, right: usize): bool {
  if (min(idBlock.count(left), idBlock.count(right)) > idBlock.LIST_SHORT) return false;
  // The joined list is written before the old ones' memory is known to suffice.
  return pagePool.freePages() != 0 && idBlock.join(blocks, left, right);
}

function removeEntry(directory: Directory, index: u32): void {
  const slot = entryAt(directory, index);
  const rest = directory.blocks - index - 1;
  memory.copy(slot, slot + ENTRY_SIZE, <usize>rest * ENTRY_SIZE);
  directory.blocks -= 1;
}

/** Returns the last block whose base is not above `id`; the first one if there is none. */
function blockFor(directory: Directory, id: u32): u32 {
  let low: u32 = 0;
  let high = directory.blocks;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (baseAt(directory, middle) <= id) low = middle;
    else high = middle;
  }
  return low;
}

function grow(row: usize, directory: Directory): Directory {
  const grown = newDirectory(grownCapacity(directory.blocks + 1));
  grown.ids = directory.ids;
  grown.blocks = directory.blocks;
  const size = <usize>directory.blocks * ENTRY_SIZE;
  memory.copy(entryAt(grown, 0), entryAt(directory, 0), size);
  releaseDirectory(directory);
  setDirectory(row, grown);
  return grown;
}

/** An eighth more than needed, so that a directory is copied once in so many blocks. */
function grownCapacity(blocks: u32): u32 {
  return blocks + (blocks >> 3) + 2;
}

function newDirectory(capacity: u32): Directory {
  const address = blockPool.allocate(blocks, directorySize(capacity));
  const directory = changetype<Directory>(address);
  directory.capacity = capacity;
  directory.spare = 0;
  return directory;
}

function releaseDirectory(directory: Directory): void {
  const address = changetype<usize>(directory);
  blockPool.release(blocks, address, directorySize(directory.capacity));
}

function setDirectory(row: usize, directory: Directory): void {
  store<u32>(row, 0);
  store<u32>(row, (<u32>changetype<usize>(directory)) | KIND_DIRECTORY, 4);
}

function directoryOf(ref: u32): Directory {
  return changetype<Directory>(idBlock.addressOf(rowOf(ref)));
}

function directorySize(capacity: u32): usize {
  return HEAD_SIZE + <usize>capacity * ENTRY_SIZE;
}

function baseAt(directory: Directory, index: u32): u32 {
  return idBlock.baseOf(entryAt(directory, index));
}

function entryAt(directory: Directory, index: u32): usize {
  return changetype<usize>(directory) + HEAD_SIZE + <usize>index * ENTRY_SIZE;
}

function rowOf(ref: u32): usize {
  return rowPool.addressOf(rows, ref - SHAPE_ID_MAX);
}
