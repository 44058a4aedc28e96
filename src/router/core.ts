/**
 * The core: one instance of the Wasm module and its linear memory.
 *
 * Everything that is keyed by a shape lives in there; the other files of this folder are doors to
 * it. Integers of at most 32 bits cross, and arrays through a page of memory, the exchange.
 */

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { instantiateSync } from "@assemblyscript/loader";
import { assert, AssertionError } from "../lib/assert.ts";

/** An assertion in the core failed, in a build that has them. Linear memory may be torn. */
export class CoreTrap extends Error {
  override readonly name = "CoreTrap";
  readonly code = "CORE_TRAP";
}

/**
 * The part of the ABI (`assembly/index.ts`) that is not the router's. Integers arrive signed:
 * unsigned results need `>>> 0`. Storage keys and seqs are floats.
 */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  coreCreate(seedLow: number, seedHigh: number, budgetPages: number): number;
  exchangeAddress(): number;

  shapeMint(keyLow: number, keyHigh: number, hash: number): number;
  viewMint(): number;
  viewIdCount(): number;
  shapeRetire(id: number): number;
  shapeCount(): number;
  shapeIsLive(id: number): number;
  shapeNext(id: number): number;
  shapeKey(id: number): number;
  shapeHash(id: number): number;
  shapeKeys(ids: number, count: number, out: number): void;
  shapeGeneration(id: number): number;
  shapeLastUse(id: number): number;
  shapeSetLastUse(id: number, value: number): void;
  shapeAdvanceEpoch(): void;

  waiterPark(shape: number): number;
  waiterLeave(waiter: number): void;
  waiterWake(ids: number, count: number, out: number, capacity: number): number;
  waiterWokenUpTo(): number;
  waiterWakeAllOf(shape: number, out: number, capacity: number): number;
  waiterIsAwaited(shape: number): number;
  waiterCount(): number;

  flushSent(shape: number, lsnLow: number, lsnHigh: number): number;
  flushFlushed(shape: number): void;
  flushCount(): number;
  flushMinimumLow(): number;
  flushMinimumHigh(): number;

  postingsCapacity(): number;
  postingsCount(): number;
  postingsHasFrozen(): number;
  postingsFile(baseLow: number, baseHigh: number, groups: number, wordCount: number): number;
  postingsLastSeq(slot: number): number;
  postingsSetLastSeq(slot: number, seq: number): void;
  postingsSeekChain(slot: number, after: number): number;
  postingsCopyChain(out: number, capacity: number): number;
  postingsFreeze(): number;
  postingsFrozenBase(): number;
  postingsTakeFrozen(keys: number, seqs: number, capacity: number): number;
  postingsRetire(): void;

  accountingOwnerCount(): number;
  accountingEntries(owner: number): number;
  accountingLiveBytes(owner: number): number;
  accountingCommittedBytes(owner: number): number;
}

export interface CoreOptions {
  /** Linear memory beyond which new shapes are refused. The default is all that Wasm can have. */
  readonly memoryBytesMax?: number;
  /** Keys the hashes, which clients must not be able to predict. Tests fix it. */
  readonly seed?: readonly [low: number, high: number];
}

/** Bytes of the exchange: see `assembly/exchange.ts`. */
export const EXCHANGE_SIZE = 65_536;

const PAGE_SIZE = 65_536;
const MEMORY_MAX = 2 ** 32;
/** The core keeps the rest for what cannot be refused: `assembly/page-pool.ts`. */
const BUDGET_MAX = MEMORY_MAX - 256 * 2 ** 20;

export class Core {
  readonly exports: CoreExports;
  /** Bytes of linear memory beyond which shapes are refused. */
  readonly budgetBytes: number;
  /** Address of the exchange, which never moves. */
  readonly exchange: number;
  /**
   * What the core calls while it routes a change with shapes that it cannot judge itself: see
   * `residuals.ts`. It must not throw, nor change anything in the core but the list.
   */
  judgeResiduals: (list: number, count: number, classes: number) => void = noResiduals;
  /** What the core calls with each change of a relation that is taped. It must not throw either. */
  tapeChange: (relation: number, op: number, address: number, size: number) => void = noTape;
  #bytes = new Uint8Array();
  #buffer = Buffer.alloc(0);
  #words = new Uint32Array();
  #floats = new Float64Array();

  /** @throws {RangeError} when the memory allowed does not suffice to begin with. */
  constructor(module: WebAssembly.Module, options: CoreOptions = {}) {
    const { memoryBytesMax = MEMORY_MAX, seed = drawSeed() } = options;
    // The instance's own exports: the loader's wrap every call, for strings that never cross here.
    const { instance } = instantiateSync(module, {
      env: { abort },
      verdicts: {
        judgeResiduals: (list: number, count: number, classes: number) =>
          this.judgeResiduals(list, count, classes),
      },
      tape: {
        tapeChange: (relation: number, op: number, address: number, size: number) =>
          this.tapeChange(relation, op, address, size),
      },
    });
    this.exports = instance.exports as unknown as CoreExports;
    this.budgetBytes = Math.min(memoryBytesMax, BUDGET_MAX);
    const pages = Math.floor(this.budgetBytes / PAGE_SIZE);
    if (this.exports.coreCreate(seed[0] | 0, seed[1] | 0, pages) === 0) {
      throw new RangeError(`the core cannot begin with ${memoryBytesMax} bytes of memory`);
    }
    this.exchange = this.exports.exchangeAddress() >>> 0;
    assert(this.exchange % PAGE_SIZE === 0, "the exchange is a page");
  }

  /**
   * Linear memory as bytes. Use it at once and do not keep it: growing memory detaches every
   * earlier view, and a detached view reads as empty instead of failing. So with the others.
   *
   * That a view is empty is also how growth is noticed: asking the memory for its buffer instead
   * costs more than most of what is read.
   */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#renewViews();
    return this.#bytes;
  }

  /** The same bytes, of which Node reads texts without a view for each. */
  get buffer(): Buffer {
    if (this.#buffer.length === 0) this.#renewViews();
    return this.#buffer;
  }

  /** Linear memory as 32-bit words. */
  get words(): Uint32Array {
    if (this.#words.length === 0) this.#renewViews();
    return this.#words;
  }

  /** Linear memory as 64-bit floats. */
  get floats(): Float64Array {
    if (this.#floats.length === 0) this.#renewViews();
    return this.#floats;
  }

  #renewViews(): void {
    const { buffer } = this.exports.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#buffer = Buffer.from(buffer);
    this.#words = new Uint32Array(buffer);
    this.#floats = new Float64Array(buffer);
  }
}

/**
 * Whether something ended in the middle that nobody expected to fail: by an assertion, in the core
 * or out here, or where a build of the core has none by a trap, such as an address beyond memory.
 * What was being changed may be half changed (a transaction that is taken again would be counted
 * twice): nothing that lies in memory can be trusted any more.
 */
export function isTrap(error: unknown): boolean {
  return (
    error instanceof AssertionError ||
    error instanceof CoreTrap ||
    error instanceof WebAssembly.RuntimeError
  );
}

/** Reads and compiles the module that `npm run build` makes. */
export async function loadCore(options: CoreOptions = {}): Promise<Core> {
  const wasm = await readFile(new URL("../../build/core.wasm", import.meta.url));
  return new Core(await WebAssembly.compile(wasm), options);
}

function noResiduals(): never {
  throw new CoreTrap("a residual was to be judged before there was anybody to do so");
}

function noTape(): never {
  throw new CoreTrap("a change was taped before there was anybody to take it");
}

/** Only builds with assertions import it. */
function abort(_message: number, _file: number, line: number, column: number): never {
  throw new CoreTrap(`assertion failed in the core at ${line >>> 0}:${column >>> 0}`);
}

function drawSeed(): readonly [number, number] {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}
