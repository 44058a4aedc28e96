/**
 * The lists of shapes that the bodies of one frame belong to, each distinct list once: the rows of
 * a transaction often reach the same ten thousand shapes.
 *
 *     keys    │ 7 │ 9 │ 4 │ 7 │ 12 │ ...      all lists, one behind the other
 *     slots   │ a │ b │ c │ a │ d  │ ...      the same shapes as the posting buffer knows them
 *     starts  │ 0 │ 3 │ 5 │ ...               list n is starts[n] .. starts[n + 1]
 *
 * A list is looked for by a hash of its length and a sample of its keys, and by comparing it with
 * the one candidate that this finds. Missing a duplicate costs bytes, not correctness.
 */

import { grownFloats, grownWords, writeVarint, VARINT_SIZE_MAX, type ByteReader } from "./bytes.ts";

/** Sampling this many keys tells lists apart well enough; comparing is exact anyway. */
const SAMPLES = 8;

export class KeyLists {
  #keys = new Float64Array(256);
  #slots = new Uint32Array(256);
  #starts = new Uint32Array(64);
  #count = 0;
  readonly #byHash = new Map<number, number>();

  get count(): number {
    return this.#count;
  }

  /** Of all lists. */
  get keyCount(): number {
    return this.#starts[this.#count]!;
  }

  /** Returns the list's index. */
  add(keys: Float64Array, slots: Uint32Array, count: number): number {
    const hash = hashOfKeys(keys, count);
    const candidate = this.#byHash.get(hash);
    const isCandidate = candidate !== undefined && candidate < this.#count;
    if (isCandidate && this.#equals(candidate, keys, count)) return candidate;
    const start = this.keyCount;
    this.#reserve(start + count);
    if (count < 32) {
      for (let index = 0; index < count; index++) {
        this.#keys[start + index] = keys[index]!;
        this.#slots[start + index] = slots[index]!;
      }
    } else {
      this.#keys.set(keys.subarray(0, count), start);
      this.#slots.set(slots.subarray(0, count), start);
    }
    this.#starts[this.#count + 1] = start + count;
    this.#byHash.set(hash, this.#count);
    return this.#count++;
  }

  sizeOf(list: number): number {
    return this.#starts[list + 1]! - this.#starts[list]!;
  }

  /** A view, valid until the next `add` or `clear`. */
  keysOf(list: number): Float64Array {
    return this.#keys.subarray(this.#starts[list], this.#starts[list + 1]);
  }

  /** A view, valid until the next `add` or `clear`. */
  slotsOf(list: number): Uint32Array {
    return this.#slots.subarray(this.#starts[list], this.#starts[list + 1]);
  }

  /** The slots of all lists, a view, valid until the next `add` or `clear`. */
  get allSlots(): Uint32Array {
    return this.#slots.subarray(0, this.keyCount);
  }

  /** An upper bound of what `encode` writes. */
  get encodedSizeMax(): number {
    return (this.keyCount + this.#count) * VARINT_SIZE_MAX;
  }

  /** Writes all lists; returns the offset behind them. */
  encode(bytes: Uint8Array, offset: number): number {
    for (let list = 0; list < this.#count; list++) {
      offset = writeVarint(bytes, offset, this.sizeOf(list));
      let previous = 0;
      for (let index = this.#starts[list]!; index < this.#starts[list + 1]!; index++) {
        const delta = this.#keys[index]! - previous;
        // Zigzag: the order is the caller's, so deltas may be negative.
        offset = writeVarint(bytes, offset, delta < 0 ? -2 * delta - 1 : 2 * delta);
        previous = this.#keys[index]!;
      }
    }
    return offset;
  }

  /** Forgets all lists from `count` on. */
  truncate(count: number): void {
    this.#count = count;
  }

  clear(): void {
    this.#count = 0;
    this.#byHash.clear();
  }

  #equals(list: number, keys: Float64Array, count: number): boolean {
    return this.sizeOf(list) === count && areSameKeys(this.#keys, this.#starts[list]!, keys, count);
  }

  #reserve(needed: number): void {
    if (this.#count + 2 > this.#starts.length) {
      this.#starts = grownWords(this.#starts, this.#count + 2);
    }
    if (needed > this.#keys.length) {
      this.#slots = grownWords(this.#slots, needed);
      this.#keys = grownFloats(this.#keys, this.#slots.length);
    }
  }
}

/** The bytes of one list as `encode` wrote it. */
export function takeKeyList(reader: ByteReader): Uint8Array {
  const start = reader.offset;
  const count = reader.varint();
  reader.skipVarints(count);
  return reader.bytes.subarray(start, reader.offset);
}

/** Reads one list as `encode` wrote it. */
export function decodeKeyList(reader: ByteReader): Float64Array {
  const count = reader.varint();
  if (count > reader.end - reader.offset) throw new RangeError("a key list is cut short");
  const keys = new Float64Array(count);
  let previous = 0;
  for (let index = 0; index < count; index++) {
    const zigzag = reader.varint();
    previous += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    keys[index] = previous;
  }
  return keys;
}

/** A list, and what it is found by. */
export interface HashedKeys {
  readonly keys: Float64Array;
  readonly hash: number;
}

/** By all of its keys: lists that differ in one of ten thousand are different lists. */
export function hashed(keys: Float64Array): HashedKeys {
  let hash = keys.length;
  for (let index = 0; index < keys.length; index++) {
    hash = (Math.imul(hash, 0x9e3779b1) + keys[index]!) | 0;
  }
  return { keys, hash };
}

/** Of the first `count` keys, by their number and a sample of them: a guess, to be compared. */
export function hashOfKeys(keys: Float64Array, count: number): number {
  if (count === 1) return keys[0]!;
  let hash = count;
  const step = Math.max(1, Math.floor((count - 1) / (SAMPLES - 1)));
  for (let index = 0; index < count; index += step) {
    hash = (Math.imul(hash, 0x9e3779b1) + keys[index]!) | 0;
  }
  // Negative, so that it never meets the key of a list of one.
  return -1 - (hash >>> 0);
}

/** Whether `all[start .. start + count)` are the first `count` of `keys`. */
export function areSameKeys(
  all: Float64Array,
  start: number,
  keys: Float64Array,
  count: number,
): boolean {
  if (count >= 64) return Buffer.compare(bytesOf(all, start, count), bytesOf(keys, 0, count)) === 0;
  for (let index = 0; index < count; index++) {
    if (all[start + index] !== keys[index]) return false;
  }
  return true;
}

function bytesOf(keys: Float64Array, start: number, count: number): Uint8Array {
  return new Uint8Array(keys.buffer, keys.byteOffset + start * 8, count * 8);
}
