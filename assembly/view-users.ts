/**
 * Who uses a view: the shapes that have it in an access of its family. The accesses hang in a chain
 * of the views' template, and each has the shapes of a view in one set.
 *
 *     template of the views ──> Access ──> Access ──> ...
 *                                 │          │
 *                     (access, view) ──> set of shapes        `membership-index.ts`
 *
 * So a shape pays nothing to be found by its views. Allocates nothing.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as tree from "./condition-tree";
import * as idSet from "./id-set";
import * as membershipIndex from "./membership-index";
import * as shapeTable from "./shape-table";
import * as subqueryIndex from "./subquery-index";

/** How many ids one call lists. */
const LISTED_MAX: u32 = 8192;

/** No set has this reference. */
const SEVERAL: u32 = 0xffffffff;

let upTo: u32 = 0;

/** A plan has come to use an access. REQUIRES: if it is of views, their family is there. */
export function enter(access: Access): void {
  if (!accesses.isOfViews(access) || access.templateCount != 1) return;
  const template = tree.templateAt(accesses.viewTemplate(access));
  access.family = subqueryIndex.familyOf(accesses.viewTemplate(access));
  assert(access.family != 0);
  access.nextUser = firstUser(template);
  template.firstUser = changetype<usize>(access);
}

/** A plan is about to release an access. */
export function leave(access: Access): void {
  if (!accesses.isOfViews(access) || access.templateCount != 1) return;
  const template = tree.templateAt(accesses.viewTemplate(access));
  if (firstUser(template) == access) {
    template.firstUser = changetype<usize>(access.nextUser);
    return;
  }
  let before = firstUser(template) as Access;
  while (before.nextUser != access) before = before.nextUser as Access;
  before.nextUser = access.nextUser;
}

/**
 * Lists shapes that use a view and have ids above `after` at `out`, ascending, each once. Returns
 * how many; `listedUpTo` says where to go on.
 */
export function list(view: u32, after: u32, out: usize): u32 {
  const first = firstUser(tree.templateAt(shapeTable.template(view)));
  const only = onlySet(first, view);
  if (only != SEVERAL) return listSet(only, after, out);
  let count: u32 = 0;
  let last = after;
  while (count < LISTED_MAX) {
    const id = nextUser(first, view, last);
    if (id == shapeTable.NONE) {
      upTo = 0;
      return count;
    }
    store<u32>(out + ((<usize>count) << 2), id);
    count += 1;
    last = id;
  }
  upTo = last;
  return count;
}

/** Where the next `list` goes on, 0 when all were listed. */
export function listedUpTo(): u32 {
  return upTo;
}

function listSet(set: u32, after: u32, out: usize): u32 {
  upTo = 0;
  if (set == idSet.NONE) return 0;
  if (!idSet.isSet(set)) {
    store<u32>(out, set);
    return set > after ? 1 : 0;
  }
  const count = idSet.copyTo(set, out, LISTED_MAX, after + 1);
  if (count == LISTED_MAX) upTo = load<u32>(out + ((<usize>(count - 1)) << 2));
  return count;
}

/** The set of the view if one access has it, NONE if none has, or SEVERAL. */
function onlySet(first: Access | null, view: u32): u32 {
  let only: u32 = idSet.NONE;
  let access = first;
  while (access) {
    const set = membershipIndex.find(access.id, <u64>view);
    if (set != idSet.NONE && only != idSet.NONE) return SEVERAL;
    if (set != idSet.NONE) only = set;
    access = access.nextUser;
  }
  return only;
}

/** The least id above `after` in any of the sets. */
function nextUser(first: Access | null, view: u32, after: u32): u32 {
  let least: u32 = shapeTable.NONE;
  let access = first;
  while (access) {
    const id = nextOf(membershipIndex.find(access.id, <u64>view), after);
    if (id != shapeTable.NONE && (least == shapeTable.NONE || id < least)) least = id;
    access = access.nextUser;
  }
  return least;
}

const found: usize = memory.data(4, 4);

function nextOf(set: u32, after: u32): u32 {
  if (set == idSet.NONE) return shapeTable.NONE;
  if (!idSet.isSet(set)) return set > after ? set : shapeTable.NONE;
  return idSet.copyTo(set, found, 1, after + 1) == 0 ? shapeTable.NONE : load<u32>(found);
}

function firstUser(template: tree.Template): Access | null {
  return changetype<Access | null>(template.firstUser);
}
