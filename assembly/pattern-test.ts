/**
 * Pattern tests: a WHERE that is `column [NOT] [I]LIKE constant` and nothing else, judged in the
 * core for as many shapes as have one. `like.ts` compares; a value is folded once per row, not once
 * per shape.
 *
 * Allocates nothing.
 */

import { Relation } from "./condition-tree";
import * as definitionIndex from "./definition-index";
import * as like from "./like";
import * as packed from "./packed-constants";
import * as plans from "./plan";
import { Plan } from "./plan";
import * as record from "./record";
import { NEW, OLD } from "./record";
import { positionOf } from "./relation-columns";

/** Rows of a change, as bits above the id of a shape. */
export const ROW_OLD: u32 = 1 << 24;
export const ROW_NEW: u32 = 1 << 25;
const BOTH: u32 = ROW_OLD | ROW_NEW;

/** No rows. */
export const UNDECIDED: u32 = 1 << 26;

/** The values that `like.fold` has folded, per side, or could not. */
let foldedNew: record.Value = 0;
let foldedOld: record.Value = 0;
let isNewFolded: bool = false;
let isOldFolded: bool = false;

/** Begins another change. */
export function forget(): void {
  foldedNew = 0;
  foldedOld = 0;
}

/**
 * For which of the rows the pattern test of a shape's plan is true, UNDECIDED if there is none or
 * the core cannot tell.
 */
export function verdict(relation: Relation, plan: Plan, id: u32, rows: u32): u32 {
  if (plan.pattern == plans.NO_PATTERN) return UNDECIDED;
  const position = positionOf(relation, plan.column);
  if (rows == BOTH && record.same(record.at(NEW, position), record.at(OLD, position))) {
    const both = test(plan, id, position, NEW);
    return both == like.UNDECIDED ? UNDECIDED : both == like.YES ? BOTH : 0;
  }
  let trueOf: u32 = 0;
  if (rows & ROW_OLD) {
    const ofOld = test(plan, id, position, OLD);
    if (ofOld == like.UNDECIDED) return UNDECIDED;
    if (ofOld == like.YES) trueOf |= ROW_OLD;
  }
  if (rows & ROW_NEW) {
    const ofNew = test(plan, id, position, NEW);
    if (ofNew == like.UNDECIDED) return UNDECIDED;
    if (ofNew == like.YES) trueOf |= ROW_NEW;
  }
  return trueOf;
}

/** Whether the pattern test is true of a row. */
function test(plan: Plan, id: u32, position: u32, side: u32): u32 {
  const value = record.at(side, position);
  // What is not sent is not known; whoever is asked instead will say so.
  if (record.sizeOf(value) == record.ABSENT) return like.UNDECIDED;
  if (!record.hasBytes(value)) return like.NO; // NULL is neither like nor unlike anything.
  let text = record.addressOf(value);
  const size = record.sizeOf(value);
  const isFolded = plan.pattern == plans.ILIKE;
  if (isFolded) {
    if (!fold(side, value)) return like.UNDECIDED;
    text = like.foldedAt(side);
  }
  definitionIndex.readConstant(id, plan.constant);
  const outcome = like.match(text, size, packed.lastAddress(), packed.lastSize(), isFolded);
  if (outcome == like.UNDECIDED || !plan.isNegated) return outcome;
  return outcome == like.YES ? like.NO : like.YES;
}

/** Folds a value unless it is what was folded last for that side. */
function fold(side: u32, value: record.Value): bool {
  if (side == NEW) {
    if (value != foldedNew) {
      foldedNew = value;
      isNewFolded = like.fold(NEW, record.addressOf(value), record.sizeOf(value));
    }
    return isNewFolded;
  }
  if (value != foldedOld) {
    foldedOld = value;
    isOldFolded = like.fold(OLD, record.addressOf(value), record.sizeOf(value));
  }
  return isOldFolded;
}
