/**
 * A transaction that shows one moment of the database, and reads rows of it through a cursor; or,
 * of a query that has few, all of them in a single round trip (`readAtOnce`).
 *
 *     BEGIN REPEATABLE READ; SET LOCAL ...; LOCK TABLE ... IN ACCESS SHARE MODE;
 *     SELECT snapshot, position; SELECT is it still the same table        ── bounds
 *     DECLARE CURSOR ...; FETCH                                           ── batch
 *     FETCH                                                               ── batch
 *     COMMIT
 *
 * The table is locked before the snapshot is taken (Postgres manual, 13.3.1 and LOCK). A snapshot
 * that is older than a TRUNCATE or a rewriting ALTER TABLE would show the table empty; and what the
 * catalog says of it in the snapshot would not be what the cursor finds.
 *
 * Rows come in batches of about a megabyte, the next one while the last is being dealt with: never
 * more than two are in memory, and a slow reader slows the cursor. Every FETCH is a statement with
 * a time limit of its own; a cursor of the protocol would be one statement, and the time its reader
 * takes would count.
 */

import type pg from "pg";
import type { Stoppable } from "../lib/stop-signal.ts";
import { parseLsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { tablesOf, templatesOf, type ShapeTemplate } from "../model/shape-definition.ts";
import { quoteTable } from "../model/table.ts";
import { VALUE_SETTINGS } from "./connection-options.ts";
import {
  LIFT_TRANSACTION_TIMEOUT,
  runQuery,
  runStatements,
  type Pool,
  type TextRow,
} from "./pool.ts";
import { checkTableForm, FORM_STATEMENTS, formStatements } from "./table-form.ts";

export interface SnapshotLimits {
  /** How long the query may wait for a lock on its table. */
  readonly lockTimeoutMs: number;
  /** How long Postgres may take to the first batch of rows, and between two. */
  readonly batchTimeoutMs: number;
}

export const DEFAULT_LIMITS: SnapshotLimits = { lockTimeoutMs: 10_000, batchTimeoutMs: 30_000 };

/** For the statements that need no more than a round trip. */
const ROUND_TRIP_TIMEOUT_MS = 10_000;
/** Beyond the server's own limit, for a network that is dead. */
const NETWORK_MARGIN_MS = 5_000;
/** How soon Postgres sees that nobody waits for its answer any more. */
const CLIENT_CHECK_INTERVAL_MS = 1_000;

const FIRST_BATCH_ROWS = 64;
const BATCH_ROWS_MAX = 8_192;
/** A batch may exceed it when rows suddenly become big, at most by their growth. */
const BATCH_BYTES = 1024 * 1024;
/** The first rows may not be like the rest. */
const BATCH_GROWTH_MAX = 8;

/** Which position in the WAL goes with the snapshot (Postgres manual, 9.28.3). */
export type WalPosition = "pg_current_wal_insert_lsn" | "pg_current_wal_lsn";

export interface Batch {
  /** One JSON message each. */
  readonly messages: readonly Buffer[];
  readonly isLast: boolean;
}

export interface CursorQuery {
  /** For a cursor: one column of type text, which is never null. */
  readonly sql: string;
  readonly parameters: readonly (string | null)[];
}

export class SnapshotTransaction {
  readonly bounds: SnapshotBounds;
  readonly #client: pg.ClientBase;
  readonly #timeoutMs: number;

  private constructor(client: pg.ClientBase, limits: SnapshotLimits, bounds: SnapshotBounds) {
    this.#client = client;
    this.#timeoutMs = limits.batchTimeoutMs + NETWORK_MARGIN_MS;
    this.bounds = bounds;
  }

  /**
   * Takes a snapshot. The position is read in the statement that takes it, hence after it.
   *
   * REQUIRES: no transaction is open; `commit` or `rollback` follows unless this throws.
   *
   * @param template whose rows will be read.
   * @throws {LitzError} SCHEMA_CHANGED when its table is not the one that was defined, POSTGRES_*.
   */
  static async begin(
    client: pg.ClientBase,
    limits: SnapshotLimits,
    position: WalPosition,
    template: ShapeTemplate,
  ): Promise<SnapshotTransaction> {
    const sql = openingStatements(limits, position, template).join(";");
    try {
      const timeoutMs = limits.lockTimeoutMs + ROUND_TRIP_TIMEOUT_MS;
      const results = await runStatements(client, sql, [], timeoutMs);
      return new SnapshotTransaction(client, limits, boundsIn(results, template));
    } catch (error) {
      await rollBack(client);
      throw error;
    }
  }

  /**
   * The rows of a query, as they come. The last batch may be empty.
   *
   * @throws {LitzError} POSTGRES_*.
   */
  async *batches(query: CursorQuery): AsyncGenerator<Batch, void, void> {
    for await (const { rows, isLast } of this.#fetches(query)) {
      yield { messages: rows.map(([text]) => Buffer.from(text!)), isLast };
    }
  }

  /**
   * The same of a query with several columns, each in the text that its type's output function
   * makes.
   */
  async *tuples(query: CursorQuery): AsyncGenerator<readonly TextRow[], void, void> {
    for await (const { rows } of this.#fetches(query)) yield rows;
  }

  async *#fetches({
    sql,
    parameters,
  }: CursorQuery): AsyncGenerator<{ rows: readonly TextRow[]; isLast: boolean }, void, void> {
    const client = this.#client;
    const declaration = `DECLARE ${CURSOR} NO SCROLL CURSOR FOR ${sql}`;
    await runQuery(client, declaration, parameters, this.#timeoutMs);
    let count = FIRST_BATCH_ROWS;
    for (let rows = await runQuery(client, fetchSql(count), [], this.#timeoutMs); ;) {
      const isLast = rows.length < count;
      if (isLast) {
        yield { rows, isLast };
        return;
      }
      count = nextCount(count, rows);
      const next = runQuery(client, fetchSql(count), [], this.#timeoutMs);
      // If whoever takes the batch fails first, this failure has nobody to tell.
      next.catch(() => undefined);
      yield { rows, isLast };
      rows = await next;
    }
  }

  async commit(): Promise<void> {
    await runQuery(this.#client, "COMMIT");
  }

  async rollback(): Promise<void> {
    await rollBack(this.#client);
  }
}

/** Where in the WAL a snapshot lies, and what a query finds in it. */
export interface SnapshotRows {
  readonly bounds: SnapshotBounds;
  readonly rows: readonly TextRow[];
}

/**
 * Takes a snapshot, reads all rows of a query in it, and ends it, in one round trip. That the table
 * is the one that was defined is found out together with the rows, and before anybody gets them.
 *
 * REQUIRES: no transaction is open; none is afterwards.
 *
 * @param query has no parameters, and few rows.
 * @throws {LitzError} SCHEMA_CHANGED when a table is not the one that was defined, POSTGRES_*.
 */
export async function readAtOnce(
  client: pg.ClientBase,
  limits: SnapshotLimits,
  template: ShapeTemplate,
  query: string,
): Promise<SnapshotRows> {
  const opening = openingStatements(limits, "pg_current_wal_insert_lsn", template);
  const timeoutMs = limits.lockTimeoutMs + limits.batchTimeoutMs + NETWORK_MARGIN_MS;
  const sql = [...opening, query, "COMMIT"].join(";");
  let results: TextRow[][];
  try {
    results = await runStatements(client, sql, [], timeoutMs);
  } catch (error) {
    await rollBack(client);
    throw error;
  }
  return { bounds: boundsIn(results, template), rows: results[opening.length]! };
}

/**
 * Does something in a snapshot of its own, on a connection of the pool.
 *
 * @param signal gives up: the connection is dropped, and with it the query.
 * @throws {LitzError} SCHEMA_CHANGED when the template's table is not the one that was defined,
 *   POSTGRES_*; what `work` throws.
 */
export async function withSnapshot(
  pool: Pool,
  limits: SnapshotLimits,
  template: ShapeTemplate,
  signal: Stoppable,
  work: (transaction: SnapshotTransaction) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  await pool.withClient(async (client) => {
    const onAbort = () => abandon(client);
    signal.addEventListener("abort", onAbort, { once: true });
    let transaction: SnapshotTransaction | undefined;
    try {
      signal.throwIfAborted();
      transaction = await SnapshotTransaction.begin(
        client,
        limits,
        "pg_current_wal_insert_lsn",
        template,
      );
      await work(transaction);
      await transaction.commit();
    } catch (error) {
      if (!signal.aborted) await transaction?.rollback();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  });
}

/** Never fails: a connection that cannot roll back is not used again. */
async function rollBack(client: pg.ClientBase): Promise<void> {
  await runQuery(client, "ROLLBACK").catch(() => undefined);
}

/** Gives up whatever the connection is doing: Postgres sees it and stops. */
export function abandon(client: pg.ClientBase): void {
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
}

const CURSOR = "litz_snapshot";

/** By itself Postgres would notice with the first row it sends. Not to be had on Windows. */
const CHECK_CLIENT =
  `SELECT set_config('client_connection_check_interval', '${CLIENT_CHECK_INTERVAL_MS}', true) ` +
  "WHERE version() !~* 'visual|msvc|mingw|windows'";

function fetchSql(count: number): string {
  return `FETCH ${count} FROM ${CURSOR}`;
}

/** All that comes before rows: statements, each of which has one result. */
function openingStatements(
  { lockTimeoutMs, batchTimeoutMs }: SnapshotLimits,
  position: WalPosition,
  template: ShapeTemplate,
): readonly string[] {
  const settings = Object.entries({
    ...VALUE_SETTINGS,
    lock_timeout: `${lockTimeoutMs}ms`,
    statement_timeout: `${batchTimeoutMs}ms`,
    // A snapshot takes as long as its rows do, and the disk that takes them may be slow.
    idle_in_transaction_session_timeout: "0",
    // Every row will be read: plan for all of them, not for the first ones.
    cursor_tuple_fraction: "1",
  });
  return [
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    LIFT_TRANSACTION_TIMEOUT,
    ...settings.map(([name, value]) => `SET LOCAL ${name} = '${value}'`),
    `LOCK TABLE ${tablesOf(template).map(quoteTable).join(", ")} IN ACCESS SHARE MODE`,
    CHECK_CLIENT,
    `SELECT pg_current_snapshot(), ${position}()`,
    ...templatesOf(template).flatMap(({ table }) => formStatements(table)),
  ];
}

/** In front of it: BEGIN, the transaction's own limit, the settings, LOCK, CHECK_CLIENT. */
const SNAPSHOT_INDEX = 2 + Object.keys(VALUE_SETTINGS).length + 4 + 2;

/**
 * From the results of `openingStatements`, and perhaps of more.
 *
 * @throws {LitzError} SCHEMA_CHANGED.
 */
function boundsIn(results: readonly TextRow[][], template: ShapeTemplate): SnapshotBounds {
  let first = SNAPSHOT_INDEX + 1;
  for (const each of templatesOf(template)) {
    checkTableForm(each, results.slice(first, first + FORM_STATEMENTS));
    first += FORM_STATEMENTS;
  }
  const [snapshot, lsn] = results[SNAPSHOT_INDEX]![0] as string[];
  return parseBounds(snapshot!, lsn!);
}

/** So many rows that they come to `BATCH_BYTES`, if they are like those of the last batch. */
function nextCount(count: number, rows: readonly TextRow[]): number {
  let bytes = 0;
  for (const row of rows) for (const text of row) bytes += text?.length ?? 1;
  const fitting = Math.floor((BATCH_BYTES * rows.length) / bytes);
  return Math.max(1, Math.min(fitting, BATCH_GROWTH_MAX * count, BATCH_ROWS_MAX));
}

/** `xmin:xmax:xip,xip,...` (Postgres manual, 9.28 "Snapshot Components"). */
function parseBounds(snapshot: string, lsn: string): SnapshotBounds {
  const [xmin, xmax, xip] = snapshot.split(":");
  return {
    xmin: BigInt(xmin!),
    xmax: BigInt(xmax!),
    xip: xip === "" ? [] : xip!.split(",").map(BigInt),
    lsn: parseLsn(lsn),
  };
}
