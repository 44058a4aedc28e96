/** Finds frames in the bytes of a segment, whole ones and what is left of them. */

import { FRAME_HEADER_SIZE, FRAME_MAGIC, isIntact, readFrameHeader } from "./frame.ts";
import type { FrameHeader } from "./frame.ts";

export interface ReadFrame {
  readonly header: FrameHeader;
  readonly bytes: Buffer;
}

/** The frame at `offset`, or undefined when there is no intact one that ends before `end`. */
export function readFrame(
  bytes: Buffer,
  offset: number,
  end: number,
  isChecked = true,
): ReadFrame | undefined {
  const header = readFrameHeader(bytes, offset);
  if (header === undefined || header.size < FRAME_HEADER_SIZE || offset + header.size > end) {
    return undefined;
  }
  const frame = bytes.subarray(offset, offset + header.size);
  return isChecked && !isIntact(frame) ? undefined : { header, bytes: frame };
}

/**
 * The first intact frame behind the damage at `offset` that was written when the damaged bytes had
 * been synced. Frames of one write may reach the disk in any order, so an intact frame alone proves
 * nothing.
 */
export function firstFrameThatProvesLoss(bytes: Buffer, offset: number): number | undefined {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(FRAME_MAGIC, 0);
  for (let at = offset + 1; ; at += 1) {
    at = bytes.indexOf(magic, at);
    if (at < 0) return undefined;
    const frame = readFrame(bytes, at, bytes.length);
    if (frame !== undefined && frame.header.synced > offset) return at;
  }
}
