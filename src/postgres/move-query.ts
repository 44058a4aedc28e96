/**
 * Rows that may enter shapes or leave views because what a subquery gives has changed: those whose
 * left side is one of the values that came or went (protocol 14.6). One query for all shapes of a
 * template, whatever their number; which row is whose is found out by the core.
 *
 *     SELECT id, org, title, ... FROM items WHERE (org = ANY ($1)) AND (status = 'open' OR ...)
 *                                                 └── a side ───┘     └─ what else is known ──┘
 */

import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { sqlOf, type Constants, type ShapeTemplate } from "../model/shape-definition.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import { usedColumnsOf } from "../model/template-columns.ts";
import { arrayText } from "./array-text.ts";
import type { Pool } from "./pool.ts";
import {
  DEFAULT_LIMITS,
  withSnapshot,
  type CursorQuery,
  type SnapshotLimits,
} from "./snapshot-transaction.ts";

/** Rows of a table whose left side, at one of several places, is one of some values. */
export interface RowsWanted {
  readonly template: ShapeTemplate;
  readonly sides: readonly WantedSide[];
  /** Constants of the shapes that want them; undefined: too many to be of use. */
  readonly constants: readonly Constants[] | undefined;
}

export interface WantedSide {
  /** Indexes into `table.columns`. */
  readonly columns: readonly number[];
  readonly tuples: readonly (readonly string[])[];
  /** Whether rows whose left side is NULL are wanted too. */
  readonly isNullWanted: boolean;
}

/** A row by catalog column, in the texts in which the stream sends them. */
export type FetchedRow = readonly (string | null)[];

export class MoveReader {
  readonly #pool: Pool;
  readonly #limits: SnapshotLimits;

  constructor(pool: Pool, limits: Partial<SnapshotLimits> = {}) {
    this.#pool = pool;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * @param placed is called before any row.
   * @param row is called for each; a column that the template does not use is null.
   * @throws {LitzError} SCHEMA_CHANGED when the table is not the one that was defined, POSTGRES_*.
   */
  async read(
    wanted: RowsWanted,
    placed: (bounds: SnapshotBounds) => void,
    row: (row: FetchedRow) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { template } = wanted;
    const used = usedColumnsOf(template);
    await withSnapshot(this.#pool, this.#limits, template, signal, async (transaction) => {
      placed(transaction.bounds);
      for await (const rows of transaction.tuples(rowsQuery(wanted, used))) {
        signal.throwIfAborted();
        for (const values of rows) row(spread(values, used, template.table));
      }
    });
  }
}

function rowsQuery(
  { template, sides, constants }: RowsWanted,
  used: readonly number[],
): CursorQuery {
  const { table, where } = template;
  const parameters: string[] = [];
  const bind = (text: string): string => `$${parameters.push(text)}`;
  const name = (column: number): string => quoteIdentifier(table.columns[column]!.name);
  const conditions = sides.flatMap(({ columns, tuples, isNullWanted }) => {
    // Of several columns, each for itself: more than is wanted, but an index can be used.
    const parts = columns.map((column, place) => {
      return `${name(column)} = ANY (${bind(arrayText(tuples.map((tuple) => tuple[place]!)))})`;
    });
    const isOneOf = tuples.length > 0 ? [`(${parts.join(" AND ")})`] : [];
    return isNullWanted ? [...isOneOf, `${name(columns[0]!)} IS NULL`] : isOneOf;
  });
  const relaxed = where?.subqueries?.sql.relaxed;
  const ofShapes =
    relaxed === undefined || constants === undefined
      ? []
      : [constants.map((own) => `(${sqlOf(relaxed, (index) => bind(own[index]!))})`).join(" OR ")];
  const condition = [conditions.join(" OR "), ...ofShapes].map((part) => `(${part})`);
  const columns = used.map(name).join(", ");
  const sql = `SELECT ${columns} FROM ${quoteTable(table)} WHERE ${condition.join(" AND ")}`;
  return { sql, parameters };
}

function spread(
  values: readonly (string | null)[],
  used: readonly number[],
  { columns }: Table,
): FetchedRow {
  const row = new Array<string | null>(columns.length).fill(null);
  used.forEach((column, place) => {
    row[column] = values[place]!;
  });
  return row;
}
