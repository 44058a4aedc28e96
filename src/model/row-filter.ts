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

/** What is known of a row's left side and a view: bits, whose sum is 0 for a plain non-member. */
export const MembershipBit = {
  IS_MEMBER: 1,
  /** A column of the left side is NULL. It is no member then. */
  LEFT_HAS_NULL: 2,
  /** The view has a tuple with a NULL in it. */
  VIEW_HAS_NULL: 4,
  VIEW_IS_EMPTY: 8,
} as const;

/** The residual of a template with subqueries (`subquery.ts`). */
export interface DependentFilter {
  /** Columns that it reads, left sides of memberships included. */
  readonly columns: readonly number[];

  /**
   * Whether the WHERE is true for the row: all literals of one disjunct are.
   *
   * @param constants as they are routed: those of the WHERE, and behind them the ids of the views.
   * @param membership the `MembershipBit`s of the row and the view of a literal, by its index,
   *   whether or not it is negated.
   * @param active receives, if the row is in the shape, 1 for each literal that is true, and 0 for
   *   the others.
   * @throws {Error} when Postgres would raise one: the shape has failed and is removed.
   */
  judge(
    row: RowReader,
    constants: Constants,
    membership: (literal: number) => number,
    active: Uint8Array,
  ): boolean;
}
