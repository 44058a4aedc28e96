/**
 * A segment is a file of the journal: a header, frames, and once it is full a footer, which is a
 * frame that holds an index instead of records.
 *
 *     ┌────────┬───────┬───────┬───┬───────┬─────────────────────────┬─────────┐
 *     │ header │ frame │ frame │...│ frame │ footer: index           │ trailer │
 *     └────────┴───────┴───────┴───┴───────┴─────────────────────────┴─────────┘
 *
 *     header   magic 8 B │ version u32 │ crc u32 │ directory uuid 16 B │ firstSeq u48 │
 *              previousSeq u48: the last seq before this segment │
 *              highestLsn u64: no record before this segment has a larger LSN │ zeros to 64 B
 *     index    `segment-index.ts`
 *     trailer  offset of the footer u32 │ magic u32
 *
 * An index entry has a fixed size, so finding a record in a sealed segment is one small read and
 * needs no memory: a directory of 10 GB would otherwise keep 200 MB of indexes.
 */

import type { Lsn } from "../model/lsn.ts";
import { crc32 } from "./bytes.ts";
import { FRAME_HEADER_SIZE, FrameFlag, sealFrame } from "./frame.ts";
import type { SegmentIndex } from "./segment-index.ts";

export const FORMAT_VERSION = 4;

export const SEGMENT_HEADER_SIZE = 64;
const SEGMENT_MAGIC = Buffer.from("LITZSEG\n", "latin1");

export const TRAILER_SIZE = 8;
/** "LTZE" */
const TRAILER_MAGIC = 0x455a544c;

export interface SegmentHeader {
  readonly uuid: Buffer;
  readonly firstSeq: number;
  readonly previousSeq: number;
  readonly highestLsn: Lsn;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
  SEGMENT_MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  header.uuid.copy(bytes, 16);
  bytes.writeUIntLE(header.firstSeq, 32, 6);
  bytes.writeUIntLE(header.previousSeq, 38, 6);
  bytes.writeBigUInt64LE(header.highestLsn, 44);
  bytes.writeUInt32LE(crc32(bytes.subarray(16)), 12);
  return bytes;
}

/** Undefined when these are not the bytes of a header of this version. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_SIZE) return undefined;
  if (SEGMENT_MAGIC.compare(bytes, 0, 8) !== 0) return undefined;
  if (bytes.readUInt32LE(8) !== FORMAT_VERSION) return undefined;
  if (bytes.readUInt32LE(12) !== crc32(bytes.subarray(16, SEGMENT_HEADER_SIZE))) return undefined;
  return {
    uuid: bytes.subarray(16, 32),
    firstSeq: bytes.readUIntLE(32, 6),
    previousSeq: bytes.readUIntLE(38, 6),
    highestLsn: bytes.readBigUInt64LE(44) as Lsn,
  };
}

/** The footer frame over an index in memory. */
export function encodeFooter(
  firstSeq: number,
  index: SegmentIndex,
  lastCommitLsn: Lsn,
  footerOffset: number,
): Buffer {
  const { bytes, count } = index;
  const size = FRAME_HEADER_SIZE + bytes.length + TRAILER_SIZE;
  const frame = Buffer.allocUnsafe(size);
  bytes.copy(frame, FRAME_HEADER_SIZE);
  frame.writeUInt32LE(footerOffset, size - TRAILER_SIZE);
  frame.writeUInt32LE(TRAILER_MAGIC, size - TRAILER_SIZE + 4);
  sealFrame(frame, {
    size,
    flags: FrameFlag.footer,
    firstSeq,
    count,
    lastCommitLsn,
    synced: footerOffset,
    listCount: 0,
    recordsEnd: FRAME_HEADER_SIZE,
  });
  return frame;
}

/** Where the footer begins, from the last bytes of the file; undefined: there is none. */
export function decodeTrailer(trailer: Buffer): number | undefined {
  if (trailer.length < TRAILER_SIZE || trailer.readUInt32LE(4) !== TRAILER_MAGIC) return undefined;
  return trailer.readUInt32LE(0);
}

const NAME_PATTERN = /^([0-9]{13})\.seg$/;

export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(13, "0")}.seg`;
}

export function parseSegmentName(name: string): number | undefined {
  const match = NAME_PATTERN.exec(name);
  return match === null ? undefined : Number(match[1]);
}
