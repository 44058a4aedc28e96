/**
 * Seqs that are no entries although postings may name them: what a rolled-back transaction had
 * appended, or what a crash cut off after a checkpoint had already filed it. Such a range arises
 * once in a blue moon, so a short sorted array is the whole structure.
 */

import type { SeqRange } from "./record.ts";

export class SeqRanges {
  readonly #ranges: SeqRange[] = [];

  get all(): readonly SeqRange[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Adding what is there already has no effect: a replay sees a range again. */
  add(range: SeqRange): void {
    if (range.last < range.first) return;
    const isKnown = this.#ranges.some(
      (known) => known.first <= range.first && range.last <= known.last,
    );
    if (isKnown) return;
    this.#ranges.push(range);
    this.#ranges.sort((a, b) => a.first - b.first);
  }

  /** The last seq of the stretch of void ones that follows `seq`; `seq` itself when none does. */
  endAfter(seq: number): number {
    for (const range of this.#ranges) {
      if (range.first <= seq + 1 && range.last > seq) seq = range.last;
    }
    return seq;
  }

  has(seq: number): boolean {
    for (const range of this.#ranges) {
      if (seq < range.first) return false;
      if (seq <= range.last) return true;
    }
    return false;
  }
}
