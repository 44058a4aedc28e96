/**
 * Postings as blocks of at most 480 bytes, the unit in which a run lies in SQLite. More would take
 * an overflow page per row and four times the bytes.
 *
 *     ┌───────────┬───────┬────────────┬───────────┬ ─ ─ ┬───────────┬ ─ ─
 *     │ key delta │ count │ first seq  │ seq delta │     │ key delta │          varints
 *     └───────────┴───────┴────────────┴───────────┴ ─ ─ ┴───────────┴ ─ ─
 *
 * Key deltas count from the block's key, first seqs from the run's first seq. Keys ascend, and so
 * do the seqs of a key. A key with many seqs goes on in further blocks of which it is the first.
 */

import { ByteReader, writeVarint } from "./bytes.ts";

export const BLOCK_SIZE_MAX = 480;
/** Bytes that the head of an entry takes at most: key delta, count, first seq. */
const ENTRY_HEAD_SIZE_MAX = 6 + 2 + 6;

/** Receives a block; the bytes are valid during the call only. */
export type BlockSink = (key: number, base: number, blob: Uint8Array) => void;

export class BlockWriter {
  readonly #runFirstSeq: number;
  readonly #emit: BlockSink;
  readonly #bytes = Buffer.alloc(BLOCK_SIZE_MAX);
  #size = 0;
  #blockKey = 0;
  #base = 0;
  #previousKey = 0;

  constructor(runFirstSeq: number, emit: BlockSink) {
    this.#runFirstSeq = runFirstSeq;
    this.#emit = emit;
  }

  /** Adds `seqs[start .. end)`. REQUIRES: keys ascend from call to call, seqs ascend in it. */
  add(key: number, seqs: Float64Array, start: number, end: number): void {
    while (start < end) {
      if (this.#size + ENTRY_HEAD_SIZE_MAX > BLOCK_SIZE_MAX) this.flush();
      const count = this.#countThatFits(seqs, start, end);
      this.#write(key, seqs, start, count);
      start += count;
      if (start < end) this.flush();
    }
  }

  flush(): void {
    if (this.#size === 0) return;
    this.#emit(this.#blockKey, this.#base, this.#bytes.subarray(0, this.#size));
    this.#size = 0;
  }

  #countThatFits(seqs: Float64Array, start: number, end: number): number {
    let room = BLOCK_SIZE_MAX - this.#size - ENTRY_HEAD_SIZE_MAX;
    let index = start + 1;
    while (index < end) {
      room -= varintSize(seqs[index]! - seqs[index - 1]!);
      if (room < 0) break;
      index += 1;
    }
    return index - start;
  }

  #write(key: number, seqs: Float64Array, start: number, count: number): void {
    if (this.#size === 0) {
      this.#blockKey = key;
      this.#base = seqs[start]!;
      this.#previousKey = key;
    }
    let at = writeVarint(this.#bytes, this.#size, key - this.#previousKey);
    at = writeVarint(this.#bytes, at, count);
    at = writeVarint(this.#bytes, at, seqs[start]! - this.#runFirstSeq);
    for (let index = start + 1; index < start + count; index++) {
      at = writeVarint(this.#bytes, at, seqs[index]! - seqs[index - 1]!);
    }
    this.#previousKey = key;
    this.#size = at;
  }
}

/** Calls `visit` for each posting of a block, in order. */
export function decodeBlock(
  blob: Uint8Array,
  key: number,
  runFirstSeq: number,
  visit: (key: number, seq: number) => void,
): void {
  const reader = new ByteReader(blob);
  while (!reader.isAtEnd) {
    key += reader.varint();
    const count = reader.varint();
    let seq = runFirstSeq + reader.varint();
    visit(key, seq);
    for (let index = 1; index < count; index++) {
      seq += reader.varint();
      visit(key, seq);
    }
  }
}

/** Postings of a block: no entry and no further seq takes less than a byte. */
export const BLOCK_POSTINGS_MAX = BLOCK_SIZE_MAX;

/** As `decodeBlock`, into columns of BLOCK_POSTINGS_MAX; returns how many postings there are. */
export function decodeBlockInto(
  blob: Uint8Array,
  firstKey: number,
  runFirstSeq: number,
  keys: Float64Array,
  seqs: Float64Array,
): number {
  const reader = new ByteReader(blob);
  let key = firstKey;
  let size = 0;
  while (!reader.isAtEnd) {
    key += reader.varint();
    const end = size + reader.varint();
    let seq = runFirstSeq + reader.varint();
    keys[size] = key;
    seqs[size++] = seq;
    while (size < end) {
      seq += reader.varint();
      keys[size] = key;
      seqs[size++] = seq;
    }
  }
  return size;
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  let size = 1;
  for (let rest = value; rest >= 128; rest /= 128) size += 1;
  return size;
}
