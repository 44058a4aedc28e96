/**
 * The rows of a shape as one Postgres snapshot shows them.
 *
 *     BEGIN REPEATABLE READ; SET LOCAL ...; SELECT snapshot, insert position  ── placed(bounds)
 *     DECLARE CURSOR ... WHERE "col" = $1::int4
 *     SELECT is it still the same table; FETCH                                ── row, row, ...
 *     FETCH                                                                   ── row, row, ...
 *     COMMIT
 *
 * The WAL position is read in the statement that takes the snapshot, hence after it (protocol
 * section 10, step 4). Rows are fetched in batches of about a megabyte, the next one while the last
 * is being written: never more than two are in memory, and a slow disk slows the cursor. Every
 * FETCH is a statement with a time limit of its own; a cursor of the protocol would be one
 * statement, and the time its reader takes would count.
 */

import type pg from "pg";
import { LitzError } from "../lib/errors.ts";
import { parseLsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import { VALUE_SETTINGS } from "./connection-options.ts";
import { runQuery, runStatements, type Pool, type TextRow } from "./pool.ts";
import { rowExpression } from "./row-expression.ts";

export interface SnapshotLimits {
  /** How long the query may wait for a lock on its table. */
  readonly lockTimeoutMs: number;
  /** How long Postgres may take to the first batch of rows, and between two. */
  readonly batchTimeoutMs: number;
}

const DEFAULT_LIMITS: SnapshotLimits = { lockTimeoutMs: 10_000, batchTimeoutMs: 30_000 };

/** For the statements that need no more than a round trip. */
const ROUND_TRIP_TIMEOUT_MS = 10_000;
/** Beyond the server's own limit, for a network that is dead. */
const NETWORK_MARGIN_MS = 5_000;

const FIRST_BATCH_ROWS = 64;
const BATCH_ROWS_MAX = 8_192;
/** A batch may exceed it when rows suddenly become big, at most by their growth. */
const BATCH_BYTES = 1024 * 1024;
/** The first rows may not be like the rest. */
const BATCH_GROWTH_MAX = 8;

export class SnapshotReader {
  readonly #pool: Pool;
  readonly #limits: SnapshotLimits;

  constructor(pool: Pool, limits: Partial<SnapshotLimits> = {}) {
    this.#pool = pool;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * @param placed is called as soon as the bounds are known, before any row.
   * @param row is called for each row, as a JSON message; awaited when it returns a promise.
   * @param signal gives up: the connection is dropped, and with it the query.
   * @throws {LitzError} SCHEMA_CHANGED when the table is not the one that was defined, POSTGRES_*.
   */
  async read(
    definition: ShapeDefinition,
    placed: (bounds: SnapshotBounds) => void,
    row: (message: Uint8Array) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    await this.#pool.withClient(async (client) => {
      const onAbort = () => destroy(client);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        signal.throwIfAborted();
        placed(await this.#begin(client));
        const { table, log } = definition.template;
        if (log === "changes_only") checkTable(table, await runQuery(client, identitySql(table)));
        else await this.#readRows(client, definition, row, signal);
        await runQuery(client, "COMMIT");
      } catch (error) {
        if (!signal.aborted) await runQuery(client, "ROLLBACK").catch(() => undefined);
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    });
  }

  async #begin(client: pg.ClientBase): Promise<SnapshotBounds> {
    const settings = Object.entries({
      ...VALUE_SETTINGS,
      lock_timeout: `${this.#limits.lockTimeoutMs}ms`,
      statement_timeout: `${this.#limits.batchTimeoutMs}ms`,
      // Every row will be read: plan for all of them, not for the first ones.
      cursor_tuple_fraction: "1",
    });
    const [row] = await runQuery(
      client,
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
       ${settings.map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join("; ")};
       SELECT pg_current_snapshot(), pg_current_wal_insert_lsn()`,
      [],
      ROUND_TRIP_TIMEOUT_MS,
    );
    return parseBounds(row![0]!, row![1]!);
  }

  async #readRows(
    client: pg.ClientBase,
    definition: ShapeDefinition,
    row: (message: Uint8Array) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { table } = definition.template;
    const timeoutMs = this.#limits.batchTimeoutMs + NETWORK_MARGIN_MS;
    await runQuery(client, cursorSql(definition), definition.constants, timeoutMs);

    const fetch = async (count: number): Promise<TextRow[]> =>
      runQuery(client, fetchSql(count), [], timeoutMs);
    let count = FIRST_BATCH_ROWS;
    const first = await runStatements(
      client,
      `${identitySql(table)}; ${fetchSql(count)}`,
      [],
      timeoutMs,
    );
    checkTable(table, first[0]!);
    let rows = first[1]!;
    while (rows.length > 0) {
      const isLast = rows.length < count;
      const messages = rows.map(([text]) => Buffer.from(text!));
      count = nextCount(count, messages);
      const next = isLast ? Promise.resolve([]) : fetch(count);
      // If writing fails first, this failure has nobody to tell.
      next.catch(() => undefined);
      for (const message of messages) {
        const written = row(message);
        if (written !== undefined) await written;
        signal.throwIfAborted();
      }
      rows = await next;
    }
  }
}

const CURSOR = "litz_snapshot";

function cursorSql({ template }: ShapeDefinition): string {
  const { table, terms } = template;
  const conditions = terms.map(({ column, castSql }, index) => {
    return `${quoteIdentifier(table.columns[column]!.name)} = $${index + 1}::${castSql}`;
  });
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  return (
    `DECLARE ${CURSOR} NO SCROLL CURSOR FOR ` +
    `SELECT ${rowExpression(template)} FROM ${quoteTable(table)}${where}`
  );
}

function fetchSql(count: number): string {
  return `FETCH ${count} FROM ${CURSOR}`;
}

/** The cursor holds a lock on whatever has the name now, so the answer stays true. */
function identitySql(table: Table): string {
  const name = quoteTable(table).replaceAll("'", "''");
  return `SELECT to_regclass(E'${name.replaceAll("\\", "\\\\")}')::oid`;
}

function checkTable(table: Table, [row]: TextRow[]): void {
  if (row?.[0] === `${table.oid}`) return;
  throw new LitzError(`${quoteTable(table)} is not the table any more that it was`, {
    code: "SCHEMA_CHANGED",
    httpStatus: 409,
    retriable: true,
  });
}

/** So many rows that they come to `BATCH_BYTES`, if they are like those of the last batch. */
function nextCount(count: number, messages: readonly Uint8Array[]): number {
  const bytes = messages.reduce((sum, { length }) => sum + length, 0);
  const fitting = Math.floor((BATCH_BYTES * messages.length) / bytes);
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

function destroy(client: pg.ClientBase): void {
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
}
