/**
 * Looks up a shape's postings in the runs. Used by the event loop for readers and by the checkpoint
 * to see what a removed shape leaves behind.
 *
 * A lookup is one read transaction, because a merge replaces runs by another one: the list of runs
 * and the blocks have to be of the same moment. It costs about 6 us a run.
 */

import type { SqliteDatabase } from "./database.ts";
import { decodeBlock } from "./run-block.ts";
import type { SeqRanges } from "./seq-ranges.ts";

interface RunInfo {
  readonly run: number;
  readonly first_seq: number;
  readonly last_seq: number;
}

interface Block {
  readonly key: number;
  readonly base: number;
  readonly blob: Buffer;
}

/** Blocks that are fetched at once; about 150 seqs each. */
const BLOCKS_PER_FETCH = 32;

export class Runs {
  readonly #voids: SeqRanges;
  readonly #inTransaction: <T>(lookup: () => T) => T;
  readonly #infos: () => RunInfo[];
  readonly #blockUpTo: (run: number, key: number, base: number) => Block | undefined;
  readonly #blocksOf: (run: number, key: number, base: number) => Block[];

  constructor(database: SqliteDatabase, voids: SeqRanges) {
    this.#voids = voids;
    const infos = database.prepare<[], RunInfo>(
      "select run, first_seq, last_seq from run_info order by first_seq",
    );
    const blockUpTo = database.prepare<[number, number, number], Block>(
      `select key, base, blob from run where run = ? and (key, base) <= (?, ?)
       order by key desc, base desc limit 1`,
    );
    const blocksOf = database.prepare<[number, number, number], Block>(
      `select key, base, blob from run where run = ? and key = ? and base > ?
       order by base limit ${BLOCKS_PER_FETCH}`,
    );
    this.#infos = () => infos.all();
    this.#blockUpTo = (run, key, base) => blockUpTo.get(run, key, base);
    this.#blocksOf = (run, key, base) => blocksOf.all(run, key, base);
    const run = database.transaction((lookup: () => unknown) => lookup());
    this.#inTransaction = <T>(lookup: () => T) =>
      database.inTransaction ? lookup() : (run(lookup) as T);
  }

  /** The seqs of `key` greater than `after`, ascending; at least `limit` of them if there are. */
  seqsAfter(key: number, after: number, limit: number): number[] {
    return this.#inTransaction(() => {
      const seqs: number[] = [];
      for (const info of this.#infos()) {
        if (seqs.length >= limit) break;
        if (info.last_seq > after) this.#collect(info, key, after, limit, seqs);
      }
      return seqs;
    });
  }

  /** The last seq of `key` that is at most `upTo`, or 0. */
  lastSeq(key: number, upTo: number): number {
    return this.#inTransaction(() => {
      for (const info of this.#infos().reverse()) {
        if (info.first_seq > upTo) continue;
        const last = this.#lastIn(info, key, upTo);
        if (last !== 0) return last;
      }
      return 0;
    });
  }

  #lastIn(info: RunInfo, key: number, upTo: number): number {
    let bound = upTo;
    // Ends: the bound falls with every block, and a block further on is of a smaller key.
    for (;;) {
      const block = this.#blockUpTo(info.run, key, bound);
      if (block === undefined) return 0;
      let last = 0;
      decodeBlock(block.blob, block.key, info.first_seq, (other, seq) => {
        if (other === key && seq <= upTo && !this.#voids.has(seq)) last = seq;
      });
      if (last !== 0 || block.key !== key) return last;
      bound = block.base - 1;
    }
  }

  #collect(info: RunInfo, key: number, after: number, limit: number, seqs: number[]): void {
    const walk = { last: Math.max(after, seqs.at(-1) ?? 0), isPassed: false };
    const take = (other: number, seq: number): void => {
      if (other > key) walk.isPassed = true;
      // A list that was filed in parts may have been filed twice: ascending or not at all.
      if (other !== key || seq <= walk.last) return;
      walk.last = seq;
      if (!this.#voids.has(seq)) seqs.push(seq);
    };
    const first = this.#blockUpTo(info.run, key, after);
    if (first !== undefined) decodeBlock(first.blob, first.key, info.first_seq, take);
    let base = first?.key === key ? first.base : -1;
    while (!walk.isPassed && seqs.length < limit) {
      const blocks = this.#blocksOf(info.run, key, base);
      for (const block of blocks) decodeBlock(block.blob, block.key, info.first_seq, take);
      if (blocks.length < BLOCKS_PER_FETCH) return;
      base = blocks.at(-1)!.base;
    }
  }
}
