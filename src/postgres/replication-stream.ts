/**
 * The stream of a replication slot as raw bytes.
 *
 * The driver connects, authenticates and negotiates TLS. Then its listener is taken off the socket,
 * and from there on the bytes go to a sink as they come: no message object, no string, no copy per
 * row. The sink finds the frames. Those that are not CopyData (an error, a notice, the end) it
 * hands back, and the driver's own parser turns them into what it does with them on any connection.
 *
 *                        ┌─ before START_REPLICATION answers ─> driver
 *     socket ── bytes ───┤
 *                        └─ afterwards ─> sink ── foreign frames ─> handOver ─> driver
 *
 * Four duties remain:
 *
 *   - Status updates, which acknowledge what is durable and keep the server from taking us for
 *     dead. They are sent by a timer, also while reading is paused, when a keepalive cannot even be
 *     seen. Each asks for an answer, so silence means that the connection is dead (no TCP timeout
 *     would tell within minutes). More of them follow whatever arrives, to wake a walsender that
 *     has missed a commit (walsender-nudges.ts).
 *   - Back-pressure: `pause` leaves the bytes in the kernel, and Postgres waits.
 *   - Not reading too eagerly. The walsender flushes every message, and a quick reader makes it do
 *     so for a few hundred bytes at a time, which costs both of us more than the data itself. Once
 *     the stream has been busy for a fifth of a second, the socket rests for a millisecond after a
 *     short read and lets the bytes pile up. Not sooner: the rest holds back TCP's
 *     acknowledgements, and a lone transaction of a thousand rows took 70 ms instead of 7 when the
 *     fourth quick read sufficed. Measured on two idle cores, 200,000 transactions of one row:
 *     53,000 a second at 18.8 us of our CPU each without rests, 107,000 at 1.5 us resting from the
 *     fourth read, 112,000 at 4.2 us from a fifth of a second on, with lone transactions as fast as
 *     without. (There any pause of 2 ms ended the series; that it takes several now was measured
 *     only beside a load of twelve, where reads are not quick and rests make no difference.)
 *   - Ending: `ended` says why, once.
 *
 * Invariants:
 *   1. The sink gets every byte after CopyBothResponse, in order, once, and none after the end.
 *   2. The acknowledged LSN never goes back.
 */

import type { Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { LitzError } from "../lib/errors.ts";
import type { CancelTimer, Timers } from "../lib/timers.ts";
import { formatLsn, maxLsn, type Lsn } from "../model/lsn.ts";
import { quoteIdentifier } from "../model/table.ts";
import { PostgresError } from "./postgres-error.ts";
import { streamOf, type ReplicationConnection } from "./replication-connection.ts";
import { WalsenderNudges } from "./walsender-nudges.ts";

/** Who reads the stream. */
export interface ByteSink {
  /**
   * Takes bytes, cut anywhere. Called synchronously as they arrive; the chunk is valid during the
   * call only. Must not throw: an exception ends the stream with it.
   */
  onBytes(chunk: Uint8Array): void;
}

export interface ReplicationStreamOptions {
  readonly slot: string;
  readonly publication: string;
  /** Everything up to here is durable already; Postgres begins at the first commit behind it. */
  readonly startLsn: Lsn;
  readonly sink: ByteSink;
  readonly clock: Clock;
  readonly timers: Timers;
  /** `wal_sender_timeout` of the server, 0 for never: see `inspectServer`. */
  readonly walSenderTimeoutMs: number;
}

/**
 * Status updates are sent this often, or three times per `wal_sender_timeout` if that is more
 * often: two may be late. More often would not free WAL any sooner in practice, as segments have 16
 * MB.
 */
const STATUS_INTERVAL_MS = 5_000;
/** What we take for dead, when the server has no opinion. */
const SILENCE_MAX_MS = 60_000;

/** A read below this has emptied the kernel's buffer: Node reads 64 KiB at a time. */
const SHORT_READ_BYTES = 16 * 1024;
/** Reads that follow each other faster than this are what makes the walsender flush piecemeal. */
const QUICK_READ_US = 2_000;
/** The stream rests when it has been read quickly for this long, see above. */
const BUSY_MIN_US = 200_000;
/**
 * A read that was not quick counts this often against it, so 20 ms of idleness clear everything.
 */
const IDLE_WEIGHT = 50;
const BUSY_MAX_US = 1_000_000;
const REST_MS = 1;

const CLOSE_TIMEOUT_MS = 2_000;

export class ReplicationStream {
  /**
   * Resolves once: undefined after `close`, otherwise with what ended the stream. Never rejects.
   */
  readonly ended: Promise<LitzError | undefined>;

  readonly #socket: Socket;
  readonly #driverListener: (bytes: Buffer) => void;
  readonly #options: ReplicationStreamOptions;
  readonly #silenceMaxUs: number;
  readonly #nudges: WalsenderNudges;
  #acknowledged: Lsn;
  #isPaused = false;
  #isOver = false;
  #isClosing = false;
  #failure: unknown;
  #lastReadUs: number;
  /** Time spent in quick reads, less what idleness in between has cleared. */
  #busyUs = 0;
  #cancelRest: CancelTimer | undefined;
  #cancelStatus: CancelTimer | undefined;
  /** Of the frame that precedes the stream. */
  #unparsed = Buffer.alloc(0);

  /**
   * REQUIRES: the connection is idle; it belongs to the stream from now on.
   *
   * @throws {LitzError} when Postgres refuses, for instance because somebody else uses the slot.
   */
  static async start(
    connection: ReplicationConnection,
    options: ReplicationStreamOptions,
  ): Promise<ReplicationStream> {
    const stream = new ReplicationStream(connection, options);
    const failed = stream.ended.then((error) => {
      throw error ?? PostgresError.from(new Error("Connection terminated"), "replicating");
    });
    await Promise.race([stream.#started, failed]);
    return stream;
  }

  readonly #started: Promise<void>;
  #confirmStart!: () => void;

  private constructor(connection: ReplicationConnection, options: ReplicationStreamOptions) {
    this.#options = options;
    this.#nudges = new WalsenderNudges(options.timers, () => this.#writeStatus(false));
    this.#acknowledged = options.startLsn;
    this.#lastReadUs = options.clock.nowMicroseconds();
    const timeout = options.walSenderTimeoutMs;
    this.#silenceMaxUs = (timeout === 0 ? SILENCE_MAX_MS : timeout) * 1000;
    this.#started = new Promise((resolve) => (this.#confirmStart = resolve));

    this.#socket = streamOf(connection.client);
    const listeners = this.#socket.listeners("data");
    if (listeners.length !== 1) throw new Error("the driver has one listener for data");
    this.#driverListener = listeners[0] as (bytes: Buffer) => void;
    this.#socket.removeListener("data", this.#driverListener);
    this.#socket.on("data", this.#awaitStart);

    const { slot, publication, startLsn } = options;
    const publicationName = quoteIdentifier(publication).replaceAll("'", "''");
    // The promise of this "query" lasts as long as the stream.
    const replication = connection.client.query(
      `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${formatLsn(startLsn)}
       (proto_version '1', publication_names '${publicationName}')`,
    );
    this.ended = replication.then(
      () => this.#end(new Error("Connection terminated: the server ended the stream")),
      (error: unknown) => this.#end(error),
    );
  }

  /**
   * Says that everything up to `lsn` is durable. Postgres learns it with the next status update.
   */
  setAcknowledged(lsn: Lsn): void {
    this.#acknowledged = maxLsn(this.#acknowledged, lsn);
  }

  /** Sends a status update now, as a keepalive may request, and may itself request one. */
  sendStatus(isReplyWanted = false): void {
    this.#writeStatus(isReplyWanted);
  }

  /** Stops reading, also for frames in the kernel. Status updates go on. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    // Being paused was no silence of the server's.
    this.#lastReadUs = this.#options.clock.nowMicroseconds();
    if (this.#cancelRest === undefined && !this.#isOver) this.#socket.resume();
  }

  /**
   * Gives a frame that is not CopyData to the driver: its type, size and contents, whole.
   * What it means shows in `ended`, if anything does.
   */
  handOver(frame: Uint8Array): void {
    // The driver keeps parts of what it parses; the frame may lie in memory that is written again.
    this.#driverListener(Buffer.from(frame));
  }

  /**
   * Acknowledges a last time, ends the stream in order, so that the slot is free at once, and
   * disconnects. Bytes that still arrive are dropped.
   */
  async close(): Promise<void> {
    if (!this.#isClosing && !this.#isOver) {
      this.#writeStatus(false);
      this.#isClosing = true;
      this.#socket.removeListener("data", this.#take);
      this.#socket.on("data", () => undefined);
      this.#cancelRest?.();
      this.#nudges.stop();
      this.#socket.end(CLOSING_MESSAGES);
      this.#socket.resume();
      const cancel = this.#options.timers.after(CLOSE_TIMEOUT_MS, () => this.#socket.destroy());
      await this.ended;
      cancel();
    }
    await this.ended;
  }

  /** Until CopyBothResponse has come: passes whole frames to the driver. */
  readonly #awaitStart = (chunk: Buffer): void => {
    let rest = Buffer.concat([this.#unparsed, chunk]);
    while (rest.length >= FRAME_HEADER_SIZE) {
      const frameSize = 1 + rest.readUInt32BE(1);
      if (rest.length < frameSize) break;
      const isStart = rest[0] === COPY_BOTH_RESPONSE;
      this.handOver(rest.subarray(0, frameSize));
      rest = rest.subarray(frameSize);
      if (isStart) {
        this.#begin(rest);
        return;
      }
    }
    this.#unparsed = rest;
  };

  #begin(firstBytes: Buffer): void {
    const { timers, walSenderTimeoutMs } = this.#options;
    const limit = walSenderTimeoutMs === 0 ? Infinity : walSenderTimeoutMs / 3;
    this.#cancelStatus = timers.every(Math.min(STATUS_INTERVAL_MS, limit), this.#onStatusTimer);
    this.#socket.removeListener("data", this.#awaitStart);
    this.#socket.on("data", this.#take);
    this.#confirmStart();
    if (firstBytes.length > 0) this.#take(firstBytes);
  }

  readonly #take = (chunk: Buffer): void => {
    const now = this.#options.clock.nowMicroseconds();
    const gap = now - this.#lastReadUs;
    const earned = gap < QUICK_READ_US ? gap : -gap * IDLE_WEIGHT;
    this.#busyUs = Math.max(0, Math.min(BUSY_MAX_US, this.#busyUs + earned));
    this.#lastReadUs = now;
    this.#nudges.heard(chunk);
    try {
      this.#options.sink.onBytes(chunk);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (chunk.length < SHORT_READ_BYTES && this.#busyUs >= BUSY_MIN_US) this.#rest();
  };

  #rest(): void {
    if (this.#cancelRest !== undefined || this.#isPaused) return;
    this.#socket.pause();
    this.#cancelRest = this.#options.timers.after(REST_MS, () => {
      this.#cancelRest = undefined;
      // Or the rest itself would count as idleness.
      this.#lastReadUs = this.#options.clock.nowMicroseconds();
      if (!this.#isPaused && !this.#isOver) this.#socket.resume();
    });
  }

  readonly #onStatusTimer = (): void => {
    const silentUs = this.#options.clock.nowMicroseconds() - this.#lastReadUs;
    if (!this.#isPaused && silentUs > this.#silenceMaxUs) {
      this.#fail(new Error(`Connection terminated: Postgres was silent for ${silentUs / 1e6} s`));
      return;
    }
    this.#writeStatus(true);
  };

  /** Standby status update (Postgres manual, 54.4), in a CopyData frame. */
  #writeStatus(isReplyRequested: boolean): void {
    if (this.#isOver || this.#isClosing || !this.#socket.writable) return;
    const message = Buffer.allocUnsafe(STATUS_SIZE);
    message[0] = COPY_DATA;
    message.writeUInt32BE(STATUS_SIZE - 1, 1);
    message[5] = STANDBY_STATUS_UPDATE;
    message.writeBigUInt64BE(this.#acknowledged, 6); // Written, flushed and applied:
    message.writeBigUInt64BE(this.#acknowledged, 14); // to us a thing is durable
    message.writeBigUInt64BE(this.#acknowledged, 22); // or it is nothing.
    const microseconds = BigInt(this.#options.clock.nowMicroseconds()) - POSTGRES_EPOCH_US;
    message.writeBigInt64BE(microseconds, 30);
    message[38] = isReplyRequested ? 1 : 0;
    this.#socket.write(message);
  }

  #fail(cause: unknown): void {
    this.#failure ??= cause;
    this.#socket.destroy();
  }

  #end(thrown: unknown): LitzError | undefined {
    this.#isOver = true;
    this.#cancelStatus?.();
    this.#cancelRest?.();
    this.#nudges.stop();
    this.#socket.removeListener("data", this.#take);
    this.#socket.destroy();
    if (this.#isClosing && this.#failure === undefined) return undefined;
    return PostgresError.from(this.#failure ?? thrown, "replicating");
  }
}

const FRAME_HEADER_SIZE = 5;
const COPY_BOTH_RESPONSE = 0x57; // "W"
const COPY_DATA = 0x64; // "d"
const STANDBY_STATUS_UPDATE = 0x72; // "r"
/** Frame header, kind, three LSNs, time, flag. */
const STATUS_SIZE = 5 + 1 + 3 * 8 + 8 + 1;
/** CopyDone and Terminate. */
const CLOSING_MESSAGES = Buffer.from([0x63, 0, 0, 0, 4, 0x58, 0, 0, 0, 4]);
/** 2000-01-01, from which Postgres counts. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;
