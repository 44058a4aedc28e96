/**
 * The residual of a template: its whole WHERE as a test of one row, for shapes that the indexes of
 * the core gave as candidates. `where/filter.ts` makes them, `router/residuals.ts` asks them.
 */

import type { Constants } from "./shape-definition.ts";

/** One row, while it is being routed. */
export interface RowReader {
  /** The value of a column of `table.columns` as Postgres sends it; null for NULL. */
  text(column: number): string | null;
}

export interface RowFilter {
  /** Columns that it reads. An update that leaves them alone is evaluated once. */
  readonly columns: readonly number[];

  /**
   * Whether the WHERE is true for the row.
   *
   * @throws {Error} when Postgres would raise one: the shape has failed and is removed.
   */
  matches(row: RowReader, constants: Constants): boolean;
}
