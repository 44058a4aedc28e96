/**
 * What Postgres is told that it may forget is written down first. A start that finds the slot
 * further on than that knows that somebody else has read it meanwhile, another storage directory or
 * a younger copy of this one: what they were sent is never sent again, and shapes that have not
 * seen it would be wrong for good.
 *
 *     acknowledger ──(LSN)──> written down? ──yes──> status update
 *                                  │ no
 *                                  └──> one record, twice a second at most ──> later updates
 *
 * A durable transaction is its own record. What remains is the WAL of others: transactions that
 * reach no shape, and of those that do, the way from the commit record to its end.
 *
 * Invariant: `limit` returns no LSN that a crash could make unknown.
 */

import type { Clock } from "../lib/clock.ts";
import { minLsn, type Lsn } from "../model/lsn.ts";

/** Where it is written down. */
export interface ConfirmedRecords {
  /** The largest LSN that is, by itself or as a durable transaction. */
  readonly confirmed: Lsn;
  /** Resolves when it is durable. Rejects when storage has failed, which says so itself. */
  recordConfirmed(lsn: Lsn): Promise<void>;
}

/** A record takes a sync, and Postgres is in no hurry to forget. */
const INTERVAL_US = 500_000;

export class Confirmation {
  readonly #records: ConfirmedRecords;
  readonly #clock: Clock;
  #recording: Promise<void> | undefined;
  #recordedAtUs = -Infinity;

  constructor(records: ConfirmedRecords, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** How much of `wanted` may be confirmed by now. */
  limit(wanted: Lsn): Lsn {
    return minLsn(wanted, this.#records.confirmed);
  }

  /** Has it written down, soon. */
  request(wanted: Lsn): void {
    if (wanted <= this.#records.confirmed) return;
    const nowUs = this.#clock.nowMicroseconds();
    if (nowUs - this.#recordedAtUs < INTERVAL_US) return;
    this.#recordedAtUs = nowUs;
    void this.#record(wanted);
  }

  /** Has it written down without delay. Resolves when it is, or storage has failed. */
  async settle(wanted: Lsn): Promise<void> {
    await this.#recording;
    if (wanted > this.#records.confirmed) await this.#record(wanted);
  }

  #record(lsn: Lsn): Promise<void> {
    const recording = this.#records.recordConfirmed(lsn).catch(() => undefined);
    this.#recording = recording;
    return recording;
  }
}
