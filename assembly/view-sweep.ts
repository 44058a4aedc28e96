/**
 * The sweep takes dead views out of the subquery index, a slice at a time: so nobody has to know
 * which values a view has, and removing one costs nothing at once.
 *
 * A *pass* looks at every pair of one family, for all of its dead views together. It begins when an
 * eighth of the pairs, or more, are dead, or no view is left: so what is looked at for each dead
 * pair is bounded, and at most an eighth is waste. A slice is counted in pairs, since one value may
 * have a million views and a million values one.
 *
 *     chunk 1, row 0   chunk 1, row 1   ...   chunk 7, row 5 ┐
 *     ├─────────────── swept ────────────────────┤ from id   │ set of the row, 1,024 ids at a time
 *                                                            ┘
 *
 * A view that dies during a pass waits for the next one: see `dependencyView.forget`.
 *
 * Allocates nothing.
 */

import * as dependencyView from "./dependency-view";
import * as idSet from "./id-set";
import * as subqueryIndex from "./subquery-index";
import * as families from "./view-family";
import { Family } from "./view-family";
import * as values from "./view-values";

/** A pass begins when 1 / this of a family's pairs are dead. */
const DEAD_SHARE: u32 = 8;
/** How many ids of a set are looked at together: as many as eight blocks have, or half of one. */
const GROUP: u32 = 1024;

const ids: usize = memory.data(4096, 4);

/** The family whose pass goes on, NONE if there is no pass. */
let family: u32 = families.NONE;
/** Where it goes on: at the first row from here, with the ids from here. */
let row: u32 = 0;
let fromId: u32 = 0;

/**
 * Goes on with the sweep for about `pairs` pairs. True: there is nothing to do for now. Dead views
 * that are too few for a pass are left.
 */
export function sweep(pairs: u32): bool {
  if (!dependencyView.trim(pairs)) return false;
  let left = pairs;
  while (true) {
    if (family == families.NONE && !beginPass()) return true;
    findRow();
    while (row != values.NONE) {
      if (left == 0) return false;
      left -= min(left, sweepGroup());
      findRow();
    }
    families.at(family).passesEnded += 1;
    family = families.NONE;
  }
}

function beginPass(): bool {
  for (let number: u32 = 1; number < families.limit(); number += 1) {
    if (!families.isInUse(number) || !isWorthPass(families.at(number))) continue;
    const owner = families.at(number);
    owner.passesBegun += 1;
    owner.deadWaiting = 0;
    owner.deadPairs = 0;
    family = number;
    row = values.FIRST;
    fromId = 0;
    return true;
  }
  return false;
}

function isWorthPass(owner: Family): bool {
  if (owner.deadWaiting == 0) return false;
  return owner.viewCount == 0 || owner.deadPairs >= owner.pairCount / DEAD_SHARE;
}

/** Finds the row to go on with: since the last slice rows may have been freed, and used again. */
function findRow(): void {
  const found = values.next(family, row);
  if (found != row) fromId = 0;
  row = found;
}

/** Looks at some ids of a row, and moves on. Returns how many, the row counted as one more. */
function sweepGroup(): u32 {
  const here = row;
  const count = idSet.copyTo(subqueryIndex.viewsOf(here), ids, GROUP, fromId);
  if (count == GROUP) {
    fromId = idAt(GROUP - 1) + 1;
  } else {
    fromId = 0;
    row += 1;
  }
  let dead: u32 = 0;
  for (let index: u32 = 0; index < count; index += 1) {
    const id = idAt(index);
    if (!dependencyView.isDead(id)) continue;
    dependencyView.forgetPair(id, here);
    store<u32>(ids + ((<usize>dead) << 2), id);
    dead += 1;
  }
  if (dead != 0) subqueryIndex.removePairs(here, ids, dead);
  return count + 1;
}

function idAt(index: u32): u32 {
  return load<u32>(ids + ((<usize>index) << 2));
}
