/**
 * Opens the journal after a crash, or after a clean end, which is the same thing.
 *
 *     │ segments of the checkpoint │ tail: scanned, replayed │ torn or unfinished │
 *                     committedSeq ┘             last commit ┘ ──── truncated ────┘
 *
 * What may be missing is what was never acknowledged: frames behind the last one that ends on a
 * commit. Everything else that is missing or damaged is a hole, and then the start is refused:
 * truncating there would silently lose what clients have been told is durable.
 */

import * as fs from "node:fs";
import type { Lsn } from "../model/lsn.ts";
import { maxLsn } from "../model/lsn.ts";
import type { CatalogChange } from "./catalog-change.ts";
import { changeOf } from "./catalog-record.ts";
import { StoreCorrupt } from "./errors.ts";
import { syncDirectoryNow } from "./files.ts";
import { FrameFlag, readRecordOffsets, type FrameHeader } from "./frame.ts";
import { firstFrameThatProvesLoss, readFrame } from "./frame-reader.ts";
import type { OpenSegment } from "./journal.ts";
import {
  decodeVoid,
  RECORD_HEADER_SIZE,
  isBody,
  recordKind,
  RecordKind,
  recordSize,
  type SeqRange,
} from "./record.ts";
import { SEGMENT_HEADER_SIZE } from "./segment-format.ts";
import { SEQ_BEFORE_ALL, type RecoveryOptions } from "./recovery-options.ts";
import { findSegments, type FoundSegment } from "./segment-discovery.ts";

export interface RecoveredJournal {
  readonly open: OpenSegment | undefined;
  /** Where the last commit is. */
  readonly committedSeq: number;
  /** The same, or the end of the void seqs that follow it. */
  readonly lastSeq: number;
  readonly lastCommitLsn: Lsn;
  readonly highestLsn: Lsn;
  /** What happened to shapes since the checkpoint, in order. */
  readonly changes: readonly { readonly seq: number; readonly change: CatalogChange }[];
  readonly truncatedBytes: number;
  /** The committed frames of the segments that reach beyond the checkpoint. */
  readonly tail: () => Generator<{ readonly header: FrameHeader; readonly frame: Buffer }>;
}

/** The last place known to be the end of a transaction. */
interface Commit {
  readonly scanned: FoundSegment;
  readonly end: number;
  readonly seq: number;
  readonly lsn: Lsn;
}

export function recoverJournal(options: RecoveryOptions): RecoveredJournal {
  const found = findSegments(options);
  const scan = new Scan(options);
  const { committedSeq } = options.position;
  found.forEach((each, index) => {
    const isLast = index === found.length - 1;
    if (!isLast && !each.isSealed) {
      throw new StoreCorrupt(`${each.segment.path} was never finished, but another one follows`);
    }
    if (isLast || each.segment.lastSeq >= committedSeq) scan.segment(each, isLast);
  });

  const commit = scan.commit ?? commitOfCheckpoint(options, found);
  // Records are numbered from 2: to the posting buffer, 0 and 1 mean other things.
  const seq = commit?.seq ?? SEQ_BEFORE_ALL;
  if (options.voids.endAfter(seq) < committedSeq) {
    throw new StoreCorrupt(
      `the journal in ${options.directory} ends at record ${seq}, but the catalog ` +
        `reaches to ${committedSeq}: files have been lost. Restore them, or purge the directory.`,
    );
  }
  const { open, truncatedBytes } = truncate(options, found, scan, commit);
  const changes = scan.changes.filter((change) => change.seq <= seq && change.seq > committedSeq);
  for (const range of scan.voids) if (range.last < seq) options.voids.add(range);
  const kept = scan.scanned.filter((each) => !each.segment.isDropped);
  return {
    open,
    committedSeq: seq,
    lastSeq: options.voids.endAfter(seq),
    lastCommitLsn: commit?.lsn ?? options.position.lsn,
    highestLsn: scan.highestLsn,
    changes,
    truncatedBytes,
    tail: () => framesOf(kept, commit),
  };
}

/**
 * The segment with the last commit may have been dropped, since nothing in it was alive. Then the
 * checkpoint knows of the commit, and the segment behind it is where the journal goes on.
 */
function commitOfCheckpoint(
  { position }: RecoveryOptions,
  found: readonly FoundSegment[],
): Commit | undefined {
  const next = found.find(({ previousSeq }) => previousSeq >= position.committedSeq);
  if (next === undefined || position.committedSeq <= SEQ_BEFORE_ALL) return undefined;
  const { committedSeq, lsn } = position;
  return { scanned: next, end: SEGMENT_HEADER_SIZE, seq: committedSeq, lsn };
}

class Scan {
  readonly #options: RecoveryOptions;
  readonly scanned: FoundSegment[] = [];
  readonly changes: { seq: number; change: CatalogChange }[] = [];
  readonly voids: SeqRange[] = [];
  commit: Commit | undefined;
  highestLsn = 0n as Lsn;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  segment(found: FoundSegment, isLast: boolean): void {
    const { segment } = found;
    this.highestLsn = maxLsn(this.highestLsn, segment.highestLsn);
    this.scanned.push(found);
    const bytes = fs.readFileSync(segment.path);
    const end = found.footerOffset ?? bytes.length;
    segment.reopenIndex();
    let offset = SEGMENT_HEADER_SIZE;
    let nextSeq = segment.firstSeq;
    while (offset < end) {
      const frame = readFrame(bytes, offset, end);
      if (frame === undefined || !this.#follows(frame.header, nextSeq)) {
        this.#judgeDamage(found, isLast, bytes, offset);
        break;
      }
      this.#frame(found, frame.header, frame.bytes, offset);
      nextSeq = frame.header.firstSeq + frame.header.count;
      offset += frame.header.size;
    }
  }

  /** Seqs may be left out only where they are void. */
  #follows(header: FrameHeader, nextSeq: number): boolean {
    if (header.firstSeq === nextSeq) return true;
    const { voids } = this.#options;
    return header.firstSeq > nextSeq && voids.has(nextSeq) && voids.has(header.firstSeq - 1);
  }

  #frame(found: FoundSegment, header: FrameHeader, frame: Buffer, position: number): void {
    const offsets = readRecordOffsets(frame, header);
    for (let index = 0; index < header.count; index++) {
      const offset = offsets[index]!;
      const seq = header.firstSeq + index;
      found.segment.addToIndex(seq, position + offset, recordSize(frame, offset));
      const kind = recordKind(frame, offset);
      if (isBody(kind)) continue;
      if (kind === RecordKind.void) {
        this.voids.push(decodeVoid(frame.subarray(offset + RECORD_HEADER_SIZE)));
      } else if (seq > this.#options.position.committedSeq) {
        const change = changeOf(frame, offset, seq);
        if (change !== undefined) this.changes.push({ seq, change });
      }
    }
    // No change of a finished transaction has a larger one: LSNs ascend in the journal.
    this.highestLsn = maxLsn(this.highestLsn, header.lastCommitLsn);
    if ((header.flags & FrameFlag.commit) !== 0) {
      this.commit = {
        scanned: found,
        end: position + header.size,
        seq: header.firstSeq + header.count - 1,
        lsn: header.lastCommitLsn,
      };
    }
  }

  /** Returns when the damage can only be the torn end of what was never acknowledged. */
  #judgeDamage(found: FoundSegment, isLast: boolean, bytes: Buffer, offset: number): void {
    const { path } = found.segment;
    if (!isLast || found.isSealed) {
      throw new StoreCorrupt(`${path} is damaged at byte ${offset}, in front of later records`);
    }
    const proof = firstFrameThatProvesLoss(bytes, offset);
    if (proof === undefined) return;
    throw new StoreCorrupt(
      `${path} is damaged at byte ${offset}, but the frame at ${proof} was written after those ` +
        `bytes had been synced: this is a hole and no torn end. Restore the file, or purge the ` +
        `directory: its shapes will be made anew.`,
    );
  }
}

/** Cuts the journal behind its last commit; what is cut off was never acknowledged. */
function truncate(
  options: RecoveryOptions,
  found: readonly FoundSegment[],
  scan: Scan,
  commit: Commit | undefined,
): { open: OpenSegment | undefined; truncatedBytes: number } {
  let truncatedBytes = 0;
  const kept = commit === undefined ? -1 : found.indexOf(commit.scanned);
  // The newest first: whenever this is interrupted, what remains is a beginning of the journal.
  for (const { segment } of found.slice(kept + 1).reverse()) {
    truncatedBytes += fs.statSync(segment.path).size;
    segment.drop();
    fs.unlinkSync(segment.path);
    syncDirectoryNow(options.directory);
  }
  for (const { segment } of found.slice(0, kept + 1)) options.segments.add(segment);
  for (const { segment, footerOffset } of scan.scanned) {
    if (footerOffset !== undefined && segment !== commit?.scanned.segment && !segment.isDropped) {
      segment.markSealed(footerOffset, segment.count);
    }
  }
  if (commit === undefined) return { open: undefined, truncatedBytes };

  const { segment, footerOffset } = commit.scanned;
  if (footerOffset === commit.end) {
    segment.markSealed(footerOffset, segment.count);
    return { open: undefined, truncatedBytes };
  }
  segment.truncateIndex(commit.seq);
  const descriptor = fs.openSync(segment.path, "r+");
  const surplus = fs.fstatSync(descriptor).size - commit.end;
  if (surplus > 0) fs.ftruncateSync(descriptor, commit.end);
  // Even if nothing was cut: a crash may have left in the page cache what the disk does not have.
  fs.fsyncSync(descriptor);
  truncatedBytes += surplus;
  return { open: { segment, descriptor, size: commit.end }, truncatedBytes };
}

function* framesOf(
  scanned: readonly FoundSegment[],
  commit: Commit | undefined,
): Generator<{ readonly header: FrameHeader; readonly frame: Buffer }> {
  for (const { segment, footerOffset } of scanned) {
    const bytes = fs.readFileSync(segment.path);
    const end = segment === commit?.scanned.segment ? commit.end : (footerOffset ?? bytes.length);
    for (let offset = SEGMENT_HEADER_SIZE; offset < end;) {
      const frame = readFrame(bytes, offset, end, false);
      if (frame === undefined) throw new StoreCorrupt(`${segment.path} has changed at ${offset}`);
      yield { header: frame.header, frame: frame.bytes };
      offset += frame.header.size;
    }
  }
}
