/** Which segments are in the directory, and whether they are those that should be there. */

import * as fs from "node:fs";
import { join } from "node:path";
import { StoreCorrupt } from "./errors.ts";
import { syncDirectoryNow } from "./files.ts";
import { FrameFlag, readFrameHeader, FRAME_HEADER_SIZE } from "./frame.ts";
import { firstFrameThatProvesLoss } from "./frame-reader.ts";
import { SEQ_BEFORE_ALL, type RecoveryOptions } from "./recovery-options.ts";
import { decodeSegmentHeader, decodeTrailer, parseSegmentName } from "./segment-format.ts";
import { SEGMENT_HEADER_SIZE, segmentName, TRAILER_SIZE } from "./segment-format.ts";
import type { SegmentHeader } from "./segment-format.ts";
import { isRewritten } from "./segment-rewrite.ts";
import { Segment } from "./segment.ts";

export interface FoundSegment {
  readonly segment: Segment;
  /** What the first record follows. */
  readonly previousSeq: number;
  readonly isSealed: boolean;
  /** Undefined: it is not sealed. */
  readonly footerOffset: number | undefined;
}

/** All segments in order; what a checkpoint, a rewrite or a crash left over is deleted. */
export function findSegments(options: RecoveryOptions): FoundSegment[] {
  const { directory, knownSegments, position, uuid } = options;
  const names = fs.readdirSync(directory);
  // The process ended before it took the old one's place.
  for (const name of names.filter(isRewritten)) fs.unlinkSync(join(directory, name));
  const known = new Set(knownSegments);
  const firstSeqs = names
    .map(parseSegmentName)
    .filter((firstSeq) => firstSeq !== undefined)
    .sort((a, b) => a - b)
    .filter((firstSeq) => {
      if (known.has(firstSeq) || firstSeq > position.committedSeq) return true;
      // The checkpoint found it dead and the process ended before the file was deleted.
      fs.unlinkSync(join(directory, segmentName(firstSeq)));
      return false;
    });
  // One that begins behind the last commit may have been cut off, as a whole, at an earlier start.
  const missing = knownSegments.find(
    (firstSeq) => firstSeq <= position.committedSeq && !firstSeqs.includes(firstSeq),
  );
  if (missing !== undefined) {
    throw new StoreCorrupt(`${join(directory, segmentName(missing))} is missing`);
  }

  const found: FoundSegment[] = [];
  firstSeqs.forEach((firstSeq, index) => {
    const path = join(directory, segmentName(firstSeq));
    const descriptor = fs.openSync(path, "r");
    try {
      const header = readHeader(descriptor);
      if (header === undefined) {
        refuseUnlessTorn(path, index === firstSeqs.length - 1);
        fs.unlinkSync(path);
        syncDirectoryNow(directory);
        return;
      }
      if (header.firstSeq !== firstSeq || !header.uuid.equals(uuid)) {
        throw new StoreCorrupt(`${path} belongs to another directory`);
      }
      checkNeighbour(options, path, header, found.at(-1)?.segment);
      found.push(describe(path, descriptor, header));
    } finally {
      fs.closeSync(descriptor);
    }
  });
  return found;
}

function readHeader(descriptor: number): SegmentHeader | undefined {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
  const size = fs.readSync(descriptor, bytes, 0, SEGMENT_HEADER_SIZE, 0);
  return decodeSegmentHeader(bytes.subarray(0, size));
}

/** A header is synced before the first frame is written, so only an empty segment may lack it. */
function refuseUnlessTorn(path: string, isLast: boolean): void {
  const bytes = fs.readFileSync(path);
  if (isLast && firstFrameThatProvesLoss(bytes, 0) === undefined) return;
  throw new StoreCorrupt(`${path} has a damaged header`);
}

/** Behind the checkpoint no segment may be missing; before it, dead ones have been deleted. */
function checkNeighbour(
  { position, voids }: RecoveryOptions,
  path: string,
  { previousSeq }: SegmentHeader,
  before: Segment | undefined,
): void {
  if (previousSeq <= position.committedSeq) return;
  const lastSeq = before?.lastSeq ?? SEQ_BEFORE_ALL;
  const isNext =
    // Nothing is known yet of a segment that was never sealed; the scan will tell.
    before?.isSealed === false ||
    lastSeq === previousSeq ||
    (voids.has(lastSeq + 1) && voids.has(previousSeq));
  if (!isNext) {
    throw new StoreCorrupt(
      `${path} follows record ${previousSeq}, but the journal before it ends at ${lastSeq}`,
    );
  }
}

function describe(path: string, descriptor: number, header: SegmentHeader): FoundSegment {
  const segment = new Segment(path, header.firstSeq, header.highestLsn);
  const { previousSeq } = header;
  const footer = readFooter(descriptor, header.firstSeq);
  if (footer === undefined) {
    return { segment, previousSeq, isSealed: false, footerOffset: undefined };
  }
  segment.markSealed(footer.offset, footer.count);
  return { segment, previousSeq, isSealed: true, footerOffset: footer.offset };
}

/** The index is not checked here: it is as long as 2 MB and is read entry by entry later. */
function readFooter(
  descriptor: number,
  firstSeq: number,
): { readonly offset: number; readonly count: number } | undefined {
  const fileSize = fs.fstatSync(descriptor).size;
  if (fileSize < SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE + TRAILER_SIZE) return undefined;
  const trailer = Buffer.alloc(TRAILER_SIZE);
  fs.readSync(descriptor, trailer, 0, TRAILER_SIZE, fileSize - TRAILER_SIZE);
  const offset = decodeTrailer(trailer);
  if (offset === undefined || offset + FRAME_HEADER_SIZE > fileSize) return undefined;
  const bytes = Buffer.alloc(FRAME_HEADER_SIZE);
  fs.readSync(descriptor, bytes, 0, FRAME_HEADER_SIZE, offset);
  const header = readFrameHeader(bytes, 0);
  const isFooter =
    header !== undefined &&
    (header.flags & FrameFlag.footer) !== 0 &&
    header.firstSeq === firstSeq &&
    offset + header.size === fileSize;
  return isFooter ? { offset, count: header.count } : undefined;
}
