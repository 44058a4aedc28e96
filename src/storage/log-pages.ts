/**
 * Turns entries of a log into pages of JSON, each in one Buffer: an object per body would cost
 * more than the bytes themselves.
 *
 * Bodies that lie near each other in a segment are read together. Recent segments are in the page
 * cache, where a synchronous read of a page takes 10 us and a trip through libuv's pool 40; older
 * ones may be on the disk, so they are read asynchronously.
 */

import { nextTurn } from "../lib/next-turn.ts";
import type { RecordPlace } from "./segment-index.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import { RECORD_HEADER_SIZE, RecordKind, recordKind } from "./record.ts";
import { SEPARATOR } from "./snapshot-source.ts";

/** Bytes between two bodies that are rather read than skipped: one page of the disk. */
const GAP_MAX = 4096;
/** Bytes read together at most, unless one body is longer. */
const SPAN_MAX = 256 * 1024;

const LAST = Buffer.from(',"last":true}}');
const CLOSE = Buffer.from("}}");
/** Bytes that an entry may have around its body. */
const ENTRY_EXTRA = SEPARATOR.length + LAST.length - CLOSE.length;

/** Consecutive entries of one log. */
export interface LogEntries {
  readonly segments: SegmentList;
  readonly base: number;
  /** Seqs, counted from `base`: four bytes for each entry that a reader has yet to send. */
  readonly seqs: Uint32Array;
  /** The entry that follows them, if there is one: it decides whether the last one is a last. */
  readonly nextSeq: number | undefined;
}

export async function* logPages(
  entries: LogEntries,
  pageBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  for (let start = 0; start < entries.seqs.length;) {
    const end = endOfPage(entries, start, pageBytes);
    yield await buildPage(entries, start, end);
    start = end;
    // Whatever else the process has to do comes between two pages.
    await nextTurn();
  }
}

/** The page of entries `start` to `end`; with a separator in front unless they are the first. */
export async function buildPage(entries: LogEntries, start: number, end: number): Promise<Buffer> {
  const spans = spansOf(entries, start, end);
  const held: Segment[] = [];
  try {
    // All of them at once: one may be written again while another is being read.
    for (const { segment } of spans) {
      segment.hold();
      held.push(segment);
    }
    return await readSpans(entries, spans, start, end);
  } finally {
    for (const segment of held) segment.release();
  }
}

async function readSpans(
  entries: LogEntries,
  spans: readonly Span[],
  start: number,
  end: number,
): Promise<Buffer> {
  const writer = new PageWriter(
    spans.reduce((size, span) => size + span.pageBytes, 0),
    start > 0,
  );
  for (const span of spans) {
    const bytes = takeScratch(span);
    if (span.isRecent) {
      span.segment.readNow(bytes, span.start, span.end - span.start);
    } else {
      await span.segment.read(bytes, span.start, span.end - span.start);
    }
    for (const offset of span.offsets) writer.add(bytes, offset - span.start);
  }
  const nextSeq = end < entries.seqs.length ? seqAt(entries, end) : entries.nextSeq;
  return writer.finish(nextSeq === undefined ? undefined : headerOf(entries.segments, nextSeq));
}

/** Index behind the last entry of the page that begins at `start`: one entry at least. */
function endOfPage(entries: LogEntries, start: number, pageBytes: number): number {
  const place: RecordPlace = { offset: 0, size: 0 };
  let size = 0;
  for (let index = start; index < entries.seqs.length; index++) {
    const seq = seqAt(entries, index);
    entries.segments.of(seq).locate(seq, place);
    size += place.size + ENTRY_EXTRA;
    if (size > pageBytes && index > start) return index;
  }
  return entries.seqs.length;
}

function seqAt(entries: LogEntries, index: number): number {
  return entries.base + entries.seqs[index]!;
}

/** A stretch of a segment with records of a page in it. */
interface Span {
  readonly segment: Segment;
  readonly isRecent: boolean;
  readonly start: number;
  end: number;
  /** Where the records begin, ascending. */
  readonly offsets: number[];
  /** Bytes that they take in the page at most. */
  pageBytes: number;
}

function spansOf(entries: LogEntries, start: number, end: number): Span[] {
  const { segments } = entries;
  const place: RecordPlace = { offset: 0, size: 0 };
  const spans: Span[] = [];
  for (let index = start; index < end; index++) {
    const seq = seqAt(entries, index);
    const segment = segments.of(seq);
    segment.locate(seq, place);
    const recordEnd = place.offset + RECORD_HEADER_SIZE + place.size;
    let span = spans.at(-1);
    const isNear =
      span?.segment === segment &&
      place.offset - span.end <= GAP_MAX &&
      recordEnd - span.start <= SPAN_MAX;
    if (span === undefined || !isNear) {
      const isRecent = segments.isRecent(segment);
      span = { segment, isRecent, start: place.offset, end: 0, offsets: [], pageBytes: 0 };
      spans.push(span);
    }
    span.end = recordEnd;
    span.offsets.push(place.offset);
    span.pageBytes += place.size + ENTRY_EXTRA;
  }
  return spans;
}

/** Shared by all synchronous reads: what it holds is copied before anybody else runs. */
let scratch = Buffer.alloc(0);

function takeScratch(span: Span): Buffer {
  const size = span.end - span.start;
  if (!span.isRecent || size > SPAN_MAX) return Buffer.allocUnsafe(size);
  if (scratch.length === 0) scratch = Buffer.allocUnsafeSlow(SPAN_MAX);
  return scratch;
}

function headerOf(segments: SegmentList, seq: number): Buffer {
  const place: RecordPlace = { offset: 0, size: 0 };
  const header = Buffer.allocUnsafe(RECORD_HEADER_SIZE);
  const segment = segments.of(seq);
  segment.locate(seq, place);
  segment.readNow(header, place.offset, RECORD_HEADER_SIZE);
  return header;
}

/** Writes entries one behind the other; whether one is a last is known when the next one comes. */
class PageWriter {
  readonly #page: Buffer;
  #size = 0;
  #isContinued: boolean;
  #hasOpenEntry = false;
  #isMoved = false;
  #lsnLow = 0;
  #lsnHigh = 0;

  constructor(capacity: number, isContinued: boolean) {
    this.#page = Buffer.allocUnsafe(capacity);
    this.#isContinued = isContinued;
  }

  /** Adds the record at `offset` of `bytes`. */
  add(bytes: Buffer, offset: number): void {
    if (this.#hasOpenEntry) this.#close(bytes, offset);
    if (this.#isContinued) this.#size += SEPARATOR.copy(this.#page, this.#size);
    this.#isContinued = true;
    const body = offset + RECORD_HEADER_SIZE;
    const bodyEnd = body + bytes.readUInt32LE(offset) - CLOSE.length;
    this.#size += bytes.copy(this.#page, this.#size, body, bodyEnd);
    this.#isMoved = recordKind(bytes, offset) === RecordKind.moved;
    this.#lsnLow = bytes.readUInt32LE(offset + 10);
    this.#lsnHigh = bytes.readUInt32LE(offset + 14);
    this.#hasOpenEntry = true;
  }

  /** `next` is the header of the entry that follows. */
  finish(next: Buffer | undefined): Buffer {
    this.#close(next, 0);
    return this.#page.subarray(0, this.#size);
  }

  #close(next: Buffer | undefined, offset: number): void {
    const isLast =
      next?.readUInt32LE(offset + 10) !== this.#lsnLow ||
      next.readUInt32LE(offset + 14) !== this.#lsnHigh ||
      recordKind(next, offset) === RecordKind.moved;
    const isMarked = isLast && !this.#isMoved;
    this.#size += (isMarked ? LAST : CLOSE).copy(this.#page, this.#size);
  }
}
