/**
 * The page pool hands out linear memory in pages of 64 KiB, and is the only caller of
 * `memory.grow`.
 *
 * Every page has an owner, so that the memory report can say which structure holds what and the sum
 * is the size of linear memory, to the byte. One byte per page is all the state there is: a free
 * page is a zero in the map, and a run of free pages is a run of zeros.
 *
 *     page      0        1        2        3        4    ...           pages - 1
 *           ┌────────┬────────┬────────┬────────┬────────┬─ ─ ─ ─ ─ ─┬────────┐
 *     owner │ STATIC │  POOL  │   5    │   5    │   0    │           │   0    │
 *           └────────┴───┬────┴────────┴────────┴────────┴─ ─ ─ ─ ─ ─┴────────┘
 *                        └ the map: 65,536 bytes, one page, enough for 4 GiB
 *
 * Growing costs 0.1 ms or, rarely, tens of milliseconds, whatever the step, and detaches every view
 * that JavaScript holds: so the step is a quarter of what there is, at least 16 MiB.
 *
 * Whoever may need pages asks for the most it can need before it changes anything: `reserve`
 * makes room, growing memory if need be, or refuses, and nothing has happened. `acquire` never
 * grows. Pages are taken from the front of the first run that is long enough, so after `reserve(n)`
 * any acquisitions of n pages in all succeed: the run of n that was found is eaten from its front
 * only.
 *
 *     0                              budget                       4 GiB
 *     ├──────── shapes ────────────────┤─ ─ ─ at least 256 MiB ─ ─ ─ ┤
 *     └── whoever can be refused ──────┴── and what happens to them ─┘
 *
 * The budget is for what can be refused. What happens to shapes that are there (a long row, a
 * waiting request, a posting) cannot, is bounded by limits of its own, and may go beyond.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. owner[page] < OWNER_COUNT; FREE beyond the end of memory.
 *   2. counts[o] is the number of pages in memory whose owner is o.
 *   3. No page below `firstFree` is free.
 *   4. The pages [runStart, runStart + runCount) are free and in memory.
 *   5. Every page from `virgin` on is free and has never been written: it is zero as it came.
 */

import { FREE, OWNER_COUNT, OWNER_PAGE_POOL, OWNER_STATIC } from "./owners";

export const PAGE_SIZE: usize = 65536;
const PAGE_SHIFT: usize = 16;

/** A Wasm memory cannot be larger: 4 GiB. */
const PAGES_MAX: u32 = 65536;
/** 256 MiB at the end of memory that no budget reaches: one row as long as LITZ_ROW_MAX allows. */
const PAGES_BEYOND_BUDGET: u32 = 4096;
/** 16 MiB: the smallest step by which memory grows. */
const GROWTH_MIN: u32 = 256;

const counts: usize = memory.data(<i32>(OWNER_COUNT * 4));

const staticPages: u32 = <u32>((__heap_base + PAGE_SIZE - 1) >> PAGE_SHIFT);
const map: usize = (<usize>staticPages) << PAGE_SHIFT;

let pages: u32 = 0;
let firstFree: u32 = 0;
let runStart: u32 = 0;
let runCount: u32 = 0;
let virgin: u32 = 0;
let budget: u32 = PAGES_MAX - PAGES_BEYOND_BUDGET;

initialize();

function initialize(): void {
  pages = <u32>memory.size();
  const used = staticPages + 1;
  if (pages < used) unreachable();
  store<u32>(counts + <usize>(FREE << 2), pages);
  mark(0, staticPages, OWNER_STATIC);
  mark(staticPages, 1, OWNER_PAGE_POOL);
  firstFree = used;
  virgin = used;
  runStart = used;
  runCount = pages - used;
}

/**
 * Makes sure that acquisitions of `count` pages in all will succeed, together or one by one.
 * Returns false, and has changed nothing, if the budget or the machine does not allow it.
 */
export function reserve(count: u32): bool {
  if (runCount >= count) return true;
  return findRun(count) || grow(count, budget);
}

/**
 * As `reserve`, whatever the budget: for what is bounded and cannot be refused. The budget is there
 * to refuse shapes, not what has happened to them.
 */
export function reserveBeyondBudget(count: u32): bool {
  if (runCount >= count) return true;
  return findRun(count) || grow(count, PAGES_MAX);
}

/** Takes `count` adjacent pages, all zero. Traps where no `reserve` has made room for them. */
export function acquire(owner: u32, count: u32): usize {
  assert(owner != FREE && owner < OWNER_COUNT && count != 0);
  const first = firstRun(count);
  const end = first + count;
  mark(first, count, owner);
  if (first == firstFree) firstFree = end;
  // The first fit may begin before the run that is remembered, never inside it.
  if (first <= runStart && end > runStart) {
    const runEnd = runStart + runCount;
    runStart = end;
    runCount = runEnd > end ? runEnd - end : 0;
  }

  const dirty = min(end, virgin);
  if (first < dirty) memory.fill(addressOf(first), 0, (<usize>(dirty - first)) << PAGE_SHIFT);
  if (end > virgin) virgin = end;
  return addressOf(first);
}

/** Gives pages back. They need not have been acquired together. */
export function release(address: usize, count: u32): void {
  const first = pageAt(address);
  assert(first + count <= pages);
  assert(ownerOf(first) != FREE);
  mark(first, count, FREE);
  if (first < firstFree) firstFree = first;
  if (first + count == runStart) {
    runStart = first;
    runCount += count;
  }
}

/** Puts pages that are in use on another owner's account. */
export function assign(address: usize, count: u32, owner: u32): void {
  assert(owner != FREE && owner < OWNER_COUNT);
  assert(ownerOf(pageAt(address)) != FREE);
  mark(pageAt(address), count, owner);
}

/** The most pages that `reserve` may make it. Memory that is there already stays. */
export function setBudget(count: u32): void {
  budget = min(count, PAGES_MAX - PAGES_BEYOND_BUDGET);
}

export function pagesOf(owner: u32): u32 {
  assert(owner < OWNER_COUNT);
  return load<u32>(counts + <usize>(owner << 2));
}

export function freePages(): u32 {
  return pagesOf(FREE);
}

/** How many pages `size` bytes take. */
export function pagesFor(size: usize): u32 {
  return <u32>((size + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

/** Checks every invariant in O(pages). */
export function verify(): void {
  assert(pages == <u32>memory.size());
  let sum: u32 = 0;
  for (let owner: u32 = 0; owner < OWNER_COUNT; owner += 1) {
    let count: u32 = 0;
    for (let page: u32 = 0; page < pages; page += 1) {
      if (ownerOf(page) == owner) count += 1;
    }
    assert(count == pagesOf(owner)); // 2
    sum += count;
  }
  assert(sum == pages); // 1
  for (let page = pages; page < PAGES_MAX; page += 1) assert(ownerOf(page) == FREE); // 1
  for (let page: u32 = 0; page < firstFree; page += 1) assert(ownerOf(page) != FREE); // 3
  assert(runStart + runCount <= pages); // 4
  for (let n: u32 = 0; n < runCount; n += 1) assert(ownerOf(runStart + n) == FREE); // 4
  for (let page = virgin; page < pages; page += 1) assert(ownerOf(page) == FREE); // 5
}

/** Looks for a run of `count` free pages and remembers it. At most 65,536 bytes are read. */
function findRun(count: u32): bool {
  let start = firstFree;
  while (start < pages) {
    start = skipUsed(start);
    const end = skipFree(start, pages);
    if (end - start >= count) {
      runStart = start;
      runCount = end - start;
      return true;
    }
    start = end;
  }
  return false;
}

/** Grows memory until a run of `count` free pages ends it, to no more than `limit` pages. */
function grow(count: u32, limit: u32): bool {
  let tail = pages;
  while (ownerOf(tail - 1) == FREE) tail -= 1;
  const needed = tail + count - pages;
  if (pages + needed > limit) return false;

  const wanted = min(max(needed, max(GROWTH_MIN, pages >> 2)), limit - pages);
  let step = wanted;
  if (memory.grow(<i32>step) < 0) {
    step = needed;
    if (memory.grow(<i32>step) < 0) return false;
  }
  pages += step;
  store<u32>(counts + <usize>(FREE << 2), pagesOf(FREE) + step);
  runStart = tail;
  runCount = pages - tail;
  return true;
}

/** Returns the first page of the first run of at least `count` free pages. */
function firstRun(count: u32): u32 {
  firstFree = skipUsed(firstFree);
  let start = firstFree;
  while (start < pages) {
    const end = skipFree(start, min(pages, start + count));
    if (end - start == count) return start;
    start = skipUsed(end);
  }
  unreachable();
  return 0;
}

/** Returns the first free page from `page` on, or `pages`. */
function skipUsed(page: u32): u32 {
  while (page < pages) {
    const isAligned = (page & 15) == 0 && page + 16 <= pages;
    if (isAligned && i8x16.all_true(v128.load(map + <usize>page))) {
      page += 16;
    } else if (ownerOf(page) != FREE) {
      page += 1;
    } else {
      return page;
    }
  }
  return page;
}

/** Returns the first page in use from `page` on, or `end`. */
function skipFree(page: u32, end: u32): u32 {
  while (page < end) {
    if ((page & 7) == 0 && page + 8 <= end && load<u64>(map + <usize>page) == 0) {
      page += 8;
    } else if (ownerOf(page) == FREE) {
      page += 1;
    } else {
      return page;
    }
  }
  return page;
}

function mark(first: u32, count: u32, owner: u32): void {
  for (let page = first; page < first + count; page += 1) {
    const before = counts + ((<usize>ownerOf(page)) << 2);
    store<u32>(before, load<u32>(before) - 1);
    store<u8>(map + <usize>page, <u8>owner);
  }
  const after = counts + <usize>(owner << 2);
  store<u32>(after, load<u32>(after) + count);
}

function ownerOf(page: u32): u32 {
  return <u32>load<u8>(map + <usize>page);
}

function addressOf(page: u32): usize {
  return (<usize>page) << PAGE_SHIFT;
}

function pageAt(address: usize): u32 {
  assert((address & (PAGE_SIZE - 1)) == 0);
  return <u32>(address >> PAGE_SHIFT);
}
