/**
 * Which records a shape's log consists of: from the runs, then from the posting buffer, up to what
 * is durable. Knows nothing of bytes, but for the offsets that it must compare.
 */

import { partitionPoint } from "../lib/partition-point.ts";
import type { LogSlot, Seq, StorageKey } from "../model/ids.ts";
import { compareLogOffsets, SNAPSHOT_END, type LogOffset } from "../model/log-offset.ts";
import type { Lsn } from "../model/lsn.ts";
import { RECORD_HEADER_SIZE, recordLsn, recordOp } from "./record.ts";
import type { Runs } from "./runs.ts";
import type { RecordPlace } from "./segment-index.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { SharedLists } from "./shared-lists.ts";
import type { PostingBuffer } from "./storage.ts";

/** Seqs that a search looks at together. */
const BATCH = 4096;

export interface LogIndexSources {
  readonly postings: PostingBuffer;
  readonly lists: SharedLists;
  readonly runs: Runs;
  readonly segments: SegmentList;
  readonly voids: SeqRanges;
  readonly durableSeq: () => number;
  /** No posting beyond this is in the runs alone. */
  readonly filedSeq: () => number;
}

export class LogIndex {
  readonly #sources: LogIndexSources;
  readonly #place: RecordPlace = { offset: 0, size: 0 };
  readonly #header = Buffer.alloc(RECORD_HEADER_SIZE);

  constructor(sources: LogIndexSources) {
    this.#sources = sources;
  }

  /** The seq of the last visible entry, 0 for none. */
  lastSeq(key: StorageKey, slot: LogSlot): number {
    const { postings, lists, runs } = this.#sources;
    const durable = this.#sources.durableSeq();
    let known: number | undefined = postings.lastSeq(slot);
    if (known === undefined) {
      known = runs.lastSeq(key, durable);
      postings.setLastSeq(slot, known as Seq | 0);
    }
    known = Math.max(known, lists.lastSeq(key));
    if (known === 0 || this.#isVisible(known, durable)) return known;
    // The last posting is of an open transaction, or was taken back.
    const buffered = this.#bufferedAfter(key, slot, 0);
    for (let index = buffered.length - 1; index >= 0; index--) {
      if (this.#isVisible(buffered[index]!, durable)) return buffered[index]!;
    }
    return runs.lastSeq(key, durable);
  }

  /** Visible seqs greater than `after`, ascending; at least `limit` of them if there are. */
  seqsAfter(key: StorageKey, slot: LogSlot, after: number, limit: number): number[] {
    const { runs, filedSeq } = this.#sources;
    const durable = this.#sources.durableSeq();
    const seqs = after < filedSeq() ? runs.seqsAfter(key, after, limit) : [];
    if (seqs.length < limit) {
      const buffered = this.#bufferedAfter(key, slot, Math.max(after, seqs.at(-1) ?? 0));
      for (const seq of buffered) seqs.push(seq);
    }
    let count = 0;
    for (const seq of seqs) if (this.#isVisible(seq, durable)) seqs[count++] = seq;
    seqs.length = count;
    return seqs;
  }

  offsetOf(seq: number): LogOffset {
    const segment = this.#sources.segments.of(seq);
    segment.locate(seq, this.#place);
    segment.readNow(this.#header, this.#place.offset, RECORD_HEADER_SIZE);
    return { tx: recordLsn(this.#header, 0), op: recordOp(this.#header, 0) };
  }

  latestOffset(key: StorageKey, slot: LogSlot): LogOffset {
    const seq = this.lastSeq(key, slot);
    return seq === 0 ? SNAPSHOT_END : this.offsetOf(seq);
  }

  /** A seq such that exactly the entries greater than it lie behind `after`. */
  seqAt(key: StorageKey, slot: LogSlot, after: LogOffset): number {
    if (after.tx <= 0n) return 0;
    let bound = this.#sources.segments.seqBefore(after.tx as Lsn);
    for (;;) {
      const seqs = this.seqsAfter(key, slot, bound, BATCH);
      if (seqs.length === 0) return bound;
      if (this.#isAfter(seqs.at(-1)!, after)) return seqs[this.#search(seqs, after) - 1] ?? bound;
      bound = seqs.at(-1)!;
    }
  }

  /** What no run holds: the shape's own postings, and those of lists that it is in. */
  #bufferedAfter(
    key: StorageKey,
    slot: LogSlot,
    after: number,
  ): ArrayLike<number> & Iterable<number> {
    const own = this.#sources.postings.seqsAfter(slot, after);
    const shared = this.#sources.lists.seqsAfter(key, after);
    if (shared.length === 0) return own;
    return own.length === 0 ? shared : Float64Array.from([...own, ...shared]).sort();
  }

  /** Index of the first seq whose entry lies behind `after`. */
  #search(seqs: readonly number[], after: LogOffset): number {
    return partitionPoint(seqs.length, (at) => !this.#isAfter(seqs[at]!, after));
  }

  #isAfter(seq: number, after: LogOffset): boolean {
    return compareLogOffsets(this.offsetOf(seq), after) > 0;
  }

  #isVisible(seq: number, durable: number): boolean {
    return seq <= durable && !this.#sources.voids.has(seq);
  }
}
