/**
 * The rows of a subset (protocol 12): some rows of a shape, in an order, as one snapshot shows
 * them.
 *
 *     ask ──> permit ──> connection ──> snapshot, first batch ──> answer begins
 *                             │                                      │
 *              all rows there: given back at once          batch, batch, ... as they are taken
 *
 * A subset of a page or two holds its connection for as long as Postgres takes and no longer,
 * however slow its reader is. Only one that is larger than a batch waits for its reader, and not
 * for ever. Subsets leave half of the pool to everybody else: their number is what clients like.
 *
 * 1. A connection that was lent comes back, or is closed, however the reading ends.
 * 2. Rows keep the order of Postgres.
 * 3. No more than two batches are in memory.
 */

import pg from "pg";
import { LitzError } from "../lib/errors.ts";
import { Permits } from "../lib/permits.ts";
import { systemTimers, type CancelTimer, type Timers } from "../lib/timers.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import { quoteTable } from "../model/table.ts";
import type { Pool } from "./pool.ts";
import { rowExpression } from "./row-expression.ts";
import { shapeCondition } from "./snapshot-query.ts";
import {
  abandon,
  DEFAULT_LIMITS,
  SnapshotTransaction,
  type Batch,
  type CursorQuery,
  type SnapshotLimits,
} from "./snapshot-transaction.ts";

export interface SubsetReaderOptions {
  /** How many subsets may have a connection at a time. */
  readonly concurrency: number;
  readonly limits?: Partial<SubsetLimits>;
  readonly timers?: Timers;
  /** From 0, inclusive, to 1, exclusive: for the marks. */
  readonly random?: () => number;
}

export interface SubsetLimits extends SnapshotLimits {
  /** How long a subset may wait for its turn. */
  readonly queueTimeoutMs: number;
  /** How long a reader may take over a subset that is larger than a batch. */
  readonly readerTimeoutMs: number;
}

/** What is read, of which shape, whose tags begin how. */
interface Wanted {
  readonly definition: ShapeDefinition;
  readonly subset: Subset;
  readonly tagPrefix: string;
  readonly placed: ((bounds: SnapshotBounds) => void) | undefined;
}

const LIMITS: SubsetLimits = {
  ...DEFAULT_LIMITS,
  queueTimeoutMs: 20_000,
  readerTimeoutMs: 300_000,
};

export class SubsetReader {
  readonly #pool: Pool;
  readonly #limits: SubsetLimits;
  readonly #permits: Permits;
  readonly #timers: Timers;
  readonly #random: () => number;

  constructor(pool: Pool, options: SubsetReaderOptions) {
    this.#pool = pool;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#timers = options.timers ?? systemTimers;
    this.#permits = new Permits(options.concurrency, this.#timers);
    this.#random = options.random ?? Math.random;
  }

  /**
   * Resolves when the first batch of rows is there.
   *
   * @param signal gives up, be it in the middle of the pages.
   * @param tagPrefix stack id and handle, for the tags of a dependent template.
   * @param placed is told where the snapshot lies in time, before any row is read.
   * @throws {LitzError} SCHEMA_CHANGED, POSTGRES_*; POSTGRES_POOL_EXHAUSTED when the turn did not
   *   come.
   */
  async read(
    definition: ShapeDefinition,
    subset: Subset,
    signal: AbortSignal,
    tagPrefix = "",
    placed?: (bounds: SnapshotBounds) => void,
  ): Promise<SubsetSnapshot> {
    const release = await this.#permits.acquire(this.#limits.queueTimeoutMs, signal);
    if (release === undefined) throw noTurn(signal);
    const wanted = { definition, subset, tagPrefix, placed };
    return new Promise((resolve, reject) => {
      this.#pool
        .withClient(async (client) => {
          // Given up while it waited: the connection is as good as new.
          if (signal.aborted) reject(abandoned());
          else await this.#serve(client, wanted, signal, resolve);
        })
        .finally(release)
        // Once the answer has begun this has no effect: its pages fail with the same error.
        .catch(reject);
    });
  }

  async #serve(
    client: pg.ClientBase,
    wanted: Wanted,
    signal: AbortSignal,
    open: (snapshot: SubsetSnapshot) => void,
  ): Promise<void> {
    const onAbort = (): void => abandon(client);
    signal.addEventListener("abort", onAbort, { once: true });
    let transaction: SnapshotTransaction | undefined;
    try {
      transaction = await SnapshotTransaction.begin(
        client,
        this.#limits,
        // What is placed among the commits has to be read up to where they all are.
        wanted.placed === undefined ? "pg_current_wal_lsn" : "pg_current_wal_insert_lsn",
        wanted.definition.template,
      );
      wanted.placed?.(transaction.bounds);
      const mark = Math.floor(this.#random() * 2 ** 31);
      const batches = transaction.batches(subsetQuery(wanted, mark));
      const { bounds } = transaction;
      const { value: first } = (await batches.next()) as IteratorYieldResult<Batch>;
      if (first.isLast) {
        await transaction.commit();
        open({ bounds, mark, pages: onePage(first) });
        return;
      }
      await this.#untilRead(client, signal, async (done, failed) => {
        const pages = pagesOf(first, batches, done, failed);
        // Runs to the place before the first page: only what was begun can be ended.
        await pages.next();
        open({ bounds, mark, pages });
      });
      await transaction.commit();
    } catch (error) {
      if (!signal.aborted) await transaction?.rollback();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Waits for the reader, who may take his time and not all of it. */
  async #untilRead(
    client: pg.ClientBase,
    signal: AbortSignal,
    begin: (done: () => void, failed: (error: unknown) => void) => Promise<void>,
  ): Promise<void> {
    let giveUp: (() => void) | undefined;
    let cancel: CancelTimer | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        giveUp = (): void => {
          abandon(client);
          reject(abandoned());
        };
        cancel = this.#timers.after(this.#limits.readerTimeoutMs, giveUp);
        signal.addEventListener("abort", giveUp, { once: true });
        begin(resolve, reject).catch(reject);
      });
    } finally {
      cancel?.();
      signal.removeEventListener("abort", giveUp!);
    }
  }
}

async function* onePage({ messages }: Batch): AsyncGenerator<Uint8Array, void, void> {
  if (messages.length > 0) yield pageOf(messages, true);
  return Promise.resolve();
}

/** @param done is called when the reader needs the connection no more, `failed` when it broke. */
async function* pagesOf(
  first: Batch,
  batches: AsyncGenerator<Batch, void, void>,
  done: () => void,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield NOTHING;
    yield pageOf(first.messages, true);
    for await (const { messages, isLast } of batches) {
      // The last page may wait for its reader as long as it likes.
      if (isLast) done();
      if (messages.length > 0) yield pageOf(messages, false);
    }
  } catch (error) {
    failed(error);
    throw error;
  } finally {
    done();
  }
}

function pageOf(messages: readonly Buffer[], isFirst: boolean): Buffer {
  const parts = messages.flatMap((message, index) => {
    return isFirst && index === 0 ? [message] : [SEPARATOR, message];
  });
  return Buffer.concat(parts);
}

const NOTHING = Buffer.alloc(0);
const SEPARATOR = Buffer.from(",\n");

/** Both conditions in brackets: a shape of `a OR b` has no rows that are neither. */
function subsetQuery({ definition, subset, tagPrefix }: Wanted, mark: number): CursorQuery {
  const { template, constants } = definition;
  const { where, parameters, orderBy, limit, offset } = subset;
  const tags = {
    prefix: `${pg.escapeLiteral(tagPrefix)}::text`,
    constant: (index: number) => `$${parameters.length + index + 1}`,
  };
  const conditions = [shapeCondition(definition, parameters.length + 1), where];
  const bracketed = conditions.flatMap((sql) => (sql === undefined ? [] : [`(${sql})`]));
  const clauses = [
    `SELECT ${rowExpression(template, tags, mark)} FROM ${quoteTable(template.table)}`,
    ...(bracketed.length === 0 ? [] : [`WHERE ${bracketed.join(" AND ")}`]),
    ...(orderBy === undefined ? [] : [`ORDER BY ${orderBy}`]),
    ...(limit === undefined ? [] : [`LIMIT ${limit}`]),
    ...(offset === undefined ? [] : [`OFFSET ${offset}`]),
  ];
  return { sql: clauses.join(" "), parameters: [...parameters, ...constants] };
}

function noTurn(signal: AbortSignal): LitzError {
  if (signal.aborted) return abandoned();
  return new LitzError("too many subsets are being read", {
    code: "POSTGRES_POOL_EXHAUSTED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 10,
  });
}

function abandoned(): LitzError {
  return new LitzError("the subset is not wanted any more", {
    code: "SUBSET_ABANDONED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
