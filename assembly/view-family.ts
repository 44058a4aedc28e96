/**
 * Families: all views of one inner template, whose values lie together in one inverted index.
 *
 * A row of 128 bytes per family: what its keys are made of, how much there is of it, and which of
 * its chunks of values have room (see `view-values.ts`). Families are few: one for each subquery
 * that differs from the others in more than its constants.
 *
 *     ┌──────────┬───────┬───────────┬────────────────────┬────────┬──────────────────────┐
 *     │ template │ terms │ key class │ counts             │ passes │ kinds, a byte a term │
 *     └──────────┴───────┴───────────┴────────────────────┴────────┴──────────────────────┘
 *     0                                                            64                    128
 *
 * A family that was removed stays until the last of its views is forgotten.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. No two families that were not removed have the same template.
 *   2. A family that was removed has a view that was not forgotten.
 *
 * `add` may acquire a page. Nothing else does.
 */

import { OWNER_SUBQUERY_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as rowPool from "./row-pool";
import * as viewKey from "./view-key";

/** No family. */
export const NONE: u32 = 0;

const ROW_SIZE: u32 = 128;
/** 2,048 pages of 512 rows: a million families. */
const DIRECTORY_COUNT: u32 = 2048;

@unmanaged
export class Family {
  template: u32;
  /** 0: the row is free. */
  termCount: u32;
  /** Bytes of a key: see `view-key.ts`. */
  keyClass: u32;
  /** Views that are not dead. */
  viewCount: u32;
  /** Dead views that were not forgotten. */
  deadCount: u32;
  /** Values that a view has, or had lately. */
  valueCount: u32;
  /** A chunk with room for values, 0 if there is none. */
  openChunk: u32;
  /** How many pairs of a value and a view there are. */
  pairCount: u32;
  /** Views that died after the last pass of the sweep began, and about how many pairs they had. */
  deadWaiting: u32;
  deadPairs: u32;
  /** Passes of the sweep that were begun, and those that have ended. */
  passesBegun: u32;
  passesEnded: u32;
  isRemoved: u32;
  spare0: u32;
  spare1: u32;
  spare2: u32;
}

const KINDS: usize = 64;
if (offsetof<Family>() != KINDS) ERROR("the kinds must follow the fields of a Family");

const rows: usize = memory.data(32, 4);
const directory: usize = memory.data(8192, 4);

/** To be called once. Takes no memory. */
export function create(): void {
  rowPool.create(rows, OWNER_SUBQUERY_INDEX, ROW_SIZE, directory, DIRECTORY_COUNT);
}

/**
 * Makes a family of views with so many terms; `kinds` has a u32 for each. NONE if the budget
 * forbids it. REQUIRES: the template has none.
 */
export function add(template: u32, kinds: usize, termCount: u32): u32 {
  assert(familyOf(template) == NONE && termCount != 0); // 1
  if (!rowPool.hasRoom(rows) || !pagePool.reserve(rowPool.PAGES_PER_TAKE)) return NONE;
  const number = rowPool.take(rows);
  const family = at(number);
  family.template = template;
  family.termCount = termCount;
  for (let index: usize = 0; index < <usize>termCount; index += 1) {
    store<u8>(kindsOf(family) + index, <u8>load<u32>(kinds + (index << 2)));
  }
  family.keyClass = viewKey.classOf(termCount, load<u32>(kinds));
  return number;
}

/** Lets a family go, now or when its last view is forgotten. REQUIRES: it has no live view. */
export function remove(number: u32): void {
  assert(at(number).viewCount == 0);
  at(number).isRemoved = 1;
  releaseIfDone(number);
}

/** Counts a dead view less, which was forgotten. */
export function forgetView(number: u32): void {
  at(number).deadCount -= 1;
  releaseIfDone(number);
}

/** The family of a template, NONE if it has none. Looks at all of them. */
export function familyOf(template: u32): u32 {
  for (let number: u32 = 1; number < rowPool.limit(rows); number += 1) {
    if (isInUse(number) && at(number).template == template && !at(number).isRemoved) return number;
  }
  return NONE;
}

export function at(number: u32): Family {
  return changetype<Family>(rowPool.addressOf(rows, number));
}

/** A byte for each term: its kind. */
export function kindsOf(family: Family): usize {
  return changetype<usize>(family) + KINDS;
}

/** Whether a number below `limit` is that of a family. */
export function isInUse(number: u32): bool {
  return number != NONE && at(number).termCount != 0;
}

/** One more than the highest number of a family may be. */
export function limit(): u32 {
  return rowPool.limit(rows);
}

export function count(): u32 {
  return rowPool.count(rows);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(rows);
}

/** Checks the invariants. */
export function verify(): void {
  rowPool.verify(rows);
  for (let number: u32 = 1; number < limit(); number += 1) {
    if (!isInUse(number)) continue;
    const family = at(number);
    if (family.isRemoved)
      assert(family.deadCount != 0 && family.viewCount == 0); // 2
    else assert(familyOf(family.template) == number); // 1
  }
}

function releaseIfDone(number: u32): void {
  const family = at(number);
  if (!family.isRemoved || family.deadCount != 0) return;
  assert(family.valueCount == 0 && family.pairCount == 0);
  family.termCount = 0;
  rowPool.give(rows, number);
}
