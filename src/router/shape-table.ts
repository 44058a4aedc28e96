import { assert } from "../lib/assert.ts";
import type { ShapeId, StorageKey } from "../model/ids.ts";
import { EXCHANGE_SIZE, type Core, type CoreExports } from "./core.ts";

/** Ids and keys share the exchange, 4 + 8 bytes each; an even number keeps the keys aligned. */
const SLICE = Math.floor(EXCHANGE_SIZE / 24) * 2;
/** Asking one by one takes 15 ns each; the way through the exchange 400 ns and 5 each. */
const FEW = 16;
/** All but bit 31. */
const ID_MASK = 0x7fff_ffff;
const LAST_USE_MODULUS = 0x1_0000;

/**
 * The rows of shapes: ids, storage keys, generations and last uses. See `assembly/shape-table.ts`
 * for when an id is minted again, and `assembly/handle-table.ts` for the key and hash.
 *
 * `mint` may grow linear memory; nothing else does.
 */
export class ShapeTable {
  readonly #core: Core;
  readonly #exports: CoreExports;
  #keys = new Float64Array(SLICE);

  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports;
  }

  /** How many shapes are live. Views are none. */
  get count(): number {
    return (this.#exports.shapeCount() - this.#exports.viewIdCount()) >>> 0;
  }

  /** Undefined: no id or no memory is left. */
  mint(key: StorageKey, hash: number): ShapeId | undefined {
    const id = this.#exports.shapeMint(key | 0, Math.floor(key / 2 ** 32), hash) >>> 0;
    return id === 0 ? undefined : (id as ShapeId);
  }

  /**
   * As `mint`, for a dependency view (`views.ts`), which has neither handle nor log: `keyOf` knows
   * none, and `hashOf` and `keysOf` are not to be asked.
   */
  mintView(): ShapeId | undefined {
    const id = this.#exports.viewMint() >>> 0;
    return id === 0 ? undefined : (id as ShapeId);
  }

  /** REQUIRES: the id is live, nobody waits for it, the router does not route to it. */
  retire(id: ShapeId): void {
    assert(this.#exports.shapeRetire(id) !== 0, `shape ${id} is retired while it is in use`);
  }

  /** Begins another epoch: ids that were retired two epochs ago may be minted again. */
  advanceEpoch(): void {
    this.#exports.shapeAdvanceEpoch();
  }

  /** Undefined for an id that is nobody's. */
  keyOf(id: ShapeId): StorageKey | undefined {
    const key = this.#exports.shapeKey(id);
    return key === 0 ? undefined : (key as StorageKey);
  }

  /** REQUIRES: the id is live. */
  hashOf(id: ShapeId): number {
    return this.#exports.shapeHash(id);
  }

  /**
   * The storage keys of ids that were all minted, 0 for those that have been retired since. Bit 31
   * of an id is ignored. Valid until the next call; allocates nothing but for a longer list than
   * ever before.
   */
  keysOf(ids: Uint32Array): Float64Array {
    if (ids.length <= FEW) return this.#fewKeysOf(ids);
    if (ids.length > this.#keys.length) this.#keys = new Float64Array(ids.length * 2);
    const first = this.#core.exchange;
    const out = first + SLICE * 4;
    for (let at = 0; at < ids.length; at += SLICE) {
      const count = Math.min(SLICE, ids.length - at);
      this.#core.words.set(ids.subarray(at, at + count), first >>> 2);
      this.#exports.shapeKeys(first, count, out);
      this.#keys.set(this.#core.floats.subarray(out >>> 3, (out >>> 3) + count), at);
    }
    return this.#keys.subarray(0, ids.length);
  }

  #fewKeysOf(ids: Uint32Array): Float64Array {
    for (let index = 0; index < ids.length; index++) {
      this.#keys[index] = this.#exports.shapeKey(ids[index]! & ID_MASK);
    }
    return this.#keys.subarray(0, ids.length);
  }

  /** Whether the shape that had this id in this generation still has it. */
  isLive(id: ShapeId, generation: number): boolean {
    return this.#exports.shapeIsLive(id) !== 0 && this.generationOf(id) === generation;
  }

  /** The first live id, or the one after another. Undefined: there is none. */
  next(id: ShapeId | undefined): ShapeId | undefined {
    const next = this.#exports.shapeNext(id ?? 0) >>> 0;
    return next === 0 ? undefined : (next as ShapeId);
  }

  /** Tells one holder of an id from the next: 0 .. 255. REQUIRES: the id was minted once. */
  generationOf(id: ShapeId): number {
    return this.#exports.shapeGeneration(id);
  }

  /** Somebody used the shape. Minutes of any clock. REQUIRES: the id is live. */
  touch(id: ShapeId, minutes: number): void {
    this.#exports.shapeSetLastUse(id, minutes % LAST_USE_MODULUS);
  }

  /** How long ago that was. Starts again at 0 after 45 days. REQUIRES: the id is live. */
  idleMinutes(id: ShapeId, minutes: number): number {
    const now = minutes % LAST_USE_MODULUS;
    return (now - this.#exports.shapeLastUse(id) + LAST_USE_MODULUS) % LAST_USE_MODULUS;
  }
}
