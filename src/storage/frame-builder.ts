/**
 * Gathers records until they are written as one frame. Two marks divide what it holds:
 *
 *     │ records of finished transactions │ records of the open one │ free
 *     0                                committed                  count
 *
 * A frame is cut at the first mark, so that it ends on a commit and can be acknowledged; the open
 * transaction moves to the next builder. Only a transaction that is larger than a frame is cut in
 * the middle.
 *
 * Data plane: `addChange` allocates only when memory has to grow.
 */

import type { Lsn } from "../model/lsn.ts";
import { LSN_ZERO } from "../model/lsn.ts";
import { grownBuffer, grownWords, VARINT_SIZE_MAX, writeVarint } from "./bytes.ts";
import type { CatalogChange } from "./catalog-change.ts";
import { FRAME_HEADER_SIZE, FrameFlag, sealFrame } from "./frame.ts";
import { KeyLists } from "./key-lists.ts";
import { RECORD_HEADER_SIZE, writeRecordHeader, type BodyKind, type RecordKind } from "./record.ts";

const INITIAL_SIZE = 64 * 1024;

export class FrameBuilder {
  #firstSeq = 0;
  #count = 0;
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  #recordsEnd = FRAME_HEADER_SIZE;
  #references = new Uint32Array(256);
  #offsets = new Uint32Array(256);
  readonly lists = new KeyLists();
  #changes: { readonly seq: number; readonly change: CatalogChange }[] = [];

  #committedCount = 0;
  #committedLists = 0;
  #lastCommitLsn: Lsn = LSN_ZERO;
  #highestLsn: Lsn = LSN_ZERO;

  // Halves of the LSN of the last change: all rows of a transaction share it, and taking a bigint
  // apart costs more than the rest of the header.
  #lsn = -1n;
  #lsnLow = 0;
  #lsnHigh = 0;

  /** Begins a frame. REQUIRES: empty, as made or after `clear`. */
  begin(firstSeq: number, lastCommitLsn: Lsn): void {
    this.#firstSeq = firstSeq;
    this.#lastCommitLsn = lastCommitLsn;
  }

  get firstSeq(): number {
    return this.#firstSeq;
  }
  get count(): number {
    return this.#count;
  }
  get nextSeq(): number {
    return this.#firstSeq + this.#count;
  }
  /** What has to be filed: the shapes of its lists, each list once, and its records. */
  get pairCount(): number {
    return this.lists.keyCount + this.#count;
  }
  /** Bytes of records, with their headers. */
  get recordBytes(): number {
    return this.#recordsEnd - FRAME_HEADER_SIZE;
  }
  /** An upper bound of the finished frame. */
  get sizeMax(): number {
    return this.#recordsEnd + this.#count * VARINT_SIZE_MAX + this.lists.encodedSizeMax;
  }
  /** An upper bound of the LSNs of its changes. */
  get highestLsn(): Lsn {
    return this.#highestLsn;
  }
  get lastCommitLsn(): Lsn {
    return this.#lastCommitLsn;
  }
  get committedCount(): number {
    return this.#committedCount;
  }
  /** Whether it ends where a transaction ends. */
  get isCommitted(): boolean {
    return this.#committedCount === this.#count;
  }
  /** What happened to shapes in here, in order. */
  get catalogChanges(): readonly { readonly seq: number; readonly change: CatalogChange }[] {
    return this.#changes;
  }

  /** The list that a record belongs to, or undefined. */
  listOf(index: number): number | undefined {
    const reference = this.#references[index]!;
    return reference === 0 ? undefined : reference - 1;
  }

  /** The offset of a record in the frame. */
  offsetOf(index: number): number {
    return this.#offsets[index]!;
  }

  addChange(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
    kind: BodyKind,
  ): number {
    if (lsn !== this.#lsn) {
      this.#setLsn(lsn);
      if (lsn > this.#highestLsn) this.#highestLsn = lsn;
    }
    // Apart, because preparing may replace the array that the reference goes to.
    const index = this.#prepare(body.length);
    this.#references[index] = 1 + this.lists.add(keys, slots, count);
    return this.#append(kind, op, body);
  }

  addControl(kind: RecordKind, op: number, lsn: Lsn, payload: Uint8Array): number {
    this.#setLsn(lsn);
    const index = this.#prepare(payload.length);
    this.#references[index] = 0;
    return this.#append(kind, op, payload);
  }

  /** Attaches what is to happen in the catalog once record `seq` is durable. */
  attach(seq: number, change: CatalogChange): void {
    this.#changes.push({ seq, change });
  }

  /** Everything added so far is committed. */
  markCommitted(lastCommitLsn: Lsn): void {
    this.#committedCount = this.#count;
    this.#committedLists = this.lists.count;
    this.#lastCommitLsn = lastCommitLsn;
  }

  /** Moves the records of the open transaction to `next`, which goes on from there. */
  moveOpenTo(next: FrameBuilder): void {
    next.begin(this.#firstSeq + this.#committedCount, this.#lastCommitLsn);
    if (this.isCommitted) return;
    const from = this.#offsets[this.#committedCount]!;
    const moved = new Map<number, number>();
    for (let index = this.#committedCount; index < this.#count; index++) {
      const target = next.#count;
      next.#prepare(0);
      next.#offsets[target] = this.#offsets[index]! - from + FRAME_HEADER_SIZE;
      next.#references[target] = this.#moveList(this.#references[index]!, next, moved);
      next.#count += 1;
    }
    next.#reserve(this.#recordsEnd - from);
    this.#bytes.copy(next.#bytes, next.#recordsEnd, from, this.#recordsEnd);
    next.#recordsEnd += this.#recordsEnd - from;
    next.#highestLsn = this.#highestLsn;
    next.#changes = this.#changes.filter(({ seq }) => seq >= next.#firstSeq);
    this.#changes = this.#changes.filter(({ seq }) => seq < next.#firstSeq);

    this.#count = this.#committedCount;
    this.#recordsEnd = from;
    this.lists.truncate(this.#committedLists);
  }

  #moveList(reference: number, next: FrameBuilder, moved: Map<number, number>): number {
    if (reference === 0) return 0;
    const list = reference - 1;
    const size = this.lists.sizeOf(list);
    let target = moved.get(list);
    if (target === undefined) {
      target = 1 + next.lists.add(this.lists.keysOf(list), this.lists.slotsOf(list), size);
      moved.set(list, target);
    }
    return target;
  }

  /** The finished frame, valid until `clear`. Nothing may be added any more. */
  seal(synced: number): Buffer {
    this.#reserve(this.sizeMax - this.#recordsEnd);
    let size = this.#recordsEnd;
    for (let index = 0; index < this.#count; index++) {
      size = writeVarint(this.#bytes, size, this.#references[index]!);
    }
    size = this.lists.encode(this.#bytes, size);
    const frame = this.#bytes.subarray(0, size);
    sealFrame(frame, {
      size,
      flags: this.isCommitted ? FrameFlag.commit : 0,
      firstSeq: this.#firstSeq,
      count: this.#count,
      lastCommitLsn: this.#lastCommitLsn,
      synced,
      listCount: this.lists.count,
      recordsEnd: this.#recordsEnd,
    });
    return frame;
  }

  /** Forgets everything and gives back memory beyond `sizeMax` bytes. */
  clear(sizeMax: number): void {
    if (this.#bytes.length > sizeMax) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE);
    this.#count = 0;
    this.#committedCount = 0;
    this.#committedLists = 0;
    this.#recordsEnd = FRAME_HEADER_SIZE;
    this.#highestLsn = LSN_ZERO;
    this.#lsn = -1n;
    this.#changes = [];
    this.lists.clear();
  }

  #setLsn(lsn: Lsn): void {
    this.#lsn = lsn;
    this.#lsnLow = Number(lsn & 0xffff_ffffn);
    this.#lsnHigh = Number(lsn >> 32n);
  }

  /** Makes room for one record; returns its index. */
  #prepare(payloadSize: number): number {
    if (this.#count === this.#references.length) {
      this.#references = grownWords(this.#references, this.#count + 1);
      this.#offsets = grownWords(this.#offsets, this.#count + 1);
    }
    this.#reserve(RECORD_HEADER_SIZE + payloadSize);
    return this.#count;
  }

  #append(kind: RecordKind, op: number, payload: Uint8Array): number {
    const offset = this.#recordsEnd;
    writeRecordHeader(this.#bytes, offset, payload.length, kind, op, this.#lsnLow, this.#lsnHigh);
    this.#bytes.set(payload, offset + RECORD_HEADER_SIZE);
    this.#offsets[this.#count] = offset;
    this.#recordsEnd = offset + RECORD_HEADER_SIZE + payload.length;
    return this.#firstSeq + this.#count++;
  }

  #reserve(size: number): void {
    if (this.#recordsEnd + size > this.#bytes.length) {
      this.#bytes = grownBuffer(this.#bytes, this.#recordsEnd, this.#recordsEnd + size);
    }
  }
}
