/**
 * The consumer registry knows who waits for which shape: requests that are parked until the shape's
 * log grows.
 *
 * Only shapes that somebody waits for have anything here. A waiter is a row of 16 bytes in a doubly
 * linked list per shape; a leaf table leads from the shape to the first row, and a bit in the
 * shape's state says whether to look there at all: a flush of 100,000 shapes of which ten are
 * awaited reads 100,000 bytes and searches ten times.
 *
 *     shape ──index──> ┌───────┬──────┬──────────┐ ──next──> ┌───────┬──────┬──────────┐
 *                      │ shape │ next │ previous │           │ shape │ next │ previous │
 *                      └───────┴──────┴──────────┘ <──────── └───────┴──────┴──────────┘
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Every row in use is in the list of its shape, once; a list's first row is in the index.
 *   2. A shape's state has STATE_AWAITED if and only if its list is not empty.
 *
 * `park` may acquire pages and returns 0 if it is refused them. Nothing else does.
 */

import { hashWord } from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_CONSUMER_REGISTRY } from "./owners";
import * as pagePool from "./page-pool";
import * as rowPool from "./row-pool";
import * as shapeTable from "./shape-table";
import { STATE_AWAITED } from "./shape-table";

/** No waiter. */
export const NONE: u32 = 0;

@unmanaged
class Waiter {
  next: u32;
  previous: u32;
  /** 0: this row is free. Not the first word, which links free rows. */
  shape: u32;
  spare: u32;
}

const ROW_SIZE: u32 = 16;
if (offsetof<Waiter>() != ROW_SIZE) ERROR("a Waiter must be ROW_SIZE bytes");

/** 4,096 waiters a page: four million, far more than a process has sockets. */
const DIRECTORY_COUNT: u32 = 1024;
const HASH_SEED: u64 = 0x776169746572; // "waiter"
const ID_MASK: u32 = 0xffffff;

const rows: usize = memory.data(32, 4);
const directory: usize = memory.data(4096, 4);

let index: usize = 0;
let stoppedAt: u32 = 0;

/** Creates the one registry. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(index == 0);
  rowPool.create(rows, OWNER_CONSUMER_REGISTRY, ROW_SIZE, directory, DIRECTORY_COUNT);
  index = leafTable.create(OWNER_CONSUMER_REGISTRY, hashOf);
}

/** Lets somebody wait for a live shape. NONE, with nothing changed, if it is refused memory. */
export function park(shape: u32): u32 {
  assert(shapeTable.isLive(shape));
  const pages = rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(index);
  // Whoever is refused asks again at once, which costs more than these bytes.
  if (!rowPool.hasRoom(rows) || !pagePool.reserveBeyondBudget(pages)) return NONE;
  const waiter = rowPool.take(rows);
  waiterAt(waiter).shape = shape;
  if (isAwaited(shape)) {
    // Second in the list, so that the index need not change.
    const first = find(shape);
    const second = waiterAt(first).next;
    link(first, waiter);
    link(waiter, second);
  } else {
    leafTable.insert(index, hashOf(waiter), waiter);
    shapeTable.setStateBit(shape, STATE_AWAITED, true);
  }
  return waiter;
}

/** Ends a wait. REQUIRES: the waiter is parked. */
export function leave(waiter: u32): void {
  const self = waiterAt(waiter);
  assert(self.shape != shapeTable.NONE);
  if (self.previous != NONE) {
    link(self.previous, self.next);
  } else if (self.next != NONE) {
    leafTable.replace(index, hashOf(waiter), waiter, self.next);
    waiterAt(self.next).previous = NONE;
  } else {
    leafTable.remove(index, hashOf(waiter), waiter);
    shapeTable.setStateBit(self.shape, STATE_AWAITED, false);
  }
  give(waiter);
}

/**
 * Ends the waits for the shapes whose ids are given, and lists the waiters at `out`, at most
 * `capacity`. Ids may repeat and may have been retired. If `capacity` did not suffice, `wokenUpTo`
 * is less than `count`: take what there is and call again with the ids from there on.
 */
export function wake(ids: usize, count: u32, out: usize, capacity: u32): u32 {
  let woken: u32 = 0;
  stoppedAt = count;
  if (rowPool.count(rows) == 0) return 0;
  for (let n: u32 = 0; n < count; n += 1) {
    const shape = load<u32>(ids + <usize>(n << 2)) & ID_MASK;
    if (!isAwaited(shape)) continue;
    woken += wakeShape(shape, out + <usize>(woken << 2), capacity - woken);
    if (isAwaited(shape)) {
      stoppedAt = n;
      return woken;
    }
  }
  return woken;
}

/** Ends the waits for one shape: as `wake`, and the rest with the next call. */
export function wakeAllOf(shape: u32, out: usize, capacity: u32): u32 {
  return isAwaited(shape) ? wakeShape(shape, out, capacity) : 0;
}

/** How many of its ids the last `wake` is done with. */
export function wokenUpTo(): u32 {
  return stoppedAt;
}

/** Number of waiters. */
export function count(): u32 {
  return rowPool.count(rows);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows) + leafTable.liveBytes(index);
}

/** Checks every invariant in O(waiters + ids). */
export function verify(): void {
  rowPool.verify(rows);
  leafTable.verify(index);
  let listed: u32 = 0;
  let lists: u32 = 0;
  for (let shape: u32 = 1; shape < shapeTable.limit(); shape += 1) {
    let waiter = find(shape);
    assert((waiter != NONE) == isAwaited(shape)); // 2
    if (waiter != NONE) lists += 1;
    let previous = NONE;
    while (waiter != NONE) {
      assert(waiterAt(waiter).shape == shape && waiterAt(waiter).previous == previous); // 1
      listed += 1;
      previous = waiter;
      waiter = waiterAt(waiter).next;
    }
  }
  assert(listed == count() && lists == leafTable.count(index)); // 1
}

/** Ends waits from the front of a shape's list, as many as fit. REQUIRES: there are some. */
function wakeShape(shape: u32, out: usize, capacity: u32): u32 {
  const first = find(shape);
  let waiter = first;
  let woken: u32 = 0;
  while (waiter != NONE && woken < capacity) {
    store<u32>(out + <usize>(woken << 2), waiter);
    woken += 1;
    waiter = waiterAt(waiter).next;
  }
  const hash = hashOf(first);
  if (waiter == NONE) {
    leafTable.remove(index, hash, first);
    shapeTable.setStateBit(shape, STATE_AWAITED, false);
  } else if (woken != 0) {
    leafTable.replace(index, hash, first, waiter);
    waiterAt(waiter).previous = NONE;
  }
  for (let n: u32 = 0; n < woken; n += 1) give(load<u32>(out + <usize>(n << 2)));
  return woken;
}

/** Returns the first waiter of a shape, NONE if there is none. */
function find(shape: u32): u32 {
  leafTable.seek(index, hashWord(<u64>shape, HASH_SEED));
  while (true) {
    const waiter = leafTable.next();
    if (waiter == leafTable.NONE) return NONE;
    if (waiterAt(waiter).shape == shape) return waiter;
  }
}

/** Whether somebody waits for the shape. */
export function isAwaited(shape: u32): bool {
  return (shapeTable.state(shape) & STATE_AWAITED) != 0;
}

function link(waiter: u32, next: u32): void {
  waiterAt(waiter).next = next;
  if (next != NONE) waiterAt(next).previous = waiter;
}

function give(waiter: u32): void {
  waiterAt(waiter).shape = shapeTable.NONE;
  rowPool.give(rows, waiter);
}

function hashOf(waiter: u32): u64 {
  return hashWord(<u64>waiterAt(waiter).shape, HASH_SEED);
}

function waiterAt(waiter: u32): Waiter {
  return changetype<Waiter>(rowPool.addressOf(rows, waiter));
}
