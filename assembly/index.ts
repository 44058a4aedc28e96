// The ABI. Every export takes and returns integers of at most 32 bits: a 64-bit integer would
// become a BigInt in JavaScript, and a class would be copied by generated bindings. Bytes cross
// through the regions; what a stop means is read from the words of `run-state.ts`.

import * as commitRing from "./commit-ring";
import * as accesses from "./access";
import * as accounting from "./accounting";
import * as tree from "./condition-tree";
import * as consumerRegistry from "./consumer-registry";
import * as dependencyView from "./dependency-view";
import * as definitionIndex from "./definition-index";
import * as equalityIndex from "./equality-index";
import * as exchange from "./exchange";
import * as flushTracker from "./flush-tracker";
import * as handleTable from "./handle-table";
import * as hash from "./hash";
import * as idSet from "./id-set";
import * as membershipIndex from "./membership-index";
import { OWNER_COUNT } from "./owners";
import * as pagePool from "./page-pool";
import * as partitionMap from "./partition-map";
import * as pathKey from "./path-key";
import * as pendingPostings from "./pending-postings";
import * as plannedShapes from "./planned-shapes";
import * as plans from "./plan";
import { Plan } from "./plan";
import * as rangeIndex from "./range-index";
import * as record from "./record";
import * as regions from "./regions";
import * as relationColumns from "./relation-columns";
import * as replay from "./replay";
import * as runState from "./run-state";
import * as scout from "./scout";
import * as shapeTable from "./shape-table";
import * as stream from "./stream";
import * as tape from "./tape";
import * as textBuffer from "./text-buffer";
import * as valueStore from "./value-store";
import { VALUE_SIZE_MAX } from "./value-store";
import * as verdicts from "./verdicts";
import * as viewUsers from "./view-users";

// --- Router: begin (src/router/router.ts) ------------------------------------------------------

/** What `routerAddRelation` answers for an oid that is there already. */
const ALREADY_THERE: u32 = 0xffffffff;

/** Answers of `routerAddShape`. */
const REFUSED: u32 = 0;
const ADDED: u32 = 1;
const CONSTANTS_INVALID: u32 = 2;

/** Ten leaf tables, of a page each. */
const CREATE_PAGES: u32 = 10;

let constantsAddress: usize = 0;

/** Makes every structure that routing needs. To be called once, after the hash's seed is set. */
export function routerCreate(inputBytes: u32, outputBytes: u32, matchCapacity: u32): bool {
  if (!pagePool.reserve(CREATE_PAGES)) return false;
  valueStore.create();
  idSet.create();
  tree.create();
  partitionMap.create();
  equalityIndex.create();
  membershipIndex.create();
  rangeIndex.create();
  definitionIndex.create();
  accesses.create();
  dependencyView.create();
  return regions.create(inputBytes, outputBytes, matchCapacity);
}

export function routerState(): usize {
  return runState.address();
}

export function routerReserveScratch(size: u32): usize {
  return regions.reserveScratch(size);
}

export function routerAddRelation(size: u32): u32 {
  const description = regions.scratch();
  if (tree.findRelation(load<u32>(description)) != null) return ALREADY_THERE;
  scout.forget();
  const relation = tree.addRelation(description, size);
  return relation ? relation.id : 0;
}

export function routerRedescribeRelation(relation: u32, size: u32): bool {
  scout.forget();
  return tree.redescribeRelation(tree.relationAt(relation), regions.scratch(), size);
}

export function routerSetRelationLayout(relation: u32, count: u32): void {
  scout.forget();
  relationColumns.setLayout(tree.relationAt(relation), regions.scratch(), count);
}

/** The layout of the partition's tuples lies in scratch: a position for each of `count` columns. */
export function routerLinkPartition(oid: u32, relation: u32, count: u32): bool {
  scout.forget();
  return partitionMap.link(oid, relation, regions.scratch(), count);
}

export function routerUnlinkPartition(oid: u32, relation: u32): void {
  scout.forget();
  partitionMap.unlink(oid, relation);
}

export function routerRemoveRelation(relation: u32): bool {
  scout.forget();
  return tree.removeRelation(tree.relationAt(relation));
}

/** The plan's description begins `planOffset` behind the template's; 0: it has terms instead. */
export function routerAddTemplate(relation: u32, planOffset: u32): u32 {
  const description = regions.scratch();
  const owner = tree.relationAt(relation);
  if (planOffset == 0) return tree.addTemplate(owner, description, 0);
  const plan = plans.add(owner, description + <usize>planOffset);
  if (!plan) return 0;
  const id = tree.addTemplate(owner, description, changetype<usize>(plan));
  if (id == 0) plans.remove(plan);
  return id;
}

export function routerRemoveTemplate(template: u32): bool {
  const plan = tree.templateAt(template).plan;
  if (!tree.removeTemplate(template)) return false;
  if (plan != 0) plans.remove(changetype<Plan>(plan));
  return true;
}

/** In scratch: `size` bytes of constants, `entriesSize` of entries if the template has a plan. */
export function routerAddShape(id: u32, template: u32, size: u32, entriesSize: u32): u32 {
  if (size > VALUE_SIZE_MAX) return CONSTANTS_INVALID;
  scout.forget();
  const path = tree.templateAt(template).path;
  if (!path) return plannedShapes.add(id, template, regions.scratch(), size, entriesSize);
  if (!pathKey.readConstants(path, regions.scratch(), size)) return CONSTANTS_INVALID;
  if (!pagePool.reserve(equalityIndex.pagesForAdd(path, size))) return REFUSED;
  return equalityIndex.add(id, template, path) ? ADDED : REFUSED;
}

/** In scratch: `entriesSize` bytes of entries. */
export function routerRemoveShape(id: u32, entriesSize: u32): void {
  scout.forget();
  if (hasPlan(id)) plannedShapes.remove(id, regions.scratch(), entriesSize);
  else equalityIndex.remove(id);
}

export function routerFindShape(template: u32, size: u32): u32 {
  const path = tree.templateAt(template).path;
  if (!path) return definitionIndex.find(template, regions.scratch(), size);
  if (!pathKey.readConstants(path, regions.scratch(), size)) return 0;
  return equalityIndex.findExact(path, record.NEW, template);
}

export function routerTemplateOf(id: u32): u32 {
  return shapeTable.template(id);
}

/** Size of the constants of a shape, which are at `routerConstantsAddress`. */
export function routerReadConstants(id: u32): u32 {
  if (hasPlan(id)) {
    constantsAddress = textBuffer.address();
    return definitionIndex.writeConstants(id);
  }
  constantsAddress = regions.scratch();
  return equalityIndex.writeConstants(id, constantsAddress);
}

export function routerConstantsAddress(): usize {
  return constantsAddress;
}

/** The most bytes that constants may have which `routerReadConstants` writes to scratch. */
export function routerConstantsSizeMax(id: u32): u32 {
  return hasPlan(id) ? 0 : equalityIndex.constantsSizeMax(id);
}

function hasPlan(id: u32): bool {
  return tree.templateAt(shapeTable.template(id)).plan != 0;
}

/** While `judgeResiduals` runs: see `verdicts.readColumn`. */
export function routerReadColumn(side: u32, column: u32): u32 {
  return verdicts.readColumn(side, column);
}

export function routerColumnAddress(): usize {
  return verdicts.lastAddress();
}

export function routerReadMembership(
  side: u32,
  template: u32,
  access: u32,
  view: u32,
  position: u32,
): u32 {
  return verdicts.readMembership(side, template, access, view, position);
}

export function routerAddClass(template: u32): u32 {
  return verdicts.addClass(template);
}

export function routerSetGated(id: u32, isGated: bool): void {
  equalityIndex.setGated(id, isGated);
}

export function routerSetTaped(relation: u32, isTaped: bool): void {
  tape.setTaped(tree.relationAt(relation), isTaped);
}

/** In scratch: the message of a change, or the tuple of a row that was fetched. */
export function routerReplay(
  template: u32,
  size: u32,
  lsnHigh: u32,
  lsnLow: u32,
  xid: u32,
  op: u32,
  isFetched: bool,
): u32 {
  const start = regions.scratch();
  const end = start + <usize>size;
  replay.begin(((<u64>lsnHigh) << 32) | (<u64>lsnLow), xid);
  const outcome = isFetched
    ? replay.fetched(template, start, end)
    : replay.change(template, start, end, op);
  replay.end();
  return outcome;
}

/** Lists shapes that use a view after `after` in scratch; see `view-users.ts`. */
export function routerListUsers(view: u32, after: u32): u32 {
  return viewUsers.list(view, after, regions.scratch());
}

export function routerUsersListedUpTo(): u32 {
  return viewUsers.listedUpTo();
}

/** Lists shapes of a relation after `after` in scratch; see `equalityIndex.listShapes`. */
export function routerListShapes(relation: u32, after: u32): u32 {
  return equalityIndex.listShapes(tree.relationAt(relation), after, regions.scratch());
}

/** Where the next `routerListShapes` goes on, 0 when all were listed. */
export function routerListedUpTo(): u32 {
  return equalityIndex.listedUpTo();
}

export function routerSkipTo(high: u32, low: u32): void {
  stream.skipTo(((<u64>high) << 32) | (<u64>low));
}

export function routerSetStopAtEveryCommit(isWanted: bool): void {
  stream.setStopAtEveryCommit(isWanted);
}

export function routerResetStream(): void {
  stream.reset();
}

export function routerReserveInput(size: u32): usize {
  scout.forget();
  return regions.reserveInput(size);
}

export function routerCommitInput(size: u32): void {
  regions.commitInput(size);
}

export function routerRun(): u32 {
  return stream.run();
}

/** How many transactions were read, modulo 2^32: see `commit-ring.ts`. */
export function routerReadCount(): u32 {
  return commitRing.count();
}

export function routerReadXids(): usize {
  return commitRing.address();
}

export function routerAddOps(count: u32): void {
  stream.addOps(count);
}

export function routerClearOutput(): void {
  regions.clearOutput();
}

export function routerGrow(): bool {
  return regions.growOutput();
}

// --- Router: end -------------------------------------------------------------------------------

// --- Structures: begin (the other doors in src/router) -----------------------------------------
//
// Storage keys and seqs have 40 bits: they cross as floats, which hold them exactly.

/** A page each for the exchange, the consumer registry and the flush tracker. */
const CORE_PAGES: u32 = 3;

/** To be called once, before anything else. False: the budget is too small to begin with. */
export function coreCreate(seedLow: u32, seedHigh: u32, budgetPages: u32): bool {
  hash.setSeed(seedLow, seedHigh);
  pagePool.setBudget(budgetPages);
  if (!pagePool.reserve(CORE_PAGES)) return false;
  exchange.create();
  consumerRegistry.create();
  flushTracker.create();
  return true;
}

export function exchangeAddress(): usize {
  return exchange.address();
}

export function shapeMint(keyLow: u32, keyHigh: u32, hash: u32): u32 {
  const id = shapeTable.mint();
  if (id != shapeTable.NONE) handleTable.set(id, keyLow, keyHigh, hash);
  return id;
}

/** False, with nothing changed, while it is awaited, routed to, or a view that is not forgotten. */
export function shapeRetire(id: u32): bool {
  if (!shapeTable.isLive(id) || shapeTable.template(id) != 0) return false;
  if ((shapeTable.state(id) & shapeTable.STATE_AWAITED) != 0) return false;
  if (dependencyView.isView(id)) return false;
  flushTracker.flushed(id);
  shapeTable.retire(id);
  return true;
}

export function shapeCount(): u32 {
  return shapeTable.count();
}

export function shapeIsLive(id: u32): bool {
  return shapeTable.isLive(id);
}

/** The live id after this one, 0 if it is the last. */
export function shapeNext(id: u32): u32 {
  return shapeTable.next(id);
}

/** 0 for an id that is nobody's or a view's. */
export function shapeKey(id: u32): f64 {
  return shapeTable.isLive(id) && !shapeTable.isView(id) ? <f64>handleTable.keyOf(id) : 0;
}

export function shapeHash(id: u32): u32 {
  return handleTable.hashOf(id);
}

export function shapeKeys(ids: usize, count: u32, out: usize): void {
  handleTable.keys(ids, count, out);
}

export function shapeGeneration(id: u32): u32 {
  return shapeTable.generation(id);
}

export function shapeLastUse(id: u32): u32 {
  return shapeTable.lastUse(id);
}

export function shapeSetLastUse(id: u32, value: u32): void {
  shapeTable.setLastUse(id, value);
}

export function shapeAdvanceEpoch(): void {
  shapeTable.advanceEpoch();
}

export function waiterPark(shape: u32): u32 {
  return consumerRegistry.park(shape);
}

export function waiterLeave(waiter: u32): void {
  consumerRegistry.leave(waiter);
}

export function waiterWake(ids: usize, count: u32, out: usize, capacity: u32): u32 {
  return consumerRegistry.wake(ids, count, out, capacity);
}

export function waiterWokenUpTo(): u32 {
  return consumerRegistry.wokenUpTo();
}

export function waiterWakeAllOf(shape: u32, out: usize, capacity: u32): u32 {
  return consumerRegistry.wakeAllOf(shape, out, capacity);
}

export function waiterIsAwaited(shape: u32): bool {
  return consumerRegistry.isAwaited(shape);
}

export function waiterCount(): u32 {
  return consumerRegistry.count();
}

export function flushSent(shape: u32, lsnLow: u32, lsnHigh: u32): bool {
  return flushTracker.sent(shape, lsnLow, lsnHigh);
}

export function flushFlushed(shape: u32): void {
  flushTracker.flushed(shape);
}

export function flushCount(): u32 {
  return flushTracker.count();
}

export function flushMinimumLow(): u32 {
  return <u32>flushTracker.minimum();
}

export function flushMinimumHigh(): u32 {
  return <u32>(flushTracker.minimum() >> 32);
}

export function postingsCapacity(): u32 {
  return pendingPostings.CAPACITY;
}

export function postingsCount(): u32 {
  return pendingPostings.count();
}

export function postingsHasFrozen(): bool {
  return pendingPostings.hasFrozen();
}

export function postingsFile(baseLow: u32, baseHigh: u32, groups: usize, wordCount: u32): bool {
  return pendingPostings.file(baseLow, baseHigh, groups, wordCount);
}

export function postingsLastSeq(slot: u32): f64 {
  return pendingPostings.lastSeq(slot);
}

export function postingsSetLastSeq(slot: u32, seq: f64): void {
  pendingPostings.setLastSeq(slot, seq);
}

export function postingsSeekChain(slot: u32, after: f64): u32 {
  return pendingPostings.seekChain(slot, after);
}

export function postingsCopyChain(out: usize, capacity: u32): u32 {
  return pendingPostings.copyChain(out, capacity);
}

export function postingsFreeze(): u32 {
  return pendingPostings.freeze();
}

export function postingsFrozenBase(): f64 {
  return pendingPostings.frozenBase();
}

export function postingsTakeFrozen(keys: usize, seqs: usize, capacity: u32): u32 {
  return pendingPostings.takeFrozen(keys, seqs, capacity);
}

export function postingsRetire(): void {
  pendingPostings.retire();
}

export function accountingOwnerCount(): u32 {
  return OWNER_COUNT;
}

export function accountingEntries(owner: u32): u32 {
  return accounting.entries(owner);
}

export function accountingLiveBytes(owner: u32): f64 {
  return <f64>accounting.liveBytes(owner);
}

export function accountingCommittedBytes(owner: u32): f64 {
  return accounting.committedBytes(owner);
}

// --- Structures: end ---------------------------------------------------------------------------
