/**
 * One shape's log in chunks (protocol 5.3, 5.4): snapshot chunks first, then what the log holds.
 *
 *     -1 ──> chunk 0, 0_0 ──> chunk 1, 0_1 ──> ... ──> log chunk, tx_op ──> log chunk, tx_op ──>
 *                                         0_inf ──┘
 *
 * A log chunk begins behind the requested offset and ends with the entry whose bytes reach the
 * threshold: what follows an offset never changes once the chunk is full.
 */

import type { LogSlot, StorageKey } from "../model/ids.ts";
import { compareLogOffsets, maxLogOffset, type LogOffset } from "../model/log-offset.ts";
import type { StoredSnapshot } from "./catalog-change.ts";
import { ShapeGone } from "./errors.ts";
import type { LogIndex } from "./log-index.ts";
import { buildPage, logPages, type LogEntries } from "./log-pages.ts";
import type { RecordPlace } from "./segment-index.ts";
import type { SegmentList } from "./segment-list.ts";
import { snapshotPages } from "./snapshot-pages.ts";
import type { SnapshotProgress } from "./snapshot-progress.ts";
import { SEPARATOR, sourceOf, type SnapshotSource } from "./snapshot-source.ts";
import type { LogChunk, Patience, ShapeLog } from "./storage.ts";

/** Seqs that are fetched together while a chunk is measured. */
const BATCH = 1024;

/** What a log reads from. Shared by all of them. */
export interface ShapeLogSources {
  readonly index: LogIndex;
  readonly segments: SegmentList;
  readonly chunkBytesThreshold: number;
  readonly pageBytes: number;
  /** The snapshot that is being made, if it is. */
  readonly progressOf: (key: StorageKey) => SnapshotProgress | undefined;
  /** The complete snapshot; undefined: there is no such shape any more. */
  readonly snapshotOf: (key: StorageKey) => StoredSnapshot | undefined;
  readonly snapshotPath: (key: StorageKey) => string;
}

export class StoredShapeLog implements ShapeLog {
  readonly #sources: ShapeLogSources;
  readonly #key: StorageKey;
  readonly #slot: LogSlot;

  constructor(sources: ShapeLogSources, key: StorageKey, slot: LogSlot) {
    this.#sources = sources;
    this.#key = key;
    this.#slot = slot;
  }

  latestOffset(): LogOffset {
    return this.#sources.index.latestOffset(this.#key, this.#slot);
  }

  async readChunk(after: LogOffset, patience?: Patience): Promise<LogChunk> {
    const isInSnapshot = after.tx < 0n || (after.tx === 0n && after.op !== Infinity);
    if (isInSnapshot) {
      const number = after.tx < 0n ? 0 : after.op + 1;
      const chunk = await this.#snapshotChunk(number, patience);
      if (chunk !== undefined) return chunk;
    }
    return this.#logChunk(after);
  }

  /** Chunk `number` of the snapshot; undefined when there are fewer. Waits until that is known. */
  async #snapshotChunk(
    number: number,
    patience: Patience | undefined,
  ): Promise<LogChunk | undefined> {
    const { progressOf, snapshotOf, snapshotPath, segments } = this.#sources;
    const progress = progressOf(this.#key);
    if (progress !== undefined) {
      return (
        this.#shortChunk(progress, number) ?? this.#chunkInProgress(progress, number, patience)
      );
    }
    const snapshot = snapshotOf(this.#key);
    if (snapshot === undefined) throw new ShapeGone(this.#key);
    const end = snapshot.chunkEnds[number];
    if (end === undefined) return undefined;
    const source = sourceOf(snapshot, this.#key, segments, snapshotPath(this.#key));
    return this.#closedChunk(source, snapshot.chunkEnds[number - 1] ?? 0, end, number);
  }

  async #chunkInProgress(
    progress: SnapshotProgress,
    number: number,
    patience: Patience | undefined,
  ): Promise<LogChunk | undefined> {
    const { pageBytes } = this.#sources;
    const { chunkEnds } = progress;
    for (;;) {
      if (progress.error !== undefined) throw progress.error;
      const start = number === 0 ? 0 : chunkEnds[number - 1];
      const end = chunkEnds[number];
      if (end !== undefined && end <= progress.visibleSize) {
        return this.#closedChunk(progress.openSource(), start!, end, number);
      }
      if (progress.isComplete) return undefined;
      if (start !== undefined && progress.visibleSize - start > pageBytes) break;
      await progress.changed(patience?.signal);
    }
    // More than a page: it is handed on while Postgres is still producing.
    const growth = {
      get end(): number | undefined {
        return chunkEnds[number];
      },
      get visibleSize(): number {
        return progress.visibleSize;
      },
      changed: async (): Promise<void> => {
        if (progress.error !== undefined) throw progress.error;
        await progress.changed(patience?.signal);
      },
    };
    const start = number === 0 ? 0 : chunkEnds[number - 1]!;
    return snapshotChunk(number, () =>
      snapshotPages(progress.openSource(), start, growth, pageBytes),
    );
  }

  /** A chunk that is closed, in memory and no more than a page, as most are. */
  #shortChunk(progress: SnapshotProgress, number: number): LogChunk | undefined {
    const start = number === 0 ? 0 : progress.chunkEnds[number - 1];
    const end = progress.chunkEnds[number];
    if (start === undefined || end === undefined || progress.hasFile) return undefined;
    if (progress.error !== undefined || end - start > this.#sources.pageBytes) return undefined;
    return shortChunk(number, progress.copyRows(start, end - SEPARATOR.length));
  }

  async #closedChunk(
    source: SnapshotSource,
    start: number,
    end: number,
    number: number,
  ): Promise<LogChunk> {
    const { pageBytes } = this.#sources;
    if (end - start <= pageBytes) {
      try {
        const page = await source.read(start, end - SEPARATOR.length);
        return shortChunk(number, page);
      } finally {
        await source.close();
      }
    }
    const growth = {
      end,
      visibleSize: end,
      changed: () => Promise.reject(new ShapeGone(this.#key)),
    };
    return snapshotChunk(number, () => snapshotPages(source, start, growth, pageBytes));
  }

  async #logChunk(after: LogOffset): Promise<LogChunk> {
    const { index, pageBytes } = this.#sources;
    const last = index.lastSeq(this.#key, this.#slot);
    const latest = index.latestOffset(this.#key, this.#slot);
    if (last === 0 || compareLogOffsets(after, latest) >= 0) {
      const end = maxLogOffset(latest, after);
      return { end, isUpToDate: true, isEmpty: true, page: undefined, pages: noPages };
    }
    const { entries, isSmall } = this.#measure(index.seqAt(this.#key, this.#slot, after));
    const end = index.offsetOf(entries.base + entries.seqs.at(-1)!);
    const isUpToDate = entries.nextSeq === undefined;
    if (isSmall) {
      const page = await buildPage(entries, 0, entries.seqs.length);
      return { end, isUpToDate, isEmpty: false, page, pages: () => onePage(page) };
    }
    const pages = (): ReturnType<LogChunk["pages"]> => logPages(entries, pageBytes);
    return { end, isUpToDate, isEmpty: false, page: undefined, pages };
  }

  /** The entries behind `bound`, up to the one that closes the chunk. */
  #measure(bound: number): { entries: LogEntries; isSmall: boolean } {
    const { index, segments, chunkBytesThreshold, pageBytes } = this.#sources;
    const place: RecordPlace = { offset: 0, size: 0 };
    const seqs: number[] = [];
    let size = 0;
    let nextSeq: number | undefined;
    for (let after = bound; nextSeq === undefined;) {
      const batch = index.seqsAfter(this.#key, this.#slot, after, BATCH);
      if (batch.length === 0) break;
      for (const seq of batch) {
        if (size >= chunkBytesThreshold) {
          nextSeq = seq;
          break;
        }
        segments.of(seq).locate(seq, place);
        size += place.size;
        seqs.push(seq);
      }
      after = batch.at(-1)!;
    }
    const base = seqs[0] ?? 0;
    const entries = {
      segments,
      base,
      seqs: Uint32Array.from(seqs, (seq) => seq - base),
      nextSeq,
    };
    return { entries, isSmall: size <= pageBytes };
  }
}

/** Of the snapshot, in a single page. */
function shortChunk(number: number, page: Uint8Array): LogChunk {
  return { ...snapshotChunk(number, () => onePage(page)), page };
}

function snapshotChunk(number: number, pages: () => ReturnType<LogChunk["pages"]>): LogChunk {
  // Never up to date: the log begins behind `0_inf`, and no chunk of the snapshot ends there.
  return { end: { tx: 0n, op: number }, isUpToDate: false, isEmpty: false, page: undefined, pages };
}

// eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
async function* onePage(page: Uint8Array): ReturnType<LogChunk["pages"]> {
  yield page;
}

async function* noPages(): ReturnType<LogChunk["pages"]> {
  // Nothing to say.
}
