/**
 * Pending postings: which bodies of the journal belong to which shape's log, for as long as no
 * checkpoint has written that down.
 *
 * There are two halves. Postings are filed in the active one; when it is full it is frozen, a
 * worker writes it out as a run, and it is retired, while the other half is filed. A half is a row
 * of entries of 12 bytes in chunks of 16,384, which are 3 pages to the byte, taken as they are
 * needed.
 *
 *     entry  ┌────────────┬──────┬────────────┬──────────┐
 *            │ generation │ slot │ seq - base │ previous │      three u32
 *            └────────────┴──────┴────────────┴──────────┘
 *            31           23     0
 *
 * A slot is a shape id. Its postings are a chain, newest first, that begins in the shape's row:
 *
 *     tail (40 bits)   0              nobody has looked what the last posting is
 *                      1              there is none
 *                      2 .. 2^39-1    seq of the last posting, which is in a run
 *                      bit 39 | half:1 | index:20     the newest entry, here
 *
 * A chain may go on from the active half into the frozen one, as long as that is not retired. Links
 * into it need no cutting: a link from one half to the other counts only if it leads from the
 * active half to a frozen one, and every other is left over from before (`previousOf`).
 *
 * A retired half is *settled* before it is filed again: tails that still point into it become plain
 * seqs. That looks at a row per entry, so it is done in slices, with each `file`. A tail that waits
 * for it still tells its last seq, and is the head of no chain.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A live slot's chain holds its own entries, of its generation, with seqs descending.
 *   2. Every entry whose slot is live in its generation is in that chain.
 *   3. A half has the chunks that its entries need and no other.
 *   4. A half that is neither active nor frozen is empty, but for entries from `settledIndex` on
 *      that are not settled; no tail points to one before that.
 *
 * `file` acquires pages, beyond the budget if it must: what is durable cannot be refused. Two
 * halves of 2^20 entries are 24 MiB. Nothing else allocates.
 */

import * as handleTable from "./handle-table";
import { OWNER_PENDING_POSTINGS } from "./owners";
import * as pagePool from "./page-pool";
import * as shapeTable from "./shape-table";

/** Entries of a half: what 20 bits can number. */
export const CAPACITY: u32 = 1048576;

const ENTRY_SIZE: u32 = 12;
const CHUNK_SHIFT: u32 = 14;
const CHUNK_ENTRIES: u32 = 16384;
const CHUNK_PAGES: u32 = 3;
const CHUNKS_PER_HALF: u32 = 64;

const HALF_SHIFT: u32 = 20;
const INDEX_MASK: u32 = 0xfffff;
const SLOT_MASK: u32 = 0xffffff;
/** No entry. */
const END: u32 = 0xffffffff;
/**
 * How many entries of a retired half are settled with each `file`: a fraction of a millisecond, and
 * no fewer than are filed at once, so that a half is settled when the other one is full.
 */
const SETTLED_PER_CALL: u32 = 16384;

/** The bit of a tail that says: an entry. */
const IS_ENTRY: u64 = 0x8000000000;

@unmanaged
class Half {
  base: u64;
  count: u32;
  /** The epoch in which its first entry was filed. */
  epoch: u32;
}

const HALF_SIZE: usize = 16;
if (offsetof<Half>() != HALF_SIZE) ERROR("a Half must be HALF_SIZE bytes");

const halves: usize = memory.data(32, 8);
const chunks: usize = memory.data(512, 4);

let active: u32 = 0;
let isFrozen: bool = false;
/** How far `takeFrozen` has come. */
let frozenIndex: u32 = 0;
/** How far `settle` has come in the half that was retired. */
let settledIndex: u32 = 0;
let settledPerCall: u32 = SETTLED_PER_CALL;
/** Where the chain that is being copied goes on, and below which seq it ends. */
let chainEntry: u32 = END;
let chainAfter: u64 = 0;

/** How many entries the active half has. */
export function count(): u32 {
  return halfAt(active).count;
}

export function hasFrozen(): bool {
  return isFrozen;
}

/** The seq that those of the frozen half are relative to. */
export function frozenBase(): f64 {
  return <f64>halfAt(1 - active).base;
}

/**
 * Files postings: `groups` is a run of (seq - base, n, slot x n) words. Those of retired slots are
 * left out. False, with nothing changed, if the machine has no memory left.
 * REQUIRES: they fit in the active half; seqs ascend per slot and are 2 or more.
 */
export function file(baseLow: u32, baseHigh: u32, groups: usize, wordCount: u32): bool {
  const half = halfAt(active);
  const chunksNeeded = (wordCount + CHUNK_ENTRIES - 1) >> CHUNK_SHIFT;
  if (!pagePool.reserveBeyondBudget(chunksNeeded * CHUNK_PAGES)) return false;
  const base = ((<u64>baseHigh) << 32) | (<u64>baseLow);
  if (half.count == 0) {
    half.base = base;
    half.epoch = shapeTable.currentEpoch();
  }
  assert(base >= half.base);

  let word = groups;
  const end = groups + <usize>(wordCount << 2);
  while (word < end) {
    const seq = base + <u64>load<u32>(word) - half.base;
    assert(seq >> 32 == 0 && half.base + seq > 1);
    const groupEnd = word + <usize>((load<u32>(word, 4) + 2) << 2);
    word += 8;
    while (word < groupEnd) {
      const slot = load<u32>(word);
      if (shapeTable.isLive(slot)) append(half, slot, <u32>seq);
      word += 4;
    }
  }
  assert(word == end);
  settle(settledPerCall);
  tellShapeTable();
  return true;
}

/** What is known of a slot's last posting: its seq, 1 for none, 0 for nothing. */
export function lastSeq(slot: u32): f64 {
  const tail = shapeTable.tail(slot);
  return <f64>((tail & IS_ENTRY) == 0 ? tail : seqOf(<u32>tail));
}

/** Remembers what is in the runs: a seq, or 1 for none. No effect if as much is known. */
export function setLastSeq(slot: u32, seq: f64): void {
  assert(seq >= 1 && <u64>seq < IS_ENTRY);
  // A tail that waits to be settled may be overtaken: settling looks whether it is still there.
  if (shapeTable.isLive(slot) && headOf(slot) == END && lastSeq(slot) < seq) {
    shapeTable.setTail(slot, <u64>seq);
  }
}

/** Begins to copy the slot's seqs greater than `after`. Returns how many there are. */
export function seekChain(slot: u32, after: f64): u32 {
  chainEntry = headOf(slot);
  chainAfter = after < 0 ? 0 : <u64>after;
  let found: u32 = 0;
  let entry = chainEntry;
  while (entry != END && seqOf(entry) > chainAfter) {
    found += 1;
    entry = previousOf(entry);
  }
  return found;
}

/** Copies up to `capacity` of those seqs as floats, descending, from where the last call ended. */
export function copyChain(out: usize, capacity: u32): u32 {
  let copied: u32 = 0;
  while (copied < capacity && chainEntry != END && seqOf(chainEntry) > chainAfter) {
    store<f64>(out + <usize>(copied << 3), <f64>seqOf(chainEntry));
    copied += 1;
    chainEntry = previousOf(chainEntry);
  }
  return copied;
}

/** Makes the active half the frozen one. Returns how many entries it has. REQUIRES: none is. */
export function freeze(): u32 {
  assert(!isFrozen);
  settle(CAPACITY);
  isFrozen = true;
  active = 1 - active;
  frozenIndex = 0;
  return halfAt(1 - active).count;
}

/**
 * Copies frozen postings, in the order of filing, as storage keys (floats) and seqs relative to
 * `frozenBase`; leaves out those of shapes that were removed. Returns how many, at most `capacity`;
 * 0 when there are no more.
 */
export function takeFrozen(keys: usize, seqs: usize, capacity: u32): u32 {
  assert(isFrozen);
  const half = 1 - active;
  const end = halfAt(half).count;
  let taken: u32 = 0;
  while (taken < capacity && frozenIndex < end) {
    const entry = entryAddress((half << HALF_SHIFT) | frozenIndex);
    const word = load<u32>(entry);
    frozenIndex += 1;
    // A retired id has no key: that spares a look at its state.
    const key = handleTable.keyOf(word & SLOT_MASK);
    if (key == 0 || shapeTable.generation(word & SLOT_MASK) != word >> 24) continue;
    store<f64>(keys + <usize>(taken << 3), <f64>key);
    store<u32>(seqs + <usize>(taken << 2), load<u32>(entry, 4));
    taken += 1;
  }
  return taken;
}

/** Forgets the frozen half, whose postings are in a run. */
export function retire(): void {
  assert(isFrozen);
  isFrozen = false;
  settledIndex = 0;
  settle(settledPerCall);
  tellShapeTable();
}

/** For tests, whose halves are small. */
export function setSettledPerCall(count: u32): void {
  settledPerCall = count;
}

/** Number of entries in both halves, those that are not settled included. */
export function entryCount(): u32 {
  return halfAt(0).count + halfAt(1).count;
}

export function liveBytes(): usize {
  return <usize>(entryCount() * ENTRY_SIZE);
}

/** Checks every invariant in O(ids + entries). */
export function verify(): void {
  let chained: u32 = 0;
  for (let slot: u32 = 1; slot < shapeTable.limit(); slot += 1) {
    const tail = shapeTable.tail(slot);
    let entry = headOf(slot);
    if ((tail & IS_ENTRY) != 0 && entry == END) {
      assert(((<u32>tail) & INDEX_MASK) >= settledIndex); // 4
    }
    while (entry != END) {
      assert((entry & INDEX_MASK) < halfAt(entry >> HALF_SHIFT).count); // 1
      const address = entryAddress(entry);
      assert((load<u32>(address) & SLOT_MASK) == slot && isCurrent(address)); // 1
      const previous = previousOf(entry);
      assert(previous == END || seqOf(previous) < seqOf(entry)); // 1
      chained += 1;
      entry = previous;
    }
  }
  let current: u32 = 0;
  for (let half: u32 = 0; half < 2; half += 1) {
    const size = halfAt(half).count;
    const isChained = half == active || isFrozen;
    assert(isChained || size == 0 || settledIndex < size); // 4
    for (let n: u32 = 0; n < size && isChained; n += 1) {
      if (isCurrent(entryAddress((half << HALF_SHIFT) | n))) current += 1;
    }
    for (let n: u32 = 0; n < CHUNKS_PER_HALF; n += 1) {
      assert((load<u32>(chunkSlot(half, n)) != 0) == n << CHUNK_SHIFT < size); // 3
    }
  }
  assert(chained == current); // 2
}

function append(half: Half, slot: u32, seq: u32): void {
  const index = half.count;
  if (index == CAPACITY) unreachable();
  if ((index & (CHUNK_ENTRIES - 1)) == 0) {
    const chunk = pagePool.acquire(OWNER_PENDING_POSTINGS, CHUNK_PAGES);
    store<u32>(chunkSlot(active, index >> CHUNK_SHIFT), <u32>chunk);
  }
  const ref = (active << HALF_SHIFT) | index;
  const entry = entryAddress(ref);
  const tail = shapeTable.tail(slot);
  store<u32>(entry, slot | (shapeTable.generation(slot) << 24));
  store<u32>(entry, seq, 4);
  store<u32>(entry, (tail & IS_ENTRY) == 0 ? END : <u32>tail, 8);
  shapeTable.setTail(slot, IS_ENTRY | (<u64>ref));
  half.count = index + 1;
}

/** The newest entry of a slot's chain, END if there is none. */
function headOf(slot: u32): u32 {
  const tail = shapeTable.tail(slot);
  if ((tail & IS_ENTRY) == 0) return END;
  const entry = <u32>tail;
  return entry >> HALF_SHIFT == active || isFrozen ? entry : END;
}

/** The entry before this one in its chain, END if there is none. */
function previousOf(entry: u32): u32 {
  const previous = load<u32>(entryAddress(entry), 8);
  if (previous == END) return END;
  const half = entry >> HALF_SHIFT;
  if (previous >> HALF_SHIFT == half) return previous;
  return half == active && isFrozen ? previous : END;
}

function seqOf(entry: u32): u64 {
  return halfAt(entry >> HALF_SHIFT).base + <u64>load<u32>(entryAddress(entry), 4);
}

/** Whether an entry's slot is still that of the shape for which it was filed. */
function isCurrent(entry: usize): bool {
  const word = load<u32>(entry);
  const slot = word & SLOT_MASK;
  return shapeTable.isLive(slot) && shapeTable.generation(slot) == word >> 24;
}

/** Settles up to `limit` entries of the half that was retired, if there is one. */
function settle(limit: u32): void {
  const index = 1 - active;
  const half = halfAt(index);
  if (isFrozen || half.count == 0) return;
  const end = min(half.count, settledIndex + limit);
  for (; settledIndex < end; settledIndex += 1) {
    const ref = (index << HALF_SHIFT) | settledIndex;
    const slot = load<u32>(entryAddress(ref)) & SLOT_MASK;
    if (shapeTable.tail(slot) == (IS_ENTRY | (<u64>ref))) shapeTable.setTail(slot, seqOf(ref));
  }
  if (end < half.count) return;
  half.count = 0;
  releaseChunks(index);
}

function releaseChunks(half: u32): void {
  for (let index: u32 = 0; index < CHUNKS_PER_HALF; index += 1) {
    const slot = chunkSlot(half, index);
    if (load<u32>(slot) == 0) return;
    pagePool.release(<usize>load<u32>(slot), CHUNK_PAGES);
    store<u32>(slot, 0);
  }
}

/** A retired id must not start its generations again while its postings may be here. */
function tellShapeTable(): void {
  const frozen = isFrozen ? halfAt(1 - active).count : 0;
  const oldest = frozen == 0 ? halfAt(active).epoch : halfAt(1 - active).epoch;
  shapeTable.setPostings(frozen + count() != 0, oldest);
}

function entryAddress(entry: u32): usize {
  const index = entry & INDEX_MASK;
  const chunk = <usize>load<u32>(chunkSlot(entry >> HALF_SHIFT, index >> CHUNK_SHIFT));
  return chunk + <usize>((index & (CHUNK_ENTRIES - 1)) * ENTRY_SIZE);
}

function chunkSlot(half: u32, index: u32): usize {
  return chunks + <usize>((half * CHUNKS_PER_HALF + index) << 2);
}

function halfAt(half: u32): Half {
  return changetype<Half>(halves + <usize>half * HALF_SIZE);
}
