/**
 * Files the postings of durable frames, and waits for a checkpoint where they do not fit: in the
 * posting buffer one for each shape, or one for all of them where the list is a shared one.
 *
 * A body's postings are filed together if they can be handed over at once; so that a checkpoint,
 * which freezes a half, need not remember how far into a list it got. A body with more shapes is
 * filed in parts, and after a crash at the wrong moment parts of it twice: whoever reads runs takes
 * ascending seqs only.
 */

import { nextTurn } from "../lib/next-turn.ts";
import type { Seq } from "../model/ids.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { hashed } from "./key-lists.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { SharedLists } from "./shared-lists.ts";
import type { PostingBuffer } from "./storage.ts";

/** Words that are handed over at once; 256 KiB. */
const GROUP_WORDS = 64 * 1024;
/** Shapes for which something is filed in a turn of the event loop: 5 to 100 ns each. */
const SHAPES_PER_TURN = 32 * 1024;

/** A frame's postings: which shapes each record belongs to. */
export interface FramePostings {
  readonly firstSeq: number;
  readonly count: number;
  /** The list of a record's shapes, a number of the frame. Undefined: it belongs to no log. */
  listOf(index: number): number | undefined;
  /** The shapes of a list; of those that are gone already some may be left out. */
  keysOf(list: number): Float64Array;
  /** The same shapes in the same order. */
  slotsOf(list: number): Uint32Array;
}

export class PostingFiler {
  readonly #postings: PostingBuffer;
  readonly #lists: SharedLists;
  readonly #voids: SeqRanges;
  readonly #checkpoints: Pick<Checkpoints, "makeRoom">;
  readonly #groups = new Uint32Array(GROUP_WORDS);
  #used = 0;
  #usedPostings = 0;
  #base = 0;
  /** For lists of the frame, the shared list that they are. */
  readonly #sharedOf = new Map<number, number>();
  #sharedEpoch = 0;
  #filedSeq: number;
  #pendingSeq: number;
  #shapesInTurn = 0;

  constructor(
    postings: PostingBuffer,
    lists: SharedLists,
    voids: SeqRanges,
    checkpoints: Pick<Checkpoints, "makeRoom">,
    filedSeq: number,
  ) {
    this.#postings = postings;
    this.#lists = lists;
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
    this.#sharedOf.clear();
    for (let index = 0; index < frame.count; index++) {
      const seq = frame.firstSeq + index;
      if (seq <= this.#filedSeq) continue;
      const list = frame.listOf(index);
      if (list !== undefined && !this.#voids.has(seq)) {
        const slots = frame.slotsOf(list);
        if (!this.#share(seq, frame, list, slots)) {
          if (this.#room < slots.length) await this.#makeRoom(slots.length);
          if (this.#fits(slots.length)) this.#add(seq, slots);
          else await this.#fileInParts(seq, slots);
        }
      }
      this.#pendingSeq = seq;
      if (this.#shapesInTurn >= SHAPES_PER_TURN) await this.#nextTurn();
    }
    this.#flush();
  }

  async #nextTurn(): Promise<void> {
    this.#flush();
    this.#shapesInTurn = 0;
    await nextTurn();
  }

  get #room(): number {
    const { capacity, count } = this.#postings;
    return capacity - count - this.#usedPostings - this.#lists.count;
  }

  /** Files a body through a shared list. False, with nothing done: it needs postings of its own. */
  #share(seq: number, frame: FramePostings, list: number, slots: Uint32Array): boolean {
    const lists = this.#lists;
    if (slots.length < lists.sizeMin) return false;
    if (this.#sharedEpoch !== lists.epoch) this.#sharedOf.clear();
    this.#sharedEpoch = lists.epoch;
    let shared = this.#sharedOf.get(list);
    if (shared === undefined) {
      const keys = hashed(frame.keysOf(list));
      shared = lists.find(keys);
      if (shared === undefined) {
        // What stands alone counts twice: as a member and as a posting.
        const isRoom = 2 * slots.length + 1 <= this.#room;
        if (!lists.hasComeBefore(keys) || !isRoom) return false;
        shared = lists.add(keys, slots);
        this.#shapesInTurn += slots.length;
      }
      this.#sharedOf.set(list, shared);
    }
    const alone = lists.aloneOf(shared);
    if (this.#room <= alone.length) return false;
    lists.post(shared, seq);
    if (alone.length > 0) this.#addSome(seq, slots, alone);
    return true;
  }

  #addSome(seq: number, slots: Uint32Array, indexes: Uint32Array): void {
    const some = Uint32Array.from(indexes, (index) => slots[index]!);
    for (let start = 0; start < some.length; start += GROUP_WORDS - 2) {
      const part = some.subarray(start, start + GROUP_WORDS - 2);
      if (this.#used + 2 + part.length > GROUP_WORDS) this.#hand();
      this.#add(seq, part);
    }
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
      if (start < slots.length) await nextTurn();
    }
  }

  #add(seq: number, slots: Uint32Array): void {
    this.#groups[this.#used] = seq - this.#base;
    this.#groups[this.#used + 1] = slots.length;
    if (slots.length === 1) this.#groups[this.#used + 2] = slots[0]!;
    else this.#groups.set(slots, this.#used + 2);
    this.#used += 2 + slots.length;
    this.#usedPostings += slots.length;
    this.#shapesInTurn += slots.length;
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
