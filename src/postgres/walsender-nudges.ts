/**
 * Wakes a walsender that sleeps although there is WAL to send.
 *
 * From Postgres 16 on a walsender looks how far WAL is flushed and only then has itself put on the
 * list of those whom a flush wakes (`WalSndWaitForWal` and `WalSndWait` in its walsender.c). A
 * commit in between wakes nobody: it stays where it is until something else happens, another
 * commit or a message from us. With a status update every 5 seconds and nothing else, 5 of 2,700
 * single rows came 1 to 5 seconds late beside a load of seven, `sent_lsn` lying behind what was
 * flushed meanwhile; with these updates none of 3,000 came 0.3 seconds late, beside one of twelve.
 *
 * A walsender can miss a commit when it is awake: when it has just sent something, or taken
 * something from us. So news from it are followed by status updates, each of which wakes it:
 *
 *     news ──25 ms──> update ──100 ms──> update ──400 ms──> update ──1.6 s──> update, no more
 *
 * An update may meet a commit as well, which the next one mends, and each later one is less likely
 * to. What answers an update is no news unless it tells of more WAL, or it would go on for ever.
 *
 * Invariant: at most one timer is set; while news keep coming it goes off every 25 ms, unused.
 */

import type { CancelTimer, Timers } from "../lib/timers.ts";

const DELAYS_MS = [25, 100, 400, 1600];

export class WalsenderNudges {
  readonly #timers: Timers;
  readonly #nudge: () => void;
  /** Updates sent since the last news. */
  #step = 0;
  #hasNews = false;
  #cancel: CancelTimer | undefined;
  /** Where WAL ended according to the last keepalive that came alone. */
  #walEnd = 0n;

  /** @param nudge sends a status update. */
  constructor(timers: Timers, nudge: () => void) {
    this.#timers = timers;
    this.#nudge = nudge;
  }

  /** The walsender has sent these bytes. */
  heard(chunk: Buffer): void {
    if (this.#isNoNews(chunk)) return;
    this.#hasNews = true;
    // As soon as the walsender falls silent 25 ms count, whatever was waited for before.
    if (this.#cancel === undefined || this.#step > 0) this.#begin();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #begin(): void {
    this.stop();
    this.#step = 0;
    this.#hasNews = false;
    this.#wait();
  }

  #wait(): void {
    const delayMs = DELAYS_MS[this.#step];
    this.#cancel = delayMs === undefined ? undefined : this.#timers.after(delayMs, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    if (this.#hasNews) {
      this.#begin();
      return;
    }
    this.#nudge();
    this.#step += 1;
    this.#wait();
  };

  /** Nothing but a keepalive (Postgres manual, 54.4) that tells what the last one told. */
  #isNoNews(chunk: Buffer): boolean {
    if (chunk.length !== KEEPALIVE_SIZE || chunk[5] !== KEEPALIVE) return false;
    const before = this.#walEnd;
    this.#walEnd = chunk.readBigUInt64BE(6);
    return this.#walEnd === before;
  }
}

const KEEPALIVE = 0x6b; // "k"
/** Frame header, kind, end of WAL, time, flag. */
const KEEPALIVE_SIZE = 5 + 1 + 8 + 8 + 1;
