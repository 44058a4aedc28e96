/**
 * Whether the other end of a request is still there.
 *
 * Node tells of it in three ways and none of them is enough: a response closes also when it has
 * been sent, a request also when it has been read, and a response that waits for its turn behind
 * another one on the same connection is told nothing at all. The streams of HTTP/2 moreover count
 * as finished when they are cancelled: there it is our end that counts.
 */

import type { IncomingMessage, ServerResponse } from "node:http";

export class Client {
  readonly #listeners: (() => void)[] = [];
  #isGone = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    const isServed = (): boolean =>
      request.httpVersionMajor === 1 ? response.writableFinished : response.writableEnded;
    response.once("close", () => {
      if (!isServed()) this.#leave();
    });
    request.once("close", () => {
      if (request.socket.destroyed && !isServed()) this.#leave();
    });
    // Without a listener, a write that crosses the close would end the process.
    response.on("error", () => this.#leave());
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** REQUIRES: not gone yet. */
  onGone(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const listener of this.#listeners) listener();
  }
}
