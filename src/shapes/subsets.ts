/**
 * Subsets of shapes (protocol 12): the rows that Postgres has for what a client asks for, which
 * `ShapeDefiner` has checked. A subset leaves nothing behind: neither the log nor the core knows.
 *
 * Of a shape with subqueries it is read as often as it takes for its snapshot to lie where the log
 * has the same rows (`subqueries/subset-watches.ts`). `PATIENCE_MS` after the first attempt began,
 * the log is no longer waited for and nothing is read again: a client is told to come again. While
 * the log is waited for, a subset of more than one batch keeps its transaction open, with a lock on
 * the table that only a change of its definition waits for.
 */

import { InvalidParameter, LitzError } from "../lib/errors.ts";
import { systemTimers, type CancelTimer, type Timers } from "../lib/timers.ts";
import type { ShapeId } from "../model/ids.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import { PostgresError } from "../postgres/postgres-error.ts";
import type { SubsetWatch, SubsetWatches } from "../subqueries/subset-watches.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";

/** Reads the rows; `postgres/subset-query.ts`. */
export interface SubsetSource {
  /**
   * @param tagPrefix stack id and handle, for the tags of a template with subqueries.
   * @param placed is told where the snapshot lies in time, before any row is read.
   */
  read(
    definition: ShapeDefinition,
    subset: Subset,
    signal: AbortSignal,
    tagPrefix: string,
    placed?: (bounds: SnapshotBounds) => void,
  ): Promise<SubsetSnapshot>;
}

export interface SubsetsOptions {
  readonly source: SubsetSource;
  readonly watches: SubsetWatches;
  readonly boundaries: BoundaryQueue;
  readonly timers?: Timers;
}

type Read = (placed?: (bounds: SnapshotBounds) => void) => Promise<SubsetSnapshot>;

/** SQLSTATEs of class 22 are data exceptions (Postgres manual, appendix A). */
const DATA_EXCEPTION = "22";
/**
 * From the beginning of the first attempt until no boundary of the log is waited for any more; a
 * client waits with its log for as long. A read that has begun is not cut short, neither the wait
 * for its turn nor its query, which have limits of their own (`postgres/subset-query.ts`): what was
 * read slowly may well lie where the log is by then.
 */
const PATIENCE_MS = 5_000;
/** Before a snapshot is taken again; doubled from time to time. */
const RETRY_DELAY_MS = 1;
const RETRY_DELAY_MS_MAX = 250;

export class Subsets {
  readonly #options: SubsetsOptions;

  constructor(options: SubsetsOptions) {
    this.#options = options;
  }

  /**
   * @param id of the shape, if it has subqueries.
   * @param tagPrefix see `SubsetSource`.
   * @throws {InvalidParameter} naming `where`, in Postgres' words: a value is none of its enum's,
   *   or an operator cannot be applied to it.
   * @throws {LitzError} ROWS_MOVING; see `SubsetSource`.
   */
  async read(
    id: ShapeId | undefined,
    definition: ShapeDefinition,
    subset: Subset,
    signal: AbortSignal,
    tagPrefix: string,
  ): Promise<SubsetSnapshot> {
    const { source } = this.#options;
    const read: Read = (placed) => source.read(definition, subset, signal, tagPrefix, placed);
    try {
      return await (id === undefined ? read() : this.#readShown(id, read, signal));
    } catch (error) {
      const isRefused =
        error instanceof PostgresError && error.sqlState?.startsWith(DATA_EXCEPTION) === true;
      throw isRefused ? new InvalidParameter("where", error.postgresMessage) : error;
    }
  }

  async #readShown(id: ShapeId, read: Read, signal: AbortSignal): Promise<SubsetSnapshot> {
    const { timers = systemTimers } = this.#options;
    let cancel: CancelTimer | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = timers.after(PATIENCE_MS, () => reject(rowsMoving()));
    });
    late.catch(() => undefined);
    try {
      for (let delay = RETRY_DELAY_MS; ; delay = Math.min(2 * delay, RETRY_DELAY_MS_MAX)) {
        signal.throwIfAborted();
        const page = await this.#attempt(id, read, late);
        if (page !== undefined) return page;
        await new Promise<void>((resolve) => timers.after(delay, resolve));
      }
    } finally {
      cancel?.();
    }
  }

  /** Undefined: the snapshot lies where the log has not the same rows. */
  async #attempt(
    id: ShapeId,
    read: Read,
    late: Promise<never>,
  ): Promise<SubsetSnapshot | undefined> {
    const { watches } = this.#options;
    const watch = await this.#watch(id, late);
    try {
      let shown: Promise<boolean> | undefined;
      const snapshot = await read((bounds) => {
        shown = watches.shows(watch, bounds);
        shown.catch(() => undefined);
      });
      let isShown: boolean | undefined;
      try {
        isShown = await Promise.race([shown, late]);
      } finally {
        // Its transaction ends, be that an error.
        if (isShown !== true) snapshot.pages.return().catch(() => undefined);
      }
      return isShown ? snapshot : undefined;
    } finally {
      watches.unwatch(watch);
    }
  }

  async #watch(id: ShapeId, late: Promise<never>): Promise<SubsetWatch> {
    const { boundaries, watches } = this.#options;
    const watching = boundaries.run(() => watches.watch(id));
    try {
      return await Promise.race([watching, late]);
    } catch (error) {
      // The boundary comes all the same, unless it is what has failed.
      watching.then((watch) => watches.unwatch(watch)).catch(() => undefined);
      throw error;
    }
  }
}

function rowsMoving(): LitzError {
  const why =
    "The log of the shape is behind what Postgres shows: rows move in and out all the time, " +
    "or the replication stream is slow; please retry";
  return new LitzError(why, {
    code: "ROWS_MOVING",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
