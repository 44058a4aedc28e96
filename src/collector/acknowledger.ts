/**
 * Decides how far Postgres may forget.
 *
 *     received   end of the last transaction or keepalive that has been read
 *     appended   commit LSN of the last transaction of which something has to be synced
 *     durable    commit LSN of the last transaction that is synced
 *     held       lowest LSN that some shape holds back, from the flush tracker
 *
 * While something is in flight only what is durable may be acknowledged; once nothing is, all that
 * was received may, be it that it concerned no shape: otherwise an idle slot would pin the WAL for
 * ever. What a shape holds back caps both.
 *
 * Invariants:
 *
 *   1. The acknowledged LSN never exceeds the end of the last durable transaction while one is in
 *      flight, and never exceeds `received`.
 *   2. It stays below the commit LSN of anything held back.
 *   3. It never goes back.
 *
 * A transaction's commit LSN is the start of its commit record and its end LSN lies behind it:
 * acknowledging the commit LSN makes Postgres send it once more, acknowledging the end does not.
 */

import { assert } from "../lib/assert.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";

export class Acknowledger {
  #received: Lsn = LSN_ZERO;
  #appended: Lsn = LSN_ZERO;
  #durable: Lsn = LSN_ZERO;
  #acknowledged: Lsn = LSN_ZERO;
  #processed: Lsn = LSN_ZERO;
  readonly #heldLsn: () => Lsn | undefined;

  /** @param heldLsn the lowest LSN that is held back, undefined when nothing is. */
  constructor(heldLsn: () => Lsn | undefined) {
    this.#heldLsn = heldLsn;
  }

  /** Where reading begins: everything up to here is durable already. */
  startAt(position: Lsn): void {
    this.#received = maxLsn(this.#received, position);
    this.#processed = maxLsn(this.#processed, position);
    this.#acknowledged = maxLsn(this.#acknowledged, position);
  }

  /** A transaction was read to its end. */
  committed(commitLsn: Lsn, endLsn: Lsn, isAppended: boolean): void {
    assert(endLsn >= commitLsn, "a transaction ends behind its commit record");
    if (isAppended) this.#appended = maxLsn(this.#appended, commitLsn);
    this.#received = maxLsn(this.#received, endLsn);
  }

  /** Postgres said, between two transactions, that it has sent everything up to here. */
  keepalive(walEnd: Lsn): void {
    this.#received = maxLsn(this.#received, walEnd);
  }

  durable(position: Lsn): void {
    this.#durable = maxLsn(this.#durable, position);
  }

  /** Whether something was appended that is not synced yet. */
  get isInFlight(): boolean {
    return this.#durable < this.#appended;
  }

  /** End of what has been read. */
  get received(): Lsn {
    return this.#received;
  }

  /** The LSN to confirm to Postgres now. */
  get acknowledged(): Lsn {
    const reached = this.isInFlight ? this.#durable : this.#received;
    const held = this.#heldLsn();
    const allowed = held !== undefined && held <= reached ? ((held - 1n) as Lsn) : reached;
    this.#acknowledged = maxLsn(this.#acknowledged, allowed);
    return this.#acknowledged;
  }

  /** Every transaction that committed up to here is visible to readers. */
  get processed(): Lsn {
    this.#processed = maxLsn(this.#processed, this.isInFlight ? this.#durable : this.#received);
    return this.#processed;
  }
}
