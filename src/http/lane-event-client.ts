/**
 * One client of an event stream on a lane: HTTP/1.1 chunks, written straight to its socket.
 *
 * 1. What was begun is sent to its end: the last chunk follows a whole event, and the connection
 *    is kept.
 * 2. A client that takes nothing for too long is reset, which frees what the kernel holds for it.
 */

import type { ServedShape } from "../shapes/shape-service.ts";
import type { AdmissionSlot } from "./admission.ts";
import type { Guest, LaneConnection } from "./lane-connection.ts";
import type { EventSink } from "./sse-stream.ts";

/** What a client is in while it waits. */
interface Cohort {
  remove(client: LaneEventClient): void;
}

export interface EventClientOwner {
  forget(client: LaneEventClient): void;
}

const LAST_CHUNK = "0\r\n\r\n";
const NOTHING = new Uint8Array(0);

export class LaneEventClient implements Guest, EventSink {
  readonly connection: LaneConnection;
  shape: ServedShape;
  cohort: Cohort | undefined;
  /** In the cohort's list. */
  place = 0;
  readonly #owner: EventClientOwner;
  readonly #slot: AdmissionSlot;
  readonly #stalledTimeoutMs: number;
  /** Nothing more is to be sent to it. */
  #isGone = false;
  /** There is no connection any more. */
  #isClosed = false;

  constructor(
    owner: EventClientOwner,
    connection: LaneConnection,
    slot: AdmissionSlot,
    shape: ServedShape,
    stalledTimeoutMs: number,
  ) {
    this.#owner = owner;
    this.connection = connection;
    this.#slot = slot;
    this.shape = shape;
    this.#stalledTimeoutMs = stalledTimeoutMs;
  }

  /** Bytes as a chunk of the response. */
  static framed(bytes: Uint8Array): Buffer {
    return Buffer.concat([
      Buffer.from(`${bytes.byteLength.toString(16)}\r\n`),
      bytes,
      Buffer.from("\r\n"),
    ]);
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get unsentBytes(): number {
    return this.connection.unsentBytes;
  }

  write(bytes: Uint8Array): boolean {
    return this.writeFramed(LaneEventClient.framed(bytes));
  }

  /** @param chunk made by `framed`, perhaps for others too. */
  writeFramed(chunk: Buffer): boolean {
    return this.#isGone || this.connection.socket.write(chunk);
  }

  async taken(): Promise<void> {
    const { socket } = this.connection;
    if (this.#isClosed || socket.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      const reset = (): void => void socket.resetAndDestroy();
      // Node looks at what the kernel took, so any progress counts.
      socket.setTimeout(this.#stalledTimeoutMs);
      socket.on("timeout", reset);
      // Behind everything that was written; called also when the socket is destroyed.
      socket.write(NOTHING, () => {
        socket.setTimeout(0);
        socket.off("timeout", reset);
        resolve();
      });
    });
  }

  /** Its time is up. */
  expired(): void {
    this.end();
  }

  halfClosed(): void {
    this.connection.socket.destroy();
  }

  left(): void {
    this.#isClosed = true;
    this.#leave();
  }

  end(): void {
    if (this.#isGone) return;
    this.#leave();
    this.connection.socket.write(LAST_CHUNK);
    if (this.unsentBytes === 0) this.#release();
    else void this.taken().then(() => this.#release());
  }

  #release(): void {
    if (!this.#isClosed) this.connection.release(false);
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.cohort?.remove(this);
    this.#slot.release();
    this.#owner.forget(this);
  }
}
