// What only tests may do, as `testing.ts`: literals, packed constants, elements, paths, and the
// indexes of accesses.

import * as arrayText from "./array-text";
import * as dependencyView from "./dependency-view";
import * as jsonText from "./json-text";
import * as literal from "./literal";
import * as membershipIndex from "./membership-index";
import * as orderCode from "./order-code";
import * as packed from "./packed-constants";
import * as pagePool from "./page-pool";
import * as pathTree from "./path-tree";
import * as rangeIndex from "./range-index";
import * as textBuffer from "./text-buffer";
import * as viewHistory from "./view-history";

// Literals and order codes. Numbers come in halves, bytes as (address, size).

export function literalRead(kind: u32, address: usize, size: u32): bool {
  return literal.read(kind, address, size);
}
export function literalLow(): u32 {
  return <u32>literal.lastInt();
}
export function literalHigh(): u32 {
  return <u32>(literal.lastInt() >> 32);
}
export function literalAddress(): usize {
  return literal.lastAddress();
}
export function literalSize(): u32 {
  return literal.lastSize();
}
export function orderRead(order: u32, address: usize, size: u32): bool {
  return orderCode.read(order, address, size);
}
export function orderLow(): u32 {
  return <u32>orderCode.last();
}
export function orderHigh(): u32 {
  return <u32>(orderCode.last() >> 32);
}

// Packed constants.

export function constantsPack(address: usize, size: u32): u32 {
  return packed.pack(address, size);
}
export function constantsUnpack(address: usize, size: u32, target: usize): u32 {
  return packed.unpack(address, size, target);
}

// Elements and paths.

export function textBufferReserve(size: u32): bool {
  return textBuffer.reserve(size);
}
export function arrayOpen(address: usize, size: u32): bool {
  return arrayText.open(address, size);
}
/** 0: there is no more, 1: a text, 2: NULL, 3: too long. */
export function arrayNext(): u32 {
  if (!arrayText.next()) return 0;
  if (arrayText.isNull()) return 2;
  return arrayText.isTooLong() ? 3 : 1;
}
export function arrayElementAddress(): usize {
  return arrayText.lastAddress();
}
export function arrayElementSize(): u32 {
  return arrayText.lastSize();
}
/** REQUIRES: `storesCreate`. */
export function pathsCreate(): void {
  if (!pagePool.reserve(1)) unreachable();
  pathTree.create();
}
export function pathsRoot(): u32 {
  return pathTree.root();
}
export function pathsRemoveRoot(root: u32): void {
  pathTree.removeRoot(root);
}
export function pathsGrow(parent: u32, key: usize, size: u32): u32 {
  return pathTree.grow(parent, key, size);
}
export function pathsSetAccess(node: u32, access: u32): void {
  pathTree.setAccess(node, <usize>access);
}
export function pathsPrune(node: u32): void {
  pathTree.prune(node);
}
export function pathsLiveBytes(): u32 {
  return <u32>pathTree.liveBytes();
}
export function pathsVerify(): void {
  pathTree.verify();
}
export function jsonOpen(address: usize, size: u32, root: u32): void {
  jsonText.open(address, size, root);
}
/** A node of the path tree, 0 at the end. */
export function jsonNext(): u32 {
  return jsonText.next();
}
/** 1: a text, 2: NULL, 3: too long. */
export function jsonValueKind(): u32 {
  if (jsonText.isNull()) return 2;
  return jsonText.isTooLong() ? 3 : 1;
}
export function jsonValueAddress(): usize {
  return jsonText.lastAddress();
}
export function jsonValueSize(): u32 {
  return jsonText.lastSize();
}

// The membership index.

export function membershipCreate(): void {
  if (!pagePool.reserve(1)) unreachable();
  membershipIndex.create();
}
export function membershipAdd(access: u32, low: u32, high: u32, id: u32): u32 {
  return membershipIndex.add(access, wordOf(low, high), id);
}
export function membershipRemove(access: u32, low: u32, high: u32, id: u32): u32 {
  return membershipIndex.remove(access, wordOf(low, high), id);
}
export function membershipFind(access: u32, low: u32, high: u32): u32 {
  return membershipIndex.find(access, wordOf(low, high));
}
export function membershipCount(): u32 {
  return membershipIndex.count();
}
export function membershipLiveBytes(): u32 {
  return <u32>membershipIndex.liveBytes();
}
export function membershipVerify(): void {
  membershipIndex.verify();
}

// Range indexes: two trees, which share their pool.

const trees: usize = memory.data(24, 4);

export function rangeCreate(): void {
  rangeIndex.create();
}
export function rangeAdd(
  tree: u32,
  loLow: u32,
  loHigh: u32,
  hiLow: u32,
  hiHigh: u32,
  id: u32,
): u32 {
  return rangeIndex.add(treeAt(tree), wordOf(loLow, loHigh), wordOf(hiLow, hiHigh), id);
}
export function rangeRemove(
  tree: u32,
  loLow: u32,
  loHigh: u32,
  hiLow: u32,
  hiHigh: u32,
  id: u32,
): bool {
  return rangeIndex.remove(treeAt(tree), wordOf(loLow, loHigh), wordOf(hiLow, hiHigh), id);
}
export function rangeStab(tree: u32, low: u32, high: u32): void {
  rangeIndex.stab(treeAt(tree), wordOf(low, high));
}
export function rangeNext(out: usize, capacity: u32): u32 {
  return rangeIndex.next(out, capacity);
}
export function rangeCount(tree: u32): u32 {
  return rangeIndex.count(treeAt(tree));
}
export function rangeLiveBytes(): u32 {
  return <u32>rangeIndex.liveBytes();
}
export function rangeVerify(tree: u32): void {
  rangeIndex.verify(treeAt(tree));
}

// Dependency views.

export function viewsCreate(): void {
  if (!pagePool.reserve(3)) unreachable();
  dependencyView.create();
}
export function viewsStartHistoryAt(number: u32): void {
  viewHistory.startAt(number);
}
export function viewsVerify(): void {
  dependencyView.verify();
}

function treeAt(tree: u32): usize {
  return trees + <usize>tree * rangeIndex.TREE_SIZE;
}

function wordOf(low: u32, high: u32): u64 {
  return ((<u64>high) << 32) | (<u64>low);
}
