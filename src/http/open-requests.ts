/**
 * The requests for shapes that are under way: who gives one up, and why.
 *
 * A request waits, for a shape, a snapshot or a change, until it is answered. Two things end a wait
 * early, and the signal of the request tells of both:
 *
 *     the client went away    nobody is left to answer: `client.isGone`
 *     the server shuts down   a long-poll is answered as at its timeout: `isClosing`
 *
 * Once a request is being answered a shutdown does not touch it any more: its body ends by itself,
 * or with its reader (body.ts).
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { asError, LitzError, shuttingDown } from "../lib/errors.ts";
import { NO_PLACE, Roster, type Member } from "../lib/roster.ts";
import { Client } from "./client.ts";
import { PIPELINED_REQUESTS_MAX } from "./limits.ts";

export class OpenRequests {
  readonly #waiting = new Roster<OpenRequest>();
  /** Unanswered requests per HTTP/1 connection that has any. */
  readonly #counts = new Map<Socket, number>();
  #isClosing = false;

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether nothing is owed on this connection, so that it may be written to directly. */
  isIdle(socket: Socket): boolean {
    return !this.#counts.has(socket);
  }

  /** @throws {LitzError} 503 when the connection owes too many answers already. */
  open(request: IncomingMessage, response: ServerResponse): OpenRequest {
    const { socket } = request;
    // Streams of one HTTP/2 connection share a socket by right.
    const isCounted = request.httpVersionMajor === 1;
    const count = isCounted ? (this.#counts.get(socket) ?? 0) : 0;
    if (count >= PIPELINED_REQUESTS_MAX) {
      throw new LitzError(`more than ${PIPELINED_REQUESTS_MAX} requests wait on one connection`, {
        code: "PIPELINE_LIMIT",
        httpStatus: 503,
        retryAfterSeconds: 1,
      });
    }
    if (isCounted) this.#counts.set(socket, count + 1);
    const open = new OpenRequest(new Client(request, response), () => {
      this.#waiting.delete(open);
      if (isCounted) this.#settle(socket);
    });
    if (this.#isClosing) open.shutDown();
    else this.#waiting.add(open);
    return open;
  }

  /** Ends every wait, and from now on at its beginning. */
  close(): void {
    this.#isClosing = true;
    for (const open of this.#waiting.members()) {
      this.#waiting.delete(open);
      open.shutDown();
    }
  }

  /** The request will not be touched by a shutdown any more. */
  answering(open: OpenRequest): void {
    this.#waiting.delete(open);
  }

  #settle(socket: Socket): void {
    const count = this.#counts.get(socket) ?? 0;
    if (count > 1) this.#counts.set(socket, count - 1);
    else this.#counts.delete(socket);
  }
}

/** How long it makes sense to wait for something on behalf of somebody. */
export class Patience {
  #controller: AbortController | undefined;
  #isOver = false;
  /** Of the waits in hand. Listeners of the signal would cost several times as much. */
  #stops: (() => void)[] = [];

  /** Aborted when there is no point in waiting any longer. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isOver) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  shutDown(): void {
    this.#isOver = true;
    this.#controller?.abort();
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /**
   * Waits for the promise while there is a point in it. What is there already is not waited for.
   *
   * @throws {LitzError} SHUTTING_DOWN (503). If the client went away, nobody will read that.
   */
  untilPointless<Value>(promise: Promise<Value> | Value): Promise<Value> | Value {
    if (!(promise instanceof Promise)) return promise;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(shuttingDown());
      if (this.#isOver) stop();
      else this.#stops.push(stop);
      promise.then(
        (value) => {
          this.#forget(stop);
          resolve(value);
        },
        (error: unknown) => {
          this.#forget(stop);
          reject(asError(error));
        },
      );
    });
  }

  /** A request nearly always waits for one thing at a time: the last. */
  #forget(stop: () => void): void {
    if (this.#stops.at(-1) === stop) this.#stops.pop();
    else this.#stops = this.#stops.filter((other) => other !== stop);
  }
}

export class OpenRequest extends Patience implements Member {
  place = NO_PLACE;
  readonly client: Client;
  readonly #release: () => void;

  constructor(client: Client, release: () => void) {
    super();
    this.client = client;
    this.#release = release;
    client.onGone(() => this.shutDown());
  }

  /** To be called once, when the request has been dealt with. */
  release(): void {
    this.#release();
  }
}
