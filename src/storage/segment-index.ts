/**
 * Where the records of a segment are: in memory while it grows, as it will be in the footer.
 *
 *       firstSeq                firstSeq + 1            firstSeq + 2
 *     ┌────────────┬──────────┬────────────┬──────────┬─ ─
 *     │ offset u32 │ size u16 │ offset u32 │ size u16 │              6 bytes a record
 *     └────────────┴──────────┴────────────┴──────────┴─ ─
 *
 * `size` is that of the payload; 65,535 stands for itself and everything above, and the record says
 * which. An entry of zeros is of no record: its seq is void.
 *
 * Bytes, and not numbers that are encoded in the end: a segment may have half a million records. To
 * encode these when it was full took 15 ms, and 60 the first time, during which everybody waited.
 *
 * Invariants:
 *
 *   1. Entries were set in ascending order, those in between are zero.
 *   2. Behind `count` entries all bytes are zero.
 */

import { assert } from "../lib/assert.ts";

export const INDEX_ENTRY_SIZE = 6;
/** The size in an entry that stands for itself and everything above. */
export const INDEX_SIZE_MAX = 0xffff;

/** What a segment has room for at first. */
const ENTRIES_MIN = 1024;

/** A place in a segment. Mutable: a reader keeps one and has it filled again and again. */
export interface RecordPlace {
  offset: number;
  /** Bytes of the payload. */
  size: number;
}

export class SegmentIndex {
  #bytes = Buffer.alloc(0);
  #count = 0;

  get count(): number {
    return this.#count;
  }
  get memoryBytes(): number {
    return this.#bytes.length;
  }
  /** All entries. A view, valid until the next change. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * INDEX_ENTRY_SIZE);
  }

  /** REQUIRES: `index` is below `count`. */
  get(index: number, place: RecordPlace): void {
    readIndexEntry(this.#bytes, index, place);
  }

  /** Adds an entry. What is left out before it is void. REQUIRES: `index` is `count` or more. */
  set(index: number, offset: number, size: number): void {
    this.extend(index + 1);
    const bytes = this.#bytes;
    const indexed = Math.min(size, INDEX_SIZE_MAX);
    let at = index * INDEX_ENTRY_SIZE;
    // Byte by byte: the buffer's own methods take five times as long.
    bytes[at++] = offset;
    bytes[at++] = offset >>> 8;
    bytes[at++] = offset >>> 16;
    bytes[at++] = offset >>> 24;
    bytes[at++] = indexed;
    bytes[at] = indexed >>> 8;
  }

  /** Makes it `count` entries, the new ones void. REQUIRES: no fewer than there are. */
  extend(count: number): void {
    assert(count > this.#count, "entries are added in ascending order");
    this.#count = count;
    if (count * INDEX_ENTRY_SIZE <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(2 * count, ENTRIES_MIN) * INDEX_ENTRY_SIZE);
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }

  /** Forgets all entries from `count` on. */
  truncate(count: number): void {
    if (count >= this.#count) return;
    this.#bytes.fill(0, count * INDEX_ENTRY_SIZE, this.#count * INDEX_ENTRY_SIZE);
    this.#count = count;
  }
}

/** Reads entry `index` of a part of a footer. */
export function readIndexEntry(entries: Buffer, index: number, place: RecordPlace): void {
  const at = index * INDEX_ENTRY_SIZE;
  place.offset = entries.readUInt32LE(at);
  place.size = entries.readUInt16LE(at + 4);
}
