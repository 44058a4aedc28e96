/**
 * What a request for a shape is answered (protocol section 5), before it becomes bytes and headers.
 *
 *     look up ──> snapshot has begun ──> in bounds? ──> read ──> answer
 *        │                │                  │           │ ^
 *        │                │                  │           v │ changed
 *        v                v                  v          wait (live, at the end of the log)
 *     must-refetch     must-refetch     400 or wait      │
 *                                                        v
 *                                     no-change, must-refetch
 *
 * 1. An up-to-date message never names an LSN whose changes its reader might not have: the position
 *    is read before the log is.
 * 2. No change is missed between reading and waiting: `waitForChange` and `watch` look again when
 *    they are called.
 * 3. A handle that was found stale is never told again.
 *
 * A request that comes to a wait may be parked instead: whoever takes it over waits in its place,
 * with others for the same thing, and asks `resumeServing` what all of them are answered.
 */

import type { Clock } from "../lib/clock.ts";
import { LitzError } from "../lib/errors.ts";
import type { ShapeHandle } from "../model/ids.ts";
import { compareLogOffsets, type LogOffset } from "../model/log-offset.ts";
import { minLsn, type Lsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { ServedShape, ShapeService, WaitOutcome } from "../shapes/shape-service.ts";
import type { LogChunk } from "../storage/storage.ts";
import type { AdmissionSlot } from "./admission.ts";
import { closeBody, openBody, type OpenBody } from "./body.ts";
import { InvalidRequest } from "./errors.ts";
import { explain } from "./explanations.ts";
import { matchesEtag, shapeEtag, type RequestedOffset } from "./etag.ts";
import { OUT_OF_BOUNDS_RECHECK_MS, WHOLE_BODY_BYTES_MAX } from "./limits.ts";
import type { Patience } from "./open-requests.ts";
import type { ShapeParameters } from "./parameters.ts";

/** Where in a shape's log an answer stands. */
export interface Position {
  readonly shape: ServedShape;
  readonly requested: RequestedOffset;
  /** What `electric-offset` says. */
  readonly end: LogOffset;
  readonly isLive: boolean;
  readonly isUpToDate: boolean;
}

export type ShapeAnswer =
  | {
      readonly kind: "log";
      readonly position: Position;
      readonly lastSeenLsn: bigint;
      /**
       * All messages of a short chunk, or what is to be streamed. Undefined when there is no
       * message in the chunk, or only the headers are wanted.
       */
      readonly body: Uint8Array | OpenBody | undefined;
    }
  /** `offset=now`, or a long-poll during which nothing happened. */
  | { readonly kind: "no-change"; readonly position: Position; readonly lastSeenLsn: bigint }
  | { readonly kind: "not-modified"; readonly position: Position }
  /** Events follow, beginning with those of the chunk (protocol 5.8). */
  | { readonly kind: "stream"; readonly position: Position; readonly chunk: LogChunk }
  /** Nothing by us: `park` has taken the request over. */
  | { readonly kind: "parked" }
  | MustRefetch;

export interface MustRefetch {
  readonly kind: "must-refetch";
  /** Of the shape to ask for instead, where one is known. */
  readonly handle: ShapeHandle | undefined;
}

/** Answers that are a response: a status, headers and a body that ends. */
export type ReadAnswer = Exclude<ShapeAnswer, { kind: "stream" | "parked" }>;

export interface ServingOptions {
  readonly service: ShapeService;
  readonly clock: Clock;
  readonly longPollTimeoutMs: number;
  readonly readyTimeoutMs: number;
}

export interface ServingRequest {
  readonly parameters: ShapeParameters;
  readonly ifNoneMatch: string | undefined;
  readonly wantsBody: boolean;
  readonly slot: AdmissionSlot;
  readonly open: Patience;
  /** Offers a live request that comes to a wait. True: it is no longer ours. */
  readonly park?: (held: Held) => boolean;
}

/** A live request at the end of a log. */
export interface Held {
  readonly shape: ServedShape;
  readonly requested: LogOffset;
  readonly end: LogOffset;
}

/** What it takes to read a log for a request whose shape was found. */
type Reading = Pick<ServingRequest, "ifNoneMatch" | "wantsBody" | "open"> & {
  readonly park: ServingRequest["park"] | undefined;
  readonly offset: RequestedOffset;
  readonly isLive: boolean;
  readonly isSse: boolean;
};

/**
 * Resolves with the answer, after the wait if there is one.
 *
 * @throws {InvalidRequest}, {LitzError} what protocol 3.2 and 3.3 list.
 */
export async function serveShape(
  options: ServingOptions,
  request: ServingRequest,
): Promise<ShapeAnswer> {
  const { open, parameters } = request;
  const { handle, offset, isLive, isSse } = parameters;
  try {
    const shape = await findShape(options, request, await defineShape(options, request));
    if (handle !== undefined && shape.handle !== handle) return mustRefetch(shape.handle);
    await open.untilPointless(explain("snapshot", shape.snapshotStarted()));
    const { ifNoneMatch, wantsBody, park } = request;
    const reading = { ifNoneMatch, wantsBody, open, park, offset, isLive, isSse };
    return await new Serving(options, reading, shape).answer();
  } catch (error) {
    if (isStale(error)) return mustRefetch();
    throw error;
  }
}

/**
 * What parked requests are answered when their wait has ended like this. Undefined: nothing yet,
 * they have to wait again.
 *
 * @throws {LitzError} what protocol 3.2 lists.
 */
export async function resumeServing(
  options: ServingOptions,
  { shape, requested, end }: Held,
  outcome: WaitOutcome,
  open: Patience,
): Promise<ReadAnswer | undefined> {
  const reading = {
    ifNoneMatch: undefined,
    wantsBody: true,
    open,
    park: undefined,
    offset: requested,
    isLive: true,
    isSse: false,
  };
  const serving = new Serving(options, reading, shape);
  try {
    return await serving.resume(requested, end, outcome);
  } catch (error) {
    if (isStale(error)) return mustRefetch();
    throw error;
  }
}

export function defineShape(
  { service }: ServingOptions,
  { parameters, open }: ServingRequest,
): Promise<ShapeDefinition> | ShapeDefinition {
  return open.untilPointless(explain("definition", service.define(parameters.definition)));
}

/** Protocol 5.2. A shape that exists is served, whether or not others could be made now. */
export async function findShape(
  { service, readyTimeoutMs }: ServingOptions,
  { open, slot }: ServingRequest,
  definition: ShapeDefinition,
): Promise<ServedShape> {
  const shape = service.find(definition);
  if (shape !== undefined) return shape;
  slot.moveTo("initial");
  await open.untilPointless(service.ready(readyTimeoutMs));
  return open.untilPointless(explain("creation", service.findOrCreate(definition)));
}

/** What was asked for is gone, or is no longer what it was when that was asked (protocol 4.4). */
export function isStale(error: unknown): boolean {
  return (
    error instanceof LitzError && (error.httpStatus === 409 || error.code === "SCHEMA_CHANGED")
  );
}

function isSnapshotFailure(error: unknown): boolean {
  return error instanceof LitzError && error.code.startsWith("SNAPSHOT_");
}

export function mustRefetch(handle?: ShapeHandle): MustRefetch {
  return { kind: "must-refetch", handle };
}

/** One request for one shape that was found. */
class Serving {
  readonly #service: ShapeService;
  readonly #clock: Clock;
  readonly #longPollTimeoutMs: number;
  readonly #request: Reading;
  readonly #shape: ServedShape;

  constructor(options: ServingOptions, request: Reading, shape: ServedShape) {
    this.#service = options.service;
    this.#clock = options.clock;
    this.#longPollTimeoutMs = options.longPollTimeoutMs;
    this.#request = request;
    this.#shape = shape;
  }

  async answer(): Promise<ShapeAnswer> {
    const { offset, isSse } = this.#request;
    if (offset === "now") return this.#noChange(this.#shape.log.latestOffset());
    if (!this.#isInBounds(offset)) await this.#waitForBounds(offset);
    return isSse ? this.#openStream(offset) : this.#read(offset);
  }

  /** After a wait that somebody else did. Undefined: there is nothing to read after all. */
  async resume(
    offset: LogOffset,
    end: LogOffset,
    outcome: WaitOutcome,
  ): Promise<ReadAnswer | undefined> {
    const answer = await this.#afterWait(end, outcome, false);
    if (answer !== undefined) return answer;
    const looked = await this.#look(offset);
    return "kind" in looked ? looked : undefined;
  }

  /** Protocol 5.4 and 5.7. */
  async #read(offset: LogOffset): Promise<ShapeAnswer> {
    const deadline = this.#clock.nowMilliseconds() + this.#longPollTimeoutMs;
    for (;;) {
      const looked = await this.#look(offset);
      if ("kind" in looked) return looked;
      const { shape, end } = looked;
      if (this.#request.park?.({ shape, requested: offset, end }) === true) {
        return { kind: "parked" };
      }
      const answer = await this.#hold(end, deadline);
      if (answer !== undefined) return answer;
    }
  }

  /** The answer; or, for a live request, the end of the log when there is nothing to read. */
  async #look(offset: LogOffset): Promise<ReadAnswer | Position> {
    const { isLive, ifNoneMatch } = this.#request;
    if (!this.#shape.isCurrent) return this.#replaced();
    // Before the read, by invariant 1.
    const lsn = this.#completeLsn;
    const chunk = await this.#readChunk(offset);
    if (chunk === undefined) return mustRefetch();
    const { end, isUpToDate } = chunk;
    const position: Position = { shape: this.#shape, requested: offset, end, isLive, isUpToDate };
    if (matchesEtag(ifNoneMatch, shapeEtag(this.#shape.handle, offset, end))) {
      return { kind: "not-modified", position };
    }
    if (isLive && isUpToDate && chunk.isEmpty) return position;
    return this.#log(position, chunk, isLive || lsn < end.tx ? end.tx : lsn);
  }

  /** Protocol 5.8. */
  async #openStream(offset: LogOffset): Promise<ShapeAnswer> {
    if (!this.#shape.isCurrent) return this.#replaced();
    const chunk = await this.#readChunk(offset);
    if (chunk === undefined) return mustRefetch();
    const { end, isUpToDate } = chunk;
    const position: Position = {
      shape: this.#shape,
      requested: offset,
      end,
      isLive: true,
      isUpToDate,
    };
    if (matchesEtag(this.#request.ifNoneMatch, shapeEtag(this.#shape.handle, offset, end))) {
      return { kind: "not-modified", position };
    }
    return { kind: "stream", position, chunk };
  }

  /** Holds a live request at the end of the log. Undefined: there is something to read. */
  async #hold(end: LogOffset, deadline: number): Promise<ReadAnswer | undefined> {
    const timeoutMs = Math.max(0, deadline - this.#clock.nowMilliseconds());
    const outcome = await this.#shape.waitForChange(end, timeoutMs, this.#request.open.signal);
    return this.#afterWait(end, outcome, this.#clock.nowMilliseconds() >= deadline);
  }

  async #afterWait(
    end: LogOffset,
    outcome: WaitOutcome,
    isOver: boolean,
  ): Promise<ReadAnswer | undefined> {
    if (outcome === "removed" || !this.#shape.isCurrent) return this.#replaced();
    // Whatever ended the wait, a change may have come in the meantime. Asked together with the
    // position, without a turn of the event loop in between, by invariant 1.
    if (compareLogOffsets(this.#shape.log.latestOffset(), end) > 0) return undefined;
    if (outcome === "changed" && !isOver) return undefined;
    if (outcome !== "aborted" && this.#service.status !== "active") await this.#refuse();
    return this.#noChange(end);
  }

  /** A long-poll over a service that is not well: its client shall come back later. */
  async #refuse(): Promise<void> {
    try {
      await this.#service.ready(0);
    } catch (error) {
      const message = error instanceof LitzError ? error.message : "Service unavailable";
      throw new LitzError(message, {
        code: "NOT_READY",
        httpStatus: 503,
        retriable: true,
        retryAfterSeconds: 10,
        cause: error,
      });
    }
  }

  /** Undefined when the log went away under the read. */
  async #readChunk(offset: LogOffset): Promise<LogChunk | undefined> {
    const { open } = this.#request;
    try {
      return await open.untilPointless(
        explain("snapshot", this.#shape.log.readChunk(offset, open)),
      );
    } catch (error) {
      this.#rethrowUnlessGone(error);
      return undefined;
    }
  }

  async #log(position: Position, chunk: LogChunk, lastSeenLsn: bigint): Promise<ReadAnswer> {
    if (!this.#request.wantsBody || chunk.isEmpty) {
      return { kind: "log", position, lastSeenLsn, body: undefined };
    }
    if (chunk.page !== undefined && chunk.page.byteLength <= WHOLE_BODY_BYTES_MAX) {
      return { kind: "log", position, lastSeenLsn, body: chunk.page };
    }
    const opening = openBody(chunk);
    try {
      const body = await this.#request.open.untilPointless(opening);
      return { kind: "log", position, lastSeenLsn, body };
    } catch (error) {
      opening.then(closeBody, () => undefined);
      this.#rethrowUnlessGone(error);
      return mustRefetch();
    }
  }

  /**
   * A log that cannot be read because its shape was removed is an outcome and no error. But a
   * snapshot that fails takes its shape along, and says so to everybody who waited for it.
   */
  #rethrowUnlessGone(error: unknown): void {
    if (this.#shape.isCurrent || isSnapshotFailure(error)) throw error;
  }

  #noChange(end: LogOffset): ReadAnswer {
    const { offset, isLive } = this.#request;
    return {
      kind: "no-change",
      position: { shape: this.#shape, requested: offset, end, isLive, isUpToDate: true },
      lastSeenLsn: this.#completeLsn,
    };
  }

  /** Up to where the log has everything that concerns the shape. */
  get #completeLsn(): Lsn {
    const processed = this.#service.lastProcessedLsn;
    const { heldLsn } = this.#shape;
    return heldLsn === undefined ? processed : minLsn(heldLsn, processed);
  }

  /** Protocol 4.4: with the handle of whatever took the shape's place, by invariant 3. */
  #replaced(): ReadAnswer {
    const handle = this.#service.find(this.#shape.definition)?.handle;
    return mustRefetch(handle === this.#shape.handle ? undefined : handle);
  }

  /**
   * Whether the offset lies in the log, or may be taken for the end of it: nothing of this shape
   * happened up to the global position that is not in the log (protocol 5.5, 5.8). An event stream
   * tells the position behind the last transaction, which is one more.
   */
  #isInBounds(offset: LogOffset): boolean {
    if (compareLogOffsets(offset, this.#shape.log.latestOffset()) <= 0) return true;
    return offset.tx <= this.#service.lastProcessedLsn + 1n;
  }

  /**
   * Protocol 5.5: an offset from the future may become the present.
   *
   * @throws {InvalidRequest} when it does not. A shape that is removed meanwhile ends the wait.
   */
  async #waitForBounds(offset: LogOffset): Promise<void> {
    const { open } = this.#request;
    let remainingMs = this.#longPollTimeoutMs / 2;
    while (remainingMs > 0 && this.#shape.isCurrent) {
      const waitMs = Math.min(remainingMs, OUT_OF_BOUNDS_RECHECK_MS);
      const latest = this.#shape.log.latestOffset();
      const before = this.#clock.nowMilliseconds();
      const outcome = await open.untilPointless(
        this.#shape.waitForChange(latest, waitMs, open.signal),
      );
      if (this.#isInBounds(offset)) return;
      // Changes may come by the hundred without being the one: only time counts.
      const elapsedMs = this.#clock.nowMilliseconds() - before;
      remainingMs -= outcome === "timeout" ? Math.max(waitMs, elapsedMs) : elapsedMs;
    }
    if (!this.#shape.isCurrent) return;
    throw new InvalidRequest({ offset: ["out of bounds for this shape"] });
  }
}
