/**
 * Requests that are answered on their connection, without the HTTP layer, which takes three times
 * as long as we do to find a shape and read a short log.
 *
 *     bytes ──plain?──> LaneGet ──serve──> short answer ──> socket
 *               │          ├──> comes to a wait ──> LanePolls
 *               no         └──> long, or events ──redo──┐
 *               └───────────────────────────────────────┴──> a lane, as ever
 *
 * 1. Nobody can tell which way a request went: both make the same answer, in `serving.ts` and
 *    `responses.ts`.
 * 2. What is owed is answered, also while the server closes; nothing is taken then any more.
 * 3. A client that does not take its answers is none of ours: it is the HTTP layer that stops
 *    reading it.
 */

import { NO_PLACE, Roster, type Member } from "../lib/roster.ts";
import type { AdmissionSlot } from "./admission.ts";
import { kindOf } from "./admission.ts";
import { closeBody } from "./body.ts";
import { givenRequestId, type Edge } from "./edge.ts";
import { newRequestId, writeWhole } from "./lane-answer.ts";
import type { Guest, LaneConnection } from "./lane-connection.ts";
import type { ParkedRequest } from "./lane-polls.ts";
import { GET_COST, once, type LaneTurns } from "./lane-turns.ts";
import { Patience } from "./open-requests.ts";
import { parseShapeParameters } from "./parameters.ts";
import { parsePlainRequest, type PlainRequest } from "./plain-request.ts";
import { parseQuery, type Query } from "./query.ts";
import { shapeResponse, type ShapeResponse } from "./responses.ts";
import { isAuthorized } from "./secret.ts";
import { serveShape } from "./serving.ts";

export class LaneGets {
  readonly edge: Edge;
  readonly #turns: LaneTurns;
  readonly #open = new Roster<LaneGet>();
  #isClosing = false;

  constructor(edge: Edge, turns: LaneTurns) {
    this.edge = edge;
    this.#turns = turns;
  }

  /** Whoever answers these bytes; undefined: the HTTP layer. */
  take(connection: LaneConnection, bytes: Buffer): Guest | undefined {
    if (this.#isClosing || connection.unsentBytes > 0) return undefined;
    const request = parsePlainRequest(bytes);
    if (request === undefined) return undefined;
    if (!isAuthorized(request.url, this.edge.options.config.secret)) return undefined;
    const get = new LaneGet(this, connection, request, bytes);
    this.#open.add(get);
    this.#turns.add(once(GET_COST, () => void get.serve()));
    return get;
  }

  /** Ends every wait, and takes nothing any more. */
  close(): void {
    this.#isClosing = true;
    for (const get of this.#open.members()) get.shutDown();
  }

  /** For its requests. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** For its requests. */
  forget(get: LaneGet): void {
    this.#open.delete(get);
  }
}

/** One request. */
class LaneGet extends Patience implements Guest, Member {
  place = NO_PLACE;
  readonly #gets: LaneGets;
  readonly #connection: LaneConnection;
  readonly #request: PlainRequest;
  /** For the HTTP layer, should it have to answer. */
  readonly #bytes: Buffer;
  readonly #requestId: string;
  #isGone = false;

  constructor(gets: LaneGets, connection: LaneConnection, request: PlainRequest, bytes: Buffer) {
    super();
    this.#gets = gets;
    this.#connection = connection;
    this.#request = request;
    this.#bytes = bytes;
    this.#requestId = givenRequestId(request) ?? newRequestId();
  }

  expired(): void {
    // It asks for no deadline.
  }

  halfClosed(): void {
    // What is owed is answered; `release` ends the connection then.
  }

  left(): void {
    this.#isGone = true;
    this.shutDown();
  }

  /** Never rejects. */
  async serve(): Promise<void> {
    const response = this.#isGone ? undefined : await this.#respond();
    this.#gets.forget(this);
    if (response === "parked") return;
    const body = response?.body;
    if (typeof body === "object") closeBody(body.pages);
    if (this.#isGone) return;
    if (response !== undefined && typeof body === "string") this.#answer(response, body);
    else this.#connection.redo(this.#bytes);
  }

  /** Undefined: the HTTP layer shall say it. Parked: others will. */
  async #respond(): Promise<ShapeResponse | "parked" | undefined> {
    const { edge } = this.#gets;
    let slot: AdmissionSlot | undefined;
    let isParked = false;
    try {
      const query = parseQuery(this.#request.url);
      slot = edge.admission.acquire(kindOf(query));
      const response = await this.#serveWith(query, slot);
      isParked = response === "parked";
      return response;
    } catch (error) {
      return edge.failedResponse(error, this.#request.url, this.#requestId);
    } finally {
      // Who waits keeps it.
      if (!isParked) slot?.release();
    }
  }

  async #serveWith(
    query: Query,
    slot: AdmissionSlot,
  ): Promise<ShapeResponse | "parked" | undefined> {
    const { edge } = this.#gets;
    const { service, config } = edge.options;
    const readable = service.readable(config.readyTimeoutMs);
    if (readable !== undefined) await this.untilPointless(readable);
    const parameters = parseShapeParameters(query);
    const { cursor, isSse, subset } = parameters;
    if (subset !== undefined || isSse) return undefined;
    const answer = await serveShape(edge.serving, {
      parameters,
      slot,
      open: this,
      ifNoneMatch: this.#request.headers["if-none-match"],
      wantsBody: true,
      park: (held) => edge.polls.park(this.#parked(slot, cursor), held),
    });
    if (answer.kind === "parked") return "parked";
    if (answer.kind === "stream") throw new Error("events were not asked for");
    return shapeResponse(answer, edge.responseContext(cursor));
  }

  /** What is left of it while it waits. */
  #parked(slot: AdmissionSlot, cursor: string | undefined): ParkedRequest {
    const { url, headers } = this.#request;
    return {
      connection: this.#connection,
      slot,
      target: url,
      cursor,
      origin: headers.origin,
      requestId: this.#requestId,
    };
  }

  #answer({ status, headers }: ShapeResponse, body: string): void {
    const { edge, isClosing } = this.#gets;
    const head = {
      status,
      headers,
      origin: this.#request.headers.origin,
      nowMs: edge.options.clock.nowMilliseconds(),
      isLast: isClosing,
    };
    writeWhole(this.#connection.socket, head, body, this.#requestId);
    edge.traffic.answered("shape", status);
    this.#connection.release(isClosing);
  }
}
