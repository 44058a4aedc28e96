/**
 * A leaf holds up to some hundred (tag, payload) entries of a leaf table, in a row of buckets.
 *
 * A tag is 16 bits of a hash, a payload 24 bits that mean something to the owner. One bucket, one
 * cache line, holds twelve entries of five bytes.
 *
 *     bucket  ┌──────────────────┬──────────────────┬────────────┬──────┐
 *             │ 12 tags, u16     │ 12 payloads, low │ 12 x high  │ meta │   64 bytes
 *             └──────────────────┴──────────────────┴────────────┴──────┘
 *             0                  24                 48           60
 *     meta    count:4 | passed:12 | passed tags:16
 *             in bucket 0, for the whole leaf, in place of passed tags: total:11 | depth:5
 *
 * An entry's home is the bucket `tag * buckets >> 16`; where that is full the entry goes to the
 * next bucket that is not, and every bucket on the way counts it as passed. A search ends at a
 * bucket that nobody passed, so there are no tombstones. A third of the buckets are passed, by few:
 * so each has a bit for every value of a tag's last four bits, set if such a tag has passed, and
 * one search in twenty goes on for nothing. The tags alone say where entries belong when the number
 * of buckets changes.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A bucket's first `count` entries are in use. An entry's home and every bucket between that
 *      and its own is full or was when the entry came: then it still is passed.
 *   2. `passed` counts the entries of other buckets whose way from home led over this bucket.
 *   3. A bucket but the first has the bit of every tag that it is passed by, and none if there is
 *      no such tag.
 *   4. total is the sum of the counts, and at most `limitOf(buckets)`.
 *
 * A leaf is an address and a number of buckets, which whoever names the leaf keeps: that saves the
 * data plane a look at bucket 0. Nothing here allocates.
 */

/** Bytes of a bucket. */
export const BUCKET_SIZE: usize = 64;
const LOW: usize = 24;
const HIGH: usize = 48;
const META: usize = 60;
const SLOTS: u32 = 12;
const COUNT_MASK: u32 = 0xf;
const PASSED_MASK: u32 = 0xfff0;
const ONE_PASSED: u32 = 0x10;

/** The most buckets of a leaf: what the six low bits of its address can say. */
export const BUCKETS_MAX: u32 = 64;
/** The most entries of a leaf: all buckets full. */
export const ENTRIES_MAX: u32 = 768;

/** Entries on their way from one leaf to another: ENTRIES_MAX of 8 bytes. */
const scratch: usize = memory.data(6144, 8);
/** For `verify`: what `passed` has to be, 4 bytes for each of BUCKETS_MAX. */
const expected: usize = memory.data(256, 4);

/** Where `find` found its entry. Valid until the leaf changes. */
let foundBucket: u32 = 0;
let foundSlot: u32 = 0;

/** Makes an empty leaf of raw memory. */
export function clear(leaf: usize, buckets: u32, depth: u32): void {
  memory.fill(leaf, 0, <usize>buckets * BUCKET_SIZE);
  store<u32>(leaf, depth << 27, META);
}

/**
 * How many entries a leaf may hold: 23 in 24 places. At a million entries 45 quarters a bucket hold
 * 6.6 bytes per entry, 46 6.4 and 47 6.2, and each makes a search that finds nothing 5 % slower.
 */
export function limitOf(buckets: u32): u32 {
  return (buckets * 46) >> 2;
}

/** The fewest buckets that may hold so many entries. */
export function bucketsFor(total: u32): u32 {
  let buckets = max(<u32>1, (total * 4) / 46);
  while (limitOf(buckets) < total) buckets += 1;
  return buckets;
}

/** Adds an entry. REQUIRES: the leaf holds fewer than `limitOf(buckets)`. */
export function add(leaf: usize, buckets: u32, tag: u32, payload: u32): void {
  assert(totalOf(leaf) < limitOf(buckets));
  put(leaf, buckets, tag, payload);
  addTotal(leaf, 1);
}

/** Looks for an entry, and remembers where it is for `replaceFound` and `removeFound`. */
export function find(leaf: usize, buckets: u32, tag: u32, payload: u32): bool {
  let index = homeOf(tag, buckets);
  for (let steps: u32 = 0; steps < buckets; steps += 1) {
    const bucket = bucketAt(leaf, index);
    let matches = matchesIn(bucket, tag);
    while (matches != 0) {
      const slot = <u32>ctz(matches);
      if (payloadAt(bucket, slot) == payload) {
        foundBucket = index;
        foundSlot = slot;
        return true;
      }
      matches &= matches - 1;
    }
    if (!isPassedBy(bucket, index, tag)) return false;
    index = nextOf(index, buckets);
  }
  return false;
}

export function replaceFound(leaf: usize, payload: u32): void {
  const bucket = bucketAt(leaf, foundBucket);
  setEntry(bucket, foundSlot, tagAt(bucket, foundSlot), payload);
}

export function removeFound(leaf: usize, buckets: u32): void {
  const bucket = bucketAt(leaf, foundBucket);
  let index = homeOf(tagAt(bucket, foundSlot), buckets);
  // The last entry of the bucket closes the gap; what was passed for this one is passed no more.
  const last = countOf(bucket) - 1;
  setEntry(bucket, foundSlot, tagAt(bucket, last), payloadAt(bucket, last));
  setCount(bucket, last);
  while (index != foundBucket) {
    unpass(bucketAt(leaf, index), index);
    index = nextOf(index, buckets);
  }
  addTotal(leaf, -1);
}

/** Copies all entries to the scratch, from entry `at` on. Returns where they end. */
export function gather(leaf: usize, buckets: u32, at: u32): u32 {
  for (let index: u32 = 0; index < buckets; index += 1) {
    const bucket = bucketAt(leaf, index);
    const size = countOf(bucket);
    for (let slot: u32 = 0; slot < size; slot += 1) {
      setScratch(at, tagAt(bucket, slot), payloadAt(bucket, slot));
      at += 1;
    }
  }
  return at;
}

/** Puts `size` entries of the scratch, from entry `at` on, into an empty leaf. */
export function fill(leaf: usize, buckets: u32, at: u32, size: u32): void {
  for (let entry = at; entry < at + size; entry += 1) {
    put(leaf, buckets, scratchTag(entry), scratchPayload(entry));
  }
  addTotal(leaf, size);
}

export function scratchTag(entry: u32): u32 {
  return load<u32>(scratch + <usize>(entry << 3));
}

export function scratchPayload(entry: u32): u32 {
  return load<u32>(scratch + <usize>(entry << 3), 4);
}

export function setScratch(entry: u32, tag: u32, payload: u32): void {
  const address = scratch + <usize>(entry << 3);
  store<u32>(address, tag);
  store<u32>(address, payload, 4);
}

/** The bucket where the search for a tag begins. */
export function homeOf(tag: u32, buckets: u32): u32 {
  return (tag * buckets) >> 16;
}

/** The bucket that follows, around the end. */
export function nextOf(index: u32, buckets: u32): u32 {
  return index + 1 == buckets ? 0 : index + 1;
}

export function bucketAt(leaf: usize, index: u32): usize {
  return leaf + <usize>index * BUCKET_SIZE;
}

/** One bit for each entry of a bucket that has this tag. */
export function matchesIn(bucket: usize, tag: u32): u32 {
  const wanted = i16x8.splat(<i16>tag);
  const front = <u32>i16x8.bitmask(i16x8.eq(wanted, v128.load(bucket)));
  const back = <u32>i16x8.bitmask(i16x8.eq(wanted, v128.load(bucket, 8)));
  return (front | (back << 4)) & (((<u32>1) << countOf(bucket)) - 1);
}

export function payloadAt(bucket: usize, slot: u32): u32 {
  const low = <u32>load<u16>(bucket + <usize>(slot << 1), LOW);
  return low | ((<u32>load<u8>(bucket + <usize>slot, HIGH)) << 16);
}

function tagAt(bucket: usize, slot: u32): u32 {
  return <u32>load<u16>(bucket + <usize>(slot << 1));
}

function passedOf(bucket: usize): u32 {
  return (load<u32>(bucket, META) >> 4) & 0xfff;
}

/** Whether an entry of this tag may lie beyond a bucket, the one with this index. */
export function isPassedBy(bucket: usize, index: u32, tag: u32): bool {
  const meta = load<u32>(bucket, META);
  if ((meta & PASSED_MASK) == 0) return false;
  return index == 0 || (meta & bitOf(tag)) != 0;
}

export function countOf(bucket: usize): u32 {
  return load<u32>(bucket, META) & 15;
}

/** Entries of the whole leaf. */
export function totalOf(leaf: usize): u32 {
  return (load<u32>(leaf, META) >> 16) & 0x7ff;
}

/** How many bits of their position all entries of the leaf agree in. */
export function depthOf(leaf: usize): u32 {
  return load<u32>(leaf, META) >> 27;
}

/** Checks every invariant in O(entries). */
export function verify(leaf: usize, buckets: u32): void {
  memory.fill(expected, 0, <usize>(BUCKETS_MAX << 2));
  let total: u32 = 0;
  for (let index: u32 = 0; index < buckets; index += 1) {
    const bucket = bucketAt(leaf, index);
    assert(countOf(bucket) <= SLOTS); // 1
    total += countOf(bucket);
    for (let slot: u32 = 0; slot < countOf(bucket); slot += 1) {
      const tag = tagAt(bucket, slot);
      let step = homeOf(tag, buckets);
      while (step != index) {
        assert(isPassedBy(bucketAt(leaf, step), step, tag)); // 3
        const passed = expected + <usize>(step << 2);
        store<u32>(passed, load<u32>(passed) + 1);
        step = nextOf(step, buckets);
      }
    }
  }
  for (let index: u32 = 0; index < buckets; index += 1) {
    assert(load<u32>(expected + <usize>(index << 2)) == passedOf(bucketAt(leaf, index))); // 2
    const meta = load<u32>(bucketAt(leaf, index), META);
    assert(index == 0 || (meta & PASSED_MASK) != 0 || meta >> 16 == 0); // 3
  }
  assert(total == totalOf(leaf) && total <= limitOf(buckets)); // 4
}

/** Puts an entry into the first bucket from its home on that has a free place. */
function put(leaf: usize, buckets: u32, tag: u32, payload: u32): void {
  let index = homeOf(tag, buckets);
  let bucket = bucketAt(leaf, index);
  // Ends by invariant 3: there are more places than entries.
  while (countOf(bucket) == SLOTS) {
    pass(bucket, index, tag);
    index = nextOf(index, buckets);
    bucket = bucketAt(leaf, index);
  }
  const slot = countOf(bucket);
  setEntry(bucket, slot, tag, payload);
  setCount(bucket, slot + 1);
}

function setEntry(bucket: usize, slot: u32, tag: u32, payload: u32): void {
  store<u16>(bucket + <usize>(slot << 1), <u16>tag);
  store<u16>(bucket + <usize>(slot << 1), <u16>payload, LOW);
  store<u8>(bucket + <usize>slot, <u8>(payload >> 16), HIGH);
}

function setCount(bucket: usize, size: u32): void {
  store<u32>(bucket, (load<u32>(bucket, META) & ~15) | size, META);
}

/** Counts an entry that goes on to another bucket. */
function pass(bucket: usize, index: u32, tag: u32): void {
  const meta = load<u32>(bucket, META) + ONE_PASSED;
  store<u32>(bucket, index == 0 ? meta : meta | bitOf(tag), META);
}

/** Counts one less. Bits are taken back with the last, since several may have set one. */
function unpass(bucket: usize, index: u32): void {
  const meta = load<u32>(bucket, META) - ONE_PASSED;
  const isLast = index != 0 && (meta & PASSED_MASK) == 0;
  store<u32>(bucket, isLast ? meta & COUNT_MASK : meta, META);
}

/** The bit of a tag in the upper half of `meta`. */
function bitOf(tag: u32): u32 {
  return (<u32>0x10000) << (tag & 15);
}

function addTotal(leaf: usize, difference: i32): void {
  store<u32>(leaf, load<u32>(leaf, META) + (difference << 16), META);
}
