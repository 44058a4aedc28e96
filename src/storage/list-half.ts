/**
 * Shared lists: what bodies of the journal belong to, where the same shapes are reached again and
 * again. A list of ten thousand shapes is kept once; each body that belongs to it is one posting.
 *
 *     keys      │ 7 │ 9 │ 4 │ 7 │ 12 │ ...   members of all lists, one list behind the other
 *     slots     │ a │ b │ c │ a │ d  │ ...   the same shapes as the posting buffer knows them
 *     next      │ 0 │ 0 │ 0 │ 1 │ 0  │ ...   the next member of the same bucket of keys
 *     starts    │ 0 │ 3 │ 5 │ ...            list n is starts[n] .. starts[n + 1]
 *     tails     │ 4 │ 2 │ ...                the newest posting of list n
 *
 *     seqs      │ s │ t │ u │ v │ ...        postings, relative to `base`, in order of filing
 *     previous  │ 0 │ 0 │ 1 │ 3 │ ...        the one before it in its list
 *
 * References (`next`, `tails`, `previous`, buckets) count from 1, 0 is none. A member takes 20
 * bytes with its share of the buckets, a posting 12.
 *
 * One half, like those of the posting buffer: it is filled, frozen, written and dropped whole.
 *
 * Invariants:
 *
 *   1. A list is named by the seq of its first posting: a name that no other list ever has.
 *   2. Seqs ascend in a list, and over all of them.
 *   3. A key is a member of at most `listsPerShape` lists, so whoever reads a log looks at no more.
 *      In any further list it stands alone: in no chain, its postings are the caller's business
 *      (`aloneOf`). A shape that all changes reach would be in all lists otherwise.
 *   4. A key that was forgotten is 0 wherever it was in a chain, so its list is nobody's any more.
 */

import { partitionPoint } from "../lib/partition-point.ts";
import type { Seq } from "../model/ids.ts";
import { grownFloats, grownWords } from "./bytes.ts";
import { areSameKeys, type HashedKeys } from "./key-lists.ts";
import type { FrozenPostings } from "./storage.ts";

/** In `next`: the member is in no chain. */
const ALONE = 0xffffffff;
const NO_INDEXES = new Uint32Array(0);

/** What a checkpoint has to know: columns of (key, seq) like those of plain postings. */
export interface FrozenLists {
  /** For each member, the name of the list. */
  readonly members: FrozenPostings;
  /** For each posting, its list by name, in the place of the key. */
  readonly shared: FrozenPostings;
}

export class ListHalf {
  readonly #listsPerShape: number;
  #keys = new Float64Array(0);
  #slots = new Uint32Array(0);
  #next = new Uint32Array(0);
  #memberCount = 0;
  #buckets = new Uint32Array(0);

  #starts = new Uint32Array(16);
  #names = new Uint32Array(16);
  #tails = new Uint32Array(16);
  #listCount = 0;
  readonly #alone = new Map<number, Uint32Array>();
  readonly #byHash = new Map<number, number>();

  #base = 0;
  #seqs = new Uint32Array(0);
  #previous = new Uint32Array(0);
  #listOf = new Uint32Array(0);
  #postingCount = 0;

  constructor(listsPerShape: number) {
    this.#listsPerShape = listsPerShape;
  }

  /** Members and postings. */
  get count(): number {
    return this.#memberCount + this.#postingCount;
  }
  get memberCount(): number {
    return this.#memberCount;
  }
  get memoryBytes(): number {
    return (
      16 * this.#keys.length +
      4 * this.#buckets.length +
      12 * this.#starts.length +
      12 * this.#seqs.length
    );
  }

  /** The list of exactly these shapes, in this order. */
  find({ keys, hash }: HashedKeys): number | undefined {
    const list = this.#byHash.get(hash);
    if (list === undefined) return undefined;
    const start = this.#starts[list]!;
    if (this.#starts[list + 1]! - start !== keys.length) return undefined;
    return areSameKeys(this.#keys, start, keys, keys.length) ? list : undefined;
  }

  /** Adds a list, whose name its first posting will be. REQUIRES: no key twice. */
  add({ keys, hash }: HashedKeys, slots: Uint32Array): number {
    const list = this.#listCount;
    const start = this.#memberCount;
    this.#reserveList();
    this.#reserveMembers(start + keys.length);
    this.#keys.set(keys, start);
    this.#slots.set(slots.subarray(0, keys.length), start);
    this.#memberCount = start + keys.length;
    this.#link(list, start);
    this.#listCount = list + 1;
    this.#starts[list + 1] = this.#memberCount;
    this.#tails[list] = 0;
    this.#byHash.set(hash, list);
    return list;
  }

  /** REQUIRES: `seq` is larger than all before. */
  post(list: number, seq: number): void {
    const index = this.#postingCount;
    if (index === 0) this.#base = seq;
    if (index === this.#seqs.length) {
      const needed = Math.max(16, index + 1);
      this.#seqs = grownWords(this.#seqs, needed);
      this.#previous = grownWords(this.#previous, needed);
      this.#listOf = grownWords(this.#listOf, needed);
    }
    if (this.#tails[list] === 0) this.#names[list] = seq - this.#base;
    this.#seqs[index] = seq - this.#base;
    this.#previous[index] = this.#tails[list]!;
    this.#listOf[index] = list;
    this.#postingCount = index + 1;
    this.#tails[list] = index + 1;
  }

  /** Which of a list's members, counted from 0, need postings of their own. */
  aloneOf(list: number): Uint32Array {
    return this.#alone.get(list) ?? NO_INDEXES;
  }

  /** Hashes of the lists to which more than one body belongs. */
  repeatedHashes(): number[] {
    const hashes: number[] = [];
    for (const [hash, list] of this.#byHash) {
      if (this.#previous[this.#tails[list]! - 1] !== 0) hashes.push(hash);
    }
    return hashes;
  }

  /** The last seq of a list that the key is in, 0 for none. */
  lastSeq(key: number): number {
    let last = 0;
    for (let member = this.#firstOf(key); member !== 0; member = this.#next[member - 1]!) {
      if (this.#keys[member - 1] !== key) continue;
      last = Math.max(last, this.#lastOf(this.#listAt(member - 1)));
    }
    return last;
  }

  /** Adds the key's seqs greater than `after` to `seqs`, in no order. */
  collectAfter(key: number, after: number, seqs: number[]): void {
    for (let member = this.#firstOf(key); member !== 0; member = this.#next[member - 1]!) {
      if (this.#keys[member - 1] !== key) continue;
      let posting = this.#tails[this.#listAt(member - 1)]!;
      while (posting !== 0) {
        const seq = this.#base + this.#seqs[posting - 1]!;
        if (seq <= after) break;
        seqs.push(seq);
        posting = this.#previous[posting - 1]!;
      }
    }
  }

  /** The shape is gone: its slot will be another one's. */
  forget(key: number): void {
    for (let member = this.#firstOf(key); member !== 0; member = this.#next[member - 1]!) {
      if (this.#keys[member - 1] === key) this.#keys[member - 1] = 0;
    }
  }

  /** Calls `visit` with each slot of the members `start .. end` and the last seq of its list. */
  visitLastSeqs(start: number, end: number, visit: (slot: number, seq: number) => void): void {
    let list = start < end ? this.#listAt(start) : 0;
    for (let member = start; member < end; member++) {
      while (member >= this.#starts[list + 1]!) list += 1;
      if (this.#keys[member] === 0 || this.#next[member] === ALONE) continue;
      visit(this.#slots[member]!, this.#lastOf(list));
    }
  }

  /** Copies of everything but what is forgotten or stands alone. */
  freeze(): FrozenLists {
    const keys = new Float64Array(this.#memberCount);
    const names = new Uint32Array(this.#memberCount);
    let count = 0;
    for (let list = 0; list < this.#listCount; list++) {
      for (let member = this.#starts[list]!; member < this.#starts[list + 1]!; member++) {
        if (this.#keys[member] === 0 || this.#next[member] === ALONE) continue;
        keys[count] = this.#keys[member]!;
        names[count++] = this.#names[list]!;
      }
    }
    const base = this.#base as Seq;
    const sharedKeys = new Float64Array(this.#postingCount);
    for (let posting = 0; posting < this.#postingCount; posting++) {
      sharedKeys[posting] = base + this.#names[this.#listOf[posting]!]!;
    }
    const seqs = this.#seqs.slice(0, this.#postingCount);
    return {
      members: { count, base, keys, seqs: names },
      shared: { count: this.#postingCount, base, keys: sharedKeys, seqs },
    };
  }

  #link(list: number, start: number): void {
    const alone: number[] = [];
    for (let member = start; member < this.#memberCount; member++) {
      const key = this.#keys[member]!;
      const bucket = this.#bucketOf(key);
      const first = this.#buckets[bucket]!;
      let lists = 0;
      for (let other = first; other !== 0; other = this.#next[other - 1]!) {
        if (this.#keys[other - 1] === key) lists += 1;
      }
      if (lists >= this.#listsPerShape) {
        this.#next[member] = ALONE;
        alone.push(member - start);
      } else {
        this.#next[member] = first;
        this.#buckets[bucket] = member + 1;
      }
    }
    if (alone.length > 0) this.#alone.set(list, Uint32Array.from(alone));
  }

  #firstOf(key: number): number {
    return this.#memberCount === 0 ? 0 : this.#buckets[this.#bucketOf(key)]!;
  }

  /** Keys are dense or evenly apart; multiplied, either way they spread. */
  #bucketOf(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> (Math.clz32(this.#buckets.length) + 1);
  }

  #lastOf(list: number): number {
    return this.#base + this.#seqs[this.#tails[list]! - 1]!;
  }

  /** The list in which a member stands. */
  #listAt(member: number): number {
    return partitionPoint(this.#listCount, (list) => this.#starts[list + 1]! <= member);
  }

  #reserveList(): void {
    if (this.#listCount + 2 <= this.#starts.length) return;
    const needed = this.#listCount + 2;
    this.#starts = grownWords(this.#starts, needed);
    this.#names = grownWords(this.#names, needed);
    this.#tails = grownWords(this.#tails, needed);
  }

  #reserveMembers(needed: number): void {
    if (needed <= this.#keys.length) return;
    let size = Math.max(1024, this.#keys.length);
    while (size < needed) size *= 2;
    this.#keys = grownFloats(this.#keys, size);
    this.#slots = grownWords(this.#slots, size);
    this.#next = grownWords(this.#next, size);
    this.#buckets = new Uint32Array(size);
    for (let member = 0; member < this.#memberCount; member++) {
      if (this.#next[member] === ALONE) continue;
      const bucket = this.#bucketOf(this.#keys[member]!);
      this.#next[member] = this.#buckets[bucket]!;
      this.#buckets[bucket] = member + 1;
    }
  }
}
