/**
 * Event streams on lanes. Clients that are at the same place of the same log, with nothing unsent,
 * are a cohort: one waiter in the core, one read and one encoding for all of them.
 *
 *              ┌──────────── news, short: the same bytes for everybody ───────────┐
 *              v                                                                  │
 *     connect ──> catch up ──at the end of the log──> cohort (handle, offset) ────┘
 *                    ^                                   │
 *                    └── news, long; or unsent bytes ────┘   each at his own speed
 *
 * 1. A client is in one cohort, or in the list of one delivery, or catching up; never two of them.
 * 2. A cohort is found by its key as long as it waits, and waits as long as it has clients.
 * 3. Nothing is written to a client of a cohort that has not taken what it was sent before: it
 *    catches up by itself, one page at a time.
 */

import { setMaxListeners } from "node:events";
import { TransientMap } from "../lib/transient-map.ts";
import type { WaiterId } from "../model/ids.ts";
import { compareLogOffsets, formatLogOffset, type LogOffset } from "../model/log-offset.ts";
import type { News, ServedShape, Watcher } from "../shapes/shape-service.ts";
import type { LogChunk } from "../storage/storage.ts";
import type { LaneConnection } from "./lane-connection.ts";
import { LaneEventClient, type EventClientOwner } from "./lane-event-client.ts";
import { NO_BUCKET, type LaneRing, type RingEntry } from "./lane-ring.ts";
import { once, READ_COST, type Job, type LaneTurns } from "./lane-turns.ts";
import { SHARED_BODY_BYTES_MAX, SSE_KEEP_ALIVE_MS } from "./limits.ts";
import { Patience } from "./open-requests.ts";
import type { AdmissionSlot } from "./admission.ts";
import { upToDate } from "./responses.ts";
import type { ServingOptions } from "./serving.ts";
import { eventOf, eventsOf, KEEP_ALIVE } from "./sse-events.ts";
import { catchUp, positionBehind } from "./sse-stream.ts";

export interface LaneStreamsOptions extends ServingOptions {
  readonly turns: LaneTurns;
  readonly sseTimeoutMs: number;
  readonly stalledReaderTimeoutMs: number;
  /** A log that cannot be read although its shape is there. */
  readonly onFailure: (error: unknown) => void;
}

export class LaneStreams implements EventClientOwner {
  readonly options: LaneStreamsOptions;
  readonly patience = new Patience();
  readonly #cohorts = new TransientMap<string, StreamCohort>();
  readonly #clients = new Set<LaneEventClient>();

  constructor(options: LaneStreamsOptions) {
    this.options = options;
    setMaxListeners(0, this.patience.signal);
  }

  get count(): number {
    return this.#clients.size;
  }

  /** Takes over the request's connection and its slot; `follow` sends the events. */
  park(connection: LaneConnection, slot: AdmissionSlot, shape: ServedShape): LaneEventClient {
    const { sseTimeoutMs, stalledReaderTimeoutMs } = this.options;
    const client = new LaneEventClient(this, connection, slot, shape, stalledReaderTimeoutMs);
    this.#clients.add(client);
    connection.park(client);
    connection.expireAfter(sseTimeoutMs);
    return client;
  }

  /** Ends every stream. */
  close(): void {
    this.patience.shutDown();
    for (const client of [...this.#clients]) client.end();
  }

  forget(client: LaneEventClient): void {
    this.#clients.delete(client);
  }

  /** Sends the client what there is, from the chunk on, and lets it wait at the end of the log. */
  async follow(client: LaneEventClient, chunk: LogChunk): Promise<void> {
    const { shape } = client;
    const { service } = this.options;
    try {
      const source = { service, shape, signal: this.patience.signal };
      const end = await catchUp(source, client, chunk);
      if (end === undefined) client.end();
      else this.wait(client, end);
    } catch (error) {
      client.end();
      if (shape.isCurrent && !this.patience.signal.aborted) this.options.onFailure(error);
    }
  }

  /** As `follow`, from an offset. */
  async followFrom(client: LaneEventClient, offset: LogOffset): Promise<void> {
    try {
      await client.taken();
      if (client.isGone) return;
      const chunk = await client.shape.log.readChunk(offset, this.patience);
      await this.follow(client, chunk);
    } catch (error) {
      client.end();
      if (client.shape.isCurrent && !this.patience.signal.aborted) this.options.onFailure(error);
    }
  }

  /** The client has everything up to `end`, which was the end of the log in this turn. */
  wait(client: LaneEventClient, end: LogOffset): void {
    if (client.isGone) return;
    const key = `${client.shape.handle}:${formatLogOffset(end)}`;
    let cohort = this.#cohorts.get(key);
    if (cohort === undefined) {
      cohort = new StreamCohort(this, key, client.shape, end);
      const waiting = cohort.watch();
      if (waiting === "changed") {
        void this.followFrom(client, end);
        return;
      }
      if (waiting !== "waiting") {
        client.end();
        return;
      }
      this.#cohorts.set(key, cohort);
    }
    cohort.add(client);
  }

  /** For cohorts. */
  forgetCohort(key: string): void {
    this.#cohorts.delete(key);
  }
}

class StreamCohort implements Watcher, RingEntry {
  bucket = NO_BUCKET;
  place = 0;
  readonly #streams: LaneStreams;
  readonly #key: string;
  readonly #shape: ServedShape;
  readonly #end: LogOffset;
  #members: LaneEventClient[] = [];
  #waiter: WaiterId | undefined;
  /** Has the deadline of the next keep-alive. */
  #ring: LaneRing | undefined;

  constructor(streams: LaneStreams, key: string, shape: ServedShape, end: LogOffset) {
    this.#streams = streams;
    this.#key = key;
    this.#shape = shape;
    this.#end = end;
  }

  watch(): "waiting" | News | "full" {
    const waiter = this.#shape.watch(this.#end, this);
    if (typeof waiter === "string") return waiter;
    this.#waiter = waiter;
    return "waiting";
  }

  add(client: LaneEventClient): void {
    client.cohort = this;
    // The same shape as a request of its own has opened it: half a kilobyte that need not stay.
    client.shape = this.#shape;
    client.place = this.#members.length;
    this.#members.push(client);
    // Whoever joins later hears the first one early.
    if (this.#ring === undefined) this.#keepAliveLater(client.connection.ring);
  }

  remove(client: LaneEventClient): void {
    const last = this.#members.pop()!;
    if (last !== client) {
      this.#members[client.place] = last;
      last.place = client.place;
    }
    client.cohort = undefined;
    if (this.#members.length > 0) return;
    this.#shape.unwatch(this.#waiter!);
    this.#stopWaiting();
  }

  news(news: News): void {
    this.#stopWaiting();
    const clients = this.#members;
    this.#members = [];
    for (const client of clients) client.cohort = undefined;
    const { turns } = this.#streams.options;
    if (news === "removed") {
      turns.add(new Delivery(clients, (client) => client.end()));
    } else {
      turns.add(once(READ_COST, () => void this.#deliver(clients)));
    }
  }

  /** Silence has lasted long enough. */
  expire(): void {
    const clients = this.#members.slice();
    const { turns } = this.#streams.options;
    const speak = (client: LaneEventClient): void => {
      if (client.cohort === this && client.unsentBytes === 0) client.write(KEEP_ALIVE);
    };
    turns.add(new Delivery(clients, speak));
    this.#keepAliveLater(this.#ring!);
  }

  #keepAliveLater(ring: LaneRing): void {
    this.#ring = ring;
    ring.set(this, SSE_KEEP_ALIVE_MS);
  }

  #stopWaiting(): void {
    this.#waiter = undefined;
    this.#ring?.clear(this);
    this.#streams.forgetCohort(this.#key);
  }

  async #deliver(clients: readonly LaneEventClient[]): Promise<void> {
    const { options, patience } = this.#streams;
    const follow = (client: LaneEventClient): void => {
      void this.#streams.followFrom(client, this.#end);
    };
    let shared: { bytes: Buffer; end: LogOffset } | undefined;
    try {
      const chunk = await this.#shape.log.readChunk(this.#end, patience);
      shared = await this.#sharedEvents(chunk);
    } catch (error) {
      options.turns.add(new Delivery(clients, (client) => client.end()));
      if (this.#shape.isCurrent && !patience.signal.aborted) options.onFailure(error);
      return;
    }
    if (shared === undefined) {
      options.turns.add(new Delivery(clients, follow, READ_COST));
      return;
    }
    const { bytes, end } = shared;
    const framed = LaneEventClient.framed(bytes);
    const send = (client: LaneEventClient): void => {
      if (client.unsentBytes > 0) {
        follow(client);
      } else {
        client.writeFramed(framed);
        this.#streams.wait(client, end);
      }
    };
    options.turns.add(new Delivery(clients, send));
  }

  /** Undefined: too long to be shared, or not yet the end of the log. */
  async #sharedEvents(chunk: LogChunk): Promise<{ bytes: Buffer; end: LogOffset } | undefined> {
    if (!chunk.isUpToDate) return undefined;
    const parts: Buffer[] = [];
    let size = 0;
    for await (const page of chunk.pages()) {
      size += page.byteLength;
      if (size > SHARED_BODY_BYTES_MAX) return undefined;
      if (page.byteLength > 0) parts.push(eventsOf(page));
    }
    const { end } = chunk;
    // Nothing may have come behind the chunk, or the message would say too much.
    if (compareLogOffsets(this.#shape.log.latestOffset(), end) > 0) return undefined;
    const position = positionBehind(end, this.#streams.options.service, this.#shape);
    parts.push(eventOf(upToDate(position)));
    return { bytes: Buffer.concat(parts), end };
  }
}

/** The same for each client, one after the other. */
class Delivery implements Job {
  readonly cost: number;
  readonly #clients: readonly LaneEventClient[];
  readonly #act: (client: LaneEventClient) => void;
  #next = 0;

  constructor(
    clients: readonly LaneEventClient[],
    act: (client: LaneEventClient) => void,
    cost = 1,
  ) {
    this.#clients = clients;
    this.#act = act;
    this.cost = cost;
  }

  step(): boolean {
    const client = this.#clients[this.#next];
    this.#next += 1;
    if (client !== undefined && !client.isGone) this.#act(client);
    return this.#next < this.#clients.length;
  }
}
