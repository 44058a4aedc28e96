/**
 * The shape table has one row of 28 bytes per shape id, in parallel columns.
 *
 * Rows lie in chunks of 16,384, which are 7 pages to the byte. Columns, and not records, because
 * the work that goes over many shapes reads one or two of them: keys for a flush, last uses for
 * expiry, states for a wake-up.
 *
 *     page   0        2        4     5          6                                    7
 *     chunk  ┌────────┬────────┬─────┬─────┬─────┬───────┬──────────┬───────────┬─────┐
 *            │ handle │ const- │tail │temp-│last │ tail  │ template │generation │state│
 *            │        │ ants   │ low │ late│ use │ high  │ high     │           │     │
 *            └────────┴────────┴─────┴─────┴─────┴───────┴──────────┴───────────┴─────┘
 *     bytes   8        8        4     2     2     1       1          1           1       a row
 *
 * The handle's column belongs to `handle-table.ts`.
 *
 *     constants   what the equality index or that of definitions makes of it; while resting:
 *                 next:32 | epoch:32
 *     tail        of the shape's log, 40 bits: see `pending-postings.ts`. 0 is unknown.
 *     last use    in units of the registry's
 *     generation  how often the id was minted again, modulo 256
 *
 * An id that is retired rests before it is minted again, so that what still names the old shape by
 * its id finds nobody rather than somebody else. It rests until
 *
 *   - two epochs have passed: what was begun for the old shape may be in flight in the epoch of its
 *     retirement and in the next, and no longer;
 *   - QUARANTINE_MIN ids were retired after it, or no other id is to be had;
 *   - where its generation would start again at 0: no posting that was filed before its retirement
 *     is buffered, since postings know their shape by (id, generation).
 *
 * Resting ids form a queue through their own rows. The quarantine costs a living shape nothing.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Row 0 is nobody's. Ids 1 .. top - 1 have been minted; each is live or rests, `count`
 *      of them are live, and `views` of these are those of views.
 *   2. The queue holds every resting id once, ordered by the epoch of retirement.
 *   3. A row that is not live is zero but for its links, its generation and its state.
 *
 * `mint` may acquire the pages of a chunk. Nothing else does.
 */

import { OWNER_HANDLE_TABLE, OWNER_SHAPE_TABLE } from "./owners";
import * as pagePool from "./page-pool";

/** No shape. */
export const NONE: u32 = 0;

/**
 * Two thirds of 2^24. An index has 24 bits to name a shape or a set of at least two shapes; where
 * no shape is in two sets there are at most half as many sets as shapes.
 */
export const SHAPE_ID_MAX: u32 = 0xaaaaaa;

/** How many younger ids rest before an id is minted again, if there are others. */
export const QUARANTINE_MIN: u32 = 1024;

/** How many times the epoch advances before a retired id is minted again. */
const EPOCHS_MIN: u32 = 2;

/** The most pages that `mint` acquires. */
export const PAGES_PER_MINT: u32 = 7;

export const STATE_LIVE: u32 = 1;
export const STATE_RESTING: u32 = 2;
/** Its snapshot's bounds are not known yet: what matches it is held back. */
export const STATE_GATED: u32 = 4;
/** Somebody waits for it: the consumer registry has an entry. */
export const STATE_AWAITED: u32 = 8;
/** It is in the flush tracker. */
export const STATE_UNFLUSHED: u32 = 16;
/** While a change is routed: it was found for the old row, for the new one (`candidates.ts`). */
export const STATE_MARK_OLD: u32 = 32;
export const STATE_MARK_NEW: u32 = 64;
/** It is a view: the bytes of its handle are those of `dependency-view.ts`. */
export const STATE_VIEW: u32 = 128;

const CHUNK_SHIFT: u32 = 14;
const CHUNK_ROWS: u32 = 16384;
const HANDLE_PAGES: u32 = 2;

const CONSTANTS: usize = 131072;
const TAIL_LOW: usize = 262144;
const TEMPLATE_LOW: usize = 327680;
const LAST_USE: usize = 360448;
const TAIL_HIGH: usize = 393216;
const TEMPLATE_HIGH: usize = 409600;
const GENERATION: usize = 425984;
const STATE: usize = 442368;

/** Addresses of 683 chunks: enough for SHAPE_ID_MAX. */
const chunks: usize = memory.data(2732, 4);

let top: u32 = 1;
let liveCount: u32 = 0;
let viewCount: u32 = 0;
let oldest: u32 = NONE;
let youngest: u32 = NONE;
let restingCount: u32 = 0;
let epoch: u32 = 0;
let oldestPosting: u32 = 0;
let hasPostings: bool = false;
let idMax: u32 = SHAPE_ID_MAX;

/** Returns an id for a new shape, its row zero but for generation and state; NONE if refused. */
export function mint(): u32 {
  let id = takeRested(true);
  if (id == NONE) id = takeUnused();
  if (id == NONE) id = takeRested(false);
  if (id == NONE) return NONE;
  setState(id, STATE_LIVE);
  liveCount += 1;
  return id;
}

/** As `mint`, for a shape without handle and log: a dependency view. */
export function mintView(): u32 {
  const id = mint();
  if (id == NONE) return NONE;
  setStateBit(id, STATE_VIEW, true);
  viewCount += 1;
  return id;
}

/** Lets an id go. REQUIRES: it is live, nobody waits for it, no index holds it. */
export function retire(id: u32): void {
  assert(isLive(id) && (state(id) & (STATE_AWAITED | STATE_UNFLUSHED)) == 0);
  store<u64>(handleAddress(id), 0);
  setTail(id, 0);
  setTemplate(id, 0);
  setLastUse(id, 0);
  if (isView(id)) viewCount -= 1;
  setState(id, STATE_RESTING);
  liveCount -= 1;
  rest(id, epoch);
}

/** Begins another epoch: see the quarantine. To be called between two transactions. */
export function advanceEpoch(): void {
  epoch += 1;
}

/** No posting is buffered that was filed before the epoch `first`; none at all if `!hasAny`. */
export function setPostings(hasAny: bool, first: u32): void {
  hasPostings = hasAny;
  oldestPosting = first;
}

export function currentEpoch(): u32 {
  return epoch;
}

export function isLive(id: u32): bool {
  return id != NONE && id < top && (state(id) & STATE_LIVE) != 0;
}

/** Whether an id was minted as a view's. */
export function isView(id: u32): bool {
  return (state(id) & STATE_VIEW) != 0;
}

/** The live id after this one, NONE if it is the last. */
export function next(id: u32): u32 {
  for (let after = id + 1; after < top; after += 1) {
    if ((state(after) & STATE_LIVE) != 0) return after;
  }
  return NONE;
}

/** Number of live ids, those of views included. */
export function count(): u32 {
  return liveCount;
}

/** Number of those of views, removed ones included until they are swept. */
export function views(): u32 {
  return viewCount;
}

/** One more than the highest id that was ever minted. */
export function limit(): u32 {
  return top;
}

/** The most live and resting ids there may be. For tests, which cannot wait for 11 million. */
export function setIdMax(max: u32): void {
  assert(max <= SHAPE_ID_MAX && max >= top - 1);
  idMax = max;
}

/** Where the handle of a row lies: eight bytes, for `handle-table.ts`. */
export function handleAddress(id: u32): usize {
  return chunkOf(id) + <usize>(rowOf(id) << 3);
}

export function constants(id: u32): u64 {
  return load<u64>(chunkOf(id) + <usize>(rowOf(id) << 3), CONSTANTS);
}

export function setConstants(id: u32, value: u64): void {
  store<u64>(chunkOf(id) + <usize>(rowOf(id) << 3), value, CONSTANTS);
}

/** Where the constants of a row lie: eight bytes. */
export function constantsAddress(id: u32): usize {
  return chunkOf(id) + CONSTANTS + <usize>(rowOf(id) << 3);
}

export function tail(id: u32): u64 {
  const chunk = chunkOf(id);
  const low = <u64>load<u32>(chunk + <usize>(rowOf(id) << 2), TAIL_LOW);
  return low | ((<u64>load<u8>(chunk + <usize>rowOf(id), TAIL_HIGH)) << 32);
}

export function setTail(id: u32, value: u64): void {
  assert(value >> 40 == 0);
  const chunk = chunkOf(id);
  store<u32>(chunk + <usize>(rowOf(id) << 2), <u32>value, TAIL_LOW);
  store<u8>(chunk + <usize>rowOf(id), <u8>(value >> 32), TAIL_HIGH);
}

export function template(id: u32): u32 {
  const chunk = chunkOf(id);
  const low = <u32>load<u16>(chunk + <usize>(rowOf(id) << 1), TEMPLATE_LOW);
  return low | ((<u32>load<u8>(chunk + <usize>rowOf(id), TEMPLATE_HIGH)) << 16);
}

export function setTemplate(id: u32, value: u32): void {
  assert(value >> 24 == 0);
  const chunk = chunkOf(id);
  store<u16>(chunk + <usize>(rowOf(id) << 1), <u16>value, TEMPLATE_LOW);
  store<u8>(chunk + <usize>rowOf(id), <u8>(value >> 16), TEMPLATE_HIGH);
}

export function lastUse(id: u32): u32 {
  return <u32>load<u16>(chunkOf(id) + <usize>(rowOf(id) << 1), LAST_USE);
}

export function setLastUse(id: u32, value: u32): void {
  assert(value >> 16 == 0);
  store<u16>(chunkOf(id) + <usize>(rowOf(id) << 1), <u16>value, LAST_USE);
}

export function generation(id: u32): u32 {
  return <u32>load<u8>(chunkOf(id) + <usize>rowOf(id), GENERATION);
}

export function state(id: u32): u32 {
  return <u32>load<u8>(chunkOf(id) + <usize>rowOf(id), STATE);
}

export function setState(id: u32, value: u32): void {
  assert(value >> 8 == 0);
  store<u8>(chunkOf(id) + <usize>rowOf(id), <u8>value, STATE);
}

export function setStateBit(id: u32, bit: u32, isSet: bool): void {
  setState(id, isSet ? state(id) | bit : state(id) & ~bit);
}

/** Bytes of the rows of live shapes, the handle's column excepted. */
export function liveBytes(): usize {
  return <usize>liveCount * 20;
}

/** Checks every invariant in O(ids). */
export function verify(): void {
  let live: u32 = 0;
  let resting: u32 = 0;
  let views: u32 = 0;
  for (let id: u32 = 1; id < top; id += 1) {
    const isLive = (state(id) & STATE_LIVE) != 0;
    const isResting = (state(id) & STATE_RESTING) != 0;
    assert(isLive != isResting); // 1
    if (isLive) live += 1;
    else resting += 1;
    if (isLive && isView(id)) views += 1;
    if (isResting) {
      assert(state(id) == STATE_RESTING && load<u64>(handleAddress(id)) == 0); // 3
      assert(tail(id) == 0 && template(id) == 0 && lastUse(id) == 0); // 3
    }
  }
  assert(live == liveCount && resting == restingCount && views == viewCount); // 1
  let id = oldest;
  let queued: u32 = 0;
  while (id != NONE) {
    queued += 1;
    assert(queued <= resting && (state(id) & STATE_RESTING) != 0); // 2
    const next = nextResting(id);
    assert(next != NONE || id == youngest); // 2
    assert(next == NONE || <i32>(retiredAt(next) - retiredAt(id)) >= 0); // 2
    id = next;
  }
  assert(queued == resting); // 2
}

/** Takes the oldest of the queue if it has rested, in full or as long as it must. */
function takeRested(inFull: bool): u32 {
  // An id that starts its generations again may have to rest for another round: at most once each.
  let tries = restingCount;
  while (tries != 0) {
    tries -= 1;
    const id = oldest;
    if (epoch - retiredAt(id) < EPOCHS_MIN) return NONE;
    if (inFull && restingCount <= QUARANTINE_MIN) return NONE;
    oldest = nextResting(id);
    if (oldest == NONE) youngest = NONE;
    restingCount -= 1;
    if (generation(id) == 255 && mayBeBuffered(id)) {
      rest(id, epoch);
      continue;
    }
    setConstants(id, 0);
    store<u8>(chunkOf(id) + <usize>rowOf(id), <u8>(generation(id) + 1), GENERATION);
    return id;
  }
  return NONE;
}

/** Whether a posting may be buffered that was filed before this id was retired. */
function mayBeBuffered(id: u32): bool {
  return hasPostings && <i32>(retiredAt(id) - oldestPosting) >= 0;
}

/** Mints the next id that was never used. NONE if there is none, or no memory for it. */
function takeUnused(): u32 {
  if (top > idMax) return NONE;
  const slot = chunkSlot(top);
  if (load<u32>(slot) == 0) {
    if (!pagePool.reserve(PAGES_PER_MINT)) return NONE;
    const chunk = pagePool.acquire(OWNER_SHAPE_TABLE, PAGES_PER_MINT);
    pagePool.assign(chunk, HANDLE_PAGES, OWNER_HANDLE_TABLE);
    store<u32>(slot, <u32>chunk);
  }
  top += 1;
  return top - 1;
}

/** Puts an id at the end of the queue. */
function rest(id: u32, since: u32): void {
  setConstants(id, <u64>since);
  if (oldest == NONE) {
    oldest = id;
  } else {
    setConstants(youngest, constants(youngest) | ((<u64>id) << 32));
  }
  youngest = id;
  restingCount += 1;
}

function nextResting(id: u32): u32 {
  return <u32>(constants(id) >> 32);
}

function retiredAt(id: u32): u32 {
  return <u32>constants(id);
}

function chunkSlot(id: u32): usize {
  return chunks + <usize>((id >> CHUNK_SHIFT) << 2);
}

function chunkOf(id: u32): usize {
  assert(id != NONE && id <= SHAPE_ID_MAX);
  const chunk = <usize>load<u32>(chunkSlot(id));
  assert(chunk != 0);
  return chunk;
}

function rowOf(id: u32): u32 {
  return id & (CHUNK_ROWS - 1);
}
