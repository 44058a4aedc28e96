/**
 * Candidates: the shapes that a change may reach through the accesses of its table, each once.
 *
 *     access ──> key of the old row ──> set ──┐      state of a shape
 *            └─> key of the new row ──> set ──┴──>   MARK_OLD, MARK_NEW      list, each id once
 *
 * A shape can be found in several ways (branches of an OR, elements of an array, old and new row),
 * so what was found is marked in its state, two bits that are zero between two changes. If an
 * update leaves the columns of an access alone, one look-up stands for both rows.
 *
 * The list lies where matches will be written, behind those that are kept: it is done with by then.
 * Beyond the room there is, candidates are counted and not marked.
 *
 * A value that cannot be read as what its column is, or that the stream does not carry, makes the
 * change doubtful: nothing is known of whom it reaches.
 *
 * Invariants:
 *
 *   1. Every id in the list has a mark, and no other id has.
 *   2. A shape whose WHERE is true for a row has an entry that the row satisfies, so it is marked.
 *
 * Allocates nothing.
 */

import * as accesses from "./access";
import { Access } from "./access";
import { IS_NOT_NULL, IS_NULL } from "./access-entry";
import * as key from "./access-key";
import { FOUND, UNKNOWN } from "./access-key";
import * as arrayText from "./array-text";
import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as index from "./equality-index";
import * as gramText from "./gram-text";
import * as idSet from "./id-set";
import * as dependencyView from "./dependency-view";
import * as jsonText from "./json-text";
import * as leftSide from "./left-side";
import * as literal from "./literal";
import * as membershipIndex from "./membership-index";
import * as orderCode from "./order-code";
import * as patternTest from "./pattern-test";
import { ROW_NEW, ROW_OLD } from "./pattern-test";
import * as pathTree from "./path-tree";
import * as pathKey from "./path-key";
import * as plans from "./plan";
import * as planned from "./planned-shapes";
import * as rangeIndex from "./range-index";
import * as record from "./record";
import { NEW, OLD } from "./record";
import * as regions from "./regions";
import { positionOf } from "./relation-columns";
import * as shapeTable from "./shape-table";
import * as subqueryIndex from "./subquery-index";
import { STATE_MARK_NEW, STATE_MARK_OLD } from "./shape-table";

/** From marks to rows. */
const MARK_SHIFT: u32 = 19;
const MARKS: u32 = STATE_MARK_OLD | STATE_MARK_NEW;

if (ROW_OLD >> MARK_SHIFT != STATE_MARK_OLD || ROW_NEW >> MARK_SHIFT != STATE_MARK_NEW) {
  ERROR("marks must be the rows, lower down");
}

/** Ids of a set or a stab, a part at a time. */
const members: usize = memory.data(1024, 8);
const MEMBERS_MAX: u32 = 256;
/** Views that have a value, likewise. */
const views: usize = memory.data(1024, 8);

/** A replay is for shapes that see an earlier state of the views. */
let isReplay: bool = false;

let listed: u32 = 0;
let listedMax: u32 = 0;
let isDoubtful_: bool = false;

/** Lists the candidates of a change. REQUIRES: the record's sides that it has are open. */
export function collect(relation: Relation, hasOld: bool, hasNew: bool): void {
  begin(false);
  let access = accesses.firstOf(relation);
  while (access) {
    if (access.entryCount != 0) probeSides(access, hasOld, hasNew);
    access = access.next;
  }
}

/**
 * Lists those that a template finds, whatever the position in their views' history that they see.
 * Shapes of other templates may be among them.
 */
export function collectOf(template: u32, hasOld: bool, hasNew: bool): void {
  begin(true);
  const path = tree.templateAt(template).path;
  if (path) {
    if (hasOld && pathKey.readRow(path, OLD)) markSet(index.find(path, OLD), STATE_MARK_OLD);
    if (hasNew && pathKey.readRow(path, NEW)) markSet(index.find(path, NEW), STATE_MARK_NEW);
    return;
  }
  const plan = planned.planOf(template);
  for (let branch: u32 = 0; branch < plan.branchCount; branch += 1) {
    const access = plans.accessAt(plan, branch);
    probeSides(accesses.probedFor(access), hasOld, hasNew);
  }
}

/** How many there are; more than `room` is more than the list has. */
export function count(): u32 {
  return listed;
}

export function room(): u32 {
  return listedMax;
}

/** Where the list begins: u32 ids. */
export function list(): usize {
  return regions.matchAddress(regions.matches());
}

/** Makes the change doubtful. */
export function doubt(): void {
  isDoubtful_ = true;
}

/** Whether one of the changed rows could not be looked up. */
export function isDoubtful(): bool {
  return isDoubtful_;
}

/** Takes the marks of a listed shape from it and returns the rows that they stand for. */
export function takeMarks(id: u32): u32 {
  const state = shapeTable.state(id);
  shapeTable.setState(id, state & ~MARKS);
  return (state & MARKS) << MARK_SHIFT;
}

/** Takes all marks back. */
export function forget(): void {
  const end = list() + ((<usize>min(listed, listedMax)) << 2);
  for (let at = list(); at < end; at += 4) takeMarks(load<u32>(at));
  listed = 0;
}

function begin(isForReplay: bool): void {
  listed = 0;
  listedMax = regions.matchesMax() - regions.matches();
  isDoubtful_ = false;
  isReplay = isForReplay;
  patternTest.forget();
  leftSide.forget();
}

// --- Looking up --------------------------------------------------------------------------------

/** Whether the columns of an access read the same in both rows. */
function isUnchanged(access: Access): bool {
  const type = accesses.typeOf(access);
  if (type == accesses.ALL) return true;
  if (type != accesses.EQUALITY && !accesses.isOfViews(access))
    return isColumnUnchanged(access, accesses.columnOf(access));
  const count = accesses.termCount(access);
  for (let index: u32 = 0; index < count; index += 1) {
    if (!isColumnUnchanged(access, accesses.termColumn(access, index))) return false;
  }
  return true;
}

function isColumnUnchanged(access: Access, column: u32): bool {
  const position = positionOf(access.relation, column);
  return record.same(record.at(NEW, position), record.at(OLD, position));
}

function probeSides(access: Access, hasOld: bool, hasNew: bool): void {
  if (hasOld && hasNew && isUnchanged(access)) {
    probe(access, NEW, MARKS);
    return;
  }
  if (hasOld) probe(access, OLD, STATE_MARK_OLD);
  if (hasNew) probe(access, NEW, STATE_MARK_NEW);
}

function probe(access: Access, side: u32, marks: u32): void {
  const type = accesses.typeOf(access);
  if (type == accesses.ALL) {
    probeAll(access, marks);
    return;
  }
  if (type == accesses.EQUALITY) {
    markKey(access, key.findInRow(access, side), marks);
    return;
  }
  if (accesses.isOfViews(access)) {
    if (type == accesses.SUBQUERY) probeViews(access, side, marks);
    return;
  }
  const value = valueOf(access, accesses.columnOf(access), side);
  if (type == accesses.NULL) {
    const state = record.hasBytes(value) ? IS_NOT_NULL : IS_NULL;
    markSet(membershipIndex.find(access.id, state), marks);
  } else if (record.hasBytes(value)) {
    if (type == accesses.RANGE) probeRange(access, value, marks);
    else if (type == accesses.ELEMENTS) probeElements(access, value, marks);
    else if (type == accesses.GRAMS) probeGrams(access, value, marks);
    else probePaths(access, value, marks);
  }
}

/**
 * Marks every shape of an access of ALL but those whose pattern is plainly not met: there are as
 * many as cannot be indexed, and most of them are done with here.
 */
function probeAll(access: Access, marks: u32): void {
  const rows = marks << MARK_SHIFT;
  let from: u32 = 0;
  while (true) {
    const count = idSet.copyTo(access.set, members, MEMBERS_MAX, from);
    for (let index: u32 = 0; index < count; index += 1) {
      from = load<u32>(members + ((<usize>index) << 2));
      const plan = planned.planOf(shapeTable.template(from));
      if (patternTest.verdict(access.relation, plan, from, rows) != 0) mark(from, marks);
    }
    if (count < MEMBERS_MAX) return;
    from += 1;
  }
}

function probeRange(access: Access, value: record.Value, marks: u32): void {
  const size = record.sizeOf(value);
  if (!orderCode.read(accesses.kindOf(access), record.addressOf(value), size)) {
    isDoubtful_ = true;
    return;
  }
  rangeIndex.stab(accesses.treeOf(access), orderCode.last());
  while (true) {
    const count = rangeIndex.next(members, MEMBERS_MAX);
    markMembers(count, marks);
    if (count < MEMBERS_MAX) return;
  }
}

function probeElements(access: Access, value: record.Value, marks: u32): void {
  if (!arrayText.open(record.addressOf(value), record.sizeOf(value))) {
    isDoubtful_ = true;
    return;
  }
  const kind = accesses.kindOf(access);
  while (arrayText.next()) {
    if (arrayText.isNull() || arrayText.isTooLong()) continue;
    markKey(access, key.find(kind, arrayText.lastAddress(), arrayText.lastSize()), marks);
  }
}

function probeGrams(access: Access, value: record.Value, marks: u32): void {
  const size = accesses.kindOf(access);
  const filter = accesses.filterOf(access);
  const address = record.addressOf(value);
  gramText.open(address, record.sizeOf(value), size, accesses.isFolded(access), filter);
  while (gramText.next()) markSet(membershipIndex.find(access.id, gramText.last()), marks);
}

function probePaths(access: Access, value: record.Value, marks: u32): void {
  jsonText.open(record.addressOf(value), record.sizeOf(value), accesses.rootOf(access));
  while (true) {
    const node = jsonText.next();
    if (node == pathTree.NONE) return;
    const path = accesses.pathAt(node);
    if (path.entryCount == 0 || jsonText.isNull() || jsonText.isTooLong()) continue;
    const outcome = key.find(literal.TEXT, jsonText.lastAddress(), jsonText.lastSize());
    markKey(path, outcome, marks);
  }
}

/** Marks the shapes of every view that has the row's values; in a replay, that has had them. */
function probeViews(access: Access, side: u32, marks: u32): void {
  const row = leftSide.rowOf(access, side);
  if (leftSide.isUnreadable()) isDoubtful_ = true;
  if (row == leftSide.NO_ROW) return;
  const set = subqueryIndex.viewsOf(row);
  if (!idSet.isSet(set)) {
    probeView(access, set, row, marks);
    return;
  }
  let from: u32 = 0;
  while (true) {
    const count = idSet.copyTo(set, views, MEMBERS_MAX, from);
    for (let index: u32 = 0; index < count; index += 1) {
      from = load<u32>(views + ((<usize>index) << 2));
      probeView(access, from, row, marks);
    }
    if (count < MEMBERS_MAX) return;
    from += 1;
  }
}

function probeView(access: Access, view: u32, row: u32, marks: u32): void {
  if (!isReplay && dependencyView.hasRecent()) {
    const bits = dependencyView.membership(view, row, dependencyView.LIVE);
    if ((bits & dependencyView.MEMBER) == 0) return;
  }
  markSet(membershipIndex.find(access.id, <u64>view), marks);
}

function valueOf(access: Access, column: u32, side: u32): record.Value {
  const value = record.at(side, positionOf(access.relation, column));
  if (record.sizeOf(value) == record.ABSENT) isDoubtful_ = true;
  return value;
}

// --- Marking -----------------------------------------------------------------------------------

function markKey(access: Access, outcome: u32, marks: u32): void {
  if (outcome == FOUND) markSet(membershipIndex.find(access.id, key.last()), marks);
  else if (outcome != UNKNOWN) isDoubtful_ = true;
}

function markSet(set: u32, marks: u32): void {
  if (set == idSet.NONE) return;
  if (!idSet.isSet(set)) {
    mark(set, marks);
    return;
  }
  let from: u32 = 0;
  while (true) {
    const count = idSet.copyTo(set, members, MEMBERS_MAX, from);
    markMembers(count, marks);
    if (count < MEMBERS_MAX) return;
    from = load<u32>(members + ((<usize>(count - 1)) << 2)) + 1;
  }
}

function markMembers(count: u32, marks: u32): void {
  const end = members + ((<usize>count) << 2);
  for (let at = members; at < end; at += 4) mark(load<u32>(at), marks);
}

function mark(id: u32, marks: u32): void {
  const state = shapeTable.state(id);
  if ((state & MARKS) == 0) {
    listed += 1;
    if (listed > listedMax) return;
    store<u32>(regions.matchAddress(regions.matches() + listed - 1), id);
  }
  shapeTable.setState(id, state | marks);
}
