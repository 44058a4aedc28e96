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
 * 2. No change is missed between reading and waiting: `waitForChange` looks again when it is
 * called. 3. A handle that was found stale is never told again.
 */

import type { Clock } from "../lib/clock.ts";
import { LitzError } from "../lib/errors.ts";
import type { ShapeHandle } from "../model/ids.ts";
import { compareLogOffsets, type LogOffset } from "../model/log-offset.ts";
import type { ServedShape, ShapeService } from "../shapes/shape-service.ts";
import type { LogChunk } from "../storage/storage.ts";
import type { AdmissionSlot } from "./admission.ts";
import { closeBody, openBody, type OpenBody } from "./body.ts";
import { InvalidRequest } from "./errors.ts";
import { explain } from "./explanations.ts";
import { matchesEtag, shapeEtag, type RequestedOffset } from "./etag.ts";
import { OUT_OF_BOUNDS_RECHECK_MS } from "./limits.ts";
import type { OpenRequest } from "./open-requests.ts";
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
      /** Undefined when there is no message in the chunk, or only the headers are wanted. */
      readonly body: OpenBody | undefined;
    }
  /** `offset=now`, or a long-poll during which nothing happened. */
  | { readonly kind: "no-change"; readonly position: Position; readonly lastSeenLsn: bigint }
  | { readonly kind: "not-modified"; readonly position: Position }
  | { readonly kind: "must-refetch"; readonly handle: ShapeHandle | undefined };

export interface ServingOptions {
  readonly service: ShapeService;
  readonly clock: Clock;
  readonly longPollTimeoutMs: number;
}

export interface ServingRequest {
  readonly parameters: ShapeParameters;
  readonly ifNoneMatch: string | undefined;
  readonly wantsBody: boolean;
  readonly slot: AdmissionSlot;
  readonly open: OpenRequest;
}

/**
 * Resolves with the answer, after the wait if there is one.
 *
 * @throws {InvalidRequest}, {LitzError} what protocol 3.2 and 3.3 list.
 */
export async function serveShape(
  options: ServingOptions,
  request: ServingRequest,
): Promise<ShapeAnswer> {
  const { handle } = request.parameters;
  try {
    const shape = await lookUp(options, request);
    if (handle !== undefined && shape.handle !== handle) return mustRefetch(shape.handle);
    await request.open.untilPointless(explain("snapshot", shape.snapshotStarted()));
    return await new Serving(options, request, shape).answer();
  } catch (error) {
    if (isStale(error)) return mustRefetch();
    throw error;
  }
}

/** Protocol 5.2. */
async function lookUp(options: ServingOptions, request: ServingRequest): Promise<ServedShape> {
  const { service } = options;
  const { parameters, open, slot } = request;
  const definition = await open.untilPointless(
    explain("definition", service.define(parameters.definition)),
  );
  const shape = service.find(definition);
  if (shape !== undefined) return shape;
  slot.moveTo("initial");
  return open.untilPointless(explain("creation", service.findOrCreate(definition)));
}

/** What was asked for is gone, or is no longer what it was when that was asked (protocol 4.4). */
function isStale(error: unknown): boolean {
  return (
    error instanceof LitzError && (error.httpStatus === 409 || error.code === "SCHEMA_CHANGED")
  );
}

function mustRefetch(handle?: ShapeHandle): ShapeAnswer {
  return { kind: "must-refetch", handle };
}

/** One request for one shape that was found. */
class Serving {
  readonly #service: ShapeService;
  readonly #clock: Clock;
  readonly #longPollTimeoutMs: number;
  readonly #request: ServingRequest;
  readonly #shape: ServedShape;

  constructor(options: ServingOptions, request: ServingRequest, shape: ServedShape) {
    this.#service = options.service;
    this.#clock = options.clock;
    this.#longPollTimeoutMs = options.longPollTimeoutMs;
    this.#request = request;
    this.#shape = shape;
  }

  async answer(): Promise<ShapeAnswer> {
    const { offset } = this.#request.parameters;
    if (offset === "now") return this.#noChange(this.#shape.log.latestOffset());
    if (!this.#isInBounds(offset)) await this.#waitForBounds(offset);
    return this.#read(offset);
  }

  /** Protocol 5.4 and 5.7. */
  async #read(offset: LogOffset): Promise<ShapeAnswer> {
    const { isLive } = this.#request.parameters;
    const deadline = this.#clock.nowMilliseconds() + this.#longPollTimeoutMs;
    for (;;) {
      if (!this.#shape.isCurrent) return this.#replaced();
      // Before the read, by invariant 1.
      const lsn = this.#service.lastProcessedLsn;
      const chunk = await this.#readChunk(offset);
      if (chunk === undefined) return mustRefetch();
      const { end, isUpToDate } = chunk;
      const position: Position = { shape: this.#shape, requested: offset, end, isLive, isUpToDate };
      if (matchesEtag(this.#request.ifNoneMatch, shapeEtag(this.#shape.handle, offset, end))) {
        return { kind: "not-modified", position };
      }
      if (!isLive || !isUpToDate || !chunk.isEmpty) {
        return await this.#log(position, chunk, isLive || lsn < end.tx ? end.tx : lsn);
      }
      const answer = await this.#hold(end, deadline);
      if (answer !== undefined) return answer;
    }
  }

  /** Holds a live request at the end of the log. Undefined: there is something to read. */
  async #hold(end: LogOffset, deadline: number): Promise<ShapeAnswer | undefined> {
    const timeoutMs = Math.max(0, deadline - this.#clock.nowMilliseconds());
    const outcome = await this.#shape.waitForChange(end, timeoutMs, this.#request.open.signal);
    if (outcome === "removed" || !this.#shape.isCurrent) return this.#replaced();
    // Whatever ended the wait, a change may have come in the meantime. Asked together with the
    // position, without a turn of the event loop in between, by invariant 1.
    if (compareLogOffsets(this.#shape.log.latestOffset(), end) > 0) return undefined;
    if (outcome === "changed" && this.#clock.nowMilliseconds() < deadline) return undefined;
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
        explain("snapshot", this.#shape.log.readChunk(offset, open.signal)),
      );
    } catch (error) {
      this.#rethrowUnlessGone(error);
      return undefined;
    }
  }

  async #log(position: Position, chunk: LogChunk, lastSeenLsn: bigint): Promise<ShapeAnswer> {
    if (!this.#request.wantsBody || chunk.isEmpty) {
      return { kind: "log", position, lastSeenLsn, body: undefined };
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

  /** A log that cannot be read because its shape was removed is an outcome and no error. */
  #rethrowUnlessGone(error: unknown): void {
    if (this.#shape.isCurrent) throw error;
  }

  #noChange(end: LogOffset): ShapeAnswer {
    const { offset, isLive } = this.#request.parameters;
    return {
      kind: "no-change",
      position: { shape: this.#shape, requested: offset, end, isLive, isUpToDate: true },
      lastSeenLsn: this.#service.lastProcessedLsn,
    };
  }

  /** Protocol 4.4: with the handle of whatever took the shape's place, by invariant 3. */
  #replaced(): ShapeAnswer {
    const handle = this.#service.find(this.#shape.definition)?.handle;
    return mustRefetch(handle === this.#shape.handle ? undefined : handle);
  }

  /**
   * Whether the offset lies in the log, or may be taken for the end of it: nothing of this shape
   * happened up to the global position that is not in the log (protocol 5.5, 5.8).
   */
  #isInBounds(offset: LogOffset): boolean {
    if (compareLogOffsets(offset, this.#shape.log.latestOffset()) <= 0) return true;
    return offset.tx <= this.#service.lastProcessedLsn;
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
