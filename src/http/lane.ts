/**
 * A lane is what Node's HTTP layer takes for a socket: a duplex that stands between the parser and
 * the connection, and can be thrown away while the connection stays.
 *
 *     socket ──bytes──> lane ──> parser, request, response     6 kB of heap
 *        ^                                    │
 *        └──────────── answer <───────────────┘
 *
 * Nearly all of what a waiting request costs is that layer. When a request is parked its lane is
 * retired, and the layer goes with it; the next request on the connection is given a new one.
 *
 * 1. A retired lane touches the connection no more, whatever the layer above does to it.
 * 2. A lane that ends without having been retired takes its connection along.
 * 3. The end of a client's side reaches the HTTP layer when no response is owed: it would end the
 *    connection at once.
 */

import { Duplex } from "node:stream";
import type { Socket } from "node:net";

/** The end of a request's headers. */
const BLANK_LINE = Buffer.from("\r\n\r\n");

export class Lane extends Duplex {
  /** Requests that have arrived and whose response has not closed. */
  owed = 0;
  readonly #socket: Socket;
  #endsWithBlankLine = false;
  /** The client has ended its side, and the HTTP layer does not know yet. */
  #hidesEnd = false;
  #isRetired = false;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true, decodeStrings: false });
    this.#socket = socket;
  }

  /** The connection's. */
  get socket(): Socket {
    return this.#socket;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  /**
   * Whether the parser holds nothing but the one request that is being answered. Bytes of a next
   * one would be lost with the parser. A whole one would have been counted, so that it is enough to
   * know that what came last ends like a request.
   */
  get holdsOneRequest(): boolean {
    return this.owed === 1 && this.#endsWithBlankLine && this.readableLength === 0;
  }

  /** Bytes from the client. */
  receive(bytes: Buffer): void {
    this.#endsWithBlankLine = bytes.subarray(-BLANK_LINE.length).equals(BLANK_LINE);
    if (!this.push(bytes)) this.#socket.pause();
  }

  /** The client has ended its side. */
  halfClosed(): void {
    this.#hidesEnd = true;
    // By then the parser has what came before.
    setImmediate(settle, this);
  }

  /** Tells the HTTP layer of the end that it does not know of, if nothing is owed. */
  settle(): void {
    if (!this.#hidesEnd || this.owed > 0 || this.readableLength > 0 || this.destroyed) return;
    this.#hidesEnd = false;
    this.push(null);
  }

  /** Lets go of the connection, and destroys itself when nobody is in the middle of using it. */
  retire(): void {
    this.#isRetired = true;
    setImmediate(destroy, this);
  }

  /** As `net.Socket` has it: the HTTP layer asks for it by this name. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
    if (this.#isRetired) return this;
    this.#socket.setTimeout(timeoutMs);
    if (listener !== undefined) this.once("timeout", listener);
    return this;
  }

  /** As `net.Socket` has it. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** As `net.Socket` has it. */
  resetAndDestroy(): this {
    if (!this.#isRetired) this.#socket.resetAndDestroy();
    return this.destroy();
  }

  override _read(): void {
    if (!this.#isRetired) this.#socket.resume();
  }

  override _write(
    chunk: Uint8Array | string,
    encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    if (this.#isRetired) callback();
    else if (typeof chunk === "string") this.#socket.write(chunk, encoding, callback);
    else this.#socket.write(chunk, callback);
  }

  override _writev(
    chunks: { chunk: Uint8Array | string; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    // Node ends a response with an empty string: most have one chunk that is not, and go as it is.
    const filled = chunks.filter(({ chunk }) => chunk.length > 0);
    const last = filled.pop();
    if (last === undefined) {
      callback();
      return;
    }
    if (filled.length > 0) this.#socket.cork();
    for (const { chunk, encoding } of filled) this._write(chunk, encoding, ignore);
    this._write(last.chunk, last.encoding, callback);
    if (filled.length > 0) this.#socket.uncork();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#isRetired || this.#socket.destroyed) callback();
    else this.#socket.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isRetired) this.#socket.destroy();
    callback(error);
  }
}

function destroy(lane: Lane): void {
  lane.destroy();
}

function settle(lane: Lane): void {
  lane.settle();
}

function ignore(): void {
  // Only the last write's end is of interest.
}
