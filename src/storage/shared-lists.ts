/**
 * Lists of shapes that more than one body belongs to, so that the body after the first is one
 * posting and not one for each shape: rows of a project reach the same members again and again.
 *
 *     first body of a list     plain postings; only the list's hash is kept
 *     second one               the list is shared: its members are filed, and one posting
 *     every further one        one posting
 *
 * So lists that never come again cost what they always did, and one that comes twice as much as
 * two of those. Halves change places with those of the posting buffer:
 *
 *     active ──freeze──> frozen ──retire──> settling ──> dropped
 *
 * While a half settles, its postings are in the runs, but the posting buffer is still being told,
 * some thousand shapes at a time, what their last seqs are.
 */

import type { LogSlot, Seq } from "../model/ids.ts";
import type { HashedKeys } from "./key-lists.ts";
import type { StoreLimits } from "./limits.ts";
import { ListHalf, type FrozenLists } from "./list-half.ts";
import type { PostingBuffer } from "./storage.ts";

/** Hashes of lists that came once: 3 MiB at most. Forgetting them costs bytes, nothing else. */
const HASHES_MAX = 65_536;
/** Members settled in a turn of the loop: about a millisecond, most of it cache misses. */
const SETTLED_PER_TURN = 16_384;

export class SharedLists {
  readonly #postings: Pick<PostingBuffer, "setLastSeq">;
  readonly #limits: Pick<StoreLimits, "sharedListSize" | "listsPerShape">;
  #active: ListHalf;
  #frozen: ListHalf | undefined;
  #settling: ListHalf | undefined;
  #settled = 0;
  #seen = new Set<number>();
  #epoch = 0;

  constructor(
    postings: Pick<PostingBuffer, "setLastSeq">,
    limits: Pick<StoreLimits, "sharedListSize" | "listsPerShape">,
  ) {
    this.#postings = postings;
    this.#limits = limits;
    this.#active = new ListHalf(limits.listsPerShape);
  }

  /** Entries of the active half: members and postings. They count as the posting buffer's do. */
  get count(): number {
    return this.#active.count;
  }
  get memoryBytes(): number {
    return [this.#active, this.#frozen, this.#settling].reduce(
      (sum, half) => sum + (half?.memoryBytes ?? 0),
      0,
    );
  }
  /** Changes whenever the lists' numbers lose their meaning. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The number of the list of exactly these shapes, in this order. */
  find(list: HashedKeys): number | undefined {
    return this.#active.find(list);
  }

  /** Shapes of the shortest list that is shared. */
  get sizeMin(): number {
    return this.#limits.sharedListSize;
  }

  /** Whether a list came before, so that sharing it pays. Remembers it. */
  hasComeBefore({ hash }: HashedKeys): boolean {
    if (this.#seen.has(hash)) return true;
    if (this.#seen.size >= HASHES_MAX) this.#seen.clear();
    this.#seen.add(hash);
    return false;
  }

  /** Adds a list. A posting has to follow. */
  add(list: HashedKeys, slots: Uint32Array): number {
    return this.#active.add(list, slots);
  }

  /** REQUIRES: seqs ascend. */
  post(list: number, seq: number): void {
    this.#active.post(list, seq);
  }

  /** Which members of a list, counted from 0, need postings of their own. */
  aloneOf(list: number): Uint32Array {
    return this.#active.aloneOf(list);
  }

  /** No less than the last seq through a list that is not yet known to the posting buffer. */
  lastSeq(key: number): number {
    return (
      this.#active.lastSeq(key) || this.#frozen?.lastSeq(key) || this.#settling?.lastSeq(key) || 0
    );
  }

  /** The key's buffered seqs greater than `after`, ascending. */
  seqsAfter(key: number, after: number): number[] {
    const seqs: number[] = [];
    this.#frozen?.collectAfter(key, after, seqs);
    this.#active.collectAfter(key, after, seqs);
    return seqs.length > 1 ? seqs.sort((a, b) => a - b) : seqs;
  }

  /** The shape is gone for good; from now on its slot may be another one's. */
  forget(key: number): void {
    this.#active.forget(key);
    this.#frozen?.forget(key);
    this.#settling?.forget(key);
  }

  /** Freezes the active half. REQUIRES: none is frozen. */
  freeze(): FrozenLists {
    this.settle(Infinity);
    const frozen = this.#active;
    this.#frozen = frozen;
    this.#active = new ListHalf(this.#limits.listsPerShape);
    // What came again and again will do so, and needs no first time.
    this.#seen = new Set(frozen.repeatedHashes());
    this.#epoch += 1;
    return frozen.freeze();
  }

  /** The frozen half is in a run by now. */
  retire(): void {
    this.#settling = this.#frozen;
    this.#frozen = undefined;
    this.#settled = 0;
    if (this.#settling !== undefined) this.#settleInTurns(this.#settling);
  }

  /** Tells the posting buffer of up to `limit` members of the half that was retired. */
  settle(limit: number): void {
    const half = this.#settling;
    if (half === undefined) return;
    const end = Math.min(half.memberCount, this.#settled + limit);
    half.visitLastSeqs(this.#settled, end, (slot, seq) =>
      this.#postings.setLastSeq(slot as LogSlot, seq as Seq),
    );
    this.#settled = end;
    if (end === half.memberCount) this.#settling = undefined;
  }

  #settleInTurns(half: ListHalf): void {
    const turn = (): void => {
      if (half !== this.#settling) return;
      this.settle(SETTLED_PER_TURN);
      this.#settleInTurns(half);
    };
    // A process that has nothing else to do is not kept alive.
    setImmediate(turn).unref();
  }
}
