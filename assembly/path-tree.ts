/**
 * The path tree: the paths of JSON documents under which shapes are found, as trees of object keys.
 * A document is walked once for all paths of its column, and costs what its own keys cost, however
 * many paths there are.
 *
 *     root ──"owner"──> node ──"name"──> node, access          document -> 'owner' ->> 'name' = ?
 *                            └─"id"────> node, access          document -> 'owner' ->> 'id' = ?
 *
 *     node    ┌──────────────┬──────────────┬──────────────┬──────────────┐
 *             │ parent       │ key: ValueId │ access       │ child count  │       u32 each
 *             └──────────────┴──────────────┴──────────────┴──────────────┘
 *                0: a root      0: a root      0: only on the way
 *
 * There is no list of a node's children: a leaf table finds the child under the hash of parent and
 * key, as the row has it.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. A node that is no root has an access or children.
 *   2. The leaf table has one entry for each node that is no root, and no other.
 *   3. No two children of a node have the same key.
 *   4. A node counts its children.
 *
 * `root` and `grow` may allocate, and reserve what they need. The rest never does.
 */

import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_ACCESSES } from "./owners";
import * as pagePool from "./page-pool";
import { sameBytes } from "./record";
import * as rowPool from "./row-pool";
import * as valueStore from "./value-store";

/** No node. */
export const NONE: u32 = 0;

/** As many steps as a path may have; `src/router/descriptions.ts` refuses more. */
export const DEPTH_MAX: u32 = 32;

@unmanaged
class Node {
  parent: u32;
  /** References one value of the store. */
  key: u32;
  access: u32;
  childCount: u32;
}

const NODE_SIZE: u32 = 16;
if (offsetof<Node>() != NODE_SIZE) ERROR("a Node must be NODE_SIZE bytes");

/** 256 pages of 4,096 nodes: a million. */
const DIRECTORY_COUNT: u32 = 256;
const nodes: usize = memory.data(32, 4);
const directory: usize = memory.data(1024, 4);
if (rowPool.ROW_POOL_SIZE != 32) ERROR("a RowPool must fit its data");

let table: usize = 0;
let rootCount: u32 = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  rowPool.create(nodes, OWNER_ACCESSES, NODE_SIZE, directory, DIRECTORY_COUNT);
  table = leafTable.create(OWNER_ACCESSES, hashOfNode);
}

/** Begins a tree. NONE if the budget forbids it. */
export function root(): u32 {
  if (!rowPool.hasRoom(nodes) || !pagePool.reserve(rowPool.PAGES_PER_TAKE)) return NONE;
  rootCount += 1;
  return rowPool.take(nodes);
}

/** REQUIRES: it has no children. */
export function removeRoot(node: u32): void {
  assert(at(node).parent == NONE && at(node).childCount == 0);
  rootCount -= 1;
  rowPool.give(nodes, node);
}

/** The child under a key, NONE if there is none. */
export function child(parent: u32, key: usize, size: u32): u32 {
  leafTable.seek(table, hashOf(parent, key, size));
  while (true) {
    const number = leafTable.next();
    if (number == leafTable.NONE) return NONE;
    const node = at(number);
    if (node.parent != parent || valueStore.size(node.key) != size) continue;
    if (sameBytes(valueStore.address(node.key), key, <usize>size)) return number;
  }
}

/**
 * The child under a key, made if there was none; it is to be given an access or a child, or back to
 * `prune`. NONE, with nothing changed, if the budget forbids it.
 */
export function grow(parent: u32, key: usize, size: u32): u32 {
  const known = child(parent, key, size);
  if (known != NONE) return known;
  const pages = rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(table);
  if (!rowPool.hasRoom(nodes)) return NONE;
  const value = valueStore.intern(key, size);
  if (value == valueStore.NONE) return NONE;
  if (!pagePool.reserve(pages)) {
    valueStore.release(value);
    return NONE;
  }
  const number = rowPool.take(nodes);
  const node = at(number);
  node.parent = parent;
  node.key = value;
  at(parent).childCount += 1;
  leafTable.insert(table, hashOf(parent, key, size), number);
  return number;
}

/** Takes away a node that nothing is found at nor below, and those above that then are such. */
export function prune(node: u32): void {
  let number = node;
  while (true) {
    const row = at(number);
    const parent = row.parent;
    if (parent == NONE || row.access != 0 || row.childCount != 0) return;
    const wasThere = leafTable.remove(table, hashOfNode(number), number);
    assert(wasThere);
    valueStore.release(row.key);
    row.key = valueStore.NONE;
    rowPool.give(nodes, number);
    at(parent).childCount -= 1;
    number = parent;
  }
}

/** Address of the access whose path ends here, 0 if none does. */
export function accessOf(node: u32): usize {
  return <usize>at(node).access;
}

export function setAccess(node: u32, access: usize): void {
  at(node).access = <u32>access;
}

/** The next node after this one at which a path ends, NONE if it is the last. */
export function nextEnd(node: u32): u32 {
  for (let number = node + 1; number < rowPool.limit(nodes); number += 1) {
    if (at(number).access != 0) return number;
  }
  return NONE;
}

export function hasChildren(node: u32): bool {
  return at(node).childCount != 0;
}

export function liveBytes(): usize {
  return rowPool.liveBytes(nodes) + leafTable.liveBytes(table);
}

/** Checks the invariants in O(nodes). */
export function verify(): void {
  rowPool.verify(nodes);
  leafTable.verify(table);
  const count = rowPool.count(nodes);
  assert(leafTable.count(table) + rootCount == count); // 2
  let children: u32 = 0;
  let counted: u32 = 0;
  for (let number: u32 = 1; number < rowPool.limit(nodes); number += 1) {
    const node = at(number);
    counted += node.childCount;
    if (node.key == valueStore.NONE) continue; // A root, or a row that is free.
    const size = valueStore.size(node.key);
    assert(node.access != 0 || node.childCount != 0); // 1
    assert(child(node.parent, valueStore.address(node.key), size) == number); // 2, 3
    children += 1;
  }
  assert(children + rootCount == count && counted == children); // 4
}

function at(number: u32): Node {
  return changetype<Node>(rowPool.addressOf(nodes, number));
}

function hashOf(parent: u32, key: usize, size: u32): u64 {
  return hash.hashBytes(key, size, hash.mix(<u64>parent * 0x9e3779b97f4a7c15));
}

function hashOfNode(number: u32): u64 {
  const node = at(number);
  return hashOf(node.parent, valueStore.address(node.key), valueStore.size(node.key));
}
