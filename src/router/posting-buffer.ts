import { assert } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import { nextTurn } from "../lib/next-turn.ts";
import type { LogSlot, Seq } from "../model/ids.ts";
import type { FrozenPostings, PostingBuffer as Contract } from "../storage/storage.ts";
import { EXCHANGE_SIZE, type Core, type CoreExports } from "./core.ts";

/** Words of groups that are filed at once. */
const WORDS = EXCHANGE_SIZE / 4;
/** Seqs, as floats, that are copied at once. */
const SEQS = EXCHANGE_SIZE / 8;
/** Frozen postings that are copied at once: 8 bytes of key and 4 of seq each. */
const PAIRS = Math.floor(EXCHANGE_SIZE / 24) * 2;

/** Of frozen postings, that are copied in a turn of the event loop: 30 ns for each posting. */
const PARTS_PER_TURN = 4;

/** What the core says for a log that is known to be empty: seqs begin at 2. */
const EMPTY = 1;

/**
 * Postings in the core: see `assembly/pending-postings.ts` for how they lie there.
 *
 * `file` may grow linear memory; nothing else does.
 */
export class PostingBuffer implements Contract {
  readonly #core: Core;
  readonly #exports: CoreExports;
  readonly capacity: number;
  #frozenCount = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports;
    this.capacity = this.#exports.postingsCapacity();
  }

  get count(): number {
    return this.#exports.postingsCount() >>> 0;
  }

  get hasFrozen(): boolean {
    return this.#exports.postingsHasFrozen() !== 0;
  }

  /** @throws {LitzError} when the machine has no memory left. */
  file(base: Seq, groups: Uint32Array): void {
    let group = 0;
    let slot = 0;
    while (group < groups.length) {
      // As many groups as fit; of the last one, if need be, a part as a group of its own.
      const { words } = this.#core;
      const start = this.#core.exchange >>> 2;
      let used = 0;
      while (group < groups.length && used + 2 < WORDS) {
        const rest = groups[group + 1]! - slot;
        const count = Math.min(rest, WORDS - used - 2);
        const first = group + 2 + slot;
        words[start + used] = groups[group]!;
        words[start + used + 1] = count;
        words.set(groups.subarray(first, first + count), start + used + 2);
        used += count + 2;
        slot += count;
        if (count === rest) {
          group += slot + 2;
          slot = 0;
        }
      }
      this.#file(base, used);
    }
  }

  lastSeq(slot: LogSlot): Seq | 0 | undefined {
    const seq = this.#exports.postingsLastSeq(slot);
    if (seq === 0) return undefined;
    return seq === EMPTY ? 0 : (seq as Seq);
  }

  setLastSeq(slot: LogSlot, seq: Seq | 0): void {
    assert(seq !== 1, "seqs begin at 2");
    this.#exports.postingsSetLastSeq(slot, seq === 0 ? EMPTY : seq);
  }

  seqsAfter(slot: LogSlot, after: number): Float64Array {
    const seqs = new Float64Array(this.#exports.postingsSeekChain(slot, after) >>> 0);
    const out = this.#core.exchange;
    let end = seqs.length;
    while (end > 0) {
      // The newest come first.
      const count = this.#exports.postingsCopyChain(out, SEQS) >>> 0;
      const part = this.#core.floats.subarray(out >>> 3, (out >>> 3) + count);
      for (let n = 0; n < count; n++) seqs[end - 1 - n] = part[n]!;
      end -= count;
    }
    return seqs;
  }

  freeze(): void {
    this.#frozenCount = this.#exports.postingsFreeze() >>> 0;
  }

  async copyFrozen(): Promise<FrozenPostings> {
    const base = this.#exports.postingsFrozenBase() as Seq;
    const keys = new Float64Array(this.#frozenCount);
    const seqs = new Uint32Array(this.#frozenCount);
    const keysAt = this.#core.exchange;
    const seqsAt = keysAt + PAIRS * 8;
    let count = 0;
    for (;;) {
      const taken = this.#exports.postingsTakeFrozen(keysAt, seqsAt, PAIRS) >>> 0;
      if (taken === 0) return { count, base, keys, seqs };
      keys.set(this.#core.floats.subarray(keysAt >>> 3, (keysAt >>> 3) + taken), count);
      seqs.set(this.#core.words.subarray(seqsAt >>> 2, (seqsAt >>> 2) + taken), count);
      count += taken;
      if (count % (PAIRS * PARTS_PER_TURN) === 0) await nextTurn();
    }
  }

  retire(): void {
    this.#exports.postingsRetire();
  }

  #file(base: Seq, wordCount: number): void {
    const high = Math.floor(base / 2 ** 32);
    if (this.#exports.postingsFile(base | 0, high, this.#core.exchange, wordCount) === 0) {
      throw new LitzError("the machine has no memory left for postings", {
        code: "CORE_MEMORY_EXHAUSTED",
      });
    }
  }
}
