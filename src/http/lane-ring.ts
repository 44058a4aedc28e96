/**
 * Deadlines by the ten thousand: a ring of buckets, one timer for all of them.
 *
 *     bucket   0      1      2      3   ...
 *           ┌──────┬──────┬──────┬──────┐
 *           │ a  c │      │ b    │ d    │
 *           └──────┴──────┴──────┴──────┘
 *              ^ now            a deadline is never early, at most two ticks late
 *
 * A timer of its own costs each connection 190 to 350 bytes and a call of the timer's machinery; a
 * place in a bucket costs eight bytes.
 *
 * 1. An entry is in at most one bucket; it knows which, and its place there.
 * 2. An entry that expires has left its bucket before it is told, and so have those of its tick.
 *    Until it is told it may be cleared or set again like any other, and is not told then.
 */

import type { CancelTimer, Timers } from "../lib/timers.ts";

/** What has a deadline. Both numbers are the ring's. */
export interface RingEntry {
  bucket: number;
  place: number;
  expire(): void;
}

/** In no bucket. */
export const NO_BUCKET = -1;

/** Its tick has come, and others of that tick are told before it. */
const DUE = -2;

export class LaneRing {
  readonly #timers: Timers;
  readonly #tickMs: number;
  readonly #buckets: RingEntry[][];
  #now = 0;
  #count = 0;
  #cancel: CancelTimer | undefined;

  /** @param longestMs no deadline is further away. */
  constructor(timers: Timers, tickMs: number, longestMs: number) {
    this.#timers = timers;
    this.#tickMs = tickMs;
    // One for the tick that is under way, one for the last.
    const size = Math.ceil(longestMs / tickMs) + 2;
    this.#buckets = Array.from({ length: size }, () => []);
  }

  get count(): number {
    return this.#count;
  }

  /** Expires the entry after `delayMs`. A deadline that it had before counts no more. */
  set(entry: RingEntry, delayMs: number): void {
    this.clear(entry);
    const ticks = Math.min(Math.ceil(delayMs / this.#tickMs) + 1, this.#buckets.length - 1);
    entry.bucket = (this.#now + ticks) % this.#buckets.length;
    const bucket = this.#buckets[entry.bucket]!;
    entry.place = bucket.length;
    bucket.push(entry);
    this.#count += 1;
    this.#cancel ??= this.#timers.every(this.#tickMs, () => this.#tick());
  }

  clear(entry: RingEntry): void {
    if (entry.bucket === DUE) entry.bucket = NO_BUCKET;
    if (entry.bucket === NO_BUCKET) return;
    const bucket = this.#buckets[entry.bucket]!;
    const last = bucket.pop()!;
    if (last !== entry) {
      bucket[entry.place] = last;
      last.place = entry.place;
    }
    entry.bucket = NO_BUCKET;
    this.#count -= 1;
  }

  #tick(): void {
    this.#now = (this.#now + 1) % this.#buckets.length;
    const bucket = this.#buckets[this.#now]!;
    if (bucket.length > 0) {
      this.#buckets[this.#now] = [];
      this.#count -= bucket.length;
      for (const entry of bucket) entry.bucket = DUE;
      for (const entry of bucket) {
        if (entry.bucket !== DUE) continue;
        entry.bucket = NO_BUCKET;
        entry.expire();
      }
    }
    if (this.#count > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
