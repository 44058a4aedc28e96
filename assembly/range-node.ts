/**
 * Nodes of a range index: blocks of 1 and 2 KiB, with their fields in columns so that a search
 * reads neighbours.
 *
 *     leaf    ┌───────┬───────────┬───────────┬──────────┐
 *             │ count │ lo[50]    │ hi[50]    │ id[50]   │                    20 bytes an entry
 *             └───────┴───────────┴───────────┴──────────┘
 *     inner   ┌───────┬───────────┬───────────┬──────────┬─────────────┬───────────┐
 *             │ count │ lo[63]    │ hi[63]    │ id[63]   │ child[63]   │ top[63]   │   32 bytes
 *             └───────┴───────────┴───────────┴──────────┴─────────────┴───────────┘
 *
 * In an inner node (lo, hi, id) is not above any entry of the child, and above all of the child
 * before; `top` is the greatest hi below the child.
 *
 * Entries and children are ordered by (lo, hi, id). A node does not know how high it stands;
 * whoever comes from the root does. Allocates nothing.
 */

export const LEAF_SIZE: usize = 1024;
export const LEAF_MAX: u32 = 50;
export const INNER_SIZE: usize = 2048;
export const INNER_MAX: u32 = 63;

const COLUMNS: usize = 8;

/** Where the columns of a leaf and of an inner node begin. */
const LEAF_HI: usize = 408;
const LEAF_ID: usize = 808;
const INNER_HI: usize = 512;
const INNER_ID: usize = 1016;
const INNER_CHILD: usize = 1268;
const INNER_TOP: usize = 1520;

if (LEAF_HI != COLUMNS + <usize>LEAF_MAX * 8) ERROR("hi must follow lo in a leaf");
if (LEAF_ID != LEAF_HI + <usize>LEAF_MAX * 8) ERROR("id must follow hi in a leaf");
if (LEAF_ID + <usize>LEAF_MAX * 4 > LEAF_SIZE) ERROR("a leaf must fit its block");
if (INNER_HI != COLUMNS + <usize>INNER_MAX * 8) ERROR("hi must follow lo in an inner node");
if (INNER_CHILD != INNER_ID + <usize>INNER_MAX * 4) ERROR("child must follow id");
if (INNER_TOP != INNER_CHILD + <usize>INNER_MAX * 4) ERROR("top must follow child");
if (INNER_TOP + <usize>INNER_MAX * 8 > INNER_SIZE) ERROR("an inner node must fit its block");

export function count(node: usize): u32 {
  return load<u32>(node);
}

export function setCount(node: usize, value: u32): void {
  store<u32>(node, value);
}

export function lo(node: usize, index: u32): u64 {
  return load<u64>(node + ((<usize>index) << 3), COLUMNS);
}

export function setLo(node: usize, index: u32, value: u64): void {
  store<u64>(node + ((<usize>index) << 3), value, COLUMNS);
}

export function hi(node: usize, index: u32, isLeaf: bool): u64 {
  return load<u64>(node + (isLeaf ? LEAF_HI : INNER_HI) + ((<usize>index) << 3));
}

export function setHi(node: usize, index: u32, isLeaf: bool, value: u64): void {
  store<u64>(node + (isLeaf ? LEAF_HI : INNER_HI) + ((<usize>index) << 3), value);
}

export function id(node: usize, index: u32, isLeaf: bool): u32 {
  return load<u32>(node + (isLeaf ? LEAF_ID : INNER_ID) + ((<usize>index) << 2));
}

export function setId(node: usize, index: u32, isLeaf: bool, value: u32): void {
  store<u32>(node + (isLeaf ? LEAF_ID : INNER_ID) + ((<usize>index) << 2), value);
}

export function child(node: usize, index: u32): usize {
  return <usize>load<u32>(node + ((<usize>index) << 2), INNER_CHILD);
}

export function setChild(node: usize, index: u32, value: usize): void {
  store<u32>(node + ((<usize>index) << 2), <u32>value, INNER_CHILD);
}

export function top(node: usize, index: u32): u64 {
  return load<u64>(node + ((<usize>index) << 3), INNER_TOP);
}

export function setTop(node: usize, index: u32, value: u64): void {
  store<u64>(node + ((<usize>index) << 3), value, INNER_TOP);
}

/** The greatest hi of a node: of its entries, or below its children. 0 of an empty one. */
export function topOf(node: usize, isLeaf: bool): u64 {
  let column = node + (isLeaf ? LEAF_HI : INNER_TOP);
  const end = column + ((<usize>count(node)) << 3);
  let greatest: u64 = 0;
  while (column < end) {
    greatest = max(greatest, load<u64>(column));
    column += 8;
  }
  return greatest;
}

/** How many entries or children are below (lo, hi, id). */
export function rank(node: usize, isLeaf: bool, lo_: u64, hi_: u64, id_: u32): u32 {
  let low: u32 = 0;
  let high = count(node);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(node, middle, isLeaf, lo_, hi_, id_)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many entries or children have a lo of at most `value`. */
export function countUpTo(node: usize, value: u64): u32 {
  let low: u32 = 0;
  let high = count(node);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lo(node, middle) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether the key at an index is exactly this. */
export function isAt(node: usize, index: u32, isLeaf: bool, lo_: u64, hi_: u64, id_: u32): bool {
  if (index >= count(node)) return false;
  return lo(node, index) == lo_ && hi(node, index, isLeaf) == hi_ && id(node, index, isLeaf) == id_;
}

function isBelow(node: usize, index: u32, isLeaf: bool, lo_: u64, hi_: u64, id_: u32): bool {
  const nodeLo = lo(node, index);
  if (nodeLo != lo_) return nodeLo < lo_;
  const nodeHi = hi(node, index, isLeaf);
  if (nodeHi != hi_) return nodeHi < hi_;
  return id(node, index, isLeaf) < id_;
}

/** Makes room for one at an index. Counts it; its fields are undefined. */
export function open(node: usize, index: u32, isLeaf: bool): void {
  shift(node, isLeaf, index, index + 1);
}

/** Takes one out. */
export function close(node: usize, index: u32, isLeaf: bool): void {
  shift(node, isLeaf, index + 1, index);
}

/** Moves what begins at `from` in every column to begin at `to`, and counts the difference. */
function shift(node: usize, isLeaf: bool, from: u32, to: u32): void {
  const rest = count(node) - from;
  move(node, node, isLeaf, from, to, rest);
  setCount(node, to + rest);
}

/** Copies `size` entries or children of a node to another, which may be the same. No counts. */
export function move(
  source: usize,
  target: usize,
  isLeaf: bool,
  from: u32,
  to: u32,
  size: u32,
): void {
  if (size == 0) return;
  copyColumn(source, target, COLUMNS, 3, from, to, size);
  copyColumn(source, target, isLeaf ? LEAF_HI : INNER_HI, 3, from, to, size);
  copyColumn(source, target, isLeaf ? LEAF_ID : INNER_ID, 2, from, to, size);
  if (isLeaf) return;
  copyColumn(source, target, INNER_CHILD, 2, from, to, size);
  copyColumn(source, target, INNER_TOP, 3, from, to, size);
}

function copyColumn(
  source: usize,
  target: usize,
  column: usize,
  shift: usize,
  from: u32,
  to: u32,
  size: u32,
): void {
  const first = source + column + ((<usize>from) << shift);
  memory.copy(target + column + ((<usize>to) << shift), first, (<usize>size) << shift);
}
