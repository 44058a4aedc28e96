/**
 * The subquery index: for every family of views, from a value to the views that have it. It is the
 * only place where it is kept which view has what: there is no list of a view's values.
 *
 *     hash(family, key) ──> leaf table ──> row (key, views) ──> id set of views
 *
 * Ten million pairs, of a million views with ten integers each out of a hundred thousand, take 1.9
 * bytes each if some are much more common than others, 2.4 if none is. A uuid that one view has
 * takes 27 bytes in all.
 *
 * What a row says of its views is a superset: a view that lost a value stays until the history has
 * dropped that, and a dead view until the sweep has come by (`dependency-view.ts` knows better).
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Every row has views.
 *   2. The leaf table has one entry for each row, and no other.
 *   3. No two rows of a family have the same key.
 *   4. `pairCount` of a family is the sum of the sizes of its rows' sets.
 *   5. A row holds a reference to each value in its key.
 *
 * `addPair` may allocate and reserves what it needs. The rest never does.
 */

import * as hash from "./hash";
import * as idSet from "./id-set";
import * as leafTable from "./leaf-table";
import { OWNER_SUBQUERY_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as families from "./view-family";
import * as viewKey from "./view-key";
import * as values from "./view-values";

/** No row. */
export const NONE: u32 = 0;

let table: usize = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  families.create();
  values.create();
  table = leafTable.create(OWNER_SUBQUERY_INDEX, hashOfRow);
}

/** The family of a template, 0 if there is none. Linear: to be asked once per template. */
export function familyOf(template: u32): u32 {
  return families.familyOf(template);
}

/**
 * The row of the key that `view-key.ts` read last, NONE if no view of the family has that value or
 * had it lately.
 */
export function findRow(family: u32): u32 {
  const key = viewKey.address();
  const size = families.at(family).keyClass;
  leafTable.seek(table, hashOf(family, key, size));
  while (true) {
    const row = leafTable.next();
    if (row == leafTable.NONE) return NONE;
    if (values.familyOf(row) == family && isEqual(values.keyOf(row), key, size)) return row;
  }
}

/** The views of a row, as an id set: see above. */
export function viewsOf(row: u32): u32 {
  return values.viewsOf(row);
}

/**
 * The most pages that `addPair` acquires; `row` is where the pair belongs, NONE if that has to be
 * made.
 */
export function pagesForAdd(row: u32): u32 {
  if (row != NONE) return idSet.pagesForAdd(values.viewsOf(row));
  return values.PAGES_PER_TAKE + leafTable.pagesForInsert(table);
}

/**
 * Adds a view to a row, or makes a row of the key that was interned last, which takes over its
 * references. Returns the row; NONE, with nothing changed, if it is refused memory.
 * REQUIRES: the view is not there.
 */
export function addPair(family: u32, row: u32, view: u32): u32 {
  const owner = families.at(family);
  if (row != NONE) {
    const views = idSet.add(values.viewsOf(row), view);
    if (views == idSet.NONE) return NONE;
    values.setViews(row, views);
  } else {
    if (!values.hasRoom(owner) || !pagePool.reserve(pagesForAdd(NONE))) return NONE;
    row = values.take(family);
    const key = viewKey.address();
    memory.copy(values.keyOf(row), key, owner.keyClass);
    values.setViews(row, view); // A set of one is its id.
    leafTable.insert(table, hashOf(family, key, owner.keyClass), row);
  }
  owner.pairCount += 1;
  return row;
}

/** Takes views out of a row: `count` ids, ascending. REQUIRES: they are there. */
export function removePairs(row: u32, ids: usize, count: u32): void {
  const views = idSet.removeAll(values.viewsOf(row), ids, count);
  const family = values.familyOf(row);
  const owner = families.at(family);
  owner.pairCount -= count;
  if (views != idSet.NONE) {
    values.setViews(row, views);
    return;
  }
  const key = values.keyOf(row);
  const wasThere = leafTable.remove(table, hashOf(family, key, owner.keyClass), row);
  assert(wasThere);
  viewKey.release(key, families.kindsOf(owner), owner.termCount);
  values.give(row);
}

/** How many values the views of all families have. */
export function count(): u32 {
  return values.count();
}

export function liveBytes(): usize {
  return families.liveBytes() + values.liveBytes() + leafTable.liveBytes(table);
}

/** Checks the invariants in O(pairs). */
export function verify(): void {
  families.verify();
  values.verify();
  leafTable.verify(table);
  assert(leafTable.count(table) == values.count()); // 2
  for (let family: u32 = 1; family < families.limit(); family += 1) {
    if (!families.isInUse(family)) continue;
    const owner = families.at(family);
    let pairs: u32 = 0;
    let rows: u32 = 0;
    let row = values.next(family, 0);
    while (row != values.NONE) {
      idSet.verify(values.viewsOf(row));
      pairs += idSet.count(values.viewsOf(row)); // 1: a row without views is free
      assert(isOnly(family, row, owner.keyClass)); // 2, 3
      rows += 1;
      row = values.next(family, row + 1);
    }
    assert(rows == owner.valueCount && pairs == owner.pairCount); // 4
  }
}

/** Whether a row is found under its key, and no other. */
function isOnly(family: u32, row: u32, size: u32): bool {
  const key = values.keyOf(row);
  let found: u32 = 0;
  leafTable.seek(table, hashOf(family, key, size));
  while (true) {
    const other = leafTable.next();
    if (other == leafTable.NONE) return found == 1;
    if (values.familyOf(other) != family || !isEqual(values.keyOf(other), key, size)) continue;
    if (other != row) return false;
    found += 1;
  }
}

function isEqual(a: usize, b: usize, size: u32): bool {
  if (size == viewKey.STORED) return load<u32>(a) == load<u32>(b);
  if (load<u64>(a) != load<u64>(b)) return false;
  return size == viewKey.NUMBER || load<u64>(a, 8) == load<u64>(b, 8);
}

function hashOf(family: u32, key: usize, size: u32): u64 {
  const seed = hash.mix(<u64>family * 0x9e3779b97f4a7c15);
  if (size == viewKey.UUID) return hash.hashBytes(key, size, seed);
  return hash.hashWord(size == viewKey.NUMBER ? load<u64>(key) : <u64>load<u32>(key), seed);
}

/** What the leaf table asks when it splits a leaf. */
function hashOfRow(row: u32): u64 {
  const family = values.familyOf(row);
  return hashOf(family, values.keyOf(row), families.at(family).keyClass);
}
