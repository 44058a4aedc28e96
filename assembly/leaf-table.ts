/**
 * A leaf table is an index: it finds, under a 64-bit hash, the 24-bit payloads that were filed
 * there.
 *
 * It keeps 16 bits of each hash, the tag, so a search yields candidates: the caller compares the
 * real key. Entries lie in leaves (see `leaf.ts`); a directory maps the first `depth` bits of a
 * position to leaves, which is extendible hashing:
 *
 *     hash ─> u = first 31 bits ─> v = u (2 + u) / 3 ─> v's first bits ─┐
 *                                                                       v
 *     directory  ┌────────────────┬────────────────┬────────────────┬────────────────┐
 *                │ leaf A, 12     │ leaf B, 9      │ leaf C, 14     │ leaf C, 14     │
 *                └────────────────┴────────────────┴────────────────┴────────────────┘
 *                  u32 each: address of the leaf, a multiple of 64, | buckets - 1
 *
 * A leaf grows by one bucket at a time, which needs the tags alone. At sixteen it splits in two,
 * which needs the hashes: 180 calls of `hashOf`. So an insertion touches one leaf and, when the
 * directory doubles, 0.03 bytes per entry more: there is no big rehash.
 *
 * The bend is there to spread the work. Under plain `u` all leaves would be full, and split, at the
 * same time; half of the memory would be empty after it. Under `v` the leaves at one end of the
 * directory are twice as crowded as at the other, so that at any time all sizes between half and
 * full are equally common, and the bytes per entry do not depend on the number of entries.
 *
 * Bytes per entry: 64 / (12 x 23/24 full x 0.95 for the bucket that was added last) = 5.9, and 6.4
 * with what the block pool cannot fill.
 *
 * Invariants (`verify` checks them all, and those of the leaves):
 *
 *   1. A leaf of depth d is named by 2^(depth - d) neighbours in the directory, aligned to that.
 *   2. Every entry's hash begins with its leaf's bits and ends with its tag.
 *   3. `leaves[d]` leaves have depth d; none is deeper than the directory, one at least is as deep.
 *   4. The pool holds the table, its leaves and its directory, and nothing else.
 *
 * `insert` may acquire pages; REQUIRES: `pagePool.reserve(pagesForInsert(table))`. `remove` gives
 * memory back and never needs any. A search allocates nothing and changes nothing.
 */

import * as blockPool from "./block-pool";
import * as leaves from "./leaf";
import { BUCKET_SIZE, BUCKETS_MAX, ENTRIES_MAX } from "./leaf";
import { INDEX_MASK, placeIn, tagOf } from "./leaf-place";
import * as pagePool from "./page-pool";

/** No payload: the end of a search. */
export const NONE: u32 = 0xffffffff;

const PAYLOAD_MAX: u32 = 0xffffff;

/** A leaf of so many buckets splits when it is full. */
const SPLIT_AT: u32 = 16;
/** 2^20 leaves of 130 entries: 136 million. Positions have 11 bits more. */
const DEPTH_MAX: u32 = 20;
const POSITION_BITS: u32 = 31;
/** A leaf gives a bucket back only when this many entries would still fit then. */
const SHRINK_SLACK: u32 = 8;

@unmanaged
class Table {
  pool: u32;
  /** Address of the directory: that of `root` while there is one leaf. */
  directory: u32;
  root: u32;
  depth: u32;
  count: u32;
  leafCount: u32;
  /** Index of `hashOf` in the module's table of functions. */
  hashOf: u32;
  /** Bytes of the directory's block, 0 for `root`. */
  directorySize: u32;
}

/** The table's fields are followed by DEPTH_MAX + 1 counts of leaves. */
const LEAF_COUNTS: usize = 32;
const TABLE_SIZE: usize = 116;
if (offsetof<Table>() != LEAF_COUNTS) ERROR("the counts must follow the fields of a Table");

/** For `verify`: how many leaves of each depth there are. */
const SEEN_SIZE: usize = 84;
const leavesSeen: usize = memory.data(84, 4);

/** The one search that there can be at a time. */
let cursorLeaf: usize = 0;
let cursorBuckets: u32 = 0;
let cursorIndex: u32 = 0;
let cursorSteps: u32 = 0;
let cursorTag: u32 = 0;
let cursorMatches: u32 = 0;
let isSearching: bool = false;

/**
 * Creates an empty table. `hashOf` returns the hash under which a payload was filed; `insert` calls
 * it, and it must not use a leaf table itself. REQUIRES: `pagePool.reserve(1)`.
 */
export function create(owner: u32, hashOf: (payload: u32) => u64): usize {
  const pool = blockPool.create(owner, <u32>BUCKET_SIZE);
  const table = blockPool.allocate(pool, TABLE_SIZE);
  memory.fill(table, 0, TABLE_SIZE);
  const self = changetype<Table>(table);
  self.pool = <u32>pool;
  self.hashOf = hashOf.index;
  self.directory = <u32>rootOf(self);
  self.root = <u32>newLeaf(self, 1, 0);
  self.leafCount = 1;
  addLeaves(self, 0, 1);
  return table;
}

export function destroy(table: usize): void {
  const self = changetype<Table>(table);
  const size: u32 = 1 << self.depth;
  let index: u32 = 0;
  while (index < size) {
    const slot = slotAt(self, index);
    index += 1 << (self.depth - leaves.depthOf(leafOf(slot)));
    freeLeaf(self, leafOf(slot), bucketsOf(slot));
  }
  freeDirectory(self);
  const pool = <usize>self.pool;
  blockPool.release(pool, table, TABLE_SIZE);
  blockPool.destroy(pool);
  isSearching = false;
}

/** The most pages that one `insert` acquires: two new leaves, one of them twice, a directory. */
export function pagesForInsert(table: usize): u32 {
  return 3 + pagePool.pagesFor((<usize>8) << (<usize>changetype<Table>(table).depth));
}

/** Files a payload. Does not look whether it is there already. Ends the search that is going on. */
export function insert(table: usize, hash: u64, payload: u32): void {
  assert(payload <= PAYLOAD_MAX);
  isSearching = false;
  const self = changetype<Table>(table);
  const position = positionOf(hash);
  let slot = slotOf(self, position);
  if (isFull(slot)) {
    if (bucketsOf(slot) >= SPLIT_AT && leaves.depthOf(leafOf(slot)) < DEPTH_MAX) {
      split(self, position);
      slot = slotOf(self, position);
    }
    if (isFull(slot)) widen(self, position);
  }
  leaves.add(leafOf(slot), bucketsOf(slot), tagOf(hash), payload);
  self.count += 1;
}

/** Takes a payload out. Returns false if it was not there. Ends the search that is going on. */
export function remove(table: usize, hash: u64, payload: u32): bool {
  isSearching = false;
  const self = changetype<Table>(table);
  const position = positionOf(hash);
  const slot = slotOf(self, position);
  const leaf = leafOf(slot);
  if (!leaves.find(leaf, bucketsOf(slot), tagOf(hash), payload)) return false;
  leaves.removeFound(leaf, bucketsOf(slot));
  self.count -= 1;
  while (merge(self, position)) {}
  shrink(self, position);
  return true;
}

/** Puts another payload in the place of one. Returns false if that was not there. */
export function replace(table: usize, hash: u64, payload: u32, newPayload: u32): bool {
  assert(newPayload <= PAYLOAD_MAX);
  isSearching = false;
  const slot = slotOf(changetype<Table>(table), positionOf(hash));
  const leaf = leafOf(slot);
  if (!leaves.find(leaf, bucketsOf(slot), tagOf(hash), payload)) return false;
  leaves.replaceFound(leaf, newPayload);
  return true;
}

/** Begins the one search there can be at a time; `next` yields what it finds. */
export function seek(table: usize, hash: u64): void {
  const slot = slotOf(changetype<Table>(table), positionOf(hash));
  cursorLeaf = leafOf(slot);
  cursorBuckets = bucketsOf(slot);
  cursorTag = tagOf(hash);
  cursorIndex = leaves.homeOf(cursorTag, cursorBuckets);
  cursorSteps = 1;
  cursorMatches = leaves.matchesIn(leaves.bucketAt(cursorLeaf, cursorIndex), cursorTag);
  isSearching = true;
}

/** Returns a payload that may be under the hash that was sought, or NONE. REQUIRES: a search. */
export function next(): u32 {
  assert(isSearching);
  let bucket = leaves.bucketAt(cursorLeaf, cursorIndex);
  while (cursorMatches == 0) {
    const goesOn = leaves.isPassedBy(bucket, cursorIndex, cursorTag);
    if (!goesOn || cursorSteps == cursorBuckets) {
      isSearching = false;
      return NONE;
    }
    cursorSteps += 1;
    cursorIndex = leaves.nextOf(cursorIndex, cursorBuckets);
    bucket = leaves.bucketAt(cursorLeaf, cursorIndex);
    cursorMatches = leaves.matchesIn(bucket, cursorTag);
  }
  const slot = <u32>ctz(cursorMatches);
  cursorMatches &= cursorMatches - 1;
  return leaves.payloadAt(bucket, slot);
}

/** The place (`leaf-place.ts`) at which a search for this hash begins. */
export function placeOf(table: usize, hash: u64): u32 {
  const slot = slotOf(changetype<Table>(table), positionOf(hash));
  return placeIn(leafOf(slot), leaves.homeOf(tagOf(hash), bucketsOf(slot)));
}

/** Where the search goes on that was at a place, 0 if it has seen every bucket. */
export function placeAfter(table: usize, hash: u64, place: u32): u32 {
  const slot = slotOf(changetype<Table>(table), positionOf(hash));
  const buckets = bucketsOf(slot);
  const next = leaves.nextOf(place & INDEX_MASK, buckets);
  return next == leaves.homeOf(tagOf(hash), buckets) ? 0 : placeIn(leafOf(slot), next);
}

export function count(table: usize): u32 {
  return changetype<Table>(table).count;
}

/** Bytes of leaves, directory and the table itself. */
export function liveBytes(table: usize): usize {
  return blockPool.liveBytes(<usize>changetype<Table>(table).pool);
}

/** Checks every invariant in O(n). Calls `hashOf` for every entry. */
export function verify(table: usize): void {
  const self = changetype<Table>(table);
  const size: u32 = 1 << self.depth;
  let index: u32 = 0;
  let entries: u32 = 0;
  let leafCount: u32 = 0;
  memory.fill(leavesSeen, 0, SEEN_SIZE);
  let granules: u32 = (<u32>TABLE_SIZE + 63) >> 6;
  granules += (self.directorySize + 63) >> 6;
  while (index < size) {
    const slot = slotAt(self, index);
    const depth = leaves.depthOf(leafOf(slot));
    assert(depth <= self.depth); // 3
    const copies: u32 = 1 << (self.depth - depth);
    assert((index & (copies - 1)) == 0); // 1
    for (let n: u32 = 1; n < copies; n += 1) {
      assert(load<u32>(slotAt(self, index + n)) == load<u32>(slot)); // 1
    }
    verifyHashes(self, slot, index >> (self.depth - depth));
    leaves.verify(leafOf(slot), bucketsOf(slot));
    entries += leaves.totalOf(leafOf(slot));
    granules += bucketsOf(slot);
    const seen = leavesSeen + <usize>(depth << 2);
    store<u32>(seen, load<u32>(seen) + 1);
    leafCount += 1;
    index += copies;
  }
  assert(entries == self.count && leafCount == self.leafCount);
  for (let depth: u32 = 0; depth <= DEPTH_MAX; depth += 1) {
    assert(load<u32>(leavesSeen + <usize>(depth << 2)) == load<u32>(leavesAt(self, depth))); // 3
  }
  assert(load<u32>(leavesAt(self, self.depth)) != 0); // 3
  const blocks = leafCount + 1 + (self.directorySize == 0 ? 0 : 1);
  assert(blockPool.blockCount(<usize>self.pool) == blocks); // 4
  assert(liveBytes(table) == <usize>granules * BUCKET_SIZE); // 4
  blockPool.verify(<usize>self.pool);
}

function verifyHashes(self: Table, slot: usize, bits: u32): void {
  const leaf = leafOf(slot);
  const total = leaves.gather(leaf, bucketsOf(slot), 0);
  const depth = leaves.depthOf(leaf);
  for (let entry: u32 = 0; entry < total; entry += 1) {
    const hash = hashOfPayload(self, leaves.scratchPayload(entry));
    assert(tagOf(hash) == leaves.scratchTag(entry)); // 2
    assert(positionOf(hash) >> (POSITION_BITS - depth) == bits); // 2
  }
}

/** Divides the leaf at `position` in two of one bit more. */
function split(self: Table, position: u32): void {
  const leaf = leafOf(slotOf(self, position));
  const buckets = bucketsOf(slotOf(self, position));
  const depth = leaves.depthOf(leaf);
  if (depth == self.depth) doubleDirectory(self);

  const bit: u32 = 1 << (POSITION_BITS - 1 - depth);
  const total = leaves.gather(leaf, buckets, 0);
  const lower = partition(self, total, bit);
  freeLeaf(self, leaf, buckets);
  self.leafCount += 1;
  addLeaves(self, depth, -1);
  addLeaves(self, depth + 1, 2);
  addFilled(self, position & ~bit, depth + 1, 0, lower);
  addFilled(self, position | bit, depth + 1, lower, total - lower);
}

/** Moves the entries of the scratch whose position has `bit` behind the others; counts those. */
function partition(self: Table, total: u32, bit: u32): u32 {
  let lower: u32 = 0;
  let upper = total;
  while (lower < upper) {
    const tag = leaves.scratchTag(lower);
    const payload = leaves.scratchPayload(lower);
    if ((positionOf(hashOfPayload(self, payload)) & bit) == 0) {
      lower += 1;
    } else {
      upper -= 1;
      leaves.setScratch(lower, leaves.scratchTag(upper), leaves.scratchPayload(upper));
      leaves.setScratch(upper, tag, payload);
    }
  }
  return lower;
}

/** Makes a leaf of `size` entries of the scratch, and names it in the directory. */
function addFilled(self: Table, position: u32, depth: u32, at: u32, size: u32): void {
  const buckets = leaves.bucketsFor(size);
  const leaf = newLeaf(self, buckets, depth);
  leaves.fill(leaf, buckets, at, size);
  setDirectory(self, position, leaf, buckets);
}

/** Gives the leaf at `position` one bucket more. */
function widen(self: Table, position: u32): void {
  const leaf = leafOf(slotOf(self, position));
  const buckets = bucketsOf(slotOf(self, position));
  const depth = leaves.depthOf(leaf);
  if (buckets == BUCKETS_MAX) unreachable();
  const total = leaves.gather(leaf, buckets, 0);
  freeLeaf(self, leaf, buckets);
  const wider = newLeaf(self, buckets + 1, depth);
  leaves.fill(wider, buckets + 1, 0, total);
  setDirectory(self, position, wider, buckets + 1);
}

/** Gives back the buckets that the leaf at `position` can spare, in place. */
function shrink(self: Table, position: u32): void {
  const leaf = leafOf(slotOf(self, position));
  const buckets = bucketsOf(slotOf(self, position));
  if (buckets == 1) return;
  if (leaves.totalOf(leaf) + SHRINK_SLACK > leaves.limitOf(buckets - 1)) return;
  const total = leaves.gather(leaf, buckets, 0);
  refill(self, position, leaf, buckets, leaves.depthOf(leaf), total);
}

/**
 * Unites the leaf at `position` with its sibling if the larger of the two has room for all. So
 * nothing is allocated, and the united leaf is far from splitting again.
 */
function merge(self: Table, position: u32): bool {
  const slot = slotOf(self, position);
  const leaf = leafOf(slot);
  const depth = leaves.depthOf(leaf);
  if (depth == 0) return false;
  const sibling = slotOf(self, position ^ ((<u32>1) << (POSITION_BITS - depth)));
  const other = leafOf(sibling);
  if (leaves.depthOf(other) != depth) return false;
  const buckets = bucketsOf(slot);
  const otherBuckets = bucketsOf(sibling);
  const room = max(buckets, otherBuckets);
  const sum = leaves.totalOf(leaf) + leaves.totalOf(other);
  if (room >= SPLIT_AT || sum > leaves.limitOf(room)) return false;

  const total = leaves.gather(other, otherBuckets, leaves.gather(leaf, buckets, 0));
  assert(total == sum && total <= ENTRIES_MAX);
  const isKept = buckets >= otherBuckets;
  freeLeaf(self, isKept ? other : leaf, isKept ? otherBuckets : buckets);
  self.leafCount -= 1;
  addLeaves(self, depth, -2);
  addLeaves(self, depth - 1, 1);
  refill(self, position, isKept ? leaf : other, room, depth - 1, total);
  while (load<u32>(leavesAt(self, self.depth)) == 0) halveDirectory(self);
  return true;
}

/** Rewrites a leaf with the scratch, in as few buckets as will do, and gives the others back. */
function refill(
  self: Table,
  position: u32,
  leaf: usize,
  oldBuckets: u32,
  depth: u32,
  total: u32,
): void {
  const buckets = leaves.bucketsFor(total);
  const oldSize = <usize>oldBuckets * BUCKET_SIZE;
  blockPool.trim(<usize>self.pool, leaf, oldSize, <usize>buckets * BUCKET_SIZE);
  leaves.clear(leaf, buckets, depth);
  leaves.fill(leaf, buckets, 0, total);
  setDirectory(self, position, leaf, buckets);
}

function doubleDirectory(self: Table): void {
  const size: u32 = 1 << self.depth;
  const directorySize = size << 3;
  const directory = blockPool.allocate(<usize>self.pool, <usize>directorySize);
  for (let index: u32 = 0; index < size; index += 1) {
    const entry = <u64>load<u32>(slotAt(self, index));
    store<u64>(directory + <usize>(index << 3), (entry << 32) | entry);
  }
  freeDirectory(self);
  self.directory = <u32>directory;
  self.directorySize = directorySize;
  self.depth += 1;
}

/** Keeps one of each pair of entries, which are equal, in place. */
function halveDirectory(self: Table): void {
  self.depth -= 1;
  const size: u32 = 1 << self.depth;
  const directory = <usize>self.directory;
  for (let index: u32 = 0; index < size; index += 1) {
    store<u32>(directory + <usize>(index << 2), load<u32>(directory + <usize>(index << 3)));
  }
  if (size == 1) {
    self.root = load<u32>(directory);
    freeDirectory(self);
    self.directory = <u32>rootOf(self);
    self.directorySize = 0;
  } else {
    const oldSize = <usize>self.directorySize;
    const newSize = <usize>(size << 2);
    self.directorySize = <u32>blockPool.trim(<usize>self.pool, directory, oldSize, newSize);
  }
}

function freeDirectory(self: Table): void {
  if (self.directorySize == 0) return;
  blockPool.release(<usize>self.pool, <usize>self.directory, <usize>self.directorySize);
}

/** Names a leaf in every entry of the directory that is its own. */
function setDirectory(self: Table, position: u32, leaf: usize, buckets: u32): void {
  const copies: u32 = 1 << (self.depth - leaves.depthOf(leaf));
  const first = indexOf(self, position) & ~(copies - 1);
  for (let n: u32 = 0; n < copies; n += 1) {
    store<u32>(slotAt(self, first + n), (<u32>leaf) | (buckets - 1));
  }
}

function newLeaf(self: Table, buckets: u32, depth: u32): usize {
  const leaf = blockPool.allocate(<usize>self.pool, <usize>buckets * BUCKET_SIZE);
  leaves.clear(leaf, buckets, depth);
  return leaf;
}

function freeLeaf(self: Table, leaf: usize, buckets: u32): void {
  blockPool.release(<usize>self.pool, leaf, <usize>buckets * BUCKET_SIZE);
}

function isFull(slot: usize): bool {
  return leaves.totalOf(leafOf(slot)) >= leaves.limitOf(bucketsOf(slot));
}

/** 31 bits that order the leaves: v = u (2 + u) / 3 in fixed point. */
function positionOf(hash: u64): u32 {
  const u = hash >> 33;
  const bent = (u * (0x100000000 + u)) >> 31;
  return <u32>((bent * 0x55555555) >> 32);
}

function indexOf(self: Table, position: u32): u32 {
  return position >> (POSITION_BITS - self.depth);
}

function slotOf(self: Table, position: u32): usize {
  return slotAt(self, indexOf(self, position));
}

function slotAt(self: Table, index: u32): usize {
  return <usize>self.directory + <usize>(index << 2);
}

function leafOf(slot: usize): usize {
  return <usize>(load<u32>(slot) & ~INDEX_MASK);
}

function bucketsOf(slot: usize): u32 {
  return (load<u32>(slot) & INDEX_MASK) + 1;
}

function rootOf(self: Table): usize {
  return changetype<usize>(self) + offsetof<Table>("root");
}

function leavesAt(self: Table, depth: u32): usize {
  return changetype<usize>(self) + LEAF_COUNTS + <usize>(depth << 2);
}

function addLeaves(self: Table, depth: u32, difference: i32): void {
  const slot = leavesAt(self, depth);
  store<u32>(slot, load<u32>(slot) + difference);
}

function hashOfPayload(self: Table, payload: u32): u64 {
  return call_indirect<u64>(self.hashOf, payload);
}
