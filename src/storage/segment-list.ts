/** All segments of the journal in order, and which of them may have a descriptor open. */

import { partitionPoint } from "../lib/partition-point.ts";
import type { Lsn } from "../model/lsn.ts";
import { StoreCorrupt } from "./errors.ts";
import type { Segment } from "./segment.ts";

/** Segments at the end that are surely in the page cache: reading them synchronously is cheap. */
const RECENT = 2;

export class SegmentList {
  readonly #openMax: number;
  #segments: Segment[] = [];
  /** Where the last search ended: readers walk. */
  #hint = 0;
  /** Segments whose descriptor was asked for, the least recently used first. */
  readonly #used = new Set<Segment>();

  constructor(openMax: number) {
    this.#openMax = openMax;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /** REQUIRES: it begins behind all others. */
  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** Takes a segment out whose records nobody needs any more. */
  drop(segment: Segment): void {
    this.#segments = this.#segments.filter((other) => other !== segment);
    this.#used.delete(segment);
    this.#hint = 0;
    segment.drop();
  }

  /** Puts a segment in the place of one with the same seqs. Whoever holds that one may go on. */
  replace(segment: Segment, other: Segment): void {
    this.#segments = this.#segments.map((each) => (each === segment ? other : each));
    this.#used.delete(segment);
    segment.drop();
  }

  /** The segment in which `seq` lies. */
  of(seq: number): Segment {
    const segments = this.#segments;
    const hinted = segments[this.#hint];
    if (hinted !== undefined && seq >= hinted.firstSeq && seq <= hinted.lastSeq) return hinted;
    const index = this.#lastIndexWhere((segment) => segment.firstSeq <= seq);
    const found = segments[index];
    if (found === undefined || seq > found.lastSeq) {
      throw new StoreCorrupt(`no segment of the journal holds record ${seq}`);
    }
    this.#hint = index;
    this.#use(found);
    return found;
  }

  isRecent(segment: Segment): boolean {
    return segment.firstSeq >= (this.#segments.at(-RECENT)?.firstSeq ?? 0);
  }

  /** A seq such that no record up to it has an LSN of `lsn` or more. */
  seqBefore(lsn: Lsn): number {
    const index = this.#lastIndexWhere((segment) => segment.highestLsn < lsn);
    return (this.#segments[index]?.firstSeq ?? 1) - 1;
  }

  closeAll(): void {
    for (const segment of this.#segments) segment.closeFile();
  }

  get indexBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.indexBytes, 0);
  }

  /** The condition holds for a beginning of the list; -1 when for none. */
  #lastIndexWhere(holds: (segment: Segment) => boolean): number {
    return partitionPoint(this.#segments.length, (at) => holds(this.#segments[at]!)) - 1;
  }

  #use(segment: Segment): void {
    this.#used.delete(segment);
    this.#used.add(segment);
    if (this.#used.size <= this.#openMax) return;
    for (const idle of this.#used) {
      if (idle.isHeld) continue;
      idle.closeFile();
      this.#used.delete(idle);
      return;
    }
  }
}
