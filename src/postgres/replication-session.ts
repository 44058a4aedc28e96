/**
 * Keeps the replication stream up: connect, lock, slot, stream; when it ends, wait and begin again.
 * Ids, shapes and everything in the core stay as they are meanwhile (law 8); only the transaction
 * that was being read is forgotten, and sent again.
 */

import type { Clock } from "../lib/clock.ts";
import { asError, LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Timers } from "../lib/timers.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { Queryable } from "./pool.ts";
import { Backoff } from "./reconnect.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { ReplicationStream, type ByteSink } from "./replication-stream.ts";
import { runningWriters } from "./running-transactions.ts";
import { acquireSlotLock, ensureSlot, type ReplicationNames } from "./slot.ts";

/** Who reads the stream, over one connection after the other. */
export interface StreamReader extends ByteSink {
  /**
   * A connection is up: its bytes follow.
   *
   * @param fail ends it, because reading cannot go on.
   */
  attach(stream: ReplicationStream, fail: (error: Error) => void): void;
  /** The connection is gone, perhaps in the middle of a transaction. */
  detach(): void;
}

/**
 * Why the slot does not go on where shapes are: it is gone, Postgres has given it up, or it was
 * read with another storage directory.
 */
export type SlotLoss = "missing" | "invalidated" | "readByOther";

/** Who wants to know how far the session has got. */
export interface SessionListener {
  /** Another instance holds the lock. */
  waitingForLock(): void;
  /** Up to where Postgres was told, or was about to be told, that it may forget. */
  confirmed(): Lsn;
  /** What happened meanwhile will not be sent: before the stream begins, every shape has to go. */
  slotLost(reason: SlotLoss): Promise<void>;
  /**
   * Nothing that committed up to `confirmed` will be sent again. The stream begins when the promise
   * resolves.
   */
  beginning(confirmed: Lsn): Promise<void>;
  active(): void;
  inactive(error: LitzError): void;
}

export interface ReplicationSessionOptions {
  readonly connection: ConnectionOptions;
  readonly names: ReplicationNames;
  readonly walSenderTimeoutMs: number;
  readonly reader: StreamReader;
  readonly listener: SessionListener;
  /** What to confirm when the stream begins. */
  readonly acknowledged: () => Lsn;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class ReplicationSession {
  readonly #options: ReplicationSessionOptions;
  readonly #stop = new AbortController();
  #stream: ReplicationStream | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReplicationSessionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Ends the stream in order, so that the slot is free at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#stream?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { listener, logger } = this.#options;
    const backoff = new Backoff(Math.random);
    while (!this.#isStopped()) {
      const error = await this.#serve(() => backoff.reset());
      if (error === undefined || this.#isStopped()) break;
      const delayMs = backoff.nextDelayMs();
      logger.warn({ error: error.message, delayMs }, "replication stopped; it will be resumed");
      listener.inactive(error);
      await this.#pause(delayMs);
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Waits, unless the session is stopped meanwhile. */
  async #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    await new Promise<void>((resolve) => {
      const onEnd = () => {
        cancel();
        signal.removeEventListener("abort", onEnd);
        resolve();
      };
      const cancel = this.#options.timers.after(delayMs, onEnd);
      signal.addEventListener("abort", onEnd);
    });
  }

  /** One connection, from its making to its end. Returns what ended it, never throws. */
  async #serve(onActive: () => void): Promise<LitzError | undefined> {
    const { acknowledged, clock, listener, names, reader, timers } = this.#options;
    let connection: ReplicationConnection | undefined;
    try {
      connection = await ReplicationConnection.open(this.#options.connection, this.#stop.signal);
      await acquireSlotLock(connection, names.slot, {
        signal: this.#stop.signal,
        onWait: () => listener.waitingForLock(),
      });
      const slot = await ensureSlot(connection, names.slot, async (reason) => {
        await listener.slotLost(reason);
        await this.#tellOfWriters(connection!);
      });
      // Once more, for shapes that were made while the slot was: their snapshots are older than it.
      if (slot.madeBecause !== undefined) await listener.slotLost(slot.madeBecause);
      else if (slot.confirmedFlushLsn > listener.confirmed())
        await listener.slotLost("readByOther");
      await listener.beginning(slot.confirmedFlushLsn);

      const sink = new EarlySink(reader);
      const stream = await ReplicationStream.start(connection, {
        ...names,
        startLsn: acknowledged(),
        sink,
        clock,
        timers,
        walSenderTimeoutMs: this.#options.walSenderTimeoutMs,
      });
      onActive();
      return await this.#follow(stream, sink, connection);
    } catch (error) {
      return asLitzError(error);
    } finally {
      await connection?.close();
    }
  }

  /** A slot is made when all of them have ended, be it tomorrow. */
  async #tellOfWriters(database: Queryable): Promise<void> {
    const writers = await runningWriters(database);
    if (writers.length === 0) return;
    const message = "the replication slot cannot be made before these transactions have ended";
    this.#options.logger.warn({ writers }, message);
  }

  async #follow(
    stream: ReplicationStream,
    sink: EarlySink,
    connection: ReplicationConnection,
  ): Promise<LitzError | undefined> {
    const { listener, logger, names, reader } = this.#options;
    let failure: Error | undefined;
    this.#stream = stream;
    reader.attach(stream, (error) => {
      failure ??= error;
      connection.destroy();
    });
    try {
      sink.open();
      listener.active();
      logger.info({ slot: names.slot }, "following the replication stream");
      if (this.#isStopped()) await stream.close();
      const ended = await stream.ended;
      return failure === undefined ? ended : asLitzError(failure);
    } finally {
      this.#stream = undefined;
      reader.detach();
    }
  }
}

/** Keeps what arrives before the stream is in our hands: the first read, as a rule. */
class EarlySink implements ByteSink {
  readonly #sink: ByteSink;
  #early: Uint8Array[] | undefined = [];

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  onBytes(chunk: Uint8Array): void {
    if (this.#early === undefined) this.#sink.onBytes(chunk);
    else this.#early.push(new Uint8Array(chunk));
  }

  open(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const chunk of early) this.#sink.onBytes(chunk);
  }
}

function asLitzError(thrown: unknown): LitzError {
  if (thrown instanceof LitzError) return thrown;
  const error = asError(thrown);
  const code = "REPLICATION_FAILED";
  return new LitzError(error.message, { code, retriable: true, cause: error });
}
