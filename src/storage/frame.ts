/**
 * A frame is what one write puts into the journal: a run of records with consecutive seqs, followed
 * by which shapes they belong to. The checksum covers everything behind it.
 *
 *     ┌───────────┬──────────┬─────────┬───────────┬───────────────┐
 *     │ magic u32 │ size u32 │ crc u32 │ flags u16 │ firstSeq u48  │
 *     ├───────────┼──────────┴─────────┼───────────┴──┬────────────┴──┬────────────────┐
 *     │ count u32 │ lastCommitLsn u64  │ synced u32   │ listCount u32 │ recordsEnd u32 │   44 bytes
 *     ├───────────┴────────────────────┴──────────────┴───────────────┴────────────────┤
 *     │ records                                                                        │
 *     ├──────────────────────────────────────────────┬─────────────────────────────────┤
 *     │ count x varint: 0, or a list's number from 1 │ key lists                       │
 *     └──────────────────────────────────────────────┴─────────────────────────────────┘
 *
 * `synced` is how many bytes of the segment were durable when the frame was written. It is what
 * tells a torn tail from a hole: frames of one write may reach the disk in any order, but a valid
 * frame that was written after a damaged one had been synced proves that bytes were lost.
 */

import type { Lsn } from "../model/lsn.ts";
import { ByteReader, crc32 } from "./bytes.ts";
import { decodeKeyList, takeKeyList } from "./key-lists.ts";
import { RECORD_HEADER_SIZE, recordSize } from "./record.ts";

export const FRAME_HEADER_SIZE = 44;
/** "LTZF" */
export const FRAME_MAGIC = 0x465a544c;

export const FrameFlag = {
  /** The frame ends where a transaction ends: everything up to here is committed. */
  commit: 1,
  /** Not records but the segment's index: see `segment-format.ts`. */
  footer: 2,
} as const;

export interface FrameHeader {
  /** Bytes of the whole frame. */
  readonly size: number;
  readonly flags: number;
  readonly firstSeq: number;
  readonly count: number;
  /** Commit LSN of the last transaction that ends in this frame or before it. */
  readonly lastCommitLsn: Lsn;
  readonly synced: number;
  readonly listCount: number;
  /** Offset in the frame at which the records end. */
  readonly recordsEnd: number;
}

/** Writes the header at the beginning of `frame`, checksum included. */
export function sealFrame(frame: Buffer, header: FrameHeader): void {
  frame.writeUInt32LE(FRAME_MAGIC, 0);
  frame.writeUInt32LE(header.size, 4);
  frame.writeUInt16LE(header.flags, 12);
  frame.writeUIntLE(header.firstSeq, 14, 6);
  frame.writeUInt32LE(header.count, 20);
  frame.writeBigUInt64LE(header.lastCommitLsn, 24);
  frame.writeUInt32LE(header.synced, 32);
  frame.writeUInt32LE(header.listCount, 36);
  frame.writeUInt32LE(header.recordsEnd, 40);
  frame.writeUInt32LE(crc32(frame.subarray(12, header.size)), 8);
}

/**
 * Reads the header, or returns undefined where none can be: the rest of the frame is not looked at.
 */
export function readFrameHeader(bytes: Buffer, offset: number): FrameHeader | undefined {
  if (offset + FRAME_HEADER_SIZE > bytes.length) return undefined;
  if (bytes.readUInt32LE(offset) !== FRAME_MAGIC) return undefined;
  const size = bytes.readUInt32LE(offset + 4);
  const recordsEnd = bytes.readUInt32LE(offset + 40);
  if (recordsEnd < FRAME_HEADER_SIZE || recordsEnd > size) return undefined;
  return {
    size,
    recordsEnd,
    flags: bytes.readUInt16LE(offset + 12),
    firstSeq: bytes.readUIntLE(offset + 14, 6),
    count: bytes.readUInt32LE(offset + 20),
    lastCommitLsn: bytes.readBigUInt64LE(offset + 24) as Lsn,
    synced: bytes.readUInt32LE(offset + 32),
    listCount: bytes.readUInt32LE(offset + 36),
  };
}

/** Whether the bytes are those that were written. REQUIRES: `frame` is `header.size` bytes long. */
export function isIntact(frame: Buffer): boolean {
  return crc32(frame.subarray(12)) === frame.readUInt32LE(8);
}

/**
 * Where each record of an intact frame begins.
 *
 * @throws {RangeError} when the frame contradicts itself.
 */
export function readRecordOffsets(frame: Buffer, header: FrameHeader): Uint32Array {
  const offsets = new Uint32Array(header.count);
  let offset = FRAME_HEADER_SIZE;
  for (let index = 0; index < header.count; index++) {
    offsets[index] = offset;
    if (offset + RECORD_HEADER_SIZE > header.recordsEnd) throw new RangeError("records overlap");
    offset += RECORD_HEADER_SIZE + recordSize(frame, offset);
  }
  if (offset !== header.recordsEnd) throw new RangeError("records do not end where they should");
  return offsets;
}

export interface FrameLists<List = Float64Array> {
  /** Which list each record belongs to, from 1, or 0 for none. */
  readonly references: Uint32Array;
  readonly lists: readonly List[];
}

/** @throws {RangeError} when the frame contradicts itself. */
export function readFrameLists(frame: Buffer, header: FrameHeader): FrameLists {
  return readLists(frame, header, decodeKeyList);
}

/**
 * Lists as they lie there, for `decodeKeyList`: views of the frame.
 *
 * @throws {RangeError} when the frame contradicts itself.
 */
export function readEncodedLists(frame: Buffer, header: FrameHeader): FrameLists<Uint8Array> {
  return readLists(frame, header, takeKeyList);
}

function readLists<List>(
  frame: Buffer,
  header: FrameHeader,
  read: (reader: ByteReader) => List,
): FrameLists<List> {
  const reader = new ByteReader(frame, header.recordsEnd);
  const references = new Uint32Array(header.count);
  for (let index = 0; index < header.count; index++) {
    references[index] = reader.varint();
    if (references[index]! > header.listCount) throw new RangeError("no such key list");
  }
  const lists: List[] = [];
  for (let list = 0; list < header.listCount; list++) lists.push(read(reader));
  return { references, lists };
}
