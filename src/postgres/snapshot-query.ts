/**
 * The rows of a shape as one Postgres snapshot shows them.
 *
 * The WAL position that goes with it is the one up to which transactions are inserted: a commit
 * beyond it is invisible, whatever its xid (protocol section 10, step 4).
 */

import pg from "pg";
import type { Stoppable } from "../lib/stop-signal.ts";
import { whereSql, type ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { quoteTable } from "../model/table.ts";
import type { Pool } from "./pool.ts";
import { rowExpression } from "./row-expression.ts";
import {
  DEFAULT_LIMITS,
  withSnapshot,
  type CursorQuery,
  type SnapshotLimits,
  type SnapshotTransaction,
} from "./snapshot-transaction.ts";

/**
 * Takes a JSON message, or several that are separated by `,\n`; a line feed occurs nowhere else.
 *
 * @param areAll whether none has come before and none comes behind.
 */
export type TakeRows = (messages: Uint8Array, areAll: boolean) => Promise<void> | undefined;

export class SnapshotReader {
  readonly #pool: Pool;
  readonly #limits: SnapshotLimits;

  constructor(pool: Pool, limits: Partial<SnapshotLimits> = {}) {
    this.#pool = pool;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * @param placed is called as soon as the bounds are known, and awaited before any row is read.
   * @param rows is called with each row, as a JSON message; awaited when it returns a promise.
   * @param signal gives up: the connection is dropped, and with it the query.
   * @param tagPrefix stack id and handle, for the tags of a dependent template.
   * @throws {LitzError} SCHEMA_CHANGED when a table is not the one that was defined, POSTGRES_*.
   */
  async read(
    definition: ShapeDefinition,
    placed: (bounds: SnapshotBounds) => Promise<void> | undefined,
    rows: TakeRows,
    signal: Stoppable,
    tagPrefix = "",
  ): Promise<void> {
    const { template } = definition;
    await withSnapshot(this.#pool, this.#limits, template, signal, async (transaction) => {
      await placed(transaction.bounds);
      if (template.log === "full") {
        await readRows(transaction, rowsQuery(definition, tagPrefix), rows, signal);
      }
    });
  }
}

async function readRows(
  transaction: SnapshotTransaction,
  query: CursorQuery,
  rows: TakeRows,
  signal: Stoppable,
): Promise<void> {
  for await (const { messages } of transaction.batches(query)) {
    for (const message of messages) {
      const written = rows(message, false);
      if (written !== undefined) await written;
      signal.throwIfAborted();
    }
  }
}

function rowsQuery(definition: ShapeDefinition, tagPrefix: string): CursorQuery {
  const { template, constants } = definition;
  const tags = {
    prefix: `${pg.escapeLiteral(tagPrefix)}::text`,
    constant: (index: number) => `$${index + 1}`,
  };
  const condition = shapeCondition(definition, 1);
  const where = condition === undefined ? "" : ` WHERE ${condition}`;
  const sql = `SELECT ${rowExpression(template, tags)} FROM ${quoteTable(template.table)}${where}`;
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
