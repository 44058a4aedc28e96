/**
 * The connections of servers, so that closing them ends.
 *
 * Node closes idle connections with the server, but to Node a connection is idle only between two
 * requests. One that has sent nothing yet (browsers open them in advance), or half a request, is
 * kept, and nothing times it out any more: the server would never be closed.
 */

import type { Server } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

export class Connections {
  /** How many answers are owed on each HTTP/1 connection. */
  readonly #owed = new Map<Socket, number>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #isClosing = false;

  /** Follows what happens on the server's HTTP/1 connections, which it announces by this event. */
  watch(server: Server, event: "connection" | "secureConnection" = "connection"): void {
    server.on(event, (socket: Socket | TLSSocket) => {
      if ("alpnProtocol" in socket && socket.alpnProtocol === "h2") return;
      this.#owed.set(socket, 0);
      socket.once("close", () => this.#owed.delete(socket));
      // A turn later whatever it had sent has been parsed.
      if (this.#isClosing) setImmediate(() => this.#owe(socket, 0));
    });
    server.on("request", (request, response) => {
      if (request.httpVersionMajor !== 1) return;
      const { socket } = request;
      this.#owe(socket, 1);
      response.once("close", () => this.#owe(socket, -1));
    });
  }

  get count(): number {
    return this.#owed.size + this.#sessions.size;
  }

  watchSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    if (this.#isClosing) session.close();
  }

  /** Closes every connection as soon as nothing is owed on it, which may be now. */
  close(): void {
    this.#isClosing = true;
    for (const [socket, owed] of this.#owed) if (owed === 0) socket.destroySoon();
    for (const session of this.#sessions) session.close();
  }

  #owe(socket: Socket, change: 1 | 0 | -1): void {
    const owed = this.#owed.get(socket);
    if (owed === undefined) return;
    this.#owed.set(socket, owed + change);
    if (this.#isClosing && owed + change === 0) socket.destroySoon();
  }
}
