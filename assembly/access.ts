/**
 * Accesses: the ways in which rows of a table are looked up for shapes whose WHERE is more than one
 * AND of equalities. What an access is, `src/model/access-plan.ts` says; here it is what it was
 * described as, and where its entries are:
 *
 *     equality, null, elements, path, grams    the membership index, under the access's id
 *     range                                    a tree of its own, whose words are in the access
 *     all                                      one set of ids
 *     subquery, listed                         the same, the key being the view of the shape
 *
 * A table may have any number of paths, so these are not in the relation's list: one access stands
 * there for all paths of a column, and they hang in its path tree.
 *
 *     ┌─────────────────────────────────────┬──────────────────────────────┐
 *     │ Access: counts, set, words of tree  │ description                  │
 *     └─────────────────────────────────────┴──────────────────────────────┘
 *
 *     description, u32 each   equality  1, terms, (column, kind) each     null   3, column
 *                             range     2, column, order                  all    6
 *                             elements  4, column, kind
 *                             path      5, column, steps, (size, bytes) each
 *                             paths     7, column
 *                             subquery  8, terms, (column, kind) each, template of the views
 *                             listed    9, the same: rows are not looked up
 *                             grams     10, column, size, whether folded
 *
 * Templates with equal descriptions share an access, so a row is looked up once for all of them.
 * Ids do not come back: 2^32 accesses are more than a process will see.
 *
 * Invariants (`verify` checks 1 to 3, and 5):
 *
 *   1. No two accesses of a relation have equal descriptions.
 *   2. An access is used by at least one template.
 *   3. The tree of a range has as many entries as the access.
 *   4. An access without templates has no entries.
 *   5. The paths of a column have as many templates as there are paths, and the sum of the entries.
 *
 * Only `acquire` allocates, and reserves what it needs.
 */

import * as blockPool from "./block-pool";
import { Relation } from "./condition-tree";
import * as gramText from "./gram-text";
import { OWNER_ACCESSES } from "./owners";
import * as pagePool from "./page-pool";
import * as pathTree from "./path-tree";
import * as rangeIndex from "./range-index";
import * as textBuffer from "./text-buffer";

export const EQUALITY: u32 = 1;
export const RANGE: u32 = 2;
export const NULL: u32 = 3;
export const ELEMENTS: u32 = 4;
export const PATH: u32 = 5;
export const ALL: u32 = 6;
/** All paths of a column; not described by TypeScript. */
export const PATHS: u32 = 7;
/** The left side of `IN (SELECT ...)`. */
export const SUBQUERY: u32 = 8;
export const LISTED: u32 = 9;
export const GRAMS: u32 = 10;

/** As many columns as one equality may have; `src/router/descriptions.ts` refuses more. */
export const TERM_COUNT_MAX: u32 = 64;

@unmanaged
export class Access {
  relation: Relation;
  /** In the relation's list. Of PATH: the PATHS of its column. */
  next: Access | null;
  id: u32;
  templateCount: u32;
  /** Entries that were added and not taken out, duplicates once. 0: rows are not looked up. */
  entryCount: u32;
  /**
   * Of ALL: every shape. Of PATHS: the root of their tree. Of PATH: its node there. Of GRAMS: the
   * address of their filter.
   */
  set: u32;
  /** Of SUBQUERY and LISTED: the family of their views, and the next with the same template. */
  family: u32;
  nextUser: Access | null;
  /** Of RANGE. */
  treeRoot: u32;
  treeHeight: u32;
  treeCount: u32;
  descriptionSize: u32;
}

const ACCESS_SIZE: u32 = 48;
if (offsetof<Access>() != ACCESS_SIZE) ERROR("the description must follow the Access");
if (offsetof<Access>("descriptionSize") != offsetof<Access>("treeRoot") + rangeIndex.TREE_SIZE) {
  ERROR("an Access must have the words of a tree");
}

let pool: usize = 0;
let serial: u32 = 0;
let accessCount: u32 = 0;

/** Description of PATHS. */
const paths: usize = memory.data(8, 4);
const PATHS_SIZE: u32 = 8;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(pool == 0);
  pool = blockPool.create(OWNER_ACCESSES, 8);
  pathTree.create();
}

/** The pool of accesses; plans lie in it too. */
export function blocks(): usize {
  return pool;
}

export function firstOf(relation: Relation): Access | null {
  return changetype<Access | null>(relation.firstAccess);
}

/**
 * Returns the access of this description, made if there was none, with one template more. Null,
 * with nothing changed, if the budget forbids it.
 */
export function acquire(relation: Relation, description: usize, size: u32): Access | null {
  if (load<u32>(description) == PATH) return acquirePath(relation, description, size);
  let access = find(relation, description, size);
  if (!access) {
    access = allocate(relation, description, size);
    if (!access) return null;
    if (typeOf(access) == GRAMS && !addFilter(access)) {
      free(access);
      return null;
    }
    access.next = firstOf(relation);
    relation.firstAccess = changetype<usize>(access);
  }
  access.templateCount += 1;
  return access;
}

/** Counts one template less; with the last one the access goes. */
export function release(access: Access): void {
  access.templateCount -= 1;
  if (access.templateCount != 0) return;
  assert(access.entryCount == 0); // 4
  if (typeOf(access) == PATH) {
    pathTree.setAccess(access.set, 0);
    pathTree.prune(access.set);
    release(access.next as Access);
  } else {
    if (access.set != pathTree.NONE && typeOf(access) == PATHS) pathTree.removeRoot(access.set);
    if (typeOf(access) == GRAMS) blockPool.release(pool, filterOf(access), gramText.FILTER_SIZE);
    unlink(access);
  }
  free(access);
}

/** Counts an entry more or less. */
export function countEntries(access: Access, difference: i32): void {
  access.entryCount += difference;
  if (typeOf(access) == PATH) (access.next as Access).entryCount += difference;
}

export function typeOf(access: Access): u32 {
  return load<u32>(descriptionOf(access));
}

/** The one column. REQUIRES: neither EQUALITY nor ALL. */
export function columnOf(access: Access): u32 {
  return load<u32>(descriptionOf(access), 4);
}

/** Kind of the literals of ELEMENTS, order of a RANGE, bytes of a gram of GRAMS. */
export function kindOf(access: Access): u32 {
  return load<u32>(descriptionOf(access), 8);
}

/** Of EQUALITY, SUBQUERY and LISTED. */
export function termCount(access: Access): u32 {
  return load<u32>(descriptionOf(access), 4);
}

export function termColumn(access: Access, index: u32): u32 {
  return load<u32>(descriptionOf(access) + ((<usize>index) << 3), 8);
}

export function termKind(access: Access, index: u32): u32 {
  return load<u32>(descriptionOf(access) + ((<usize>index) << 3), 12);
}

/** Of GRAMS: whether texts are folded. */
export function isFolded(access: Access): bool {
  return load<u32>(descriptionOf(access), 12) != 0;
}

/** Of GRAMS. */
export function filterOf(access: Access): usize {
  return <usize>access.set;
}

/** Where rows are looked up for it: for a path of a document, all paths of its column. */
export function probedFor(access: Access): Access {
  return typeOf(access) == PATH ? (access.next as Access) : access;
}

/** Whether its values are views. */
export function isOfViews(access: Access): bool {
  const type = typeOf(access);
  return type == SUBQUERY || type == LISTED;
}

/** Of SUBQUERY and LISTED. */
export function viewTemplate(access: Access): u32 {
  return load<u32>(descriptionOf(access) + ((<usize>termCount(access)) << 3), 8);
}

/** Of PATHS: the root of their tree. */
export function rootOf(access: Access): u32 {
  return access.set;
}

/** The path that ends at a node. REQUIRES: one does. */
export function pathAt(node: u32): Access {
  return changetype<Access>(pathTree.accessOf(node));
}

/** Of RANGE. */
export function treeOf(access: Access): usize {
  return changetype<usize>(access) + offsetof<Access>("treeRoot");
}

export function count(): u32 {
  return accessCount;
}

export function liveBytes(): usize {
  return blockPool.liveBytes(pool) + pathTree.liveBytes();
}

/** Checks the invariants of a relation's accesses. */
export function verify(relation: Relation): void {
  let access = firstOf(relation);
  while (access) {
    assert(find(relation, descriptionOf(access), access.descriptionSize) == access); // 1
    assert(access.templateCount != 0); // 2
    if (typeOf(access) == RANGE) {
      rangeIndex.verify(treeOf(access));
      assert(rangeIndex.count(treeOf(access)) == access.entryCount); // 3
    }
    if (typeOf(access) == PATHS) verifyPaths(access);
    access = access.next;
  }
}

function verifyPaths(column: Access): void {
  let pathCount: u32 = 0;
  let entryCount: u32 = 0;
  let node = pathTree.nextEnd(pathTree.NONE);
  while (node != pathTree.NONE) {
    const path = pathAt(node);
    if (path.next == column) {
      assert(typeOf(path) == PATH && columnOf(path) == columnOf(column));
      assert(path.set == node && endOf(column.set, descriptionOf(path)) == node); // 1
      assert(path.templateCount != 0); // 2
      pathCount += 1;
      entryCount += path.entryCount;
    }
    node = pathTree.nextEnd(node);
  }
  assert(pathCount == column.templateCount && entryCount == column.entryCount); // 5
}

/** The node at the end of a path, NONE if there is none. */
function endOf(root: u32, description: usize): u32 {
  let node = root;
  let step = description + 12;
  for (let count = load<u32>(description, 8); count != 0; count -= 1) {
    node = pathTree.child(node, step + 4, load<u32>(step));
    if (node == pathTree.NONE) break;
    step += 4 + <usize>load<u32>(step);
  }
  return node;
}

function acquirePath(relation: Relation, description: usize, size: u32): Access | null {
  store<u32>(paths, PATHS);
  store<u32>(paths, load<u32>(description, 4), 4);
  const column = acquire(relation, paths, PATHS_SIZE);
  if (!column) return null;
  const access = acquireAt(column, relation, description, size);
  // It has been counted once for the path, and is now once too often.
  if (!access || access.templateCount > 1) release(column);
  return access;
}

function acquireAt(
  column: Access,
  relation: Relation,
  description: usize,
  size: u32,
): Access | null {
  if (column.set == pathTree.NONE) column.set = pathTree.root();
  const node = column.set == pathTree.NONE ? pathTree.NONE : growAlong(column.set, description);
  if (node == pathTree.NONE) return null;
  let access = changetype<Access | null>(pathTree.accessOf(node));
  if (!access) {
    access = allocate(relation, description, size);
    if (!access) {
      pathTree.prune(node);
      return null;
    }
    access.next = column;
    access.set = node;
    pathTree.setAccess(node, changetype<usize>(access));
  }
  access.templateCount += 1;
  return access;
}

/** The node at the end of a path. NONE, with nothing changed, if the budget forbids it. */
function growAlong(root: u32, description: usize): u32 {
  const count = load<u32>(description, 8);
  assert(count != 0 && count <= pathTree.DEPTH_MAX);
  let node = root;
  let step = description + 12;
  for (let index: u32 = 0; index < count; index += 1) {
    const next = pathTree.grow(node, step + 4, load<u32>(step));
    if (next == pathTree.NONE) {
      pathTree.prune(node);
      return pathTree.NONE;
    }
    node = next;
    step += 4 + <usize>load<u32>(step);
  }
  return node;
}

/** An access that nobody knows of yet. Null if the budget forbids it. */
function allocate(relation: Relation, description: usize, size: u32): Access | null {
  if (!textBuffer.reserve(size)) return null; // Keys in a document are compared without escapes.
  if (!pagePool.reserve(blockPool.pagesForBlock(ACCESS_SIZE + size))) return null;
  const address = blockPool.allocate(pool, ACCESS_SIZE + size);
  memory.fill(address, 0, ACCESS_SIZE);
  const access = changetype<Access>(address);
  serial += 1;
  access.id = serial;
  access.relation = relation;
  access.descriptionSize = size;
  memory.copy(descriptionOf(access), description, size);
  accessCount += 1;
  return access;
}

function free(access: Access): void {
  blockPool.release(pool, changetype<usize>(access), ACCESS_SIZE + access.descriptionSize);
  accessCount -= 1;
}

/** False, with nothing changed: the budget forbids it. */
function addFilter(access: Access): bool {
  if (!pagePool.reserve(blockPool.pagesForBlock(gramText.FILTER_SIZE))) return false;
  const filter = blockPool.allocate(pool, gramText.FILTER_SIZE);
  memory.fill(filter, 0, gramText.FILTER_SIZE);
  access.set = <u32>filter;
  return true;
}

function unlink(access: Access): void {
  const relation = access.relation;
  if (firstOf(relation) == access) {
    relation.firstAccess = changetype<usize>(access.next);
    return;
  }
  let before = firstOf(relation) as Access;
  while (before.next != access) before = before.next as Access;
  before.next = access.next;
}

function find(relation: Relation, description: usize, size: u32): Access | null {
  let access = firstOf(relation);
  while (access) {
    const isAlike = access.descriptionSize == size;
    if (isAlike && memory.compare(descriptionOf(access), description, size) == 0) return access;
    access = access.next;
  }
  return null;
}

function descriptionOf(access: Access): usize {
  return changetype<usize>(access) + <usize>ACCESS_SIZE;
}
