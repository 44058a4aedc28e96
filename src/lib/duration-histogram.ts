/**
 * How long things took: a counter per class of durations, and the sum of them all. A few dozen
 * numbers, however often it is told and whether or not anybody asks.
 *
 *     bounds     0.001    0.01     0.1
 *             ┌────────┬────────┬────────┬────────┐
 *     counts  │  ..    │  ..    │  ..    │ beyond │
 *             └────────┴────────┴────────┴────────┘
 *
 * 1. A duration is counted once, in the first class whose bound it does not exceed.
 */

import { assert } from "./assert.ts";

export interface HistogramReport {
  readonly count: number;
  readonly sumSeconds: number;
  /** How many took at most so long, ascending. What took longer shows in `count` alone. */
  readonly buckets: readonly { readonly upToSeconds: number; readonly count: number }[];
}

export class DurationHistogram {
  readonly #boundsSeconds: readonly number[];
  readonly #counts: Float64Array;
  #sumSeconds = 0;

  /** @param boundsSeconds ascending. */
  constructor(boundsSeconds: readonly number[]) {
    const isAscending = boundsSeconds.every(
      (bound, index) => bound > (boundsSeconds[index - 1] ?? 0),
    );
    assert(isAscending, "bounds of a histogram ascend");
    this.#boundsSeconds = boundsSeconds;
    this.#counts = new Float64Array(boundsSeconds.length + 1);
  }

  observe(seconds: number): void {
    let index = 0;
    while (index < this.#boundsSeconds.length && seconds > this.#boundsSeconds[index]!) index += 1;
    this.#counts[index]! += 1;
    this.#sumSeconds += seconds;
  }

  report(): HistogramReport {
    let count = 0;
    const buckets = this.#boundsSeconds.map((upToSeconds, index) => {
      count += this.#counts[index]!;
      return { upToSeconds, count };
    });
    return { count: count + this.#counts.at(-1)!, sumSeconds: this.#sumSeconds, buckets };
  }
}
