/**
 * Files the postings of durable frames in the posting buffer, and waits for a checkpoint where they
 * do not fit.
 *
 * A body's postings are filed together if they fit in a half at all; so that a checkpoint, which
 * freezes a half, need not remember how far into a list it got. A body with more shapes than that
 * is filed in parts, and after a crash at the wrong moment parts of it twice: whoever reads runs
 * takes ascending seqs only.
 */

import type { Seq } from "../model/ids.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { PostingBuffer } from "./storage.ts";

/** Words that are handed over at once; 256 KiB. */
const GROUP_WORDS = 64 * 1024;

/** A frame's postings: which slots each record belongs to. */
export interface FramePostings {
  readonly firstSeq: number;
  readonly count: number;
  /** Undefined: the record belongs to no log. */
  slotsOf(index: number): Uint32Array | undefined;
}

export class PostingFiler {
  readonly #postings: PostingBuffer;
  readonly #voids: SeqRanges;
  readonly #checkpoints: Pick<Checkpoints, "makeRoom">;
  readonly #groups = new Uint32Array(GROUP_WORDS);
  #used = 0;
  #usedPostings = 0;
  #base = 0;
  #filedSeq: number;
  #pendingSeq: number;

  constructor(
    postings: PostingBuffer,
    voids: SeqRanges,
    checkpoints: Pick<Checkpoints, "makeRoom">,
    filedSeq: number,
  ) {
    this.#postings = postings;
    this.#voids = voids;
    this.#checkpoints = checkpoints;
    this.#filedSeq = filedSeq;
    this.#pendingSeq = filedSeq;
  }

  /** All postings up to here are in the buffer or in the runs. */
  get filedSeq(): number {
    return this.#filedSeq;
  }

  async file(frame: FramePostings): Promise<void> {
    this.#base = frame.firstSeq;
    for (let index = 0; index < frame.count; index++) {
      const seq = frame.firstSeq + index;
      if (seq <= this.#filedSeq) continue;
      const slots = frame.slotsOf(index);
      if (slots !== undefined && slots.length > 0 && !this.#voids.has(seq)) {
        if (this.#room < slots.length) await this.#makeRoom(slots.length);
        if (this.#fits(slots.length)) this.#add(seq, slots);
        else await this.#fileInParts(seq, slots);
      }
      this.#pendingSeq = seq;
    }
    this.#flush();
  }

  get #room(): number {
    return this.#postings.capacity - this.#postings.count - this.#usedPostings;
  }

  /** Whether a list fits in what is handed over at once; makes it fit if it ever can. */
  #fits(count: number): boolean {
    if (this.#used + 2 + count > GROUP_WORDS) this.#flush();
    return 2 + count <= GROUP_WORDS && count <= this.#room;
  }

  async #makeRoom(count: number): Promise<void> {
    this.#flush();
    while (this.#room < Math.min(count, this.#postings.capacity)) {
      await this.#checkpoints.makeRoom();
    }
  }

  async #fileInParts(seq: number, slots: Uint32Array): Promise<void> {
    for (let start = 0; start < slots.length;) {
      if (this.#room === 0) await this.#makeRoom(1);
      const size = Math.min(slots.length - start, this.#room, GROUP_WORDS - 2);
      this.#add(seq, slots.subarray(start, start + size));
      start += size;
      this.#hand();
    }
  }

  #add(seq: number, slots: Uint32Array): void {
    this.#groups[this.#used] = seq - this.#base;
    this.#groups[this.#used + 1] = slots.length;
    if (slots.length === 1) this.#groups[this.#used + 2] = slots[0]!;
    else this.#groups.set(slots, this.#used + 2);
    this.#used += 2 + slots.length;
    this.#usedPostings += slots.length;
  }

  #flush(): void {
    this.#hand();
    this.#filedSeq = Math.max(this.#filedSeq, this.#pendingSeq);
  }

  #hand(): void {
    if (this.#used > 0) {
      this.#postings.file(this.#base as Seq, this.#groups.subarray(0, this.#used));
    }
    this.#used = 0;
    this.#usedPostings = 0;
  }
}
