/**
 * Verdicts: of the candidates of a change, for which is the WHERE true of the old row, and for
 * which of the new one?
 *
 *     plan is exact        true of the rows that the candidate was marked for
 *     pattern test         `pattern-test.ts`
 *     everything else      one call of TypeScript per change, for all of them together
 *
 * A shape with subqueries that is gated is in the middle of a move: it gets what it needs in
 * replays, where only gated ones are meant and TypeScript judges all, since each sees its own
 * position in the history of its views.
 *
 *     list, in place    ┌────────────┬─────────┐   rows: bit 24 the old one, bit 25 the new;
 *                       │ id, 24 bits│ rows, 2 │   before what the candidate was marked for,
 *                       └────────────┴─────────┘   after for which the WHERE is true
 *
 *     classes, in the       ┌────────────────┬─────┐   of those that TypeScript judges: the
 *     room for hits         │ ActiveClass, 0 │  -  │   `ActiveClass` of the row, if it needs one
 *                           └────────────────┴─────┘
 *
 * A row that a shape was not marked for is none of its own: the accesses never miss. Those that
 * TypeScript has to judge are gathered at the front of the list.
 *
 * Allocates nothing, but TypeScript does for what it judges.
 */

import * as activeClass from "./active-class";
import * as candidates from "./candidates";
import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as leftSide from "./left-side";
import * as patternTest from "./pattern-test";
import * as plans from "./plan";
import * as planned from "./planned-shapes";
import * as record from "./record";
import { positionOf } from "./relation-columns";
import * as shapeTable from "./shape-table";
import { STATE_GATED } from "./shape-table";

export const ID_MASK: u32 = 0xffffff;

/**
 * TypeScript's part, `src/router/residuals.ts`: turns the rows of `count` candidates into verdicts,
 * where they lie, and says their classes. It reads the rows through `routerReadColumn`.
 */
declare function judgeResiduals(list: usize, count: u32, classes: usize): void;

/** In place of a template: the change is routed for the first time. */
export const NO_REPLAY: u32 = 0;

/** In place of a class for which there was no room. */
export const NO_ROOM_FOR_CLASS: u32 = 0xffffffff;

/** From one class to the next: that of hits. */
export const CLASS_STRIDE: usize = 8;

let judged: Relation | null = null;
let readAddress: usize = 0;

/**
 * Turns the list of candidates into a list of verdicts, and takes their marks back. Returns how
 * many at its front have a class.
 *
 * @param replayed the template for whose gated shapes this is a replay, NO_REPLAY if it is none.
 */
export function judge(relation: Relation, replayed: u32, classes: usize): u32 {
  judged = relation;
  const list = candidates.list();
  const count = candidates.count();
  let asked: u32 = 0;
  for (let index: u32 = 0; index < count; index += 1) {
    const at = list + ((<usize>index) << 2);
    const id = load<u32>(at);
    const rows = candidates.takeMarks(id);
    const verdict =
      replayed == NO_REPLAY ? verdictOf(relation, id, rows) : verdictAgain(replayed, id);
    if (verdict == patternTest.UNDECIDED) {
      bringToFront(at, asked, id | rows, classes);
      asked += 1;
    } else {
      store<u32>(at, id | verdict);
    }
  }
  if (asked != 0) judgeResiduals(list, asked, classes);
  return asked;
}

/** For which rows a WHERE is true, UNDECIDED if TypeScript has to say it. */
function verdictOf(relation: Relation, id: u32, rows: u32): u32 {
  const plan = planned.planOf(shapeTable.template(id));
  if (plan.isDependent != 0 && isGated(id)) return 0;
  return plan.isExact ? rows : patternTest.verdict(relation, plan, id, rows);
}

/** The same in a replay: of whom it is not for, none. */
function verdictAgain(replayed: u32, id: u32): u32 {
  const isMeant = shapeTable.template(id) == replayed && isGated(id);
  return isMeant ? patternTest.UNDECIDED : 0;
}

/** Puts one among those that TypeScript judges. */
function bringToFront(at: usize, asked: u32, candidate: u32, classes: usize): void {
  const front = candidates.list() + ((<usize>asked) << 2);
  store<u32>(at, load<u32>(front));
  store<u32>(front, candidate);
  store<u32>(classes + <usize>asked * CLASS_STRIDE, 0);
}

function isGated(id: u32): bool {
  return (shapeTable.state(id) & STATE_GATED) != 0;
}

/**
 * For TypeScript, while it judges: the size of a column of a row, `record.NULL` for NULL; its text
 * is at `lastAddress`. A column that is not sent makes the change doubtful.
 */
export function readColumn(side: u32, column: u32): u32 {
  const value = record.at(side, positionOf(judged as Relation, column));
  readAddress = record.addressOf(value);
  if (record.hasBytes(value)) return record.sizeOf(value);
  if (record.sizeOf(value) == record.ABSENT) candidates.doubt();
  return record.NULL;
}

export function lastAddress(): usize {
  return readAddress;
}

/**
 * The same: bits of what is so of a row and a view, which a shape of the template has in the access
 * of this number, at a position in the views' history.
 */
export function readMembership(
  side: u32,
  template: u32,
  access: u32,
  view: u32,
  position: u32,
): u32 {
  const found = plans.accessAt(planned.planOf(template), access);
  const bits = leftSide.membership(found, side, view, position);
  if (leftSide.isUnreadable()) candidates.doubt();
  return bits;
}

/**
 * The same: where a byte goes for each literal of a new class, which is what the class is known by;
 * NO_ROOM_FOR_CLASS if it does not fit.
 */
export function addClass(template: u32): u32 {
  const made = activeClass.add(tree.templateAt(template).projection);
  return made ? <u32>activeClass.literalsOf(made) : NO_ROOM_FOR_CLASS;
}
