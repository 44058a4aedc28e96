/**
 * A value that takes time to find out, for those who ask now and then: found out again when it is
 * asked for and old, and then waited for only a little. With nobody asking nothing happens.
 */

import type { Clock } from "./clock.ts";
import type { Timers } from "./timers.ts";

export interface RefreshedOptions<Value> {
  readonly read: () => Promise<Value>;
  /** Younger values are good enough. */
  readonly intervalMs: number;
  /** How long whoever asks waits for a new one, before the last one is good enough too. */
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
}

export class Refreshed<Value> {
  readonly #options: RefreshedOptions<Value>;
  #value: Value | undefined;
  #reading: Promise<void> | undefined;
  #beganAtMs = -Infinity;

  constructor(options: RefreshedOptions<Value>) {
    this.#options = options;
  }

  /** Undefined: it is not known yet, or could not be found out when that was tried last. */
  async get(): Promise<Value | undefined> {
    const { clock, intervalMs, patienceMs, timers } = this.#options;
    const nowMs = clock.nowMilliseconds();
    if (this.#reading === undefined && nowMs - this.#beganAtMs >= intervalMs) {
      this.#beganAtMs = nowMs;
      this.#reading = this.#read().finally(() => (this.#reading = undefined));
    }
    if (this.#reading !== undefined) {
      let cancel: () => void = () => undefined;
      const patience = new Promise<void>((resolve) => {
        cancel = timers.after(patienceMs, resolve);
      });
      await Promise.race([this.#reading, patience]);
      cancel();
    }
    return this.#value;
  }

  async #read(): Promise<void> {
    try {
      this.#value = await this.#options.read();
    } catch {
      // Whatever cannot be reached is missed by others too, who say so.
      this.#value = undefined;
    }
  }
}
