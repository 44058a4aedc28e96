/**
 * Accesses: the ways in which rows of a table are looked up for shapes whose WHERE is more than one
 * AND of equalities. What an access is, `src/model/access-plan.ts` says; here it is what it was
 * described as, and where its entries are:
 *
 *     equality, null, elements, path    the membership index, under the access's id
 *     range                             a tree of its own, whose words are in the access
 *     all                               one set of ids
 *
 *     ┌─────────────────────────────────────┬──────────────────────────────┐
 *     │ Access: counts, set, words of tree  │ description                  │
 *     └─────────────────────────────────────┴──────────────────────────────┘
 *
 *     description, u32 each   equality  1, terms, (column, kind) each     null   3, column
 *                             range     2, column, order                  all    6
 *                             elements  4, column, kind
 *                             path      5, column, steps, (size, bytes) each
 *
 * Templates with equal descriptions share an access, so a row is looked up once for all of them.
 * Ids do not come back: 2^32 accesses are more than a process will see.
 *
 * Invariants (`verify` checks 1 to 3):
 *
 *   1. No two accesses of a relation have equal descriptions.
 *   2. An access is used by at least one template.
 *   3. The tree of a range has as many entries as the access.
 *   4. An access without templates has no entries.
 *
 * Only `acquire` allocates, and reserves what it needs.
 */

import * as blockPool from "./block-pool";
import { Relation } from "./condition-tree";
import { OWNER_ACCESSES } from "./owners";
import * as pagePool from "./page-pool";
import * as rangeIndex from "./range-index";
import * as textBuffer from "./text-buffer";

export const EQUALITY: u32 = 1;
export const RANGE: u32 = 2;
export const NULL: u32 = 3;
export const ELEMENTS: u32 = 4;
export const PATH: u32 = 5;
export const ALL: u32 = 6;

/** As many columns as one equality may have; `src/router/descriptions.ts` refuses more. */
export const TERM_COUNT_MAX: u32 = 64;

@unmanaged
export class Access {
  relation: Relation;
  next: Access | null;
  id: u32;
  templateCount: u32;
  /** Entries that were added and not taken out, duplicates once. 0: rows are not looked up. */
  entryCount: u32;
  /** Of ALL: every shape. */
  set: u32;
  /** Of RANGE. */
  treeRoot: u32;
  treeHeight: u32;
  treeCount: u32;
  descriptionSize: u32;
}

const ACCESS_SIZE: u32 = 40;
if (offsetof<Access>() != ACCESS_SIZE) ERROR("the description must follow the Access");
if (offsetof<Access>("descriptionSize") != offsetof<Access>("treeRoot") + rangeIndex.TREE_SIZE) {
  ERROR("an Access must have the words of a tree");
}

let pool: usize = 0;
let serial: u32 = 0;
let accessCount: u32 = 0;

/** To be called once. Takes no memory. */
export function create(): void {
  assert(pool == 0);
  pool = blockPool.create(OWNER_ACCESSES, 8);
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
  let access = find(relation, description, size);
  if (access) {
    access.templateCount += 1;
    return access;
  }
  if (!textBuffer.reserve(size)) return null; // Keys in a document are compared without escapes.
  if (!pagePool.reserve(blockPool.pagesForBlock(ACCESS_SIZE + size))) return null;
  const address = blockPool.allocate(pool, ACCESS_SIZE + size);
  memory.fill(address, 0, ACCESS_SIZE);
  access = changetype<Access>(address);
  serial += 1;
  access.id = serial;
  access.relation = relation;
  access.next = firstOf(relation);
  access.templateCount = 1;
  access.descriptionSize = size;
  memory.copy(descriptionOf(access), description, size);
  relation.firstAccess = address;
  accessCount += 1;
  return access;
}

/** Counts one template less; with the last one the access goes. */
export function release(access: Access): void {
  access.templateCount -= 1;
  if (access.templateCount != 0) return;
  assert(access.entryCount == 0); // 4
  const relation = access.relation;
  if (firstOf(relation) == access) {
    relation.firstAccess = changetype<usize>(access.next);
  } else {
    let before = firstOf(relation) as Access;
    while (before.next != access) before = before.next as Access;
    before.next = access.next;
  }
  blockPool.release(pool, changetype<usize>(access), ACCESS_SIZE + access.descriptionSize);
  accessCount -= 1;
}

export function typeOf(access: Access): u32 {
  return load<u32>(descriptionOf(access));
}

/** The one column. REQUIRES: neither EQUALITY nor ALL. */
export function columnOf(access: Access): u32 {
  return load<u32>(descriptionOf(access), 4);
}

/** Kind of the literals of ELEMENTS, order of a RANGE. */
export function kindOf(access: Access): u32 {
  return load<u32>(descriptionOf(access), 8);
}

/** Of EQUALITY. */
export function termCount(access: Access): u32 {
  return load<u32>(descriptionOf(access), 4);
}

export function termColumn(access: Access, index: u32): u32 {
  return load<u32>(descriptionOf(access) + ((<usize>index) << 3), 8);
}

export function termKind(access: Access, index: u32): u32 {
  return load<u32>(descriptionOf(access) + ((<usize>index) << 3), 12);
}

/** Of PATH: steps of (u32 size, bytes). */
export function stepCount(access: Access): u32 {
  return load<u32>(descriptionOf(access), 8);
}

export function stepsOf(access: Access): usize {
  return descriptionOf(access) + 12;
}

/** Of RANGE. */
export function treeOf(access: Access): usize {
  return changetype<usize>(access) + offsetof<Access>("treeRoot");
}

export function count(): u32 {
  return accessCount;
}

export function liveBytes(): usize {
  return blockPool.liveBytes(pool);
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
    access = access.next;
  }
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
