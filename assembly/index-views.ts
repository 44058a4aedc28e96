// The ABI of dependency views, the other half of `index.ts`, with the same rules. A tuple is a u32
// size for each term (0xffffffff: NULL), followed by so many bytes; it lies in the exchange or, if
// it is longer, in scratch.

import * as dependencyView from "./dependency-view";
import * as shapeTable from "./shape-table";
import * as subqueryIndex from "./subquery-index";
import * as families from "./view-family";
import * as history from "./view-history";
import * as viewContents from "./view-contents";
import * as viewKey from "./view-key";
import * as viewSweep from "./view-sweep";

export function viewMint(): u32 {
  return shapeTable.mintView();
}

/** Ids of views, those that are removed and not swept yet among them. */
export function viewIdCount(): u32 {
  return shapeTable.views();
}

/** Number of the new family, 0 if the budget forbids it. A u32 kind for each term is at `kinds`. */
export function viewAddFamily(template: u32, kinds: usize, termCount: u32): u32 {
  return families.add(template, kinds, termCount);
}

export function viewRemoveFamily(family: u32): void {
  families.remove(family);
}

export function viewAdd(view: u32, family: u32): void {
  dependencyView.add(view, family);
}

export function viewRemove(view: u32): void {
  dependencyView.remove(view);
}

export function viewForget(view: u32): bool {
  return dependencyView.forget(view);
}

export function viewsSweep(pairs: u32): bool {
  return viewSweep.sweep(pairs);
}

export function viewCountOf(view: u32): u32 {
  return dependencyView.countOf(view);
}

export function viewBeginStep(position: u32): void {
  dependencyView.beginStep(position);
}

export function viewApply(view: u32, tuple: usize, count: i32): u32 {
  return dependencyView.apply(view, tuple, count);
}

export function viewEndStep(): u32 {
  return dependencyView.endStep();
}

export function viewCopyTransitions(cursor: u32, out: usize, capacity: u32): u32 {
  return dependencyView.copyTransitions(cursor, out, capacity);
}

export function viewTransitionsCopiedTo(): u32 {
  return dependencyView.transitionsCopiedTo();
}

export function viewKeepSince(position: u32): void {
  dependencyView.keepSince(position);
}

export function viewKeepNothing(): void {
  dependencyView.keepNothing();
}

export function viewHistoryLength(): u32 {
  return history.count();
}

/** The row of a tuple, 0 if no view of this one's family has it or had it lately. */
export function viewFindRow(view: u32, tuple: usize): u32 {
  return dependencyView.findRow(view, tuple);
}

export function viewMembership(view: u32, row: u32, position: u32): u32 {
  return dependencyView.membership(view, row, position);
}

export function viewListRows(view: u32, after: u32, out: usize, capacity: u32): u32 {
  return viewContents.listRows(view, after, out, capacity);
}

export function viewListedUpTo(): u32 {
  return viewContents.listedUpTo();
}

/** How many terms the values have that are like that of a row. */
export function viewTermCount(row: u32): u32 {
  return viewContents.termCountOf(row);
}

/** Size of the text of a term of a value, which is at `viewTermAddress`. */
export function viewWriteTerm(row: u32, index: u32): u32 {
  viewContents.writeTerm(row, index);
  return viewKey.lastSize();
}

export function viewTermAddress(): usize {
  return viewKey.lastAddress();
}

/** How many values the views of all families have, each once in its family. */
export function viewValueCount(): u32 {
  return subqueryIndex.count();
}
