/**
 * One segment as readers see it: where is the record of a seq, and what are its bytes?
 *
 * While the segment grows, the index is in memory; once sealed, it is read from the footer through
 * a window of a few KiB, which a reader that walks forward meets again and again.
 *
 * The descriptor is opened on demand and may be closed behind an idle segment's back
 * (`segment-list.ts`). A segment that was dropped, or whose file was written again, stays readable
 * for those who hold it, and for nobody else: what the path names by now is something else.
 */

import * as fs from "node:fs";
import type { Lsn } from "../model/lsn.ts";
import { assert } from "../lib/assert.ts";
import { StoreCorrupt } from "./errors.ts";
import { FRAME_HEADER_SIZE } from "./frame.ts";
import { RECORD_HEADER_SIZE, recordSize } from "./record.ts";
import {
  INDEX_ENTRY_SIZE,
  INDEX_SIZE_MAX,
  readIndexEntry,
  SegmentIndex,
  type RecordPlace,
} from "./segment-index.ts";

/** Entries of a window: 16 KiB, one read. */
const WINDOW_ENTRIES = 2730;

export class Segment {
  readonly path: string;
  readonly firstSeq: number;
  /** No record before this segment has a larger LSN. */
  readonly highestLsn: Lsn;

  #count = 0;
  #index = new SegmentIndex();
  #footerOffset: number | undefined;
  #window: Buffer | undefined;
  #windowFirst = 0;

  #descriptor: number | undefined;
  #holders = 0;
  #isDropped = false;

  constructor(path: string, firstSeq: number, highestLsn: Lsn) {
    this.path = path;
    this.firstSeq = firstSeq;
    this.highestLsn = highestLsn;
  }

  get lastSeq(): number {
    return this.firstSeq + this.#count - 1;
  }
  get count(): number {
    return this.#count;
  }
  get isSealed(): boolean {
    return this.#footerOffset !== undefined;
  }
  get isOpen(): boolean {
    return this.#descriptor !== undefined;
  }
  get isHeld(): boolean {
    return this.#holders > 0;
  }
  get isDropped(): boolean {
    return this.#isDropped;
  }
  /** REQUIRES: not sealed. */
  get index(): SegmentIndex {
    return this.#index;
  }
  /** Bytes of memory that the index takes. */
  get indexBytes(): number {
    return this.#index.memoryBytes + (this.#window?.length ?? 0);
  }

  /** Adds a record to the index of a segment that grows; seqs that are left out are void. */
  addToIndex(seq: number, offset: number, size: number): void {
    this.#index.set(seq - this.firstSeq, offset, size);
    this.#count = this.#index.count;
  }

  /** Begins the index anew, in memory: recovery is about to read the records. */
  reopenIndex(): void {
    this.#footerOffset = undefined;
    this.#index = new SegmentIndex();
    this.#count = 0;
  }

  /** Forgets the records behind `lastSeq`. REQUIRES: not sealed. */
  truncateIndex(lastSeq: number): void {
    this.#index.truncate(Math.max(0, lastSeq - this.firstSeq + 1));
    this.#count = this.#index.count;
  }

  /** The index is in the file from now on. */
  markSealed(footerOffset: number, count: number): void {
    this.#footerOffset = footerOffset;
    this.#count = count;
    this.#index = new SegmentIndex();
  }

  /** Finds the record of `seq`. */
  locate(seq: number, place: RecordPlace): void {
    const index = seq - this.firstSeq;
    assert(index >= 0 && index < this.#count, "the seq lies in this segment");
    if (this.isSealed) readIndexEntry(this.#windowOver(index), index - this.#windowFirst, place);
    else this.#index.get(index, place);
    if (place.size === INDEX_SIZE_MAX) {
      const header = Buffer.allocUnsafe(RECORD_HEADER_SIZE);
      this.readNow(header, place.offset, RECORD_HEADER_SIZE);
      place.size = recordSize(header, 0);
    }
    if (place.offset === 0) throw new StoreCorrupt(`${this.path} has no record ${seq}`);
  }

  /** Fills the first `size` bytes of `target`. Blocks: for bytes that are in the page cache. */
  readNow(target: Buffer, offset: number, size: number): void {
    const descriptor = this.#open();
    let done = 0;
    while (done < size) {
      const read = fs.readSync(descriptor, target, done, size - done, offset + done);
      if (read === 0) throw new StoreCorrupt(`${this.path} ends at ${offset + done}`);
      done += read;
    }
  }

  /** The same in libuv's pool. REQUIRES: held. */
  async read(target: Buffer, offset: number, size: number): Promise<void> {
    const descriptor = this.#open();
    let done = 0;
    while (done < size) {
      const read = await readAt(descriptor, target, done, size - done, offset + done);
      if (read === 0) throw new StoreCorrupt(`${this.path} ends at ${offset + done}`);
      done += read;
    }
  }

  /** Keeps the file readable until `release`. */
  hold(): void {
    this.#open();
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#isDropped && this.#holders === 0) this.closeFile();
  }

  /** The file is about to go. */
  drop(): void {
    this.#isDropped = true;
    if (this.#holders === 0) this.closeFile();
  }

  closeFile(): void {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#window = undefined;
  }

  #open(): number {
    if (this.#descriptor === undefined && this.#isDropped) {
      throw new StoreCorrupt(`${this.path} was read without being held, and has gone`);
    }
    this.#descriptor ??= fs.openSync(this.path, "r");
    return this.#descriptor;
  }

  #windowOver(index: number): Buffer {
    const isInside =
      this.#window !== undefined &&
      index >= this.#windowFirst &&
      index < this.#windowFirst + this.#window.length / INDEX_ENTRY_SIZE;
    if (isInside) return this.#window!;
    const first = index - (index % WINDOW_ENTRIES);
    const size = Math.min(WINDOW_ENTRIES, this.#count - first) * INDEX_ENTRY_SIZE;
    const window = Buffer.allocUnsafe(size);
    const offset = this.#footerOffset! + FRAME_HEADER_SIZE + first * INDEX_ENTRY_SIZE;
    this.readNow(window, offset, size);
    this.#window = window;
    this.#windowFirst = first;
    return window;
  }
}

/** `fs.read` as a promise; a FileHandle would cost an object per segment and close on its own. */
export function readAt(
  descriptor: number,
  target: Buffer,
  start: number,
  size: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(descriptor, target, start, size, position, (error, read) => {
      if (error === null) resolve(read);
      else reject(error);
    });
  });
}
