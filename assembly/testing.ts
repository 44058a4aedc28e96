// What only tests may do: the structures behind the ABI, one by one, and their `verify`. Builds for
// tests have `index.ts`, this file and `testing-indexes.ts` as entries; nothing imports them.

import * as accesses from "./access";
import * as blockPool from "./block-pool";
import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as consumerRegistry from "./consumer-registry";
import * as definitionIndex from "./definition-index";
import * as equalityIndex from "./equality-index";
import * as flushTracker from "./flush-tracker";
import * as handleTable from "./handle-table";
import * as hash from "./hash";
import * as idSet from "./id-set";
import * as leafPlace from "./leaf-place";
import * as leafTable from "./leaf-table";
import * as membershipIndex from "./membership-index";
import { OWNER_EQUALITY_INDEX, OWNER_IO } from "./owners";
import * as pagePool from "./page-pool";
import * as partitionMap from "./partition-map";
import * as pathTree from "./path-tree";
import * as pendingPostings from "./pending-postings";
import * as rangeIndex from "./range-index";
import * as rowPool from "./row-pool";
import * as shapeTable from "./shape-table";
import * as valueStore from "./value-store";

/** Creates what otherwise the router creates. */
export function storesCreate(): void {
  if (!pagePool.reserve(1)) unreachable();
  valueStore.create();
  idSet.create();
}

// The page pool.

export function poolReserve(count: u32): bool {
  return pagePool.reserve(count);
}
export function poolAcquire(owner: u32, count: u32): usize {
  return pagePool.acquire(owner, count);
}
export function poolRelease(address: usize, count: u32): void {
  pagePool.release(address, count);
}
export function poolAssign(address: usize, count: u32, owner: u32): void {
  pagePool.assign(address, count, owner);
}
export function poolSetBudget(count: u32): void {
  pagePool.setBudget(count);
}
export function poolPagesOf(owner: u32): u32 {
  return pagePool.pagesOf(owner);
}
export function poolVerify(): void {
  pagePool.verify();
}

// Block pools.

export function blockCreate(granule: u32): usize {
  return blockPool.create(OWNER_IO, granule);
}
export function blockDestroy(pool: usize): void {
  blockPool.destroy(pool);
}
/** 0 if there is no memory. */
export function blockAllocate(pool: usize, size: u32): usize {
  if (!pagePool.reserve(blockPool.pagesForBlock(<usize>size))) return 0;
  return blockPool.allocate(pool, <usize>size);
}
export function blockRelease(pool: usize, address: usize, size: u32): void {
  blockPool.release(pool, address, <usize>size);
}
export function blockTrim(pool: usize, address: usize, oldSize: u32, newSize: u32): u32 {
  return <u32>blockPool.trim(pool, address, <usize>oldSize, <usize>newSize);
}
export function blockLiveBytes(pool: usize): u32 {
  return <u32>blockPool.liveBytes(pool);
}
export function blockPageCount(pool: usize): u32 {
  return blockPool.pageCount(pool);
}
export function blockVerify(pool: usize): void {
  blockPool.verify(pool);
}

// Row pools.

const rows: usize = memory.data(32, 4);
const rowDirectory: usize = memory.data(64, 4);

export function rowCreate(rowSize: u32): void {
  rowPool.create(rows, OWNER_IO, rowSize, rowDirectory, 16);
}
/** 0 if there is no number or no memory left. */
export function rowTake(): u32 {
  if (!rowPool.hasRoom(rows) || !pagePool.reserve(rowPool.PAGES_PER_TAKE)) return 0;
  return rowPool.take(rows);
}
export function rowGive(row: u32): void {
  rowPool.give(rows, row);
}
export function rowAddress(row: u32): usize {
  return rowPool.addressOf(rows, row);
}
export function rowCount(): u32 {
  return rowPool.count(rows);
}
export function rowVerify(): void {
  rowPool.verify(rows);
}

// Hashes.

export function hashBytesLow(address: usize, size: u32, seed: u32): u32 {
  return <u32>hash.hashBytes(address, size, <u64>seed);
}
export function hashBytesHigh(address: usize, size: u32, seed: u32): u32 {
  return <u32>(hash.hashBytes(address, size, <u64>seed) >> 32);
}
export function hashWordLow(low: u32, high: u32): u32 {
  return <u32>hash.hashWord(((<u64>high) << 32) | (<u64>low), 0);
}
export function hashSetSeed(low: u32, high: u32): void {
  hash.setSeed(low, high);
}

// Leaf tables. A payload's hash is that of its number, with as many first bits cleared as is said,
// so that tests can make leaves that do not split and tags that collide.

let clearedBits: u64 = 0;
let keptTagBits: u64 = 0xffff;

function hashOfNumber(payload: u32): u64 {
  const mixed = hash.hashWord(<u64>payload, 0) & ~((<u64>0xffff) & ~keptTagBits);
  return clearedBits == 64 ? mixed & 0xffff : (mixed << clearedBits) >> clearedBits;
}

export function leafShapeHashes(clearedFirstBits: u32, tagMask: u32): void {
  clearedBits = <u64>clearedFirstBits;
  keptTagBits = <u64>tagMask;
}
export function leafCreate(): usize {
  if (!pagePool.reserve(1)) return 0;
  return leafTable.create(OWNER_EQUALITY_INDEX, hashOfNumber);
}
export function leafDestroy(table: usize): void {
  leafTable.destroy(table);
}
export function leafInsert(table: usize, payload: u32): bool {
  if (!pagePool.reserve(leafTable.pagesForInsert(table))) return false;
  leafTable.insert(table, hashOfNumber(payload), payload);
  return true;
}
/** Inserts first, first + 1, ...: for benches, which want no call per entry. */
export function leafInsertMany(table: usize, first: u32, count: u32): bool {
  for (let n: u32 = 0; n < count; n += 1) {
    if (!leafInsert(table, first + n)) return false;
  }
  return true;
}
export function leafRemove(table: usize, payload: u32): bool {
  return leafTable.remove(table, hashOfNumber(payload), payload);
}
/** Puts `newPayload` under the hash of `payload`. */
export function leafReplace(table: usize, payload: u32, newPayload: u32): bool {
  return leafTable.replace(table, hashOfNumber(payload), payload, newPayload);
}
export function leafSeek(table: usize, payload: u32): void {
  leafTable.seek(table, hashOfNumber(payload));
}
export function leafNext(): u32 {
  return leafTable.next();
}
/** How many of the `count` payloads from `first` on a search finds. */
export function leafFindMany(table: usize, first: u32, count: u32): u32 {
  let found: u32 = 0;
  for (let payload = first; payload < first + count; payload += 1) {
    leafTable.seek(table, hashOfNumber(payload));
    let candidate = leafTable.next();
    while (candidate != leafTable.NONE && candidate != payload) candidate = leafTable.next();
    if (candidate == payload) found += 1;
  }
  return found;
}
/** Whether a search from place to place says that there may be a payload under the hash of one. */
export function leafMayHave(table: usize, payload: u32): bool {
  const hash = hashOfNumber(payload);
  let place = leafTable.placeOf(table, hash);
  while (place != 0) {
    const found = leafPlace.peek(place, hash);
    if (found != leafPlace.PASSED) return found != leafPlace.NONE;
    place = leafTable.placeAfter(table, hash, place);
  }
  return false;
}
export function leafCount(table: usize): u32 {
  return leafTable.count(table);
}
export function leafLiveBytes(table: usize): u32 {
  return <u32>leafTable.liveBytes(table);
}
export function leafVerify(table: usize): void {
  leafTable.verify(table);
}

// The value store.

export function valueIntern(address: usize, size: u32): u32 {
  return valueStore.intern(address, size);
}
export function valueFind(address: usize, size: u32): u32 {
  return valueStore.find(address, size);
}
export function valueRetain(value: u32): void {
  valueStore.retain(value);
}
export function valueRelease(value: u32): void {
  valueStore.release(value);
}
export function valueAddress(value: u32): usize {
  return valueStore.address(value);
}
export function valueSize(value: u32): u32 {
  return valueStore.size(value);
}
export function valueReferences(value: u32): u32 {
  return valueStore.references(value);
}
export function valueCount(): u32 {
  return valueStore.count();
}
export function valueLiveBytes(): u32 {
  return <u32>valueStore.liveBytes();
}
export function valueVerify(): void {
  valueStore.verify();
}

// Id sets.

export function setAdd(set: u32, id: u32): u32 {
  return idSet.add(set, id);
}
export function setRemove(set: u32, id: u32): u32 {
  return idSet.remove(set, id);
}
export function setRemoveAll(set: u32, ids: usize, size: u32): u32 {
  return idSet.removeAll(set, ids, size);
}
export function setHas(set: u32, id: u32): bool {
  return idSet.has(set, id);
}
export function setCount(set: u32): u32 {
  return idSet.count(set);
}
export function setFirst(set: u32): u32 {
  return idSet.first(set);
}
export function setCopyTo(set: u32, out: usize, capacity: u32, from: u32): u32 {
  return idSet.copyTo(set, out, capacity, from);
}
export function setRelease(set: u32): void {
  idSet.release(set);
}
export function setLiveBytes(): u32 {
  return <u32>idSet.liveBytes();
}
export function setVerify(set: u32): void {
  idSet.verify(set);
  idSet.verifyAll();
}

// The shape table and what refers to it.

export function shapeSetIdMax(max: u32): void {
  shapeTable.setIdMax(max);
}
export function shapeState(id: u32): u32 {
  return shapeTable.state(id);
}
/** Writes every column of a row, to see that none touches another. */
export function shapeFill(id: u32, word: u32): void {
  shapeTable.setConstants(id, ((<u64>word) << 32) | (<u64>~word));
  shapeTable.setTail(id, ((<u64>(word & 0x7f)) << 32) | (<u64>word));
  shapeTable.setTemplate(id, word & 0xffffff);
  shapeTable.setLastUse(id, word & 0xffff);
}
export function shapeIsFilledWith(id: u32, word: u32): bool {
  return (
    shapeTable.constants(id) == (((<u64>word) << 32) | (<u64>~word)) &&
    shapeTable.tail(id) == (((<u64>(word & 0x7f)) << 32) | (<u64>word)) &&
    shapeTable.template(id) == (word & 0xffffff) &&
    shapeTable.lastUse(id) == (word & 0xffff)
  );
}
/** As a shape that is not routed to: `shapeRetire` refuses others. */
export function shapeClear(id: u32): void {
  shapeTable.setConstants(id, 0);
  shapeTable.setTail(id, 0);
  shapeTable.setTemplate(id, 0);
  shapeTable.setLastUse(id, 0);
}
export function shapeIsZero(id: u32): bool {
  const columns = shapeTable.constants(id) | shapeTable.tail(id);
  const others = shapeTable.template(id) | shapeTable.lastUse(id);
  return columns == 0 && others == 0;
}
export function shapeMatches(id: u32, keyLow: u32, keyHigh: u32, hash: u32): bool {
  return handleTable.matches(id, keyLow, keyHigh, hash);
}
export function shapeVerify(): void {
  shapeTable.verify();
}
export function waiterVerify(): void {
  consumerRegistry.verify();
}
export function flushVerify(): void {
  flushTracker.verify();
}
export function flushIsPending(shape: u32): bool {
  return flushTracker.isPending(shape);
}
export function postingsSetSettledPerCall(count: u32): void {
  pendingPostings.setSettledPerCall(count);
}
export function postingsVerify(): void {
  pendingPostings.verify();
}

// The router.

/** Checks everything that routing is made of. */
export function routerVerify(): void {
  tree.verify();
  let relation = tree.relationAfter(0);
  while (relation) {
    accesses.verify(relation as Relation);
    relation = tree.relationAfter(relation.id);
  }
  pathTree.verify();
  equalityIndex.verify();
  membershipIndex.verify();
  definitionIndex.verify();
  valueStore.verify();
  idSet.verifyAll();
  pagePool.verify();
}
/** What is left in the index, the store and the sets: 0 when every shape is gone. */
export function routerLeftovers(): u32 {
  const indexed = equalityIndex.count() + membershipIndex.count() + rangeIndex.total();
  return indexed + definitionIndex.count() + valueStore.count() + idSet.setCount();
}

// The partition map. Its oids and relations are numbers of the test's own.

export function partitionsCreate(): void {
  if (!pagePool.reserve(1)) unreachable();
  partitionMap.create();
}
export function partitionLink(oid: u32, relation: u32, positions: usize, count: u32): bool {
  return partitionMap.link(oid, relation, positions, count);
}
export function partitionUnlink(oid: u32, relation: u32): void {
  partitionMap.unlink(oid, relation);
}
/** Lists the relations that a table is linked to; returns how many. */
export function partitionLinks(oid: u32, out: usize): u32 {
  let count: u32 = 0;
  let link = partitionMap.linksOf(oid);
  while (link) {
    store<u32>(out + ((<usize>count) << 2), link.relation);
    count += 1;
    link = link.next;
  }
  return count;
}
export function partitionCount(): u32 {
  return partitionMap.count();
}
export function partitionLiveBytes(): u32 {
  return <u32>partitionMap.liveBytes();
}
export function partitionVerify(): void {
  partitionMap.verify();
}
