/**
 * The writing end of the journal: frames go into the last segment, each group with one write and
 * one sync; a full segment gets its footer and the next one is begun. Nothing blocks the event
 * loop, and at most one `write` is under way.
 */

import { closeSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Files } from "./files.ts";
import type { FrameBuilder } from "./frame-builder.ts";
import { recordSize } from "./record.ts";
import {
  encodeFooter,
  encodeSegmentHeader,
  SEGMENT_HEADER_SIZE,
  segmentName,
} from "./segment-format.ts";
import { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";

/** A record and its header take 64 bytes at least on average, or the index outgrows the segment. */
const BYTES_PER_RECORD_MIN = 64;

/** The segment that grows, as recovery found it. */
export interface OpenSegment {
  readonly segment: Segment;
  readonly descriptor: number;
  readonly size: number;
}

export interface JournalOptions {
  readonly directory: string;
  readonly files: Files;
  readonly segments: SegmentList;
  readonly uuid: Buffer;
  readonly segmentBytes: number;
  readonly open: OpenSegment | undefined;
  /** Last seq there is, void ones included, and the largest LSN of a change. */
  readonly lastSeq: number;
  readonly highestLsn: Lsn;
  readonly lastCommitLsn: Lsn;
}

export class Journal {
  readonly #options: JournalOptions;
  #segment: Segment | undefined;
  #descriptor = -1;
  /** Bytes of the segment, all of them synced while no write is under way. */
  #size = 0;
  #lastSeq: number;
  #highestLsn: Lsn;
  #lastCommitLsn: Lsn;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#lastSeq = options.lastSeq;
    this.#highestLsn = options.highestLsn;
    this.#lastCommitLsn = options.lastCommitLsn;
    if (options.open !== undefined) {
      this.#segment = options.open.segment;
      this.#descriptor = options.open.descriptor;
      this.#size = options.open.size;
    }
  }

  /** Bytes of the segment that grows. */
  get size(): number {
    return this.#size;
  }

  /** Returns the bytes written, when they are durable. */
  async write(frames: readonly FrameBuilder[]): Promise<number> {
    let total = 0;
    let group: Buffer[] = [];
    let groupSize = 0;
    for (const frame of frames) {
      if (this.#isFullWith(groupSize + frame.sizeMax)) {
        await this.#writeGroup(group, groupSize);
        group = [];
        groupSize = 0;
        await this.#seal();
      }
      if (this.#segment === undefined) await this.#begin(frame.firstSeq);
      const bytes = frame.seal(this.#size);
      this.#addToIndex(frame, bytes, this.#size + groupSize);
      group.push(bytes);
      groupSize += bytes.length;
      total += bytes.length;
      this.#lastSeq = frame.nextSeq - 1;
      this.#lastCommitLsn = frame.lastCommitLsn;
      if (frame.highestLsn > this.#highestLsn) this.#highestLsn = frame.highestLsn;
    }
    await this.#writeGroup(group, groupSize);
    return total;
  }

  close(): void {
    if (this.#segment !== undefined) closeSync(this.#descriptor);
    this.#segment = undefined;
  }

  #isFullWith(size: number): boolean {
    if (this.#segment === undefined || this.#segment.count === 0) return false;
    const { segmentBytes } = this.#options;
    return (
      this.#size + size > segmentBytes || this.#segment.count > segmentBytes / BYTES_PER_RECORD_MIN
    );
  }

  async #writeGroup(group: readonly Buffer[], size: number): Promise<void> {
    if (size === 0) return;
    await this.#options.files.write(this.#descriptor, group, this.#size);
    await this.#options.files.sync(this.#descriptor);
    this.#size += size;
  }

  #addToIndex(frame: FrameBuilder, bytes: Buffer, position: number): void {
    const segment = this.#segment!;
    for (let index = 0; index < frame.count; index++) {
      const offset = frame.offsetOf(index);
      segment.addToIndex(frame.firstSeq + index, position + offset, recordSize(bytes, offset));
    }
  }

  async #seal(): Promise<void> {
    const segment = this.#segment!;
    const { files } = this.#options;
    const footer = encodeFooter(segment.firstSeq, segment.index, this.#lastCommitLsn, this.#size);
    await files.write(this.#descriptor, [footer], this.#size);
    await files.sync(this.#descriptor);
    await files.close(this.#descriptor);
    segment.markSealed(this.#size, segment.count);
    this.#segment = undefined;
  }

  async #begin(firstSeq: number): Promise<void> {
    const { directory, files, segments, uuid } = this.#options;
    assert(firstSeq > this.#lastSeq, "seqs ascend from segment to segment");
    const path = join(directory, segmentName(firstSeq));
    const header = encodeSegmentHeader({
      uuid,
      firstSeq,
      previousSeq: this.#lastSeq,
      highestLsn: this.#highestLsn,
    });
    this.#descriptor = await files.create(path);
    await files.write(this.#descriptor, [header], 0);
    await files.sync(this.#descriptor);
    // The file is durable, its name is not: without this the whole segment may vanish.
    await files.syncDirectory(directory);
    this.#size = SEGMENT_HEADER_SIZE;
    this.#segment = new Segment(path, firstSeq, this.#highestLsn);
    segments.add(this.#segment);
  }
}
