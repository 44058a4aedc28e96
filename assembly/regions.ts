/**
 * The regions through which bytes cross between TypeScript and the core.
 *
 *     INPUT      bytes of the socket          ┌──────────┬───────────┬──────────┬─────┐
 *                                             │ consumed │ pending   │ free     │ pad │
 *                                             └──────────┴───────────┴──────────┴─────┘
 *                                                        readAt      writeAt
 *     BYTES      JSON bodies, one after another
 *     BODIES     a row of six words per body: address, size, op, first match, matches, flags
 *     MATCHES    shape ids, grouped by body
 *     HITS       (id, next) pairs while one change is being routed; as many as MATCHES has ids
 *     SCRATCH    what TypeScript describes in the control plane: relations, templates, constants
 *
 * BYTES, BODIES and MATCHES together are the output. A change writes behind `bytesAt`, `bodyCount`
 * and `matchCount`, and is kept by moving all three at once (`keep`) or forgotten by not doing so:
 * hence no change is ever split between two outputs.
 *
 * Each region is followed by PAD bytes, which vector code may read and write.
 *
 * Invariants:
 *
 *   1. inputBase <= readAt <= writeAt <= inputBase + inputCapacity.
 *   2. Every body that is kept lies below `bytesAt`, and its matches below `matchCount`.
 *
 * Only `create`, `reserveInput`, `reserveScratch` and `growOutput` allocate, and each returns 0 or
 * false, with nothing changed, when the budget forbids it.
 */

import { OWNER_IO } from "./owners";
import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";
import * as runState from "./run-state";

/** Four vectors: the escape loop reads one and writes one beyond the end; the rest is a margin. */
const PAD: usize = 64;
const BODY_SIZE: usize = 24;
const HIT_SIZE: usize = 8;
/** Bodies share matches seldom and split them often: one row for so many ids. */
const MATCHES_PER_BODY: u32 = 4;
const CAPACITY_MIN: u32 = 1024;
/** Twice the largest message that Postgres can make (1 GiB). Keeps sums of sizes below 2^32. */
const REGION_MAX: usize = 0x7fff_0000;

let inputBase: usize = 0;
let inputCapacity: usize = 0;
let readAt: usize = 0;
let writeAt: usize = 0;

let bytesBase: usize = 0;
let bytesCapacity: usize = 0;
let bytesAt: usize = 0;
/** At the end of BYTES: what the change at hand has put aside. */
let bytesAside: usize = 0;

let bodiesBase: usize = 0;
let bodyCapacity: u32 = 0;
let bodyCount: u32 = 0;

let matchesBase: usize = 0;
let hitsBase: usize = 0;
let matchCapacity: u32 = 0;
let matchCount: u32 = 0;

let scratchBase: usize = 0;
let scratchCapacity: usize = 0;

/** What the last change ran out of: bits of SHORT_*. */
let shortOf: u32 = 0;
export const SHORT_OF_BYTES: u32 = 1;
export const SHORT_OF_BODIES: u32 = 2;
export const SHORT_OF_MATCHES: u32 = 4;

/** To be called once. */
export function create(inputBytes: usize, outputBytes: usize, matches: u32): bool {
  assert(inputBase == 0);
  if (
    inputBytes > REGION_MAX ||
    outputBytes > REGION_MAX ||
    <usize>matches > REGION_MAX / HIT_SIZE
  ) {
    return false;
  }
  const capacity = max(matches, CAPACITY_MIN);
  const bodies = capacity / MATCHES_PER_BODY;
  const pages =
    pagesFor(inputBytes) +
    pagesFor(outputBytes) +
    pagesFor(<usize>bodies * BODY_SIZE) +
    pagesFor(capacity << 2) +
    pagesFor(<usize>capacity * HIT_SIZE) +
    pagesFor(CAPACITY_MIN);
  if (!pagePool.reserve(pages)) return false;

  inputBase = acquire(inputBytes);
  inputCapacity = usableIn(inputBytes);
  readAt = inputBase;
  writeAt = inputBase;
  bytesBase = acquire(outputBytes);
  bytesCapacity = usableIn(outputBytes);
  bodiesBase = acquire(<usize>bodies * BODY_SIZE);
  bodyCapacity = bodies;
  matchesBase = acquire(capacity << 2);
  hitsBase = acquire(<usize>capacity * HIT_SIZE);
  matchCapacity = capacity;
  scratchBase = acquire(CAPACITY_MIN);
  scratchCapacity = usableIn(CAPACITY_MIN);
  clearOutput();
  return true;
}

// --- INPUT -------------------------------------------------------------------------------------

/**
 * Returns where the next `size` bytes of the socket go, 0 if there is no memory. Moves pending. The
 * budget has no say: a row that has happened cannot be refused, and the caller bounds its size.
 */
export function reserveInput(size: usize): usize {
  const pending = writeAt - readAt;
  if (size > REGION_MAX - pending) return 0;
  if (size <= inputBase + inputCapacity - writeAt) return writeAt;
  if (pending + size <= inputCapacity) {
    memory.copy(inputBase, readAt, pending);
  } else {
    const wanted = min(max(pending + size, inputCapacity * 2), REGION_MAX);
    if (!pagePool.reserveBeyondBudget(pagesFor(wanted))) return 0;
    const base = acquire(wanted);
    memory.copy(base, readAt, pending);
    release(inputBase, inputCapacity);
    inputBase = base;
    inputCapacity = usableIn(wanted);
  }
  readAt = inputBase;
  writeAt = inputBase + pending;
  return writeAt;
}

/** REQUIRES: `reserveInput(size)` was the call before. */
export function commitInput(size: usize): void {
  assert(size <= inputBase + inputCapacity - writeAt);
  writeAt += size;
  runState.set(runState.INPUT_PENDING, <u32>(writeAt - readAt));
}

export function inputStart(): usize {
  return readAt;
}

export function inputEnd(): usize {
  return writeAt;
}

/** REQUIRES: address lies in what is pending. */
export function consumeTo(address: usize): void {
  assert(address >= readAt && address <= writeAt);
  readAt = address;
}

/** Says how much is pending where TypeScript looks for it. */
export function publishPending(): void {
  runState.set(runState.INPUT_PENDING, <u32>(writeAt - readAt));
}

export function clearInput(): void {
  readAt = inputBase;
  writeAt = inputBase;
  publishPending();
}

// --- Output ------------------------------------------------------------------------------------

/** Where the next body begins. */
export function bytesCursor(): usize {
  return bytesAt;
}

/** The first address that no body may reach; PAD bytes beyond may be touched. */
export function bytesLimit(): usize {
  return bytesBase + bytesCapacity - (bytesAside == 0 ? 0 : bytesAside + PAD);
}

/**
 * Puts bytes aside for the change at hand, at the end of BYTES, word-aligned. Returns their
 * address, 0 if they do not fit, which `growOutput` is told.
 */
export function putAside(size: usize): usize {
  const total = bytesAside + ((size + 3) & ~3);
  if (total + PAD > bytesBase + bytesCapacity - bytesAt) {
    lack(SHORT_OF_BYTES);
    return 0;
  }
  bytesAside = total;
  return bytesBase + bytesCapacity - total;
}

/** Another change begins, with nothing put aside. */
export function forgetAside(): void {
  bytesAside = 0;
}

export function bodies(): u32 {
  return bodyCount;
}

export function matches(): u32 {
  return matchCount;
}

export function bodiesMax(): u32 {
  return bodyCapacity;
}

export function matchesMax(): u32 {
  return matchCapacity;
}

export function isOutputEmpty(): bool {
  return bodyCount == 0;
}

export function bodyRow(index: u32): usize {
  return bodiesBase + <usize>index * BODY_SIZE;
}

export function matchAddress(index: u32): usize {
  return matchesBase + ((<usize>index) << 2);
}

export function hitAddress(index: u32): usize {
  return hitsBase + <usize>index * HIT_SIZE;
}

/** Makes what a change wrote part of the output. */
export function keep(cursor: usize, bodiesEnd: u32, matchesEnd: u32): void {
  assert(cursor >= bytesAt && cursor <= bytesLimit());
  assert(bodiesEnd >= bodyCount && bodiesEnd <= bodyCapacity);
  assert(matchesEnd >= matchCount && matchesEnd <= matchCapacity);
  bytesAt = cursor;
  bodyCount = bodiesEnd;
  matchCount = matchesEnd;
  runState.set(runState.BODY_COUNT, bodiesEnd);
}

/** Notes what there was too little of, for `growOutput`. */
export function lack(what: u32): void {
  shortOf |= what;
}

export function forgetLack(): void {
  shortOf = 0;
}

export function clearOutput(): void {
  bytesAt = bytesBase;
  bodyCount = 0;
  matchCount = 0;
  publishOutput();
}

/** How many bytes `growOutput` would take. */
export function growthBytes(): usize {
  let size: usize = 0;
  if (shortOf & SHORT_OF_BYTES) size += enlarged(bytesCapacity);
  if (shortOf & SHORT_OF_BODIES) size += <usize>bodyCapacity * 2 * BODY_SIZE;
  if (shortOf & SHORT_OF_MATCHES) size += <usize>matchCapacity * 2 * (4 + HIT_SIZE);
  return size;
}

/** Doubles what the last change ran out of. REQUIRES: the output is empty. */
export function growOutput(): bool {
  assert(isOutputEmpty());
  const newMatches = shortOf & SHORT_OF_MATCHES ? matchCapacity * 2 : matchCapacity;
  const newBodies = shortOf & SHORT_OF_BODIES ? bodyCapacity * 2 : bodyCapacity;
  if (shortOf & SHORT_OF_BYTES && bytesCapacity >= REGION_MAX - PAGE_SIZE) return false;
  if (<usize>newMatches > REGION_MAX / HIT_SIZE || <usize>newBodies > REGION_MAX / BODY_SIZE) {
    return false;
  }
  const pages = pagesFor(growthBytes()) + 4; // At most four regions, each rounded up by itself.
  if (!pagePool.reserveBeyondBudget(pages)) return false;

  if (shortOf & SHORT_OF_BYTES) {
    const size = enlarged(bytesCapacity);
    release(bytesBase, bytesCapacity);
    bytesBase = acquire(size);
    bytesCapacity = usableIn(size);
  }
  if (newBodies != bodyCapacity) {
    release(bodiesBase, <usize>bodyCapacity * BODY_SIZE);
    bodiesBase = acquire(<usize>newBodies * BODY_SIZE);
    bodyCapacity = newBodies;
  }
  if (newMatches != matchCapacity) {
    release(matchesBase, (<usize>matchCapacity) << 2);
    release(hitsBase, <usize>matchCapacity * HIT_SIZE);
    matchesBase = acquire((<usize>newMatches) << 2);
    hitsBase = acquire(<usize>newMatches * HIT_SIZE);
    matchCapacity = newMatches;
  }
  shortOf = 0;
  clearOutput();
  return true;
}

// --- SCRATCH -----------------------------------------------------------------------------------

/** Returns the scratch with room for `size` bytes, 0 if the budget forbids. Forgets its content. */
export function reserveScratch(size: usize): usize {
  if (size <= scratchCapacity) return scratchBase;
  if (size > REGION_MAX) return 0;
  if (!pagePool.reserve(pagesFor(size))) return 0;
  release(scratchBase, scratchCapacity);
  scratchBase = acquire(size);
  scratchCapacity = usableIn(size);
  return scratchBase;
}

export function scratch(): usize {
  return scratchBase;
}

// --- Pages -------------------------------------------------------------------------------------

function publishOutput(): void {
  runState.set(runState.BODY_COUNT, bodyCount);
  runState.set(runState.BODIES_ADDRESS, <u32>bodiesBase);
  runState.set(runState.MATCHES_ADDRESS, <u32>matchesBase);
}

function enlarged(capacity: usize): usize {
  return min(capacity * 2, REGION_MAX);
}

/** Pages for `size` bytes and the pad. */
function pagesFor(size: usize): u32 {
  return pagePool.pagesFor(size + PAD);
}

/** All that fits in those pages: a region never leaves the end of its last page unused. */
function usableIn(size: usize): usize {
  return <usize>pagesFor(size) * PAGE_SIZE - PAD;
}

function acquire(size: usize): usize {
  return pagePool.acquire(OWNER_IO, pagesFor(size));
}

function release(base: usize, capacity: usize): void {
  pagePool.release(base, pagesFor(capacity));
}

/** Bytes that hold something at this moment. */
export function liveBytes(): usize {
  return (
    writeAt - readAt + (bytesAt - bytesBase) + <usize>bodyCount * BODY_SIZE + (matchCount << 2)
  );
}
