/**
 * The standalone server's sockets: a `net.Server` in front, an HTTP server that never listens
 * behind it.
 *
 *     net.Server ──socket──> LaneConnection ──lane──> http.Server ──> Fastify
 *
 * Injecting a duplex with `emit("connection")` is what `http.Server` documents for it. Both ends
 * are public: nothing here knows how the HTTP layer works inside.
 */

import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import type { ServerOptions } from "node:http";
import { Server } from "node:net";
import { systemTimers } from "../lib/timers.ts";
import type { Lane } from "./lane.ts";
import { LaneConnection, type Guest, type LaneHost } from "./lane-connection.ts";
import type { LaneGets } from "./lane-gets.ts";
import { LaneRing } from "./lane-ring.ts";
import { LaneTurns } from "./lane-turns.ts";
import { ANSWERS_PER_TURN, IDLE_TIMEOUT_MS, RING_LONGEST_MS, RING_TICK_MS } from "./limits.ts";

export class LaneServer extends Server implements LaneHost {
  readonly http: HttpServer;
  readonly ring = new LaneRing(systemTimers, RING_TICK_MS, RING_LONGEST_MS);
  readonly turns = new LaneTurns(ANSWERS_PER_TURN);
  isClosing = false;
  /** Answers what needs no HTTP layer, if anybody does. */
  gets: Pick<LaneGets, "take"> | undefined;
  readonly #connections = new Set<LaneConnection>();

  constructor(options: ServerOptions, listener: RequestListener) {
    // A client that has ended its side may be owed an answer: connections see to that themselves.
    super({ noDelay: true, allowHalfOpen: true });
    this.http = createServer({ keepAliveTimeout: IDLE_TIMEOUT_MS, ...options }, listener);
    this.http.on("request", ({ socket }, response) => {
      const lane = socket as unknown as Lane;
      lane.owed += 1;
      response.once("close", () => {
        lane.owed -= 1;
        lane.settle();
      });
    });
    this.http.on("clientError", (error, lane) => this.emit("clientError", error, lane));
    // On this Node begins to look for requests that take too long to arrive.
    this.once("listening", () => this.http.emit("listening"));
    this.on("connection", (socket) => {
      this.#connections.add(new LaneConnection(this, socket));
    });
  }

  /** Fastify and our own hooks ask for it, as of any HTTP server. */
  closeIdleConnections(): void {
    this.http.closeIdleConnections();
  }

  override close(callback?: (error?: Error) => void): this {
    this.isClosing = true;
    this.http.close();
    for (const connection of this.#connections) connection.closeIfIdle();
    return super.close(callback);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  guestFor(connection: LaneConnection, bytes: Buffer): Guest | undefined {
    return this.gets?.take(connection, bytes);
  }

  admit(lane: Lane): void {
    this.http.emit("connection", lane);
  }

  forget(connection: LaneConnection): void {
    this.#connections.delete(connection);
  }
}
