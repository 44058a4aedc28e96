/**
 * The single writer: takes the bytes of the replication stream in order, has the core route them,
 * and hands what came out to the shapes.
 *
 *     socket --bytes--> router.receive, router.run --stop--> subscriber --> storage
 *        ^                                                                     |
 *        └------ pause, acknowledge <------ acknowledger <----- durable <------┘
 *
 * One crossing into the core routes as many rows as have arrived; it comes back only where
 * TypeScript has something to do. Work that has to wait (a table that changed its form, a full
 * journal), or takes longer than a turn of the event loop (rows that move), suspends the loop and
 * pauses the socket; bytes that arrive meanwhile stay in the core.
 *
 * Invariants:
 *
 *   1. The subscriber sees changes in the order of the stream, one transaction at a time.
 *   2. Shapes are added and removed at transaction boundaries only (law 4).
 *   3. While suspended nothing is taken from the core, and there are no boundaries.
 *   4. A transaction that was not taken whole is neither confirmed nor skipped afterwards.
 */

import { decodeMessage } from "../decoder/pgoutput.ts";
import { assert } from "../lib/assert.ts";
import { asError, LitzError } from "../lib/errors.ts";
import type { RelationId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import { isTrap } from "../router/core.ts";
import { type Router } from "../router/router.ts";
import { RunOutcome } from "../router/run-outcome.ts";
import type { Acknowledger } from "./acknowledger.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Subscriber } from "./subscriber.ts";

/** What the collector needs of the connection that the bytes come from. */
export interface ReplicationSource {
  pause(): void;
  resume(): void;
  /** Remembers what the next status update confirms. */
  setAcknowledged(lsn: Lsn): void;
  /** Sends a status update at once: Postgres asked, or is asked how far it has got. */
  sendStatus(isReplyWanted?: boolean): void;
  /** Gives back a frame that is not replication data: an error, a notice, the end of the copy. */
  handOver(frame: Uint8Array): void;
}

/** Where storage says that it is full, and when it no longer is. */
export interface Congestion {
  readonly isCongested: boolean;
  relieved(): Promise<void>;
}

export interface LogCollectorOptions {
  readonly router: Router;
  readonly acknowledger: Acknowledger;
  readonly confirmation: Confirmation;
  readonly congestion: Congestion;
  readonly subscriber: Subscriber;
  /** Which table a relation of the core is. */
  readonly oidOf: (relation: RelationId) => number;
  /** The largest single change, in bytes. */
  readonly rowBytesMax: number;
  /** The core has trapped: nothing more may be taken from it, by anybody. */
  readonly onTrap: (error: Error) => void;
}

/** What a socket may have read ahead of a pause, generously. */
const SOCKET_BYTES = 1024 * 1024;

export class LogCollector {
  readonly #options: LogCollectorOptions;
  readonly #router: Router;
  readonly #subscriber: Subscriber;
  readonly #acknowledger: Acknowledger;
  #source: ReplicationSource | undefined;
  /** Told when the stream cannot go on: the connection has to be made anew. */
  #fail: (error: Error) => void = () => undefined;
  /** Commit LSN of the last transaction that was read to its end, on this connection or before. */
  #committed: Lsn = LSN_ZERO;
  #isSuspended = false;
  #isDraining = false;
  #isBoundaryWanted = false;
  /** Whether the connection has failed us, or there is none: nothing is read until the next. */
  #isBroken = true;
  /** Whether something of the transaction being read was appended to storage. */
  #isAppended = false;

  constructor(options: LogCollectorOptions) {
    this.#options = options;
    this.#router = options.router;
    this.#subscriber = options.subscriber;
    this.#acknowledger = options.acknowledger;
  }

  /**
   * What is durable when the process starts: Postgres may send it again.
   *
   * @param confirmed up to where nobody wants it again.
   */
  startAt(position: Lsn, confirmed = position): void {
    this.#committed = position;
    this.#acknowledger.startAt(confirmed);
  }

  /** A connection is up: its first bytes follow. */
  attach(source: ReplicationSource, fail: (error: Error) => void): void {
    assert(this.#source === undefined, "one connection at a time");
    this.#isBroken = false;
    if (this.#isSuspended) source.pause();
    this.#router.skipTo(this.#committed);
    // Shapes may have been behind before the process began.
    this.#followCommits();
    this.#source = source;
    this.#fail = fail;
  }

  /** The connection is gone, perhaps in the middle of a transaction. */
  detach(): void {
    this.#source = undefined;
    this.#fail = () => undefined;
    if (!this.#isBroken) this.#noteCommits();
    // What is unfinished was begun when no transaction was being read, and nothing was read since.
    const isUnfinished = this.#subscriber.unfinished !== undefined;
    if (!isUnfinished && (this.#isBroken || this.#router.isInTransaction)) {
      this.#subscriber.rolledBack(this.#router.transactionLsn);
    }
    this.#isBroken = true;
    this.#router.resetStream();
    this.#isAppended = false;
    this.#runBoundaryIfWanted();
  }

  /** Bytes of the socket. Copies them. */
  onBytes(chunk: Uint8Array): void {
    if (this.#isTooMuch(chunk) || !this.#router.receive(chunk)) {
      const { pendingBytes } = this.#router;
      this.#break(
        new LitzError(`a row change has more than ${pendingBytes} bytes; raise LITZ_ROW_MAX`, {
          code: "ROW_TOO_LONG",
        }),
      );
      return;
    }
    if (!this.#isSuspended && !this.#isBroken) this.#drain();
  }

  /** Calls the subscriber's `boundary` as soon as no transaction is being read. */
  requestBoundary(): void {
    this.#isBoundaryWanted = true;
    this.#router.stopsAtEveryCommit = true;
    if (!this.#isDraining) this.#runBoundaryIfWanted();
  }

  /** Storage has synced up to here. */
  durable(position: Lsn): void {
    this.#acknowledger.durable(position);
    this.acknowledge();
  }

  /** Has Postgres say how far the stream has got: on an idle database it would not. */
  askProgress(): void {
    this.#source?.sendStatus(true);
  }

  /** Tells the connection what may be confirmed by now. */
  acknowledge(): void {
    const { confirmation } = this.#options;
    const wanted = this.#acknowledger.acknowledged;
    confirmation.request(wanted);
    this.#source?.setAcknowledged(confirmation.limit(wanted));
  }

  /** The LSN to confirm now. */
  get acknowledged(): Lsn {
    return this.#options.confirmation.limit(this.#acknowledger.acknowledged);
  }

  /** Resolves when all that may be confirmed is about to be. */
  async settle(): Promise<void> {
    await this.#options.confirmation.settle(this.#acknowledger.acknowledged);
    this.acknowledge();
  }

  /** An update carries two rows. While suspended, what the socket had read already comes on top. */
  #isTooMuch(chunk: Uint8Array): boolean {
    return this.#router.pendingBytes + chunk.length > 2 * this.#options.rowBytesMax + SOCKET_BYTES;
  }

  #drain(): void {
    this.#isDraining = true;
    try {
      while (this.#source !== undefined && !this.#isSuspended) {
        const outcome = this.#router.run();
        this.#takeBodies();
        if (outcome === RunOutcome.NEEDS_INPUT) break;
        const invalidating = this.#handle(outcome);
        if (invalidating !== undefined) this.#noteInvalidation();
        const pending = invalidating ?? this.#subscriber.unfinished ?? this.#congestion();
        if (pending !== undefined) this.#suspend(pending);
      }
      if (!this.#isBroken) this.#noteCommits();
    } catch (error) {
      this.#break(error);
    } finally {
      this.#isDraining = false;
    }
    if (!this.#isBroken) this.#runBoundaryIfWanted();
  }

  /**
   * Something of the transaction being read, or just read, was not taken: it must not be confirmed,
   * nor skipped when Postgres sends it again. The connection has to end.
   */
  #break(error: unknown): void {
    this.#isBroken = true;
    if (isTrap(error)) this.#options.onTrap(asError(error));
    this.#fail(asError(error));
  }

  /** Acts upon a stop. A promise means: nothing more may be routed before it settles. */
  #handle(outcome: RunOutcome): Promise<void> | undefined {
    switch (outcome) {
      case RunOutcome.COMMIT:
        this.#commit();
        return undefined;
      case RunOutcome.MESSAGE:
        return this.#message();
      case RunOutcome.KEEPALIVE:
        this.#keepalive();
        return undefined;
      case RunOutcome.FOREIGN_FRAME:
        this.#handOver();
        return undefined;
      case RunOutcome.UNROUTABLE:
        return this.#subscriber.unroutable(
          this.#options.oidOf(this.#router.unroutableRelation),
          this.#router.unroutableReason,
        );
      case RunOutcome.NEEDS_GROWTH:
        this.#grow();
        return undefined;
      case RunOutcome.MALFORMED:
        throw this.#malformed();
      default:
        return undefined;
    }
  }

  #malformed(): LitzError {
    const reason = this.#router.malformedReason;
    return new LitzError(`the stream is not what Postgres sends (reason ${reason})`, {
      code: "REPLICATION_MALFORMED",
      retriable: true,
    });
  }

  /** Shapes go with this transaction, so it has to be durable before it is confirmed. */
  #noteInvalidation(): void {
    this.#isAppended = true;
    // The core stops at the commit of a transaction that reached no shape only if it is told to.
    this.requestBoundary();
  }

  #takeBodies(): void {
    if (this.#router.bodyCount === 0) return;
    if (this.#subscriber.changes()) this.#isAppended = true;
    this.#router.clearOutput();
  }

  #commit(): void {
    const { commitLsn, endLsn } = this.#router;
    const isAppended = this.#subscriber.committed(commitLsn, this.#isAppended);
    this.#acknowledger.committed(commitLsn, endLsn, isAppended);
    this.#committed = maxLsn(this.#committed, commitLsn);
    this.#isAppended = false;
    if (this.#isBoundaryWanted && this.#subscriber.unfinished === undefined) this.#boundary();
    else this.#followCommits();
  }

  /**
   * Transactions that reached no shape pass without a stop; what may be confirmed moves with them.
   */
  #noteCommits(): void {
    const { commitLsn, endLsn } = this.#router;
    if (endLsn > 0n) this.#acknowledger.committed(commitLsn, endLsn, false);
    this.#committed = maxLsn(this.#committed, commitLsn);
    this.acknowledge();
    if (this.#router.isInTransaction || this.#isSuspended) return;
    this.#subscriber.progressed(this.#acknowledger.received);
    this.#followCommits();
    this.#suspendIfUnfinished();
  }

  /** The core passes transactions that reach no shape, unless somebody has to hear of them. */
  #followCommits(): void {
    this.#router.stopsAtEveryCommit = this.#isBoundaryWanted || this.#subscriber.wantsEveryCommit;
  }

  #message(): Promise<void> | undefined {
    const { bytes, messageAddress, messageSize } = this.#router;
    const message = decodeMessage(bytes.subarray(messageAddress, messageAddress + messageSize));
    if (message.kind === "relation") return this.#subscriber.relation(message);
    if (message.kind === "truncate") {
      this.#router.addOps(message.relationOids.length);
      return this.#subscriber.truncated(message.relationOids);
    }
    return undefined;
  }

  #keepalive(): void {
    // In the middle of a transaction the server's position says nothing about what we have.
    if (!this.#router.isInTransaction) this.#acknowledger.keepalive(this.#router.walEnd);
    this.acknowledge();
    if (this.#router.isReplyRequested) this.#source?.sendStatus();
  }

  #handOver(): void {
    const { bytes, messageAddress, messageSize, messageKind } = this.#router;
    const frame = Buffer.alloc(5 + messageSize);
    frame[0] = messageKind;
    frame.writeUInt32BE(messageSize + 4, 1);
    frame.set(bytes.subarray(messageAddress, messageAddress + messageSize), 5);
    this.#source?.handOver(frame);
  }

  #grow(): void {
    const { growthBytes } = this.#router;
    // A body is at most six times its row (every byte escaped), and there may be one per mode.
    if (growthBytes > 16 * this.#options.rowBytesMax || !this.#router.grow()) {
      throw new LitzError(
        `one change needs ${growthBytes} bytes; raise LITZ_ROW_MAX or LITZ_CORE_MEMORY_MAX`,
        { code: "CORE_MEMORY_EXHAUSTED" },
      );
    }
  }

  #congestion(): Promise<void> | undefined {
    const { congestion } = this.#options;
    return congestion.isCongested ? congestion.relieved() : undefined;
  }

  /** REQUIRES: it is not suspended. */
  #suspend(pending: Promise<void>): void {
    this.#isSuspended = true;
    this.#source?.pause();
    pending
      .then(() => this.#goOn())
      .catch((error: unknown) => {
        this.#isSuspended = false;
        this.#break(error);
        // Otherwise `detach` does so, which is about to come.
        if (this.#source === undefined) this.#subscriber.rolledBack(this.#router.transactionLsn);
      });
  }

  #goOn(): void {
    this.#isSuspended = false;
    // Perhaps another connection by now, which begins with an empty core.
    this.#source?.resume();
    // Before the next transaction, which may be a long one.
    this.#runBoundaryIfWanted();
    if (!this.#isBroken) this.#drain();
  }

  #suspendIfUnfinished(): void {
    const { unfinished } = this.#subscriber;
    if (unfinished !== undefined && !this.#isSuspended) this.#suspend(unfinished);
  }

  #runBoundaryIfWanted(): void {
    if (!this.#isBoundaryWanted || this.#isSuspended || this.#router.isInTransaction) return;
    // In the middle of one, which is not over.
    if (this.#subscriber.unfinished !== undefined) return;
    // What was taken of a broken transaction is forgotten first, in `detach`.
    if (this.#isBroken && this.#source !== undefined) return;
    this.#boundary();
    this.#suspendIfUnfinished();
  }

  #boundary(): void {
    this.#isBoundaryWanted = false;
    this.#subscriber.boundary();
    this.#followCommits();
  }
}
