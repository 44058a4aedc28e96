/**
 * How long to wait before trying again: twice as long each time, up to a limit, with jitter so that
 * a hundred instances whose database restarts do not all come back in the same moment.
 *
 *     attempt        1        2        3       ...      from 6
 *     wait (ms)   500-1000  1-2 s    2-4 s             15-30 s
 */

const INITIAL_DELAY_MS = 1_000;
const DELAY_MAX_MS = 30_000;

export class Backoff {
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  #delayMs = INITIAL_DELAY_MS;

  constructor(random: () => number) {
    this.#random = random;
  }

  nextDelayMs(): number {
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(2 * delayMs, DELAY_MAX_MS);
    return Math.round(delayMs / 2 + (delayMs / 2) * this.#random());
  }

  /** It worked: the next trouble is a new one. */
  reset(): void {
    this.#delayMs = INITIAL_DELAY_MS;
  }
}
