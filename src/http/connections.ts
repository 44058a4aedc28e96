/**
 * The connections of a server, so that closing it ends.
 *
 * Node closes idle connections with the server, but to Node a connection is idle only between two
 * requests. One that has sent nothing yet (browsers open them in advance), or half a request, is
 * kept, and nothing times it out any more: the server would never be closed.
 */

import type { Server } from "node:http";
import type { Socket } from "node:net";

export class Connections {
  /** How many answers are owed on each. */
  readonly #owed = new Map<Socket, number>();
  #isClosing = false;

  constructor(server: Server) {
    server.on("connection", (socket: Socket) => {
      this.#owed.set(socket, 0);
      socket.once("close", () => this.#owed.delete(socket));
    });
    server.on("request", ({ socket }, response) => {
      this.#owe(socket, 1);
      response.once("close", () => this.#owe(socket, -1));
    });
  }

  /** Closes every connection as soon as nothing is owed on it, which may be now. */
  close(): void {
    this.#isClosing = true;
    for (const [socket, owed] of this.#owed) if (owed === 0) socket.destroySoon();
  }

  #owe(socket: Socket, change: 1 | -1): void {
    const owed = this.#owed.get(socket);
    if (owed === undefined) return;
    this.#owed.set(socket, owed + change);
    if (this.#isClosing && owed + change === 0) socket.destroySoon();
  }
}
