/**
 * How many inner rows give a view a value, where that is not one. Most subqueries name a key or
 * something as good as a key: a value comes of one row, which goes without saying and costs
 * nothing.
 *
 *     (view, row of the value) ──> leaf table ──> entry
 *
 *     entry  ┌──────────────┬──────────────┬──────────────┬───────┐
 *            │ view         │ row          │ count        │ spare │    16 bytes; row 0: free
 *            └──────────────┴──────────────┴──────────────┴───────┘
 *
 * Invariants (`verify` checks them all):
 *
 *   1. The leaf table has one entry for each entry in use, and no other.
 *   2. No two entries have the same view and row.
 *
 * `set` may acquire pages. REQUIRES: `pagePool.reserve(pagesForSet())` and `hasRoom`.
 */

import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_VALUE_COUNTS } from "./owners";
import * as rowPool from "./row-pool";

@unmanaged
class Entry {
  view: u32;
  row: u32;
  count: u32;
  spare: u32;
}

const ENTRY_SIZE: u32 = 16;
if (offsetof<Entry>() != ENTRY_SIZE) ERROR("an Entry must be ENTRY_SIZE bytes");

const entries: usize = memory.data(32, 4);
/** 4,096 pages of 4,096 entries: numbers of 24 bits. */
const directory: usize = memory.data(16384, 4);
const DIRECTORY_COUNT: u32 = 4096;

let table: usize = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  rowPool.create(entries, OWNER_VALUE_COUNTS, ENTRY_SIZE, directory, DIRECTORY_COUNT);
  table = leafTable.create(OWNER_VALUE_COUNTS, hashOfEntry);
}

/** Whether `set` has an entry to give. */
export function hasRoom(): bool {
  return rowPool.hasRoom(entries);
}

/** The most pages that `set` acquires. */
export function pagesForSet(): u32 {
  return rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(table);
}

/** The count of a pair, `unsaid` if there is no entry. */
export function get(view: u32, row: u32, unsaid: u32): u32 {
  if (rowPool.count(entries) == 0) return unsaid;
  const number = search(view, row);
  return number == rowPool.NONE ? unsaid : entryAt(number).count;
}

/** Notes a count; `unsaid` is the one that goes without saying. */
export function set(view: u32, row: u32, count: u32, unsaid: u32): void {
  let number = search(view, row);
  if (count == unsaid) {
    if (number == rowPool.NONE) return;
    leafTable.remove(table, hashOf(view, row), number);
    entryAt(number).row = 0;
    rowPool.give(entries, number);
    return;
  }
  if (number == rowPool.NONE) {
    number = rowPool.take(entries);
    entryAt(number).view = view;
    entryAt(number).row = row;
    leafTable.insert(table, hashOf(view, row), number);
  }
  entryAt(number).count = count;
}

export function count(): u32 {
  return rowPool.count(entries);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(entries) + leafTable.liveBytes(table);
}

/** Checks the invariants in O(entries). */
export function verify(): void {
  rowPool.verify(entries);
  leafTable.verify(table);
  assert(leafTable.count(table) == count()); // 1
  for (let number: u32 = 1; number < rowPool.limit(entries); number += 1) {
    const entry = entryAt(number);
    if (entry.row != 0) assert(search(entry.view, entry.row) == number); // 1, 2
  }
}

function search(view: u32, row: u32): u32 {
  leafTable.seek(table, hashOf(view, row));
  while (true) {
    const number = leafTable.next();
    if (number == leafTable.NONE) return rowPool.NONE;
    const entry = entryAt(number);
    if (entry.row == row && entry.view == view) return number;
  }
}

function entryAt(number: u32): Entry {
  return changetype<Entry>(rowPool.addressOf(entries, number));
}

/** The hash of a pair of a view and the row of a value. */
function hashOf(view: u32, row: u32): u64 {
  return hash.hashWord(((<u64>view) << 32) | (<u64>row), 0);
}

function hashOfEntry(number: u32): u64 {
  const entry = entryAt(number);
  return hashOf(entry.view, entry.row);
}
