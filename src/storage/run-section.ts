/**
 * Looks seqs up in one of the three tables that runs consist of (FORMAT.md): each is a table of
 * blocks, sorted by (run, key, base).
 */

import type { SqliteDatabase } from "./database.ts";
import { decodeBlock } from "./run-block.ts";
import type { SeqRanges } from "./seq-ranges.ts";

/** Shapes and their own seqs; shapes and their lists, by name; lists and their seqs. */
export type RunTable = "run" | "run_member" | "run_shared";

export interface RunInfo {
  readonly run: number;
  readonly first_seq: number;
  readonly last_seq: number;
  /** Members of shared lists; 0: the other two tables have nothing of this run. */
  readonly members: number;
}

interface Block {
  readonly key: number;
  readonly base: number;
  readonly blob: Buffer;
}

/** Blocks that are fetched at once; about 150 seqs each. */
const BLOCKS_PER_FETCH = 32;

export class RunSection {
  readonly #voids: SeqRanges | undefined;
  readonly #blockUpTo: (run: number, key: number, base: number) => Block | undefined;
  readonly #blocksOf: (run: number, key: number, base: number) => Block[];

  /** @param voids what to leave out. */
  constructor(database: SqliteDatabase, table: RunTable, voids?: SeqRanges) {
    this.#voids = voids;
    const blockUpTo = database.prepare<[number, number, number], Block>(
      `select key, base, blob from ${table} where run = ? and (key, base) <= (?, ?)
       order by key desc, base desc limit 1`,
    );
    const blocksOf = database.prepare<[number, number, number], Block>(
      `select key, base, blob from ${table} where run = ? and key = ? and base > ?
       order by base limit ${BLOCKS_PER_FETCH}`,
    );
    this.#blockUpTo = (run, key, base) => blockUpTo.get(run, key, base);
    this.#blocksOf = (run, key, base) => blocksOf.all(run, key, base);
  }

  /** The seqs of `key` greater than `after`, ascending; at least `limit` of them if there are. */
  seqsAfter(info: RunInfo, key: number, after: number, limit: number): number[] {
    const seqs: number[] = [];
    const walk = { last: after, isPassed: false };
    const take = (other: number, seq: number): void => {
      if (other > key) walk.isPassed = true;
      // A list that was filed in parts may have been filed twice: ascending or not at all.
      if (other !== key || seq <= walk.last) return;
      walk.last = seq;
      if (this.#voids?.has(seq) !== true) seqs.push(seq);
    };
    const first = this.#blockUpTo(info.run, key, after);
    if (first !== undefined) decodeBlock(first.blob, first.key, info.first_seq, take);
    let base = first?.key === key ? first.base : -1;
    while (!walk.isPassed && seqs.length < limit) {
      const blocks = this.#blocksOf(info.run, key, base);
      for (const block of blocks) decodeBlock(block.blob, block.key, info.first_seq, take);
      if (blocks.length < BLOCKS_PER_FETCH) break;
      base = blocks.at(-1)!.base;
    }
    return seqs;
  }

  /** The last seq of `key` that is at most `upTo`, or 0. */
  lastSeq(info: RunInfo, key: number, upTo: number): number {
    let bound = upTo;
    // Ends: the bound falls with every block, and a block further on is of a smaller key.
    for (;;) {
      const block = this.#blockUpTo(info.run, key, bound);
      if (block === undefined) return 0;
      let last = 0;
      decodeBlock(block.blob, block.key, info.first_seq, (other, seq) => {
        if (other === key && seq <= upTo && this.#voids?.has(seq) !== true) last = seq;
      });
      if (last !== 0 || block.key !== key) return last;
      bound = block.base - 1;
    }
  }
}
