/**
 * What a WHERE with `IN (SELECT ...)` has besides its tree (protocol section 14).
 *
 *     WHERE org IN (SELECT id FROM orgs WHERE pro) AND NOT archived OR owner IN (SELECT ...)
 *           └──────────── literal 0 ─────────────┘     └─ literal 1 ─┘   └── literal 2 ──┘
 *     disjuncts   [0, 1], [2]
 *     dependencies   the distinct subqueries, each a shape of its own: a *view*
 *
 * A row is in the shape if and only if all literals of one disjunct are true of it. Negation is
 * pushed down to the literals, which are numbered over all disjuncts: a condition that stands in
 * two of them has two numbers.
 *
 * A shape has its constants in two forms:
 *
 *     stored   own constants │ those of dependency 0 │ those of dependency 1 │ ...
 *     routed   own constants │ view of dependency 0  │ view of dependency 1  │ ...
 *
 * SQL counts the stored ones, the access plan and its entries the routed ones; conditions read own
 * constants only, which have the same numbers in both. A view is the decimal text of its id.
 */

import type { Expression } from "./expression.ts";

export type Literal =
  | { readonly is: "condition"; readonly condition: Expression }
  | ({ readonly is: "membership" } & Membership);

/** `(a, b) [NOT] IN` the view of a dependency. */
export interface Membership {
  readonly dependency: number;
  /** The left side: indexes into `table.columns`, as many as the projection has. */
  readonly columns: readonly number[];
  readonly isNegated: boolean;
}

/** SQL in pieces; a number stands for the parameter of that stored constant. */
export type SqlPieces = readonly (string | number)[];

/** What Postgres is asked beside the WHERE. Expressions over the table's columns. */
export interface SubquerySql {
  /**
   * The tags of a row as JSON text (protocol 14.3). Between the pieces belongs an expression of
   * type text: what is hashed first, stack id and handle.
   */
  readonly tags: readonly string[];
  /** `active_conditions` as JSON text, of a row for which the WHERE is true. */
  readonly activeConditions: SqlPieces;
  /**
   * The WHERE with TRUE for each membership: what can be said of a row before any view is asked.
   * Undefined: nothing.
   */
  readonly relaxed: SqlPieces | undefined;
}
