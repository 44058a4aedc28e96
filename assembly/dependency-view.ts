/**
 * Dependency views: the value sets of subqueries, each kept once for all shapes that use it, with
 * their recent history. The values themselves are in the subquery index; what a view has besides
 * takes no memory of its own: a view has no handle, so its record lies where that would be.
 *
 *     record  ┌──────────────────┬──────────┬──────────────────┐
 *             │ values, 24 bits  │ flags, 8 │ family           │      64 bits, all 0: forgotten
 *             └──────────────────┴──────────┴──────────────────┘
 *
 * Whether a view has a value at this moment: it is in the set of the value's row, and the newest
 * entry of the history, if there is one, does not say that it left.
 *
 * A *step* is what a transaction does to views: `apply` each value of an inner row that came or
 * went, between `beginStep` and `endStep`. Its transitions are the tail of the history, net: a
 * value that left and came back in one step did nothing. What is applied outside of a step has
 * neither transitions nor history: so a view is filled before anybody uses it.
 *
 * Besides values a view has two states that decide about NOT IN, and their changes are transitions
 * like those of values, of the pseudo rows NULL_ROW and EMPTY_ROW.
 *
 * Invariants (`verify` checks 1 to 3):
 *
 *   1. A live view's `values` is the number of rows that it is a member of.
 *   2. Who is in a row's set is a member, or has an entry in the history, or is dead.
 *   3. A view that is not `noted` has neither entries in the history nor counts of values.
 *   4. Positions at `keptSince` and later can be asked for.
 *
 * `apply` may allocate and reserves what it needs. The rest never does.
 */

import * as idSet from "./id-set";
import * as pagePool from "./page-pool";
import * as shapeTable from "./shape-table";
import * as subqueryIndex from "./subquery-index";
import * as valueCounts from "./value-counts";
import * as families from "./view-family";
import * as history from "./view-history";
import * as viewKey from "./view-key";
import * as values from "./view-values";

/** Bits of `membership`; 2 is the caller's: a value of the left side is NULL. */
export const MEMBER: u32 = 1;
export const VIEW_HAS_NULL: u32 = 4;
export const VIEW_IS_EMPTY: u32 = 8;

/** The position of what is so now. */
export const LIVE: u32 = 0xffffffff;

/** Pseudo rows: that the view has a tuple with a NULL, that it has no tuple at all. */
export const NULL_ROW: u32 = 1;
export const EMPTY_ROW: u32 = 2;

/** What `apply` did. */
export const REFUSED: u32 = 0;
export const APPLIED: u32 = 1;
/** A value is none of its kind. */
export const INVALID: u32 = 2;
/** There are fewer rows than are to be taken away: whoever counts them is wrong. */
export const UNCOUNTED: u32 = 3;

/** The size of a value that says: NULL. */
const NULL_SIZE: u32 = 0xffffffff;

const COUNT_MASK: u32 = 0xffffff;
const HAS_NULL: u32 = 0x01000000;
const DEAD: u32 = 0x02000000;
/** The history or the counts of values may name the view: the sweep has to look there. */
const NOTED: u32 = 0x04000000;

/** How many entries of the history are dropped at a time, at least. */
const DROPS_MIN: u32 = 4096;

let isStepping: bool = false;
let stepPosition: u32 = 0;
/** The history's next number when the step began. */
let stepStart: u32 = 0;
let transitionCount: u32 = 0;
/** Nothing is kept but the last step, or what may be asked for at this position and later. */
let isKeeping: bool = false;
let keptSince: u32 = 0;
/** Where `copyTransitions` ended. */
let copiedTo: u32 = 0;

/** One id for `removePairs`. */
const oneId: usize = memory.data(4, 4);

/** To be called once. REQUIRES: `pagePool.reserve(3)`. */
export function create(): void {
  subqueryIndex.create();
  valueCounts.create();
  history.create();
}

// --- Views -------------------------------------------------------------------------------------

/** Makes a shape an empty view. REQUIRES: it was minted as a view, and is none yet. */
export function add(view: u32, family: u32): void {
  assert(shapeTable.isView(view) && recordOf(view) == 0);
  store<u64>(shapeTable.handleAddress(view), (<u64>family) << 32);
  families.at(family).viewCount += 1;
}

/**
 * A view dies: nobody asks for it any more. Its pairs stay until the sweep has come by
 * (`view-sweep.ts`), so this takes the same time whatever there is.
 */
export function remove(view: u32): void {
  assert(isView(view) && !isDead(view) && !isStepping);
  const family = families.at(familyOf(view));
  family.viewCount -= 1;
  family.deadCount += 1;
  family.deadWaiting += 1;
  family.deadPairs += max(countOf(view), 1);
  valueCounts.set(view, NULL_ROW, 0, 0);
  history.forget(view, NULL_ROW);
  history.forget(view, EMPTY_ROW);
  // The count is of no more use: in its place stands which pass was the last to begin.
  setHead(view, DEAD | (headOf(view) & NOTED) | (family.passesBegun & COUNT_MASK));
}

/**
 * Forgets a dead view, whose id may then be retired. False: a pass of the sweep that began after
 * its death has not ended yet. True also if it was forgotten before.
 */
export function forget(view: u32): bool {
  if (!isView(view)) return true;
  if (!isDead(view)) return false;
  const family = familyOf(view);
  const ended = families.at(family).passesEnded & COUNT_MASK;
  // More than passes will ever be in flight, fewer than half of the numbers there are.
  const since = (ended - (headOf(view) & COUNT_MASK)) & COUNT_MASK;
  if (since == 0 || since > COUNT_MASK >> 1) return false;
  store<u64>(shapeTable.handleAddress(view), 0);
  families.forgetView(family);
  return true;
}

/** Forgets what is noted of a dead view and a row, which is about to be without it. */
export function forgetPair(view: u32, row: u32): void {
  if ((headOf(view) & NOTED) == 0) return; // 3
  valueCounts.set(view, row, 1, 1);
  history.forget(view, row);
}

export function isView(view: u32): bool {
  return shapeTable.isView(view) && recordOf(view) != 0;
}

/** REQUIRES: it is a view. */
export function isDead(view: u32): bool {
  return (headOf(view) & DEAD) != 0;
}

export function familyOf(view: u32): u32 {
  return <u32>(recordOf(view) >> 32);
}

/** How many values a live view has, NULL not counted. */
export function countOf(view: u32): u32 {
  return headOf(view) & COUNT_MASK;
}

// --- Questions ---------------------------------------------------------------------------------

/**
 * Whether a view has the value of a row (0: a value that no view has) at a position: MEMBER,
 * VIEW_HAS_NULL, VIEW_IS_EMPTY. REQUIRES: the view is live, and the position LIVE or kept.
 */
export function membership(view: u32, row: u32, position: u32): u32 {
  const head = headOf(view);
  let hasNull: bool = (head & HAS_NULL) != 0;
  let isEmpty = isEmptyNow(view);
  if (position != LIVE && history.count() != 0) {
    hasNull = hadAt(view, NULL_ROW, position, hasNull);
    isEmpty = hadAt(view, EMPTY_ROW, position, isEmpty);
  }
  return (
    (row != subqueryIndex.NONE && isMember(view, row, position) ? MEMBER : 0) |
    (hasNull ? VIEW_HAS_NULL : 0) |
    (isEmpty ? VIEW_IS_EMPTY : 0)
  );
}

/** The row of a tuple, NONE if no view of this one's family has it, or had it lately. */
export function findRow(view: u32, tuple: usize): u32 {
  const family = familyOf(view);
  if (hasNullTerm(tuple, families.at(family).termCount)) return subqueryIndex.NONE;
  const outcome = readKey(family, tuple, false);
  return outcome == viewKey.FOUND ? subqueryIndex.findRow(family) : subqueryIndex.NONE;
}

/** Whether a set of `subqueryIndex.viewsOf` may name live views without the value at the moment. */
export function hasRecent(): bool {
  return history.count() != 0;
}

/** Whether a view has the value of a row at a position. REQUIRES: as `membership`. */
export function isMember(view: u32, row: u32, position: u32): bool {
  const newest = history.newestOf(view, row);
  if (newest == history.NONE) return idSet.has(subqueryIndex.viewsOf(row), view);
  return position == LIVE ? history.isEntering(newest) : history.hadAt(newest, position);
}

function hadAt(view: u32, row: u32, position: u32, isNow: bool): bool {
  const newest = history.newestOf(view, row);
  return newest == history.NONE ? isNow : history.hadAt(newest, position);
}

// --- Steps -------------------------------------------------------------------------------------

/** Begins the step of a position, which comes after those before it and is not LIVE. */
export function beginStep(position: u32): void {
  assert(!isStepping && position != LIVE);
  trim(transitionCount * 2 + DROPS_MIN);
  isStepping = true;
  stepPosition = position;
  stepStart = history.next();
  transitionCount = 0;
}

/** Ends the step. Returns how many transitions it has: see `copyTransitions`. */
export function endStep(): u32 {
  assert(isStepping);
  isStepping = false;
  return transitionCount;
}

/**
 * Copies transitions of the last step to `out`, at most `capacity` of (view, row | ENTERING), from
 * the entry `cursor` of the step on. Returns how many; see `transitionsCopiedTo`.
 */
export function copyTransitions(cursor: u32, out: usize, capacity: u32): u32 {
  let copied: u32 = 0;
  let number = stepStart + cursor;
  while (number != history.next() && copied < capacity) {
    const row = history.rowOf(number);
    if (row != 0) {
      store<u32>(out, history.viewOf(number));
      store<u32>(out, row | (history.isEntering(number) ? history.ENTERING : 0), 4);
      out += 8;
      copied += 1;
    }
    number += 1;
  }
  copiedTo = number - stepStart;
  return copied;
}

/** Where in the step the next `copyTransitions` goes on. */
export function transitionsCopiedTo(): u32 {
  return copiedTo;
}

/** From now on what was so at `position` and later can be asked for. It does not descend. */
export function keepSince(position: u32): void {
  isKeeping = true;
  keptSince = position;
  trim(DROPS_MIN);
}

/** From now on nothing is kept but the last step, until the next one. */
export function keepNothing(): void {
  isKeeping = false;
}

/** Drops entries of the history that nobody can ask for, `limit` at most. True: that was all. */
export function trim(limit: u32): bool {
  assert(!isStepping);
  while (isKeeping ? history.isOldestBefore(keptSince) : history.count() != 0) {
    if (limit == 0) return false;
    limit -= 1;
    if (!history.dropOldest()) continue;
    const row = history.lastDroppedRow();
    if (row >= values.FIRST) removePair(row, history.lastDroppedView());
  }
  return true;
}

/**
 * Adds inner rows that give a view a tuple, or takes them away: `count` of them. At `tuple` there
 * is a u32 size for each term (0xffffffff: NULL), followed by so many bytes. Nothing has changed
 * unless it is APPLIED.
 */
export function apply(view: u32, tuple: usize, count: i32): u32 {
  assert(isView(view) && !isDead(view) && count != 0);
  const wasEmpty = isEmptyNow(view);
  if (!history.hasRoom() || !valueCounts.hasRoom()) return REFUSED;
  const termCount = families.at(familyOf(view)).termCount;
  const outcome = hasNullTerm(tuple, termCount)
    ? applyNull(view, count)
    : applyValue(view, tuple, count);
  if (outcome == APPLIED && isEmptyNow(view) != wasEmpty) note(view, EMPTY_ROW, !wasEmpty);
  return outcome;
}

function applyNull(view: u32, count: i32): u32 {
  const had = valueCounts.get(view, NULL_ROW, 0);
  const has = had + count;
  if (<i32>has < 0) return UNCOUNTED;
  if (!reserve(pagesForNotes())) return REFUSED;
  valueCounts.set(view, NULL_ROW, has, 0);
  if ((had == 0) == (has == 0)) return APPLIED;
  setHead(view, headOf(view) ^ HAS_NULL);
  note(view, NULL_ROW, has != 0);
  return APPLIED;
}

function applyValue(view: u32, tuple: usize, count: i32): u32 {
  const family = familyOf(view);
  const outcome = readKey(family, tuple, false);
  if (outcome == viewKey.INVALID) return INVALID;
  let row = outcome == viewKey.FOUND ? subqueryIndex.findRow(family) : subqueryIndex.NONE;
  const isThere = row != subqueryIndex.NONE && isMember(view, row, LIVE);
  const had = isThere ? valueCounts.get(view, row, 1) : 0;
  const has = had + count;
  if (<i32>has < 0) return UNCOUNTED;
  const pagesForKey =
    row == subqueryIndex.NONE ? viewKey.pagesForIntern(tupleSize(family, tuple)) : 0;
  if (!reserve(pagesForNotes() + subqueryIndex.pagesForAdd(row) + pagesForKey)) return REFUSED;
  if (had == 0) {
    row = enter(view, family, row, tuple);
    if (row == subqueryIndex.NONE) return REFUSED;
  }
  if (had > 1 || has > 1) {
    valueCounts.set(view, row, max(has, 1), 1);
    setHead(view, headOf(view) | NOTED);
  }
  if (had == 0) {
    setHead(view, headOf(view) + 1);
    note(view, row, true);
  } else if (has == 0) {
    setHead(view, headOf(view) - 1);
    note(view, row, false);
  }
  return APPLIED;
}

/** Files a view under a value. Returns its row; NONE, with nothing changed, if it is refused. */
function enter(view: u32, family: u32, row: u32, tuple: usize): u32 {
  if (row != subqueryIndex.NONE) {
    if (idSet.has(subqueryIndex.viewsOf(row), view)) return row;
    return subqueryIndex.addPair(family, row, view);
  }
  if (readKey(family, tuple, true) != viewKey.FOUND) return subqueryIndex.NONE;
  row = subqueryIndex.addPair(family, row, view);
  if (row == subqueryIndex.NONE) {
    const owner = families.at(family);
    viewKey.release(viewKey.address(), families.kindsOf(owner), owner.termCount);
  }
  return row;
}

/** Reads a tuple as a key, to look it up or to intern it. */
function readKey(family: u32, tuple: usize, isInterned: bool): u32 {
  const owner = families.at(family);
  const kinds = families.kindsOf(owner);
  viewKey.begin(owner.termCount);
  for (let index: u32 = 0; index < owner.termCount; index += 1) {
    const kind = <u32>load<u8>(kinds + <usize>index);
    const size = load<u32>(tuple);
    const outcome = isInterned
      ? viewKey.internTerm(kind, tuple + 4, size)
      : viewKey.readTerm(kind, tuple + 4, size);
    if (outcome != viewKey.FOUND) return outcome;
    tuple += 4 + <usize>size;
  }
  return viewKey.FOUND;
}

function tupleSize(family: u32, tuple: usize): u32 {
  const start = tuple;
  const termCount = families.at(family).termCount;
  for (let index: u32 = 0; index < termCount; index += 1) tuple += 4 + <usize>load<u32>(tuple);
  return <u32>(tuple - start);
}

function hasNullTerm(tuple: usize, termCount: u32): bool {
  for (let index: u32 = 0; index < termCount; index += 1) {
    const size = load<u32>(tuple);
    if (size == NULL_SIZE) return true;
    tuple += 4 + <usize>size;
  }
  return false;
}

/** Notes in the history that a pair changed, or outside of a step that it has none. */
function note(view: u32, row: u32, isNowIn: bool): void {
  let newest = history.newestOf(view, row);
  if (!isStepping) {
    history.forget(view, row);
    newest = history.NONE;
  } else if (newest == history.NONE || !isOfStep(newest)) {
    history.append(view, row, isNowIn, stepPosition, newest);
    setHead(view, headOf(view) | NOTED);
    transitionCount += 1;
    return;
  } else {
    newest = history.takeBack(newest);
    transitionCount -= 1;
  }
  if (!isNowIn && newest == history.NONE && row >= values.FIRST) removePair(row, view);
}

function isOfStep(number: u32): bool {
  return number - stepStart < history.next() - stepStart;
}

function removePair(row: u32, view: u32): void {
  store<u32>(oneId, view);
  subqueryIndex.removePairs(row, oneId, 1);
}

/** What happens to a view in a step has happened: the budget can refuse only new views. */
function reserve(pages: u32): bool {
  return isStepping ? pagePool.reserveBeyondBudget(pages) : pagePool.reserve(pages);
}

/** A count, and two entries of the history. */
function pagesForNotes(): u32 {
  return valueCounts.pagesForSet() + 2 * history.pagesForAppend();
}

// --- Checks ------------------------------------------------------------------------------------

/** Checks the invariants in O(views x values). */
export function verify(): void {
  subqueryIndex.verify();
  valueCounts.verify();
  history.verify();
  for (let family: u32 = 1; family < families.limit(); family += 1) {
    if (families.isInUse(family)) verifyViews(family);
  }
}

function verifyViews(family: u32): void {
  let live: u32 = 0;
  let dead: u32 = 0;
  let pairs: u32 = 0;
  for (let view: u32 = 1; view < shapeTable.limit(); view += 1) {
    if (!isView(view) || familyOf(view) != family) continue;
    let members: u32 = 0;
    let row = values.next(family, 0);
    while (row != values.NONE) {
      if (idSet.has(subqueryIndex.viewsOf(row), view)) {
        pairs += 1;
        if (isMember(view, row, LIVE)) members += 1;
        else assert(isDead(view) || history.newestOf(view, row) != history.NONE); // 2
        if ((headOf(view) & NOTED) == 0) {
          assert(valueCounts.get(view, row, 1) == 1); // 3
          assert(history.newestOf(view, row) == history.NONE); // 3
        }
      }
      row = values.next(family, row + 1);
    }
    if (isDead(view)) dead += 1;
    else live += 1;
    assert(isDead(view) || members == countOf(view)); // 1
  }
  const owner = families.at(family);
  assert(live == owner.viewCount && dead == owner.deadCount && pairs == owner.pairCount);
}

function isEmptyNow(view: u32): bool {
  return (headOf(view) & (HAS_NULL | COUNT_MASK)) == 0;
}

function recordOf(view: u32): u64 {
  return load<u64>(shapeTable.handleAddress(view));
}

function headOf(view: u32): u32 {
  return load<u32>(shapeTable.handleAddress(view));
}

function setHead(view: u32, head: u32): void {
  store<u32>(shapeTable.handleAddress(view), head);
}
