/**
 * Doors to the structures behind the core's ABI, for tests: what `assembly/testing*.ts` exports, in
 * the two builds that have it. They are made by
 *
 *     node .config/build-core.js testing-checked     assertions on
 *     node .config/build-core.js testing-release     as shipped; `verify` checks nothing
 */

import { readFileSync } from "node:fs";
import { Core, type CoreExports, type CoreOptions } from "../../src/router/core.ts";

export interface TestingExports extends CoreExports {
  storesCreate(): void;

  poolReserve(count: number): number;
  poolAcquire(owner: number, count: number): number;
  poolRelease(address: number, count: number): void;
  poolAssign(address: number, count: number, owner: number): void;
  poolSetBudget(count: number): void;
  poolPagesOf(owner: number): number;
  poolVerify(): void;

  blockCreate(granule: number): number;
  blockDestroy(pool: number): void;
  blockAllocate(pool: number, size: number): number;
  blockRelease(pool: number, address: number, size: number): void;
  blockTrim(pool: number, address: number, oldSize: number, newSize: number): number;
  blockLiveBytes(pool: number): number;
  blockPageCount(pool: number): number;
  blockVerify(pool: number): void;

  rowCreate(rowSize: number): void;
  rowTake(): number;
  rowGive(row: number): void;
  rowAddress(row: number): number;
  rowCount(): number;
  rowVerify(): void;

  hashBytesLow(address: number, size: number, seed: number): number;
  hashBytesHigh(address: number, size: number, seed: number): number;
  hashWordLow(low: number, high: number): number;
  hashSetSeed(low: number, high: number): void;

  leafShapeHashes(clearedFirstBits: number, tagMask: number): void;
  leafCreate(): number;
  leafDestroy(table: number): void;
  leafInsert(table: number, payload: number): number;
  leafInsertMany(table: number, first: number, count: number): number;
  leafRemove(table: number, payload: number): number;
  leafReplace(table: number, payload: number, newPayload: number): number;
  leafSeek(table: number, payload: number): void;
  leafNext(): number;
  leafMayHave(table: number, payload: number): number;
  leafFindMany(table: number, first: number, count: number): number;
  leafCount(table: number): number;
  leafLiveBytes(table: number): number;
  leafVerify(table: number): void;

  valueIntern(address: number, size: number): number;
  valueFind(address: number, size: number): number;
  valueRetain(value: number): void;
  valueRelease(value: number): void;
  valueAddress(value: number): number;
  valueSize(value: number): number;
  valueReferences(value: number): number;
  valueCount(): number;
  valueLiveBytes(): number;
  valueVerify(): void;

  setAdd(set: number, id: number): number;
  setRemove(set: number, id: number): number;
  setRemoveAll(set: number, ids: number, size: number): number;
  setHas(set: number, id: number): number;
  setCount(set: number): number;
  setFirst(set: number): number;
  setCopyTo(set: number, out: number, capacity: number, from: number): number;
  setRelease(set: number): void;
  setLiveBytes(): number;
  setVerify(set: number): void;

  partitionsCreate(): void;
  partitionLink(oid: number, relation: number, positions: number, count: number): number;
  partitionUnlink(oid: number, relation: number): void;
  partitionLinks(oid: number, out: number): number;
  partitionCount(): number;
  partitionLiveBytes(): number;
  partitionVerify(): void;

  literalRead(kind: number, address: number, size: number): number;
  literalLow(): number;
  literalHigh(): number;
  literalAddress(): number;
  literalSize(): number;
  orderRead(order: number, address: number, size: number): number;
  orderLow(): number;
  orderHigh(): number;

  constantsPack(address: number, size: number): number;
  constantsUnpack(address: number, size: number, target: number): number;

  textBufferReserve(size: number): number;
  arrayOpen(address: number, size: number): number;
  arrayNext(): number;
  arrayElementAddress(): number;
  arrayElementSize(): number;
  pathsCreate(): void;
  pathsRoot(): number;
  pathsRemoveRoot(root: number): void;
  pathsGrow(parent: number, key: number, size: number): number;
  pathsSetAccess(node: number, access: number): void;
  pathsPrune(node: number): void;
  pathsLiveBytes(): number;
  pathsVerify(): void;
  jsonOpen(address: number, size: number, root: number): void;
  jsonNext(): number;
  jsonValueKind(): number;
  jsonValueAddress(): number;
  jsonValueSize(): number;

  membershipCreate(): void;
  membershipAdd(access: number, low: number, high: number, id: number): number;
  membershipRemove(access: number, low: number, high: number, id: number): number;
  membershipFind(access: number, low: number, high: number): number;
  membershipCount(): number;
  membershipLiveBytes(): number;
  membershipVerify(): void;

  rangeCreate(): void;
  rangeAdd(tree: number, ...range: readonly number[]): number;
  rangeRemove(tree: number, ...range: readonly number[]): number;
  rangeStab(tree: number, low: number, high: number): void;
  rangeNext(out: number, capacity: number): number;
  rangeCount(tree: number): number;
  rangeLiveBytes(): number;
  rangeVerify(tree: number): void;

  viewsCreate(): void;
  viewsStartHistoryAt(number: number): void;
  viewsVerify(): void;

  shapeSetIdMax(max: number): void;
  shapeState(id: number): number;
  shapeFill(id: number, word: number): void;
  shapeIsFilledWith(id: number, word: number): number;
  shapeClear(id: number): void;
  shapeIsZero(id: number): number;
  shapeMatches(id: number, keyLow: number, keyHigh: number, hash: number): number;
  shapeVerify(): void;
  waiterVerify(): void;
  flushVerify(): void;
  flushIsPending(shape: number): number;
  postingsSetSettledPerCall(count: number): void;
  postingsVerify(): void;
}

export interface TestCore {
  readonly core: Core;
  readonly exports: TestingExports;
}

export interface Build {
  readonly name: string;
  readonly module: WebAssembly.Module;
}

/** Every suite runs on both: assertions must hold, and nothing may depend on them. */
export const builds: readonly Build[] = [
  { name: "checked", module: compile("core.testing.checked.wasm") },
  { name: "release", module: compile("core.testing.wasm") },
];

export const SEED = [0x1234_5678, 0x9abc_def0] as const;

export function newCore(build: Build, options: CoreOptions = {}): TestCore {
  const core = new Core(build.module, { seed: SEED, ...options });
  return { core, exports: core.exports as TestingExports };
}

/** Writes bytes where the exchange is, `offset` bytes from its start. Returns their address. */
export function put({ core }: TestCore, bytes: Uint8Array, offset = 0): number {
  core.bytes.set(bytes, core.exchange + offset);
  return core.exchange + offset;
}

function compile(file: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`../../build/${file}`, import.meta.url)));
}
