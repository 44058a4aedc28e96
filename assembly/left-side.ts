/**
 * Left sides: the values of a row that `(a, b) IN (SELECT ...)` compares, as a row of the subquery
 * index. Many shapes ask the same of one change, so what was read last is kept for either side.
 *
 * Allocates nothing. What is kept holds for one change.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as dependencyView from "./dependency-view";
import * as record from "./record";
import { NEW } from "./record";
import { positionOf } from "./relation-columns";
import * as subqueryIndex from "./subquery-index";
import * as viewKey from "./view-key";

/** A bit of `membership`, besides those of `dependency-view.ts`: a left value is NULL. */
export const LEFT_HAS_NULL: u32 = 2;

/** A row of no view. */
export const NO_ROW: u32 = 0;

/** What was read of either side: 0 is nothing, otherwise the id of the access. */
let newAccess: u32 = 0;
let newRow: u32 = 0;
let isNewNull: bool = false;
let oldAccess: u32 = 0;
let oldRow: u32 = 0;
let isOldNull: bool = false;

let isNull: bool = false;
let isUnreadable_: bool = false;

/** Begins another change. */
export function forget(): void {
  newAccess = 0;
  oldAccess = 0;
  isUnreadable_ = false;
}

/** Whether a left side of this change could not be read, or is not sent. */
export function isUnreadable(): bool {
  return isUnreadable_;
}

/** The row that views have which contain the values of a side, NO_ROW if there are none. */
export function rowOf(access: Access, side: u32): u32 {
  if (side == NEW) {
    if (newAccess != access.id) {
      newRow = read(access, side);
      newAccess = access.id;
      isNewNull = isNull;
    }
    return newRow;
  }
  if (oldAccess != access.id) {
    oldRow = read(access, side);
    oldAccess = access.id;
    isOldNull = isNull;
  }
  return oldRow;
}

/** What is so of a side and a view at a position: bits. */
export function membership(access: Access, side: u32, view: u32, position: u32): u32 {
  const row = rowOf(access, side);
  const hasNull = side == NEW ? isNewNull : isOldNull;
  const bits = dependencyView.membership(view, row, position);
  return hasNull ? bits | LEFT_HAS_NULL : bits;
}

function read(access: Access, side: u32): u32 {
  const count = accesses.termCount(access);
  let isUnknown = false;
  isNull = false;
  viewKey.begin(count);
  for (let index: u32 = 0; index < count; index += 1) {
    const column = accesses.termColumn(access, index);
    const value = record.at(side, positionOf(access.relation, column));
    if (!record.hasBytes(value)) {
      if (record.sizeOf(value) != record.NULL) isUnreadable_ = true;
      isNull = true;
    } else if (!isNull && !isUnknown) {
      const kind = accesses.termKind(access, index);
      const outcome = viewKey.readTerm(kind, record.addressOf(value), record.sizeOf(value));
      if (outcome == viewKey.INVALID) isUnreadable_ = true;
      isUnknown = outcome != viewKey.FOUND;
    }
  }
  return isNull || isUnknown ? NO_ROW : subqueryIndex.findRow(access.family);
}
