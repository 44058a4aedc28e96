/**
 * What a view has, for those who want to look: the rows of its values, and the values as text.
 * Since nothing leads from a view to its values, all rows of its family are looked at, a slice at a
 * time.
 *
 * Allocates nothing.
 */

import * as dependencyView from "./dependency-view";
import * as families from "./view-family";
import * as viewKey from "./view-key";
import * as values from "./view-values";

/** How many rows one `listRows` looks at. */
const LOOKS_MAX: u32 = 16000;

let listedTo: u32 = 0;

/**
 * Writes rows of values that a view has at the moment, after `after`, to `out`, and returns how
 * many, at most `capacity`. Looks at LOOKS_MAX values of the family: see `listedUpTo`.
 */
export function listRows(view: u32, after: u32, out: usize, capacity: u32): u32 {
  const family = dependencyView.familyOf(view);
  let listed: u32 = 0;
  let row = values.next(family, after + 1);
  for (let looks: u32 = 0; looks < LOOKS_MAX && row != values.NONE; looks += 1) {
    if (listed == capacity) break;
    if (dependencyView.isMember(view, row, dependencyView.LIVE)) {
      store<u32>(out + ((<usize>listed) << 2), row);
      listed += 1;
    }
    after = row;
    row = values.next(family, row + 1);
  }
  listedTo = row == values.NONE ? values.NONE : after;
  return listed;
}

/** After what row `listRows` has to go on, 0 if that was all. */
export function listedUpTo(): u32 {
  return listedTo;
}

/** How many terms the value of a row has. */
export function termCountOf(row: u32): u32 {
  return families.at(values.familyOf(row)).termCount;
}

/** Writes one term of a value as text: see `viewKey.lastAddress` and `lastSize`. */
export function writeTerm(row: u32, index: u32): void {
  const owner = families.at(values.familyOf(row));
  viewKey.writeTerm(values.keyOf(row), families.kindsOf(owner), owner.termCount, index);
}
