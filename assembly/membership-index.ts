/**
 * The membership index: from a key of an access to the shapes that have it there. One table for all
 * accesses of all relations; it serves equality, IN and = ANY, elements of arrays, paths of JSON
 * and IS NULL, of templates that are more than one AND of equalities.
 *
 *     (access, value) ──> leaf table ──> row ──> set of ids
 *
 *     row    ┌──────────────────────┬──────────────┬──────────────┐
 *            │ value u64            │ access u32   │ set u32      │       16 bytes
 *            └──────────────────────┴──────────────┴──────────────┘
 *
 * A value is a number of 64 bits or a ValueId: which, the access knows, and who holds what a
 * ValueId refers to. A shape that an IN list of five values gives has five rows at most, and shares
 * those that others have; a row of one id costs 22.4 bytes with its entry in the leaf table.
 *
 * Invariants (`verify` checks 1 to 3):
 *
 *   1. Every row has a set that is not empty.
 *   2. The leaf table has one entry for each row, and no other.
 *   3. No two rows have the same access and value.
 *   4. An access that has rows is not forgotten.
 *
 * `add` may allocate, and reserves what it needs. The rest never does.
 */

import * as hash from "./hash";
import * as idSet from "./id-set";
import * as leafTable from "./leaf-table";
import { OWNER_MEMBERSHIP_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as rowPool from "./row-pool";

/** The empty set. */
export const NONE: u32 = 0;

/** What `add` and `remove` did. */
export const REFUSED: u32 = 0;
/** The id was there, or was not there: nothing has changed. */
export const UNCHANGED: u32 = 1;
export const CHANGED: u32 = 2;
/** The first id of a key was added, or the last one removed. */
export const CHANGED_ROW: u32 = 3;

const ROW_SIZE: u32 = 16;
/** 4,096 pages of 4,096 rows: numbers of 24 bits. */
const DIRECTORY_COUNT: u32 = 4096;

@unmanaged
class Row {
  value: u64;
  access: u32;
  set: u32;
}

if (offsetof<Row>() != ROW_SIZE) ERROR("a Row must be ROW_SIZE bytes");

const rows: usize = memory.data(32, 4);
const directory: usize = memory.data(16384, 4);

let table: usize = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  rowPool.create(rows, OWNER_MEMBERSHIP_INDEX, ROW_SIZE, directory, DIRECTORY_COUNT);
  table = leafTable.create(OWNER_MEMBERSHIP_INDEX, hashOfRow);
}

/** Files an id under a key. */
export function add(access: u32, value: u64, id: u32): u32 {
  const number = search(access, value);
  if (number == rowPool.NONE) return addRow(access, value, id);
  const row = rowAt(number);
  if (idSet.has(row.set, id)) return UNCHANGED;
  const set = idSet.add(row.set, id);
  if (set == idSet.NONE) return REFUSED;
  row.set = set;
  return CHANGED;
}

/** Takes an id out. */
export function remove(access: u32, value: u64, id: u32): u32 {
  const number = search(access, value);
  if (number == rowPool.NONE) return UNCHANGED;
  const row = rowAt(number);
  if (!idSet.has(row.set, id)) return UNCHANGED;
  const set = idSet.remove(row.set, id);
  row.set = set;
  if (set != idSet.NONE) return CHANGED;
  const wasThere = leafTable.remove(table, hashOf(access, value), number);
  assert(wasThere);
  row.access = 0;
  rowPool.give(rows, number);
  return CHANGED_ROW;
}

/** The ids under a key, NONE if there are none. */
export function find(access: u32, value: u64): u32 {
  const number = search(access, value);
  return number == rowPool.NONE ? NONE : rowAt(number).set;
}

/** Under what hash a key is filed. */
export function hashOf(access: u32, value: u64): u64 {
  return hash.hashWord(value, hash.mix(<u64>access * 0x9e3779b97f4a7c15));
}

/** Where in the leaf table, whose payloads are rows, a search for a hash begins. */
export function placeOf(hash: u64): u32 {
  return leafTable.placeOf(table, hash);
}

/** Where it goes on after a place. */
export function placeAfter(hash: u64, place: u32): u32 {
  return leafTable.placeAfter(table, hash, place);
}

/** Brings a row nearer. What it returns has no meaning. */
export function touchRow(number: u32): u32 {
  return rowAt(number).set;
}

/** Number of keys. */
export function count(): u32 {
  return rowPool.count(rows);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows) + leafTable.liveBytes(table);
}

/** Checks the invariants in O(rows). */
export function verify(): void {
  rowPool.verify(rows);
  leafTable.verify(table);
  assert(leafTable.count(table) == rowPool.count(rows)); // 2
  let found: u32 = 0;
  for (let number: u32 = 1; number < rowPool.limit(rows); number += 1) {
    const row = rowAt(number);
    // A row of no access is free.
    if (row.access == 0) continue;
    found += 1;
    assert(row.set != idSet.NONE); // 1
    assert(search(row.access, row.value) == number); // 2, 3
    idSet.verify(row.set);
  }
  assert(found == rowPool.count(rows));
}

function addRow(access: u32, value: u64, id: u32): u32 {
  assert(access != 0);
  const pages = rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(table);
  if (!rowPool.hasRoom(rows) || !pagePool.reserve(pages)) return REFUSED;
  const number = rowPool.take(rows);
  const row = rowAt(number);
  row.value = value;
  row.access = access;
  row.set = id; // A set of one is its id.
  leafTable.insert(table, hashOf(access, value), number);
  return CHANGED_ROW;
}

function search(access: u32, value: u64): u32 {
  leafTable.seek(table, hashOf(access, value));
  while (true) {
    const number = leafTable.next();
    if (number == leafTable.NONE) return rowPool.NONE;
    const row = rowAt(number);
    if (row.value == value && row.access == access) return number;
  }
}

function rowAt(number: u32): Row {
  return changetype<Row>(rowPool.addressOf(rows, number));
}

function hashOfRow(number: u32): u64 {
  const row = rowAt(number);
  return hashOf(row.access, row.value);
}
