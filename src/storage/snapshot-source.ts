/**
 * A snapshot's rows as readers see them. Rows lie one behind the other, each followed by `,\n`; a
 * chunk is a stretch of them without the last separator.
 *
 *     row ,\n row ,\n row ,\n row ,\n {"headers":{"control":"snapshot-end",...}} ,\n
 *     └───── chunk 0 ─────┘   └────────── chunk 1 ─────────────────────────────┘
 *
 * So a page of an answer is a page of the file, and whoever looks into the file sees lines.
 */

import * as fs from "node:fs";
import type { StoredSnapshot } from "./catalog-change.ts";
import { INLINE_ROWS_OFFSET } from "./catalog-record.ts";
import { ShapeGone, StoreCorrupt } from "./errors.ts";
import type { RecordPlace } from "./segment-index.ts";
import { readAt } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";

export const SEPARATOR = Buffer.from(",\n");
export const LINE_FEED = 0x0a;

export interface SnapshotSource {
  /** Rows from `start` to `end`. REQUIRES: they are there. */
  read(start: number, end: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Rows in a record of the journal. */
export class InlineSource implements SnapshotSource {
  readonly #segments: SegmentList;
  readonly #seq: number;

  constructor(segments: SegmentList, seq: number) {
    this.#segments = segments;
    this.#seq = seq;
  }

  read(start: number, end: number): Promise<Buffer> {
    const segment = this.#segments.of(this.#seq);
    const place: RecordPlace = { offset: 0, size: 0 };
    segment.locate(this.#seq, place);
    const rows = Buffer.allocUnsafe(end - start);
    // At most 256 KiB, and one call instead of a trip through the pool.
    segment.readNow(rows, place.offset + INLINE_ROWS_OFFSET + start, end - start);
    return Promise.resolve(rows);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rows in a file of their own. Opened with the first read. */
export class FileSource implements SnapshotSource {
  readonly #path: string;
  readonly #key: number;
  #handle: fs.promises.FileHandle | undefined;

  constructor(path: string, key: number) {
    this.#path = path;
    this.#key = key;
  }

  async read(start: number, end: number): Promise<Buffer> {
    try {
      this.#handle ??= await fs.promises.open(this.#path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new ShapeGone(this.#key);
      throw error;
    }
    const rows = Buffer.allocUnsafe(end - start);
    for (let done = 0; done < rows.length;) {
      const position = start + done;
      const read = await readAt(this.#handle.fd, rows, done, rows.length - done, position);
      if (read === 0) throw new StoreCorrupt(`${this.#path} ends at ${position}`);
      done += read;
    }
    return rows;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

/** Where a complete snapshot's rows are. */
export function sourceOf(
  snapshot: StoredSnapshot,
  key: number,
  segments: SegmentList,
  path: string,
): SnapshotSource {
  return snapshot.seq === 0 ? new FileSource(path, key) : new InlineSource(segments, snapshot.seq);
}
