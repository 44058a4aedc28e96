/**
 * Writes a sealed segment again without what no shape needs any more.
 *
 *     A.seg       │ a  b  c  d  e  f │ footer │        b, c, d and e are dead
 *                        │
 *     A.seg.new   │ a │ f │ footer │                   synced, then renamed over A.seg
 *
 * Every record keeps its seq, so no posting has to be touched: the footer still has an entry for
 * each, zero where there is none any more. A few dead records between two live ones stay as bare
 * headers (kind 0), because another frame would take more.
 *
 * Invariants:
 *
 *   1. The segment lies before the checkpoint's position as a whole: recovery never scans it, so
 *      frames may be missing, and of its records only bodies and inline snapshots are ever read.
 *   2. A record that a live shape's posting or catalog row names is there, unchanged.
 *   3. Until the rename the old file is the segment; afterwards the new one is. Either is whole.
 */

import * as fs from "node:fs";
import { LSN_ZERO, type Lsn } from "../model/lsn.ts";
import { StoreCorrupt } from "./errors.ts";
import { FrameBuilder } from "./frame-builder.ts";
import {
  FRAME_HEADER_SIZE,
  isIntact,
  readFrameHeader,
  readFrameLists,
  readRecordOffsets,
  type FrameHeader,
} from "./frame.ts";
import { isBody, RECORD_HEADER_SIZE, recordKind, RecordKind, recordLsn } from "./record.ts";
import { recordOp, recordSize } from "./record.ts";
import {
  decodeTrailer,
  encodeFooter,
  SEGMENT_HEADER_SIZE,
  TRAILER_SIZE,
} from "./segment-format.ts";
import { SegmentIndex } from "./segment-index.ts";

/** What is left of a segment, in the file beside it that `rewrittenPath` names. */
export interface RewrittenSegment {
  readonly firstSeq: number;
  readonly count: number;
  readonly footerOffset: number;
}

/** Who is still there, as the checkpoint knows. */
export interface Liveness {
  hasShape(key: number): boolean;
  /** Whether the shape's snapshot is the record `seq`. */
  hasSnapshotAt(key: number, seq: number): boolean;
}

const SUFFIX = ".new";

/** Where a rewritten segment lies until it takes the other's place. */
export function rewrittenPath(path: string): string {
  return path + SUFFIX;
}

/** Whether a file of the journal is one that never did. */
export function isRewritten(name: string): boolean {
  return name.endsWith(SUFFIX);
}

/** The most of a segment that may be left for a rewrite to be worth the writing. */
const WORTHWHILE = 7 / 8;
/** Dead records that are kept between live ones: 19 bytes each, against 44 and more for a frame. */
const GAP_MAX = 3;
/** Bytes of records of one frame: what a reader of the next rewrite has in memory. */
const FRAME_BYTES = 1024 * 1024;

const NO_BYTES = new Uint8Array(0);

/**
 * Writes what is alive to `rewrittenPath(path)`, synced. Undefined, with nothing written: it would
 * save too little, or the segment is damaged and better left alone. Blocks: for the thread.
 * REQUIRES: invariant 1.
 */
export function rewriteSegment(path: string, liveness: Liveness): RewrittenSegment | undefined {
  const source = fs.openSync(path, "r");
  try {
    const { size } = fs.fstatSync(source);
    const writer = new SegmentWriter(rewrittenPath(path), readAll(source, 0, SEGMENT_HEADER_SIZE));
    try {
      const rewritten = copyLive(source, size, writer, liveness);
      if (rewritten !== undefined) return rewritten;
    } catch (error) {
      if (!isLeftAlone(error)) throw error;
    } finally {
      writer.close();
    }
    fs.unlinkSync(rewrittenPath(path));
    return undefined;
  } finally {
    fs.closeSync(source);
  }
}

function copyLive(
  source: number,
  size: number,
  writer: SegmentWriter,
  liveness: Liveness,
): RewrittenSegment | undefined {
  const footerOffset = decodeTrailer(readAll(source, size - TRAILER_SIZE, TRAILER_SIZE));
  if (footerOffset === undefined) throw new StoreCorrupt("the segment has no footer");
  const footer = readFrame(source, footerOffset).header;
  writer.begin(footer.firstSeq, footer.count);
  for (let offset = SEGMENT_HEADER_SIZE; offset < footerOffset;) {
    const { header, frame } = readFrame(source, offset);
    copyRecords(header, frame, writer, liveness);
    if (writer.size > WORTHWHILE * size) return undefined;
    offset += header.size;
  }
  const rewritten = writer.finish(footer.lastCommitLsn);
  return writer.size > WORTHWHILE * size ? undefined : rewritten;
}

function copyRecords(
  header: FrameHeader,
  frame: Buffer,
  writer: SegmentWriter,
  liveness: Liveness,
): void {
  const offsets = readRecordOffsets(frame, header);
  const { references, lists } = readFrameLists(frame, header);
  const live = lists.map((keys) => keys.filter((key) => liveness.hasShape(key)));
  for (let index = 0; index < header.count; index++) {
    const offset = offsets[index]!;
    const seq = header.firstSeq + index;
    const kind = recordKind(frame, offset);
    const keys = isBody(kind) ? live[references[index]! - 1] : undefined;
    const isSnapshot =
      kind === RecordKind.inlineSnapshot && liveness.hasSnapshotAt(recordOp(frame, offset), seq);
    if (!isSnapshot && (keys === undefined || keys.length === 0)) continue;
    const end = offset + RECORD_HEADER_SIZE + recordSize(frame, offset);
    writer.add(seq, frame.subarray(offset, end), keys, header.lastCommitLsn);
  }
}

/** What is damaged stays for those who may still read it; a full disk takes no second copy. */
function isLeftAlone(error: unknown): boolean {
  if (error instanceof StoreCorrupt || error instanceof RangeError) return true;
  return ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Writes records into frames, and remembers where each is. */
class SegmentWriter {
  readonly #descriptor: number;
  readonly #builder = new FrameBuilder();
  #firstSeq = 0;
  #count = 0;
  readonly #index = new SegmentIndex();
  /** Journal frames know the slots of keys; these are of nobody any more. */
  #slots = new Uint32Array(0);
  size: number;

  constructor(path: string, header: Buffer) {
    // What an earlier attempt has left is written over.
    this.#descriptor = fs.openSync(path, "w", 0o640);
    this.size = 0;
    this.#write(header);
  }

  begin(firstSeq: number, count: number): void {
    this.#firstSeq = firstSeq;
    this.#count = count;
  }

  /** @param keys of a body's shapes; undefined for a snapshot. */
  add(seq: number, record: Buffer, keys: Float64Array | undefined, lastCommitLsn: Lsn): void {
    const builder = this.#builder;
    const isNear = seq - builder.nextSeq <= GAP_MAX && builder.recordBytes < FRAME_BYTES;
    if (builder.count > 0 && !isNear) this.#flush();
    if (builder.count === 0) builder.begin(seq, lastCommitLsn);
    while (builder.nextSeq < seq) builder.addControl(RecordKind.dead, 0, LSN_ZERO, NO_BYTES);
    const payload = record.subarray(RECORD_HEADER_SIZE);
    const [lsn, op] = [recordLsn(record, 0), recordOp(record, 0)];
    const kind = recordKind(record, 0);
    if (keys === undefined || !isBody(kind)) {
      builder.addControl(kind, op, lsn, payload);
    } else {
      if (this.#slots.length < keys.length) this.#slots = new Uint32Array(2 * keys.length);
      builder.addChange(lsn, op, payload, keys, this.#slots, keys.length, kind);
    }
  }

  finish(lastCommitLsn: Lsn): RewrittenSegment {
    if (this.#builder.count > 0) this.#flush();
    const footerOffset = this.size;
    const [firstSeq, count, index] = [this.#firstSeq, this.#count, this.#index];
    if (index.count < count) index.extend(count);
    this.#write(encodeFooter(firstSeq, index, lastCommitLsn, footerOffset));
    fs.fsyncSync(this.#descriptor);
    return { firstSeq, count, footerOffset };
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  #flush(): void {
    const builder = this.#builder;
    const frame = builder.seal(this.size);
    for (let index = 0; index < builder.count; index++) {
      const offset = builder.offsetOf(index);
      if (recordKind(frame, offset) === RecordKind.dead) continue;
      const seq = builder.firstSeq + index;
      this.#index.set(seq - this.#firstSeq, this.size + offset, recordSize(frame, offset));
    }
    this.#write(frame);
    builder.clear(FRAME_BYTES);
  }

  #write(bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) {
      done += fs.writeSync(this.#descriptor, bytes, done, bytes.length - done, this.size + done);
    }
    this.size += bytes.length;
  }
}

function readFrame(
  descriptor: number,
  offset: number,
): { readonly header: FrameHeader; readonly frame: Buffer } {
  const header = readFrameHeader(readAll(descriptor, offset, FRAME_HEADER_SIZE), 0);
  const frame = header && readAll(descriptor, offset, header.size);
  if (header === undefined || !isIntact(frame!)) {
    throw new StoreCorrupt(`the segment is damaged at byte ${offset}`);
  }
  return { header, frame: frame! };
}

function readAll(descriptor: number, offset: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let done = 0; done < size;) {
    const read = fs.readSync(descriptor, bytes, done, size - done, offset + done);
    if (read === 0) throw new StoreCorrupt(`the segment ends at byte ${offset + done}`);
    done += read;
  }
  return bytes;
}
