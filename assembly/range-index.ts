/**
 * A range index holds closed ranges of 64-bit codes, each of a shape, and finds those that contain
 * a code: for `<`, `<=`, `>`, `>=`, BETWEEN and prefix LIKE. A B+tree that is ordered by (lo, hi,
 * id) and knows, for each child, the greatest hi below it:
 *
 *     inner        ┌ from 10, top 90 ┬ from 40, top 55 ┬ from 60, top 99 ┐
 *                  └───────┬─────────┴────────┬────────┴────────┬────────┘
 *     leaves        [10, 90] [12, 15]   [40, 41] [44, 55]   [60, 61] [70, 99]
 *
 *     stab 50:      children from 60 on begin too late; of the others those whose top is below 50
 *                   end too early; so every inner node that is entered has an entry below it that
 *                   contains 50, and so has every leaf but the one where lo passes 50
 *
 * A stab that finds k ranges costs O((k + 1) log n), and 1 M ranges stand on four levels. A new
 * entry of a full leaf goes to a neighbour if that has room, so that leaves are three quarters
 * full, or more if entries come in order: 27 bytes a range.
 *
 * There are as many trees as accesses of ranges, and one pool for their nodes. A tree is three
 * words in a place that its owner keeps; zeros are an empty tree.
 *
 * Invariants (`verify` checks them all, and those of the nodes):
 *
 *   1. All leaves are at depth `height`. No node is empty; the root is a leaf or has two children.
 *   2. `count` is the number of entries; no two are equal.
 *   3. Entries ascend over all leaves, and (lo, hi, id) of a child is above all of the one before.
 *   4. A child's `top` is the greatest hi below it.
 *
 * `add` may allocate, and reserves what it needs. `remove` gives back. A stab changes nothing.
 */

import * as blockPool from "./block-pool";
import { OWNER_RANGE_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as node from "./range-node";
import { INNER_MAX, INNER_SIZE, LEAF_MAX, LEAF_SIZE } from "./range-node";

/** What `add` did. */
export const REFUSED: u32 = 0;
/** The range was there. */
export const UNCHANGED: u32 = 1;
export const CHANGED: u32 = 2;

@unmanaged
class Tree {
  root: usize;
  height: u32;
  count: u32;
}

/** Bytes of a tree's words. */
export const TREE_SIZE: usize = 12;
if (offsetof<Tree>() != TREE_SIZE) ERROR("a Tree must be TREE_SIZE bytes");

/** 2^24 ids in leaves and nodes that are half full at the worst: 25 * 31^4 entries. */
const HEIGHT_MAX: u32 = 8;
/** A leaf takes entries of a full neighbour if it has room for so many more. */
const ROOM_MIN: u32 = 8;
/** A node with fewer joins a neighbour, if both fill no more than three quarters. */
const LEAF_SHORT: u32 = LEAF_MAX / 3;
const INNER_SHORT: u32 = INNER_MAX / 3;
const LEAF_JOINED_MAX: u32 = (LEAF_MAX * 3) / 4;
const INNER_JOINED_MAX: u32 = (INNER_MAX * 3) / 4;

/** The way from the root to a leaf: an inner node and the index of its child, per level. */
const way: usize = memory.data(64, 8);
if (<usize>HEIGHT_MAX * 8 != 64) ERROR("a step for each level");

let pool: usize = 0;
let entryCount: u32 = 0;

/** To be called once. Takes no memory. */
export function create(): void {
  assert(pool == 0);
  pool = blockPool.create(OWNER_RANGE_INDEX, 64);
}

/** Adds [lo, hi] of an id. REQUIRES: lo <= hi. */
export function add(tree: usize, lo: u64, hi: u64, id: u32): u32 {
  assert(lo <= hi);
  const self = changetype<Tree>(tree);
  // A node more on each level, and a root.
  if (!pagePool.reserve(self.height + 2)) return REFUSED;
  if (self.root == 0) self.root = newNode(true);
  let leaf = descend(self, lo, hi, id);
  if (node.isAt(leaf, node.rank(leaf, true, lo, hi, id), true, lo, hi, id)) return UNCHANGED;
  if (node.count(leaf) == LEAF_MAX) {
    makeRoom(self, lo, hi, id);
    leaf = descend(self, lo, hi, id);
  }
  const index = node.rank(leaf, true, lo, hi, id);
  node.open(leaf, index, true);
  node.setLo(leaf, index, lo);
  node.setHi(leaf, index, true, hi);
  node.setId(leaf, index, true, id);
  raise(self, lo, hi, id);
  self.count += 1;
  entryCount += 1;
  return CHANGED;
}

/** Takes [lo, hi] of an id out. False: it was not there. */
export function remove(tree: usize, lo: u64, hi: u64, id: u32): bool {
  const self = changetype<Tree>(tree);
  if (self.root == 0) return false;
  const leaf = descend(self, lo, hi, id);
  const index = node.rank(leaf, true, lo, hi, id);
  if (!node.isAt(leaf, index, true, lo, hi, id)) return false;
  node.close(leaf, index, true);
  self.count -= 1;
  entryCount -= 1;
  tidy(self);
  return true;
}

export function count(tree: usize): u32 {
  return changetype<Tree>(tree).count;
}

/** Entries of all trees. */
export function total(): u32 {
  return entryCount;
}

export function liveBytes(): usize {
  return blockPool.liveBytes(pool);
}

// --- Stabbing ----------------------------------------------------------------------------------

/** Where the one stab that there can be at a time has got to: node, index, end per level. */
const stabs: usize = memory.data(108, 8);
const STEP_SIZE: usize = 12;
if (<usize>(HEIGHT_MAX + 1) * STEP_SIZE != 108) ERROR("a step for each level and the leaf");

let stabbed: u64 = 0;
let stabHeight: u32 = 0;
let stabLevel: u32 = 0;
let isStabbing: bool = false;

/** Begins to look for the ranges that contain a code; `next` yields them. */
export function stab(tree: usize, code: u64): void {
  const self = changetype<Tree>(tree);
  stabbed = code;
  stabHeight = self.height;
  stabLevel = 0;
  isStabbing = self.root != 0;
  if (isStabbing) enter(0, self.root);
}

/**
 * Writes the ids of ranges that contain the code to `out`, at most `capacity`, and returns how
 * many; fewer than `capacity` are the last. An id comes as often as it has ranges. REQUIRES: a
 * stab, and no change of the tree since.
 */
export function next(out: usize, capacity: u32): u32 {
  let found: u32 = 0;
  while (isStabbing) {
    const step = stepAt(stabLevel);
    if (stabLevel == stabHeight) {
      found = takeFrom(step, out, found, capacity);
      if (found == capacity) return found;
      leave();
      continue;
    }
    const index = nextChild(step);
    if (index == load<u32>(step, 8)) {
      leave();
      continue;
    }
    store<u32>(step, index + 1, 4);
    stabLevel += 1;
    enter(stabLevel, node.child(<usize>load<u32>(step), index));
  }
  return found;
}

function enter(level: u32, at: usize): void {
  const step = stepAt(level);
  store<u32>(step, <u32>at);
  store<u32>(step, 0, 4);
  store<u32>(step, node.countUpTo(at, stabbed), 8);
}

function leave(): void {
  if (stabLevel == 0) isStabbing = false;
  else stabLevel -= 1;
}

/** The next child whose ranges may reach the code, or the end. */
function nextChild(step: usize): u32 {
  const at = <usize>load<u32>(step);
  const end = load<u32>(step, 8);
  let index = load<u32>(step, 4);
  while (index < end && node.top(at, index) < stabbed) index += 1;
  return index;
}

function takeFrom(step: usize, out: usize, from: u32, capacity: u32): u32 {
  const leaf = <usize>load<u32>(step);
  const end = load<u32>(step, 8);
  let index = load<u32>(step, 4);
  let found = from;
  while (index < end && found < capacity) {
    if (node.hi(leaf, index, true) >= stabbed) {
      store<u32>(out + ((<usize>found) << 2), node.id(leaf, index, true));
      found += 1;
    }
    index += 1;
  }
  store<u32>(step, index, 4);
  return found;
}

function stepAt(level: u32): usize {
  return stabs + <usize>level * STEP_SIZE;
}

// --- The way down ------------------------------------------------------------------------------

/** Goes to the leaf where an entry is or belongs, and remembers the way. */
function descend(self: Tree, lo: u64, hi: u64, id: u32): usize {
  let at = self.root;
  for (let level: u32 = 0; level < self.height; level += 1) {
    const index = childFor(at, lo, hi, id);
    setWay(level, at, index);
    at = node.child(at, index);
  }
  return at;
}

/** The last child that is not above the key; the first if all are. */
function childFor(at: usize, lo: u64, hi: u64, id: u32): u32 {
  const rank = node.rank(at, false, lo, hi, id);
  if (node.isAt(at, rank, false, lo, hi, id)) return rank;
  return rank == 0 ? 0 : rank - 1;
}

/** Lets the inner nodes on the way know of an entry that was added below. */
function raise(self: Tree, lo: u64, hi: u64, id: u32): void {
  for (let level: u32 = 0; level < self.height; level += 1) {
    const at = wayNode(level);
    const index = wayIndex(level);
    node.setTop(at, index, max(node.top(at, index), hi));
    if (index == 0 && node.rank(at, false, lo, hi, id) == 0) setKey(at, 0, lo, hi, id);
  }
}

function setWay(level: u32, at: usize, index: u32): void {
  store<u32>(way + ((<usize>level) << 3), <u32>at);
  store<u32>(way + ((<usize>level) << 3), index, 4);
}

function wayNode(level: u32): usize {
  return <usize>load<u32>(way + ((<usize>level) << 3));
}

function wayIndex(level: u32): u32 {
  return load<u32>(way + ((<usize>level) << 3), 4);
}

// --- Growing -----------------------------------------------------------------------------------

/** Makes room for an entry in the full leaf where it belongs. */
function makeRoom(self: Tree, lo: u64, hi: u64, id: u32): void {
  if (self.height == 0 || node.count(self.root) == INNER_MAX) growRoot(self);
  // Every inner node on the way gets room for one child more, from the root on.
  let at = self.root;
  for (let level: u32 = 0; level + 1 < self.height; level += 1) {
    let index = childFor(at, lo, hi, id);
    if (node.count(node.child(at, index)) == INNER_MAX) {
      split(at, index, false);
      index = childFor(at, lo, hi, id);
    }
    at = node.child(at, index);
  }
  const index = childFor(at, lo, hi, id);
  if (node.count(node.child(at, index)) < LEAF_MAX) return;
  if (index != 0 && hasRoom(node.child(at, index - 1))) balance(at, index - 1);
  else if (index + 1 < node.count(at) && hasRoom(node.child(at, index + 1))) balance(at, index);
  else split(at, index, true);
}

function hasRoom(leaf: usize): bool {
  return node.count(leaf) + ROOM_MIN <= LEAF_MAX;
}

/** Puts a root above the root, and divides that if it is an inner node. */
function growRoot(self: Tree): void {
  assert(self.height < HEIGHT_MAX);
  const isLeaf = self.height == 0;
  const old = self.root;
  const root = newNode(false);
  node.setCount(root, 1);
  node.setChild(root, 0, old);
  copyKey(old, 0, isLeaf, root, 0);
  node.setTop(root, 0, node.topOf(old, isLeaf));
  self.root = root;
  self.height += 1;
  if (!isLeaf) split(root, 0, false);
}

/** Divides a child in two halves. REQUIRES: the parent has room. */
function split(parent: usize, index: u32, isLeaf: bool): void {
  const left = node.child(parent, index);
  const right = newNode(isLeaf);
  const all = node.count(left);
  const half = (all + 1) >> 1;
  node.move(left, right, isLeaf, half, 0, all - half);
  node.setCount(left, half);
  node.setCount(right, all - half);
  node.open(parent, index + 1, false);
  node.setChild(parent, index + 1, right);
  copyKey(right, 0, isLeaf, parent, index + 1);
  node.setTop(parent, index, node.topOf(left, isLeaf));
  node.setTop(parent, index + 1, node.topOf(right, isLeaf));
}

/** Gives a leaf and the one after it the same number of entries. */
function balance(parent: usize, index: u32): void {
  const left = node.child(parent, index);
  const right = node.child(parent, index + 1);
  const lefts = node.count(left);
  const rights = node.count(right);
  const wanted = (lefts + rights + 1) >> 1;
  if (lefts > wanted) {
    const moved = lefts - wanted;
    node.move(right, right, true, 0, moved, rights);
    node.move(left, right, true, wanted, 0, moved);
  } else {
    const moved = wanted - lefts;
    node.move(right, left, true, 0, lefts, moved);
    node.move(right, right, true, moved, 0, rights - moved);
  }
  node.setCount(left, wanted);
  node.setCount(right, lefts + rights - wanted);
  copyKey(right, 0, true, parent, index + 1);
  node.setTop(parent, index, node.topOf(left, true));
  node.setTop(parent, index + 1, node.topOf(right, true));
}

// --- Shrinking ---------------------------------------------------------------------------------

/** After an entry was taken out at the end of the way: tops, short nodes, the root. */
function tidy(self: Tree): void {
  for (let level = self.height; level > 0; level -= 1) {
    const parent = wayNode(level - 1);
    const index = wayIndex(level - 1);
    const isLeaf = level == self.height;
    const at = node.child(parent, index);
    if (node.count(at) == 0) {
      freeNode(at, isLeaf);
      node.close(parent, index, false);
      continue;
    }
    node.setTop(parent, index, node.topOf(at, isLeaf));
    if (node.count(at) >= (isLeaf ? LEAF_SHORT : INNER_SHORT)) continue;
    if (index + 1 < node.count(parent) && join(parent, index, isLeaf)) continue;
    if (index != 0) join(parent, index - 1, isLeaf);
  }
  while (self.height != 0 && node.count(self.root) == 1) {
    const only = node.child(self.root, 0);
    freeNode(self.root, false);
    self.root = only;
    self.height -= 1;
  }
  if (node.count(self.root) != 0) return;
  freeNode(self.root, self.height == 0);
  self.root = 0;
  self.height = 0;
}

/** Moves all of a child's next neighbour into it, if they fit. */
function join(parent: usize, index: u32, isLeaf: bool): bool {
  const left = node.child(parent, index);
  const right = node.child(parent, index + 1);
  const lefts = node.count(left);
  const rights = node.count(right);
  if (lefts + rights > (isLeaf ? LEAF_JOINED_MAX : INNER_JOINED_MAX)) return false;
  node.move(right, left, isLeaf, 0, lefts, rights);
  node.setCount(left, lefts + rights);
  node.setTop(parent, index, max(node.top(parent, index), node.top(parent, index + 1)));
  node.close(parent, index + 1, false);
  freeNode(right, isLeaf);
  return true;
}

// --- Nodes -------------------------------------------------------------------------------------

function setKey(at: usize, index: u32, lo: u64, hi: u64, id: u32): void {
  node.setLo(at, index, lo);
  node.setHi(at, index, false, hi);
  node.setId(at, index, false, id);
}

/** Copies the key of an entry or a child to a child of another node. */
function copyKey(source: usize, from: u32, isLeaf: bool, target: usize, to: u32): void {
  const hi = node.hi(source, from, isLeaf);
  setKey(target, to, node.lo(source, from), hi, node.id(source, from, isLeaf));
}

function newNode(isLeaf: bool): usize {
  const at = blockPool.allocate(pool, isLeaf ? LEAF_SIZE : INNER_SIZE);
  node.setCount(at, 0);
  return at;
}

function freeNode(at: usize, isLeaf: bool): void {
  blockPool.release(pool, at, isLeaf ? LEAF_SIZE : INNER_SIZE);
}

// --- Checking ----------------------------------------------------------------------------------

let hasBefore: bool = false;
let loBefore: u64 = 0;
let hiBefore: u64 = 0;
let idBefore: u32 = 0;

/** Checks every invariant of a tree in O(entries). */
export function verify(tree: usize): void {
  blockPool.verify(pool);
  const self = changetype<Tree>(tree);
  if (self.root == 0) {
    assert(self.height == 0 && self.count == 0); // 2
    return;
  }
  assert(self.height == 0 || node.count(self.root) > 1); // 1
  hasBefore = false;
  assert(verifyNode(self.root, self.height) == self.count); // 2
}

function verifyNode(at: usize, height: u32): u32 {
  const isLeaf = height == 0;
  const count = node.count(at);
  assert(count != 0 && count <= (isLeaf ? LEAF_MAX : INNER_MAX)); // 1
  let entries: u32 = 0;
  for (let index: u32 = 0; index < count; index += 1) {
    verifyAfter(at, index, isLeaf);
    if (isLeaf) {
      hasBefore = true;
      loBefore = node.lo(at, index);
      hiBefore = node.hi(at, index, true);
      idBefore = node.id(at, index, true);
      entries += 1;
      continue;
    }
    const child = node.child(at, index);
    assert(node.top(at, index) == node.topOf(child, height == 1)); // 4
    entries += verifyNode(child, height - 1);
  }
  return entries;
}

/** An entry or a child's key is above the last entry seen. */
function verifyAfter(at: usize, index: u32, isLeaf: bool): void {
  if (!hasBefore) return;
  const lo = node.lo(at, index);
  const hi = node.hi(at, index, isLeaf);
  const id = node.id(at, index, isLeaf);
  if (lo != loBefore)
    assert(lo > loBefore); // 3
  else if (hi != hiBefore)
    assert(hi > hiBefore); // 3
  else assert(id > idBefore); // 3
}
