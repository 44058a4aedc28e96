/**
 * What the core counts while it reads the stream, for whoever asks how it is going. The core writes
 * it once per transaction; asking is a load.
 */

import type { Core } from "./core.ts";
import { State, type RouterExports } from "./router-abi.ts";

/** 2000-01-01 in microseconds since 1970: Postgres counts from there. */
const POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000;

export class StreamFigures {
  readonly #core: Core;
  readonly #exports: RouterExports;
  /** Index of the state's first word. */
  readonly #state: number;

  /** REQUIRES: the core has its router. */
  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports as unknown as RouterExports;
    this.#state = this.#exports.routerState() >>> 2;
  }

  /** Transactions that were read to their end, modulo 2^32. */
  get transactionCount(): number {
    return this.#exports.routerReadCount() >>> 0;
  }

  /** Changes in them, wanted or not, without those of transactions that were stored already. */
  get changeCount(): number {
    return this.#long(State.changeCount);
  }

  /** When the last of them committed, in microseconds since 1970. Undefined: there is none. */
  get commitTimeMicroseconds(): number | undefined {
    return this.#time(State.commitTime);
  }

  /**
   * For how long the last of them had been committed when Postgres sent that, in microseconds. Both
   * moments are of its clock. Undefined: there is none.
   */
  get delayMicroseconds(): number | undefined {
    const committed = this.#time(State.commitTime);
    const sent = this.#time(State.sentTime);
    if (committed === undefined || sent === undefined) return undefined;
    return Math.max(0, sent - committed);
  }

  /** Words that are 0 have not been written on this connection. */
  #time(index: number): number | undefined {
    const microseconds = this.#long(index);
    return microseconds === 0 ? undefined : microseconds + POSTGRES_EPOCH_MICROSECONDS;
  }

  #long(index: number): number {
    const { words } = this.#core;
    const first = this.#state + index;
    return (words[first]! | 0) * 2 ** 32 + words[first + 1]!;
  }
}
