/**
 * What the router has to say: why it has stopped, and what it has written. All of it lies in linear
 * memory and is read there, without an object per body (`assembly/run-state.ts`, `regions.ts`).
 */

import type { RelationId } from "../model/ids.ts";
import { lsnOf, type Lsn } from "../model/lsn.ts";
import type { Core } from "./core.ts";
import { BODY_WORDS, BodyFlag, BodyWord, State, type RouterExports } from "./router-abi.ts";
import type { MalformedReason, UnroutableReason } from "./run-outcome.ts";

export class RouterOutput {
  readonly #core: Core;
  /** Index of the state's first word. */
  readonly #state: number;

  /** REQUIRES: the core has its router. */
  protected constructor(core: Core) {
    this.#core = core;
    this.#state = (core.exports as unknown as RouterExports).routerState() >>> 2;
  }

  // --- What a stop means -----------------------------------------------------------------------

  /** Whether a Begin was consumed whose Commit was not. */
  get isInTransaction(): boolean {
    return this.#word(State.isInTransaction) !== 0;
  }

  /** Commit LSN of the transaction that the bodies belong to, known since its Begin. */
  get transactionLsn(): Lsn {
    return this.#lsn(State.transactionLsn);
  }

  /** Of the same transaction. */
  get xid(): number {
    return this.#word(State.xid);
  }

  /** Position of the next change in its transaction. */
  get op(): number {
    return this.#word(State.op);
  }

  /**
   * Commit LSN of the last transaction that has ended, reported or not. 0: none since the reset.
   */
  get commitLsn(): Lsn {
    return this.#lsn(State.commitLsn);
  }

  /** Where the last transaction that has ended ends in the WAL: what may be acknowledged. */
  get endLsn(): Lsn {
    return this.#lsn(State.endLsn);
  }

  /** Of the last transaction that has ended, in microseconds since 2000-01-01. */
  get commitTimeMicroseconds(): number {
    const high = this.#word(State.commitTime) | 0;
    return high * 2 ** 32 + this.#word(State.commitTime + 1);
  }

  /** At `KEEPALIVE`: the end of the WAL on the server. */
  get walEnd(): Lsn {
    return this.#lsn(State.walEnd);
  }

  /** At `KEEPALIVE`. */
  get isReplyRequested(): boolean {
    return this.#word(State.isReplyRequested) !== 0;
  }

  /** At `MESSAGE` the message's, at `FOREIGN_FRAME` the frame's type: an ASCII code. */
  get messageKind(): number {
    return this.#word(State.messageKind);
  }

  /** At `MESSAGE`: the whole message, its type first. Into `bytes`, until `run` or `receive`. */
  get messageAddress(): number {
    return this.#word(State.messageAddress);
  }

  get messageSize(): number {
    return this.#word(State.messageSize);
  }

  /** At `UNROUTABLE`. */
  get unroutableRelation(): RelationId {
    return this.#word(State.relation) as RelationId;
  }

  /** At `UNROUTABLE`. */
  get unroutableReason(): UnroutableReason {
    return this.#word(State.reason) as UnroutableReason;
  }

  /** At `MALFORMED`. */
  get malformedReason(): MalformedReason {
    return this.#word(State.reason) as MalformedReason;
  }

  /** At `NEEDS_GROWTH`: by how much `grow` would enlarge the core. */
  get growthBytes(): number {
    return this.#word(State.growthBytes);
  }

  /** Bytes received and not consumed. */
  get pendingBytes(): number {
    return this.#word(State.inputPending);
  }

  // --- Output, without objects -----------------------------------------------------------------

  /** Linear memory. Use it at once: growth detaches it. */
  get bytes(): Uint8Array {
    return this.#core.bytes;
  }

  /** Ids with their `GATED_BIT`, indexed by `bodyFirstMatch`. A new view at each call. */
  get matches(): Uint32Array {
    return this.#core.words.subarray(this.#word(State.matchesAddress) >>> 2);
  }

  get bodyCount(): number {
    return this.#word(State.bodyCount);
  }

  /** In `bytes`. Bodies come in the order of their changes. */
  bodyAddress(index: number): number {
    return this.#bodyWord(index, BodyWord.address);
  }

  bodySize(index: number): number {
    return this.#bodyWord(index, BodyWord.size);
  }

  bodyOp(index: number): number {
    return this.#bodyWord(index, BodyWord.op);
  }

  bodyFirstMatch(index: number): number {
    return this.#bodyWord(index, BodyWord.firstMatch);
  }

  bodyMatchCount(index: number): number {
    return this.#bodyWord(index, BodyWord.matchCount);
  }

  /** Whether one of its matches is gated. */
  bodyIsGated(index: number): boolean {
    return (this.#bodyWord(index, BodyWord.flags) & BodyFlag.HAS_GATED) !== 0;
  }

  /** Whether it is what views gain and lose, `assembly/delta-writer.ts`, and no JSON. */
  bodyIsDelta(index: number): boolean {
    return (this.#bodyWord(index, BodyWord.flags) & BodyFlag.IS_DELTA) !== 0;
  }

  #word(index: number): number {
    return this.#core.words[this.#state + index]!;
  }

  #lsn(index: number): Lsn {
    return lsnOf(this.#word(index), this.#word(index + 1));
  }

  #bodyWord(index: number, word: number): number {
    return this.#core.words[(this.#word(State.bodiesAddress) >>> 2) + index * BODY_WORDS + word]!;
  }
}
