/**
 * A block pool carves pages into small blocks: a few granules of 8 or of 64 bytes each.
 *
 * A bitmap at the head of each page says which granules are free, so a block needs no header, any
 * size rounds up to one granule at most, and freed neighbours are one run by construction. Free
 * lists of exact sizes were measured against this: after a table had been drained and filled again
 * they held twice the memory.
 *
 *     page ┌──────┬──────────┬─────┬─────────────┬───────┬───────────────┬─ ─ ─
 *          │ head │  bitmap  │ blk │    block    │ free  │     block     │
 *          └──────┴──────────┴─────┴─────────────┴───────┴───────────────┴─ ─ ─
 *          0      24         1,048 of 65,536 bytes at 8 B granules; 152 at 64 B
 *
 * Pages are listed by the length of their longest free run, in bins of powers of two. The length is
 * an upper bound: taking a block leaves it as it is, and a search that fails corrects it. A block
 * above half a page has pages of its own.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Bit g of a page's bitmap is set if and only if granule g is free; those of the head are not.
 *   2. head.free is the number of bits set, and is less than all: an empty page goes back at once.
 *   3. No free run is longer than head.longest; the page is in the bin of head.longest.
 *   4. No bit is set in a word of the bitmap before head.hint.
 *   5. liveBytes is the sum of all blocks, each rounded up to granules.
 *
 * `allocate` may acquire pages. REQUIRES: `pagePool.reserve(pagesForBlock(size))`.
 */

import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";

/** The bins are for runs of 2^0 .. 2^13 granules. */
const BIN_COUNT: u32 = 14;
/** The bin of a page without a free granule, which is in no list. */
const BIN_NONE: u32 = 255;
/** How many pages are looked at in the bin whose runs may be just too short. */
const LOOKS_MAX: u32 = 8;
/** How many pages a search may find to be fuller than it seemed before it takes a new one. */
const TRIES_MAX: u32 = 16;

@unmanaged
class Pool {
  owner: u32;
  /** log2 of the granule's bytes. 0: this pool does not exist. */
  shift: u32;
  granulesPerPage: u32;
  /** Granules that head and bitmap take. */
  headGranules: u32;
  liveBytes: u32;
  blockCount: u32;
  pageCount: u32;
  largePages: u32;
}

@unmanaged
class Head {
  next: u32;
  previous: u32;
  free: u32;
  longest: u32;
  hint: u32;
  bin: u32;
}

const HEAD_SIZE: usize = 24;
if (offsetof<Head>() != HEAD_SIZE) ERROR("a Head must be HEAD_SIZE bytes");

const POOLS_MAX: u32 = 32;
const BINS: usize = 32;
const POOL_SIZE: usize = 88;
if (offsetof<Pool>() != BINS) ERROR("the bins must follow the fields of a Pool");

const pools: usize = memory.data(2816, 8);

/** Creates a pool of blocks in granules of 8, 16, 32 or 64 bytes. */
export function create(owner: u32, granule: u32): usize {
  assert(popcnt(granule) == 1 && granule >= 8 && granule <= 64);
  let pool = pools;
  while (changetype<Pool>(pool).shift != 0) {
    pool += POOL_SIZE;
    if (pool == pools + <usize>POOLS_MAX * POOL_SIZE) unreachable();
  }
  memory.fill(pool, 0, POOL_SIZE);
  const self = changetype<Pool>(pool);
  self.owner = owner;
  self.shift = ctz(granule);
  self.granulesPerPage = (<u32>PAGE_SIZE) >> self.shift;
  const headBytes = <u32>HEAD_SIZE + (self.granulesPerPage >> 3);
  self.headGranules = (headBytes + granule - 1) >> self.shift;
  return pool;
}

/** Forgets a pool. REQUIRES: every block was released. */
export function destroy(pool: usize): void {
  const self = changetype<Pool>(pool);
  assert(self.blockCount == 0 && self.pageCount == 0);
  self.shift = 0;
}

/** The most pages that `allocate` acquires for a block of this size. */
export function pagesForBlock(size: usize): u32 {
  return pagePool.pagesFor(size);
}

/** Returns the address of a new block. Does not zero it. */
export function allocate(pool: usize, size: usize): usize {
  assert(size != 0);
  const self = changetype<Pool>(pool);
  const granules = granulesOf(self, size);
  self.liveBytes += granules << self.shift;
  self.blockCount += 1;
  if (size > PAGE_SIZE / 2) {
    const pages = pagePool.pagesFor(size);
    self.largePages += pages;
    return pagePool.acquire(self.owner, pages);
  }

  let page = findPage(pool, granules);
  let first = page == 0 ? 0 : takeRun(pool, page, granules);
  if (first == 0) {
    page = addPage(pool);
    first = takeRun(pool, page, granules);
  }
  return page + ((<usize>first) << self.shift);
}

/** Gives a block back. `size` is what it was allocated with, up to rounding to a granule. */
export function release(pool: usize, address: usize, size: usize): void {
  const self = changetype<Pool>(pool);
  const granules = granulesOf(self, size);
  self.liveBytes -= granules << self.shift;
  self.blockCount -= 1;
  if (size > PAGE_SIZE / 2) {
    const pages = pagePool.pagesFor(size);
    self.largePages -= pages;
    pagePool.release(address, pages);
    return;
  }

  const page = address & ~(PAGE_SIZE - 1);
  const head = changetype<Head>(page);
  const first = (<u32>(address - page)) >> self.shift;
  assert(first >= self.headGranules && first + granules <= self.granulesPerPage);
  flip(page, first, granules, true);
  head.free += granules;
  if (head.free == self.granulesPerPage - self.headGranules) {
    unlink(pool, page);
    self.pageCount -= 1;
    pagePool.release(page, 1);
    return;
  }
  head.hint = min(head.hint, first >> 6);
  const run = runAround(self, page, first, granules);
  if (run > head.longest) setLongest(pool, page, run);
}

/**
 * Gives the end of a block back, and returns the size that the block has then: `newSize`, or one
 * page if it has pages of its own, which cannot become part of a page. Never acquires a page.
 */
export function trim(pool: usize, address: usize, oldSize: usize, newSize: usize): usize {
  assert(newSize != 0 && newSize <= oldSize);
  const self = changetype<Pool>(pool);
  const isLarge = oldSize > PAGE_SIZE / 2;
  if (isLarge && newSize <= PAGE_SIZE / 2) newSize = min(oldSize, PAGE_SIZE);
  const kept = granulesOf(self, newSize) << self.shift;
  const held = granulesOf(self, oldSize) << self.shift;
  if (kept == held) return newSize;
  if (isLarge) {
    const pages = pagePool.pagesFor(newSize);
    const spare = pagePool.pagesFor(oldSize) - pages;
    if (spare != 0) pagePool.release(address + <usize>pages * PAGE_SIZE, spare);
    self.largePages -= spare;
    self.liveBytes -= held - kept;
  } else {
    self.blockCount += 1;
    release(pool, address + <usize>kept, <usize>(held - kept));
  }
  return newSize;
}

export function liveBytes(pool: usize): usize {
  return <usize>changetype<Pool>(pool).liveBytes;
}

export function blockCount(pool: usize): u32 {
  return changetype<Pool>(pool).blockCount;
}

/** Pages of the pool, those of large blocks included. */
export function pageCount(pool: usize): u32 {
  const self = changetype<Pool>(pool);
  return self.pageCount + self.largePages;
}

/** Checks every invariant that the pool alone can know, in O(pages in bins). */
export function verify(pool: usize): void {
  const self = changetype<Pool>(pool);
  let listed: u32 = 0;
  for (let bin: u32 = 0; bin < BIN_COUNT; bin += 1) {
    let previous: u32 = 0;
    let page = load<u32>(binOf(pool, bin));
    while (page != 0) {
      const head = changetype<Head>(<usize>page);
      assert(head.bin == bin && head.previous == previous);
      assert(31 - clz(head.longest) == bin); // 3
      verifyPage(self, <usize>page);
      listed += 1;
      previous = page;
      page = head.next;
    }
  }
  assert(listed <= self.pageCount);
  const used = (<u64>(self.pageCount + self.largePages)) << 16;
  assert(<u64>self.liveBytes <= used); // 5
}

function verifyPage(self: Pool, page: usize): void {
  const head = changetype<Head>(page);
  let free: u32 = 0;
  let run: u32 = 0;
  for (let granule: u32 = 0; granule < self.granulesPerPage; granule += 1) {
    if (isFree(page, granule)) {
      assert(granule >= self.headGranules); // 1
      assert(granule >> 6 >= head.hint); // 4
      free += 1;
      run += 1;
      assert(run <= head.longest); // 3
    } else {
      run = 0;
    }
  }
  assert(free == head.free && free < self.granulesPerPage - self.headGranules); // 2
}

/** Returns a page in which it has found a run of `granules`; 0 if it has found none. */
function findPage(pool: usize, granules: u32): usize {
  // The tightest pages first: those whose longest run may be a little too short or just right.
  const tightest = 31 - clz(granules);
  let tries: u32 = 0;
  for (let bin: u32 = tightest; bin < BIN_COUNT; bin += 1) {
    let page = <usize>load<u32>(binOf(pool, bin));
    let looks: u32 = 0;
    while (page != 0 && (bin != tightest || looks < LOOKS_MAX)) {
      const next = <usize>changetype<Head>(page).next;
      if (changetype<Head>(page).longest >= granules) {
        const longest = search(changetype<Pool>(pool), page, granules);
        if (longest >= granules) return page;
        setLongest(pool, page, longest);
        tries += 1;
        if (tries == TRIES_MAX) return 0;
      }
      looks += 1;
      page = next;
    }
  }
  return 0;
}

/** Where the last search found its run. Valid until the page changes. */
let foundRun: u32 = 0;

/**
 * Looks for a run of `granules`. Returns `granules` if there is one, and remembers it in
 * `foundRun`; otherwise returns the length of the longest run there is.
 */
function search(self: Pool, page: usize, granules: u32): u32 {
  const head = changetype<Head>(page);
  const bitmap = page + HEAD_SIZE;
  const words = self.granulesPerPage >> 6;
  let longest: u32 = 0;
  let run: u32 = 0;
  let isFirst = true;
  for (let index = head.hint; index < words; index += 1) {
    const word = load<u64>(bitmap + <usize>(index << 3));
    if (word == 0) {
      run = 0;
      continue;
    }
    if (isFirst) {
      head.hint = index;
      isFirst = false;
    }
    let bit: u32 = 0;
    while (bit < 64) {
      const rest = word >> (<u64>bit);
      if ((rest & 1) == 0) {
        run = 0;
        bit = rest == 0 ? 64 : bit + <u32>ctz(rest);
        continue;
      }
      const length = min(<u32>ctz(~rest), 64 - bit);
      run += length;
      bit += length;
      if (run >= granules) {
        foundRun = (index << 6) + bit - run;
        return granules;
      }
      longest = max(longest, run);
    }
  }
  return longest;
}

/** Takes the run that the last search found in this page. */
function takeRun(pool: usize, page: usize, granules: u32): u32 {
  const head = changetype<Head>(page);
  const first = foundRun;
  flip(page, first, granules, false);
  head.free -= granules;
  // A bound, not the length: see invariant 3.
  if (head.longest > head.free) setLongest(pool, page, head.free);
  return first;
}

function addPage(pool: usize): usize {
  const self = changetype<Pool>(pool);
  const page = pagePool.acquire(self.owner, 1);
  self.pageCount += 1;
  const head = changetype<Head>(page);
  head.bin = BIN_NONE;
  head.free = self.granulesPerPage - self.headGranules;
  head.hint = 0;
  flip(page, self.headGranules, head.free, true);
  setLongest(pool, page, head.free);
  foundRun = self.headGranules;
  return page;
}

function setLongest(pool: usize, page: usize, longest: u32): void {
  const head = changetype<Head>(page);
  head.longest = longest;
  const bin = longest == 0 ? BIN_NONE : <u32>31 - clz(longest);
  if (bin == head.bin) return;
  unlink(pool, page);
  head.bin = bin;
  if (bin == BIN_NONE) return;
  const slot = binOf(pool, bin);
  const next = load<u32>(slot);
  head.next = next;
  head.previous = 0;
  if (next != 0) changetype<Head>(<usize>next).previous = <u32>page;
  store<u32>(slot, <u32>page);
}

function unlink(pool: usize, page: usize): void {
  const head = changetype<Head>(page);
  if (head.bin == BIN_NONE) return;
  if (head.previous != 0) {
    changetype<Head>(<usize>head.previous).next = head.next;
  } else {
    store<u32>(binOf(pool, head.bin), head.next);
  }
  if (head.next != 0) changetype<Head>(<usize>head.next).previous = head.previous;
  head.bin = BIN_NONE;
}

/** Marks granules as free or as taken. REQUIRES: they are the other. */
function flip(page: usize, first: u32, granules: u32, isNowFree: bool): void {
  let granule = first;
  const end = first + granules;
  while (granule < end) {
    const bit = granule & 63;
    const length = min(64 - bit, end - granule);
    const mask = (length == 64 ? ~(<u64>0) : ((<u64>1) << (<u64>length)) - 1) << (<u64>bit);
    const word = page + HEAD_SIZE + <usize>((granule >> 6) << 3);
    const value = load<u64>(word);
    assert((value & mask) == (isNowFree ? 0 : mask));
    store<u64>(word, value ^ mask);
    granule += length;
  }
}

/** Returns the length of the free run around granules that are free. */
function runAround(self: Pool, page: usize, first: u32, granules: u32): u32 {
  const bitmap = page + HEAD_SIZE;
  let start = first;
  while (start > self.headGranules) {
    const bit = (start - 1) & 63;
    const above = <u64>(63 - bit);
    const word = load<u64>(bitmap + <usize>(((start - 1) >> 6) << 3)) << above;
    const length = min(<u32>clz(~word), bit + 1);
    start -= length;
    if (length <= bit) break;
  }
  let end = first + granules;
  while (end < self.granulesPerPage) {
    const bit = end & 63;
    const word = load<u64>(bitmap + <usize>((end >> 6) << 3)) >> (<u64>bit);
    const length = min(<u32>ctz(~word), 64 - bit);
    end += length;
    if (length < 64 - bit) break;
  }
  return end - start;
}

function isFree(page: usize, granule: u32): bool {
  const word = load<u64>(page + HEAD_SIZE + <usize>((granule >> 6) << 3));
  return ((word >> (<u64>(granule & 63))) & 1) != 0;
}

function granulesOf(self: Pool, size: usize): u32 {
  return (<u32>size + (((<u32>1) << self.shift) - 1)) >> self.shift;
}

function binOf(pool: usize, bin: u32): usize {
  return pool + BINS + <usize>(bin << 2);
}
