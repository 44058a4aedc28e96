/**
 * A bounded number of permits, given to those who ask in the order in which they asked.
 *
 * 1. No more than `count` are out at a time.
 * 2. A permit that is given back goes to whoever has waited longest; one who gave up waiting gets
 *    none.
 */

import { systemTimers, type Timers } from "./timers.ts";

export type Release = () => void;

export class Permits {
  readonly #timers: Timers;
  /** In the order of asking. */
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(count: number, timers: Timers = systemTimers) {
    this.#free = count;
    this.#timers = timers;
  }

  /** How many may be taken at once. */
  get free(): number {
    return this.#free;
  }

  /**
   * Resolves with what gives the permit back, which works once; with undefined when there was none
   * for `timeoutMs`, or the signal was aborted.
   */
  async acquire(timeoutMs: number, signal: AbortSignal): Promise<Release | undefined> {
    if (signal.aborted) return undefined;
    if (this.#free > 0) {
      this.#free -= 1;
      return this.#permit();
    }
    return new Promise((resolve) => {
      const settle = (release: Release | undefined): void => {
        this.#waiting.delete(take);
        cancel();
        signal.removeEventListener("abort", giveUp);
        resolve(release);
      };
      const take = (): void => settle(this.#permit());
      const giveUp = (): void => settle(undefined);
      const cancel = this.#timers.after(timeoutMs, giveUp);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(take);
    });
  }

  #permit(): Release {
    let isOut = true;
    return () => {
      if (!isOut) return;
      isOut = false;
      const [next] = this.#waiting;
      if (next === undefined) this.#free += 1;
      else next();
    };
  }
}
