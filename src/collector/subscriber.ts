/**
 * Who the collector hands a transaction to, fragment by fragment. The collector owns this
 * interface and `shapes/` implements it, so that data flows against the import arrow.
 *
 * The collector calls in the order of the stream and never calls before an answer that is a promise
 * has settled. Between `committed` and the next `changes` lies a transaction boundary.
 */

import type { RelationMessage } from "../decoder/pgoutput.ts";
import type { Lsn } from "../model/lsn.ts";
import type { UnroutableReason } from "../router/run-outcome.ts";

export interface Subscriber {
  /**
   * The router's output holds bodies of a transaction. They are valid during the call only.
   * Returns whether anything was appended to storage.
   */
  changes(): boolean;

  /** Whether `committed` has to be called for every transaction, also those that reach no shape. */
  readonly wantsEveryCommit: boolean;

  /**
   * The transaction is complete. Called if it reached a shape, or if that is wanted of all.
   *
   * @param hasAppended whether some `changes` of it returned true.
   * @returns whether it has to become durable before it is confirmed.
   */
  committed(commitLsn: Lsn, hasAppended: boolean): boolean;

  /**
   * What `committed`, `boundary` or `progressed` has begun and not finished: until it settles none
   * of them is called. A shape may nevertheless go. Rejects when it cannot be done; then the stream
   * has to be begun anew.
   */
  readonly unfinished: Promise<void> | undefined;

  /** The transaction will be sent again from its beginning: forget what was taken of it. */
  rolledBack(commitLsn: Lsn): void;

  /** No transaction is being read: shapes may come and go. Called when it was asked for. */
  boundary(): void;

  /** No transaction is being read, and every one that committed up to here has been seen. */
  progressed(received: Lsn): void;

  /** A table is described, at its first change in a session and after every change of its form. */
  relation(message: RelationMessage): Promise<void> | undefined;

  /** Tables were emptied. */
  truncated(relationOids: readonly number[]): Promise<void> | undefined;

  /** A change of this table could not be routed exactly: its shapes cannot be kept. */
  unroutable(relationOid: number, reason: UnroutableReason): Promise<void> | undefined;
}
