/**
 * A connection of the standalone server, and who has it at the moment:
 *
 *     idle ──bytes──> a lane (the HTTP layer) ──park──> a guest (a waiting request)
 *      ^                    │                                   │
 *      └──── response sent ─┘<──────────── answered ────────────┘
 *
 * While it is parked there is the socket, this object and the guest: no parser, no request, no
 * response. The listeners on the socket are shared by all sockets.
 *
 * 1. There is a lane or a guest or neither, never both.
 * 2. A parked or idle connection is read, or the end of its client would not be noticed. What a
 *    client sends while it is parked is kept, up to a limit, for the lane to come.
 * 3. Whenever neither the HTTP layer nor a guest watches over it, a deadline does.
 * 4. When its client has ended its side, what was asked before is answered, and the connection ends
 *    behind it: at once if nothing was asked or the answer is news that may never come, and as soon
 *    as nothing was sent for a while. It may as well be that there is no client any more.
 */

import type { Socket } from "node:net";
import { Lane } from "./lane.ts";
import { once, REQUEST_COST, type LaneTurns } from "./lane-turns.ts";
import { NO_BUCKET, type LaneRing, type RingEntry } from "./lane-ring.ts";
import {
  HALF_CLOSED_SILENCE_MS,
  IDLE_TIMEOUT_MS,
  PARKED_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
} from "./limits.ts";

/** A request that waits on a connection without the HTTP layer. */
export interface Guest {
  /** The deadline has come that it asked for. */
  expired(): void;
  /** The client has ended its side of the connection. */
  halfClosed(): void;
  /** The connection is gone. */
  left(): void;
}

/** What a connection needs of its server. */
export interface LaneHost {
  readonly ring: LaneRing;
  readonly isClosing: boolean;
  /** Requests begin in turns: thousands may arrive in one turn of the loop. */
  readonly turns: LaneTurns;
  /** Whoever answers these bytes on the connection; undefined: the HTTP layer. */
  guestFor(connection: LaneConnection, bytes: Buffer): Guest | undefined;
  /** Hands a lane to the HTTP layer. */
  admit(lane: Lane): void;
  /** The connection is gone. */
  forget(connection: LaneConnection): void;
}

const CONNECTION = Symbol("connection");

interface LaneSocket extends Socket {
  [CONNECTION]: LaneConnection;
}

export class LaneConnection implements RingEntry {
  readonly socket: Socket;
  bucket = NO_BUCKET;
  place = 0;
  readonly #host: LaneHost;
  #lane: Lane | undefined;
  #guest: Guest | undefined;
  /** What came while it was parked or waits for its turn. */
  #held: Buffer | undefined;
  /** What the kernel had been given when a client that has ended its side was last looked at. */
  #sentBytes = 0;

  constructor(host: LaneHost, socket: Socket) {
    this.#host = host;
    this.socket = socket;
    (socket as LaneSocket)[CONNECTION] = this;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("timeout", onTimeout);
    socket.on("error", onError);
    socket.on("close", onClose);
    host.ring.set(this, REQUEST_TIMEOUT_MS);
  }

  /** Deadlines of what waits on this connection. */
  get ring(): LaneRing {
    return this.#host.ring;
  }

  /** Bytes that are not with the kernel yet. */
  get unsentBytes(): number {
    return this.socket.writableLength;
  }

  /**
   * Takes the connection from its lane or its guest.
   *
   * REQUIRES: it has one request, whose response has not begun.
   */
  park(guest: Guest): void {
    this.#lane?.retire();
    this.#lane = undefined;
    this.#guest = guest;
    this.socket.setTimeout(0);
    this.socket.resume();
    if (this.socket.readableEnded) guest.halfClosed();
  }

  /** Tells the guest after this time. A deadline that it set before counts no more. */
  expireAfter(delayMs: number): void {
    this.#host.ring.set(this, delayMs);
  }

  /**
   * The guest has answered: the connection waits for the next request, if there is to be one.
   *
   * @param isLast whether the answer said that it is the connection's last.
   */
  release(isLast: boolean): void {
    this.#guest = undefined;
    this.#host.ring.clear(this);
    if (this.socket.destroyed) return;
    const isEnded = this.socket.readableEnded && this.#held === undefined;
    if (isLast || isEnded || this.#host.isClosing) {
      // For a client that never takes the answer.
      this.#host.ring.set(this, REQUEST_TIMEOUT_MS);
      this.socket.destroySoon();
      return;
    }
    if (this.#held !== undefined) this.#admitInTurn();
    else this.#host.ring.set(this, IDLE_TIMEOUT_MS);
  }

  /** The guest goes without an answer: the HTTP layer is given its request after all. */
  redo(request: Buffer): void {
    this.#guest = undefined;
    if (this.socket.destroyed) return;
    this.#held = this.#held === undefined ? request : Buffer.concat([request, this.#held]);
    // Also while the server closes: an answer is owed.
    this.#admitInTurn();
  }

  /** Ends it if nobody has it. */
  closeIfIdle(): void {
    if (this.#isIdle) this.socket.destroySoon();
  }

  expire(): void {
    if (this.socket.readableEnded) this.#endIfSilent();
    else if (this.#guest !== undefined) this.#guest.expired();
    else this.socket.destroy();
  }

  /** REQUIRES: the socket is one of a LaneServer. */
  static of(socket: Socket): LaneConnection {
    return (socket as LaneSocket)[CONNECTION];
  }

  received(bytes: Buffer): void {
    if (this.#lane !== undefined) {
      this.#lane.receive(bytes);
      return;
    }
    const isFirst = this.#held === undefined;
    if (isFirst && this.#guest === undefined) {
      this.#guest = this.#host.guestFor(this, bytes);
      if (this.#guest !== undefined) {
        this.#host.ring.clear(this);
        return;
      }
    }
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    // Nobody who waits for an answer has that much to say.
    if (this.#guest !== undefined && this.#held.length > PARKED_BYTES_MAX) this.socket.destroy();
    else if (this.#guest === undefined && isFirst) this.#admitInTurn();
  }

  halfClosed(): void {
    if (this.#isIdle) {
      this.socket.destroySoon();
      return;
    }
    this.#watchSilence();
    this.#lane?.halfClosed();
    this.#guest?.halfClosed();
  }

  timedOut(): void {
    this.#lane?.emit("timeout");
  }

  closed(): void {
    this.#host.ring.clear(this);
    this.#host.forget(this);
    this.#lane?.destroy();
    this.#lane = undefined;
    const guest = this.#guest;
    this.#guest = undefined;
    guest?.left();
  }

  get #isIdle(): boolean {
    return this.#lane === undefined && this.#guest === undefined && this.#held === undefined;
  }

  #admitInTurn(): void {
    this.#host.ring.clear(this);
    this.socket.pause();
    this.#host.turns.add(once(REQUEST_COST, () => this.#admit()));
  }

  #admit(): void {
    const bytes = this.#held!;
    this.#held = undefined;
    if (this.socket.destroyed) return;
    this.#lane = new Lane(this.socket);
    this.#host.admit(this.#lane);
    this.#lane.receive(bytes);
    if (this.socket.readableEnded) this.halfClosed();
  }

  #watchSilence(): void {
    this.#sentBytes = sentBytesOf(this.socket);
    this.#host.ring.set(this, HALF_CLOSED_SILENCE_MS);
  }

  #endIfSilent(): void {
    const { writableLength } = this.socket;
    // Who takes an answer of the HTTP layer slowly, or not at all, is that layer's affair.
    const isTaking = this.#lane !== undefined && writableLength > 0;
    if (isTaking || sentBytesOf(this.socket) !== this.#sentBytes) this.#watchSilence();
    else this.socket.destroy();
  }
}

/** Those that the kernel has been given. */
function sentBytesOf({ bytesWritten, writableLength }: Socket): number {
  return bytesWritten - writableLength;
}

function onData(this: Socket, bytes: Buffer): void {
  LaneConnection.of(this).received(bytes);
}

function onEnd(this: Socket): void {
  LaneConnection.of(this).halfClosed();
}

function onTimeout(this: Socket): void {
  LaneConnection.of(this).timedOut();
}

function onError(this: Socket): void {
  // The close that follows says all there is to do.
}

function onClose(this: Socket): void {
  LaneConnection.of(this).closed();
}
