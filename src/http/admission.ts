/**
 * How many requests may be under way at a time, by kind (protocol 3.2).
 *
 *     existing   reads a shape that there is: a handful of bytes while it waits
 *     initial    may create one: a snapshot, a connection to Postgres, a registration
 *
 * A request is admitted before anything is looked up, by the look of its handle. One that turns out
 * to need a new shape moves to the other kind first, hence
 *
 * 1. No shape is created without a slot of the kind `initial`.
 * 2. A slot is released exactly once, however often that is asked for.
 */

import { LitzError } from "../lib/errors.ts";
import { parseShapeHandle } from "../model/ids.ts";
import { textOf, type Query } from "./query.ts";

export type RequestKind = "initial" | "existing";

export function kindOf(query: Query): RequestKind {
  const handle = textOf(query, "handle");
  return handle !== undefined && parseShapeHandle(handle) !== undefined ? "existing" : "initial";
}

export class Admission {
  readonly #limits: Readonly<Record<RequestKind, number>>;
  readonly #random: () => number;
  readonly #counts: Record<RequestKind, number> = { initial: 0, existing: 0 };

  /** @param random from 0, inclusive, to 1, exclusive: spreads those who come back. */
  constructor(limits: Readonly<Record<RequestKind, number>>, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Requests under way. */
  count(kind: RequestKind): number {
    return this.#counts[kind];
  }

  /** @throws {LitzError} 503 when there are as many as may be. */
  acquire(kind: RequestKind): AdmissionSlot {
    this.take(kind);
    return new AdmissionSlot(this, kind);
  }

  /**
   * For slots.
   *
   * @throws {LitzError} 503 when there are as many as may be.
   */
  take(kind: RequestKind): void {
    const limit = this.#limits[kind];
    if (this.#counts[kind] >= limit) {
      throw new LitzError(
        `Concurrent ${kind} request limit exceeded (limit: ${limit}), please retry`,
        {
          code: "CONCURRENT_REQUEST_LIMIT",
          httpStatus: 503,
          retriable: true,
          retryAfterSeconds: 6 + Math.floor(this.#random() * 5),
        },
      );
    }
    this.#counts[kind] += 1;
  }

  /** For slots. */
  give(kind: RequestKind): void {
    this.#counts[kind] -= 1;
  }
}

/** One request's place. Waiting requests keep theirs: it is two words and no closure. */
export class AdmissionSlot {
  readonly #admission: Admission;
  #held: RequestKind | undefined;

  constructor(admission: Admission, kind: RequestKind) {
    this.#admission = admission;
    this.#held = kind;
  }

  /**
   * Counts the request as one of the other kind from now on.
   *
   * @throws {LitzError} 503 when there are as many as may be; the slot stays what it was.
   */
  moveTo(kind: RequestKind): void {
    if (this.#held === undefined || this.#held === kind) return;
    this.#admission.take(kind);
    this.#admission.give(this.#held);
    this.#held = kind;
  }

  release(): void {
    if (this.#held !== undefined) this.#admission.give(this.#held);
    this.#held = undefined;
  }
}
