/**
 * The history of views: which values entered and left them, since the oldest position that somebody
 * may still ask for. A shape in the middle of a move sees its views as they were, while the others
 * go on; nothing is copied for it.
 *
 *     position      7         7         8         9              one per step of changes
 *     entry     ┌─────────┬─────────┬─────────┬─────────┬─ ─ ─
 *               │ V5 + a  │ V6 - b  │ V5 - a  │ V5 + a  │            + entered, - left
 *               └─────────┴─────────┴────┬────┴────┬────┴─ ─ ─
 *                    ^─── previous ──────┘ ^───────┘
 *     leaf table                                (V5, a) ──> the newest entry of the pair
 *
 *     entry  ┌──────────┬─────────────────────┬──────────────┬──────────────┐
 *            │ position │ entering:1 view:31  │ row          │ distance     │      16 bytes
 *            └──────────┴─────────────────────┴──────────────┴──────────────┘
 *
 * What was so at a position follows from the newest entry up to it or, where all are later, is the
 * opposite of the oldest. Entries lie in pages of 4,096; numbers go on for ever, modulo 2^32, and
 * so do positions: both are compared by their difference.
 *
 * An entry of the step that goes on is taken back if its pair changes again: the net change is
 * none. It stays as a hole, a row of 0.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Positions do not descend.
 *   2. The leaf table has the newest entry of each pair, and no other.
 *   3. `distance` is that to the pair's entry before, 0 if it had none; they alternate.
 *   4. A pair has one entry of a position at most.
 *
 * `append` may acquire pages. REQUIRES: `pagePool.reserve(pagesForAppend())` and `hasRoom`.
 */

import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_VIEW_HISTORY } from "./owners";
import * as pagePool from "./page-pool";

/** No entry: the newest of a pair that has none. The entry of this number is a hole. */
export const NONE: u32 = 0xffffffff;

/** Of an entry: the value entered the view. */
export const ENTERING: u32 = 0x80000000;

@unmanaged
class Entry {
  position: u32;
  viewAndKind: u32;
  row: u32;
  distance: u32;
}

const ENTRY_SHIFT: u32 = 4;
if (offsetof<Entry>() != 1 << ENTRY_SHIFT) ERROR("an Entry must be 16 bytes");
const PAGE_SHIFT: u32 = 12;
const PAGE_ENTRIES: u32 = 4096;
/** 4,096 pages: as many entries as a leaf table can name. */
const PAGES_MAX: u32 = 4096;
const SLOT_MASK: u32 = 0xffffff;

const pages: usize = memory.data(16384, 4);

let table: usize = 0;
/** Number of the oldest entry, and of the next one. */
let first: u32 = 0;
let end: u32 = 0;
/** What `dropOldest` dropped. */
let droppedView: u32 = 0;
let droppedRow: u32 = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  table = leafTable.create(OWNER_VIEW_HISTORY, hashOfSlot);
}

/** Gives the next entry a number of one's choice. For tests, which cannot wait for 2^32 entries. */
export function startAt(number: u32): void {
  assert(first == end);
  first = number;
  end = number;
}

/** How many entries there are. */
export function count(): u32 {
  return end - first;
}

/** Number of the next entry. */
export function next(): u32 {
  return end;
}

/** Whether `append` has an entry to give. A page is kept free, so that no two share a slot. */
export function hasRoom(): bool {
  return end - first < (PAGES_MAX - 1) * PAGE_ENTRIES;
}

/** The most pages that `append` acquires. */
export function pagesForAppend(): u32 {
  return 2 + leafTable.pagesForInsert(table);
}

/** The newest entry of a pair, NONE if it has none. */
export function newestOf(view: u32, row: u32): u32 {
  if (first == end) return NONE;
  leafTable.seek(table, hashOf(view, row));
  while (true) {
    const slot = leafTable.next();
    if (slot == leafTable.NONE) return NONE;
    const number = first + ((slot - first) & SLOT_MASK);
    if (rowOf(number) == row && viewOf(number) == view) return number;
  }
}

/** Whether the pair was entered or left: see `newestOf`. */
export function isEntering(number: u32): bool {
  return (entryAt(number).viewAndKind & ENTERING) != 0;
}

export function viewOf(number: u32): u32 {
  return entryAt(number).viewAndKind & ~ENTERING;
}

/** The value that entered or left; 0: the entry was taken back. */
export function rowOf(number: u32): u32 {
  return entryAt(number).row;
}

export function positionOf(number: u32): u32 {
  return entryAt(number).position;
}

/** Whether a view had a value at a position, by the newest entry of the pair. */
export function hadAt(newest: u32, position: u32): bool {
  let number = newest;
  while (true) {
    const entry = entryAt(number);
    if (!isAfter(entry.position, position)) return isEntering(number);
    const previous = number - entry.distance;
    if (entry.distance == 0 || !isKept(previous)) return !isEntering(number);
    number = previous;
  }
}

/** Notes that a pair changed; `newest` is its newest entry, NONE if it has none. */
export function append(view: u32, row: u32, isNowIn: bool, position: u32, newest: u32): void {
  if (end == NONE) push(position).row = 0;
  const entry = push(position);
  const number = end - 1;
  entry.viewAndKind = view | (isNowIn ? ENTERING : 0);
  entry.row = row;
  if (newest == NONE) {
    entry.distance = 0;
    leafTable.insert(table, hashOf(view, row), number & SLOT_MASK);
  } else {
    entry.distance = number - newest;
    rename(view, row, newest, number);
  }
}

/** Takes back the newest entry of a pair. Returns the one that is its newest then. */
export function takeBack(number: u32): u32 {
  const entry = entryAt(number);
  const view = viewOf(number);
  const previous = number - entry.distance;
  const hasPrevious = entry.distance != 0 && isKept(previous);
  if (hasPrevious) rename(view, entry.row, number, previous);
  else unlink(view, entry.row, number);
  entry.row = 0;
  return hasPrevious ? previous : NONE;
}

/** Forgets the entries of a pair, if it has any: its view is dead. */
export function forget(view: u32, row: u32): void {
  let number = newestOf(view, row);
  while (number != NONE) number = takeBack(number);
}

/** Whether there is an oldest entry that no question at `position` or later needs. */
export function isOldestBefore(position: u32): bool {
  return first != end && !isAfter(entryAt(first).position, position);
}

/**
 * Drops the oldest entry. True: with it goes the last that was known of a value which had left its
 * view, see `lastDroppedView` and `lastDroppedRow`.
 */
export function dropOldest(): bool {
  const number = first;
  const row = rowOf(number);
  const view = viewOf(number);
  const isLast = row != 0 && newestOf(view, row) == number;
  droppedView = view;
  droppedRow = row;
  const hadLeft = isLast && !isEntering(number);
  if (isLast) unlink(view, row, number);
  first += 1;
  if ((first & (PAGE_ENTRIES - 1)) == 0 || first == end) releasePage(number);
  return hadLeft;
}

export function lastDroppedView(): u32 {
  return droppedView;
}

export function lastDroppedRow(): u32 {
  return droppedRow;
}

export function liveBytes(): usize {
  return ((<usize>(end - first)) << ENTRY_SHIFT) + leafTable.liveBytes(table);
}

/** Checks the invariants in O(entries). */
export function verify(): void {
  leafTable.verify(table);
  let newest: u32 = 0;
  for (let number = first; number != end; number += 1) {
    const entry = entryAt(number);
    if (number != first) assert(!isAfter(positionOf(number - 1), entry.position)); // 1
    if (entry.row == 0) continue;
    if (newestOf(viewOf(number), entry.row) == number) newest += 1; // 2
    const previous = number - entry.distance;
    if (entry.distance == 0 || !isKept(previous)) continue;
    assert(rowOf(previous) == entry.row && viewOf(previous) == viewOf(number)); // 3
    assert(isEntering(previous) != isEntering(number)); // 3
    assert(isAfter(entry.position, positionOf(previous))); // 4
  }
  assert(newest == leafTable.count(table)); // 2
}

/** Whether a position comes after another. */
function isAfter(position: u32, other: u32): bool {
  return <i32>(position - other) > 0;
}

function isKept(number: u32): bool {
  return number - first < end - first;
}

function rename(view: u32, row: u32, from: u32, to: u32): void {
  const hash = hashOf(view, row);
  const wasThere = leafTable.replace(table, hash, from & SLOT_MASK, to & SLOT_MASK);
  assert(wasThere);
}

function unlink(view: u32, row: u32, number: u32): void {
  const wasThere = leafTable.remove(table, hashOf(view, row), number & SLOT_MASK);
  assert(wasThere);
}

/** Makes room for the next entry. A page is there from its first entry to its last. */
function push(position: u32): Entry {
  if ((end & (PAGE_ENTRIES - 1)) == 0 || first == end) {
    store<u32>(pageSlot(end), <u32>pagePool.acquire(OWNER_VIEW_HISTORY, 1));
  }
  end += 1;
  const entry = entryAt(end - 1);
  entry.position = position;
  return entry;
}

function releasePage(number: u32): void {
  pagePool.release(<usize>load<u32>(pageSlot(number)), 1);
}

function entryAt(number: u32): Entry {
  const index = <usize>(number & (PAGE_ENTRIES - 1));
  return changetype<Entry>(<usize>load<u32>(pageSlot(number)) + (index << ENTRY_SHIFT));
}

function pageSlot(number: u32): usize {
  return pages + ((<usize>((number >> PAGE_SHIFT) & (PAGES_MAX - 1))) << 2);
}

function hashOf(view: u32, row: u32): u64 {
  return hash.hashWord(((<u64>view) << 32) | (<u64>row), 1);
}

/** What the leaf table asks when it splits a leaf. */
function hashOfSlot(slot: u32): u64 {
  const number = first + ((slot - first) & SLOT_MASK);
  return hashOf(viewOf(number), rowOf(number));
}
