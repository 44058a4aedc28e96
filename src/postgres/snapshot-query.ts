/**
 * The rows of a shape as one Postgres snapshot shows them.
 *
 * The WAL position that goes with it is the one up to which transactions are inserted: a commit
 * beyond it is invisible, whatever its xid (protocol section 10, step 4).
 */

import { whereSql, type ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { quoteTable } from "../model/table.ts";
import type { Pool } from "./pool.ts";
import { rowExpression } from "./row-expression.ts";
import {
  abandon,
  DEFAULT_LIMITS,
  SnapshotTransaction,
  type CursorQuery,
  type SnapshotLimits,
} from "./snapshot-transaction.ts";

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
      const onAbort = () => abandon(client);
      signal.addEventListener("abort", onAbort, { once: true });
      let transaction: SnapshotTransaction | undefined;
      try {
        signal.throwIfAborted();
        transaction = await SnapshotTransaction.begin(
          client,
          this.#limits,
          "pg_current_wal_insert_lsn",
          definition.template,
        );
        placed(transaction.bounds);
        if (definition.template.log === "full") {
          await readRows(transaction, definition, row, signal);
        }
        await transaction.commit();
      } catch (error) {
        if (!signal.aborted) await transaction?.rollback();
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    });
  }
}

async function readRows(
  transaction: SnapshotTransaction,
  definition: ShapeDefinition,
  row: (message: Uint8Array) => Promise<void> | undefined,
  signal: AbortSignal,
): Promise<void> {
  for await (const { messages } of transaction.batches(rowsQuery(definition))) {
    for (const message of messages) {
      const written = row(message);
      if (written !== undefined) await written;
      signal.throwIfAborted();
    }
  }
}

function rowsQuery(definition: ShapeDefinition): CursorQuery {
  const { template, constants } = definition;
  const condition = shapeCondition(definition, 1);
  const where = condition === undefined ? "" : ` WHERE ${condition}`;
  const sql = `SELECT ${rowExpression(template)} FROM ${quoteTable(template.table)}${where}`;
  return { sql, parameters: constants };
}

/**
 * The WHERE of a shape as SQL, its constants from `$firstParameter` on. Undefined: every row.
 */
export function shapeCondition(
  { template: { where } }: ShapeDefinition,
  firstParameter: number,
): string | undefined {
  return where === undefined ? undefined : whereSql(where, firstParameter);
}
