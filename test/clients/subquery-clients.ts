/**
 * The clients people use, each as a thing that follows a shape with subqueries and can be asked
 * what it holds.
 *
 *     ShapeStream ── messages ──> TaggedRows    the official client, kept by the letter
 *     TanStack DB's collection                  tags and moves as that library has them
 *
 * The official client's own `Shape` knows no events: it has no part in this.
 */

import { ShapeStream, type Row, type ShapeStreamOptions } from "@electric-sql/client";
import { createCollection, createLiveQueryCollection, type SyncMode } from "@tanstack/db";
import { electricCollectionOptions } from "@tanstack/electric-db-collection";
import { TaggedRows, type TaggedMessage } from "../subqueries/tagged-rows.ts";
import { UNCOMPRESSED } from "./fixture.ts";

/** How to reach a server, which may be another one in the meantime. */
export interface Address {
  readonly url: string;
}

export interface ShapeParameters {
  readonly where: string;
  readonly columns?: readonly string[];
  readonly replica?: "full";
}

export interface Follower {
  rows(): readonly object[];
  /** What the server should not have sent, if the client can tell. */
  readonly faults: readonly string[];
  close(): Promise<void> | void;
}

/** Stands for the server in URLs that outlive it. */
const ORIGIN = "http://server.test";

type StreamOptions = Partial<Pick<ShapeStreamOptions, "liveSse" | "log" | "offset" | "handle">>;

function streamOptions(address: Address, { where, columns, replica }: ShapeParameters) {
  return {
    url: `${ORIGIN}/v1/shape`,
    params: {
      table: "issues",
      where,
      ...(columns && { columns: [...columns] }),
      ...(replica && { replica }),
    },
    fetchClient: (input: string | URL | Request, init?: RequestInit) => {
      const asked = input instanceof Request ? input.url : input.toString();
      return fetch(asked.replace(ORIGIN, address.url), init);
    },
    headers: UNCOMPRESSED,
  };
}

/** A stream that can be stopped at any moment and go on from what it had. */
export class StreamFollower implements Follower {
  readonly tagged: TaggedRows<Row>;
  readonly stream: ShapeStream;
  /** Handles that the server gave up. */
  lostCount = 0;
  /** Where what was taken ends. */
  #offset: ShapeStreamOptions["offset"];
  /** Messages count only up to where the stream says that they are all there are. */
  #untaken: TaggedMessage<Row>[] = [];
  readonly #address: Address;
  readonly #parameters: ShapeParameters;
  readonly #options: StreamOptions;
  readonly #abort = new AbortController();

  constructor(
    address: Address,
    parameters: ShapeParameters,
    options: StreamOptions = {},
    isExact = options.log !== "changes_only",
    tagged = new TaggedRows<Row>({ isExact }),
  ) {
    this.tagged = tagged;
    this.#address = address;
    this.#parameters = parameters;
    this.#options = options;
    this.#offset = options.offset;
    this.stream = new ShapeStream({
      ...streamOptions(address, parameters),
      ...options,
      signal: this.#abort.signal,
    });
    this.stream.subscribe((messages) => {
      if (this.#abort.signal.aborted) return;
      for (const message of messages) this.#take(message);
    });
  }

  get faults(): readonly string[] {
    return this.tagged.faults;
  }

  rows(): readonly Row[] {
    return this.tagged.values;
  }

  close(): void {
    this.#abort.abort();
    this.stream.unsubscribeAll();
  }

  /** Stops, be it in the middle of an answer; the returned one goes on where this one got to. */
  resume(): StreamFollower {
    this.close();
    const handle = this.stream.shapeHandle;
    const place =
      this.#offset === undefined || handle === undefined ? {} : { offset: this.#offset, handle };
    const options = { ...this.#options, ...place };
    return new StreamFollower(this.#address, this.#parameters, options, undefined, this.tagged);
  }

  /**
   * Of events, the stream's own offset may be that of later ones already, which are yet to be
   * handed on: there it is what the client makes of the message (protocol 5.8).
   */
  #placeOf({ headers }: TaggedMessage<Row>): ShapeStreamOptions["offset"] {
    const { lastOffset } = this.stream;
    const isOfEvent = this.#options.liveSse === true && lastOffset.endsWith("_0");
    return isOfEvent ? `${BigInt(headers.global_last_seen_lsn!)}_0` : lastOffset;
  }

  #take(message: TaggedMessage<Row>): void {
    const { control } = message.headers;
    if (control === "must-refetch") {
      this.lostCount += 1;
      this.tagged.clear();
      this.#untaken = [];
    }
    this.#untaken.push(message);
    // A page ends without the stream's offset having moved.
    if (control !== "up-to-date" && control !== "subset-end") return;
    for (const untaken of this.#untaken.splice(0)) this.tagged.apply(untaken);
    if (control === "up-to-date") this.#offset = this.#placeOf(message);
  }
}

interface Issue {
  readonly [column: string]: unknown;
  readonly id: number;
}

export interface CollectionFollower extends Follower {
  /** Resolves when the collection knows of the transaction. */
  awaitTxId(xid: number): Promise<boolean>;
}

/**
 * A collection of all issues of the shape, however it comes by them. On demand it is a query that
 * asks for them.
 */
export async function openCollection(
  address: Address,
  parameters: ShapeParameters,
  { syncMode, liveSse = false }: { syncMode: SyncMode | "progressive"; liveSse?: boolean },
): Promise<CollectionFollower> {
  const collection = createCollection(
    electricCollectionOptions<Issue>({
      syncMode,
      getKey: ({ id }) => id,
      shapeOptions: { ...streamOptions(address, parameters), liveSse },
    }),
  );
  const query = createLiveQueryCollection((q) => q.from({ issue: collection }));
  // Nobody's query is cleaned up after some seconds.
  query.subscribeChanges(() => undefined);
  await query.preload();
  return {
    faults: [],
    rows: () => query.toArray.map(withoutVirtual),
    awaitTxId: (xid) => collection.utils.awaitTxId(xid, 30_000),
    close: async () => {
      await query.cleanup();
      await collection.cleanup();
    },
  };
}

/** Rows of a query carry what the collection says of them in members that begin with `$`. */
export function withoutVirtual(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("$")));
}
