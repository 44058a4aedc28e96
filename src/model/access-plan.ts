/**
 * How the shapes of a template are found, given a row: what the core is told of a WHERE.
 *
 *     WHERE tenant_id = 7 AND (price BETWEEN 1 AND 5 OR tags @> '{new}')
 *            └── composite equality ──┘                                    one branch, inexact
 *
 *     WHERE price BETWEEN 1 AND 5 OR tags @> '{new}'
 *           └───── range ───────┘    └── elements ──┘                     two branches
 *
 * A plan is a union of branches; a row that makes the WHERE true satisfies at least one of them. If
 * the plan is exact the opposite holds too, and nothing is evaluated. Otherwise the residual, which
 * is the whole WHERE, is evaluated for the shapes that the branches give.
 *
 * A branch names an *access*, which templates share, and says which entries a shape has in it.
 * Entries are made from the shape's constants by `where/access-entries.ts`, as canonical text; the
 * core turns text of rows and of entries into keys by the same code.
 */

/**
 * How a value's text becomes a key, `assembly/literal.ts`. Two values of the type are equal if and
 * only if their keys are.
 *
 *     int        an integer of at most 64 bits
 *     uuid       16 bytes
 *     text       the bytes themselves: every type whose text is canonical
 *     decimal    numeric and floats: `1.0` is `1.00`, `-0` is `0`
 *     padded     bpchar: trailing spaces do not count
 *     timestamp  timestamp and timestamptz, microseconds
 *     date       days
 *     time       microseconds
 */
export type EqualityKind =
  "int" | "uuid" | "text" | "decimal" | "padded" | "timestamp" | "date" | "time";

/**
 * How a value's text becomes 64 bits whose order is the values' order. Kinds that are not exact
 * give two different values the same code now and then, never in the wrong order.
 *
 *     exact      int, date, time, timestamp
 *     inexact    decimal (numeric, floats), uuid and text (their first 8 bytes)
 */
export type OrderKind = "int" | "date" | "time" | "timestamp" | "decimal" | "uuid" | "text";

/** Where a row is looked up. Templates with equal accesses share one. */
export type Access =
  /** `a = ? AND b = ?`: one key of all columns, at most 64. Sorted by column. */
  | { readonly type: "equality"; readonly terms: readonly AccessTerm[] }
  /** `a < ?`, `BETWEEN`, prefix LIKE (order "text", at most 8 bytes count). */
  | { readonly type: "range"; readonly column: number; readonly order: OrderKind }
  /** `a IS NULL`: the key is whether the value is NULL, text `t` or `f`. */
  | { readonly type: "null"; readonly column: number }
  /** `a @> ?`, `a && ?`, `? = ANY (a)`: a key for each element of an array that is not NULL. */
  | { readonly type: "elements"; readonly column: number; readonly kind: EqualityKind }
  /**
   * `a -> 'b' ->> 'c' = ?` on json or jsonb: the text (`->>`) at a path of object keys, of which
   * there are at most 32. Not exact for `json`, whose objects may have a key twice: each is looked
   * at.
   */
  | { readonly type: "path"; readonly column: number; readonly path: readonly string[] }
  /**
   * `(a, b) IN (SELECT ...)`: the views of the dependency that contain the row's values. The terms
   * stand in the order in which the subquery gives its columns; an entry's one value is the id of
   * the shape's view, in decimal.
   */
  | {
      readonly type: "subquery";
      readonly terms: readonly AccessTerm[];
      readonly dependency: number;
    }
  /**
   * `a LIKE '%?%'`: a key for each run of `size` bytes of a text, if the case is ignored of its
   * lower case. An entry's one value is such a run.
   */
  | {
      readonly type: "grams";
      readonly column: number;
      readonly size: 3 | 6;
      readonly ignoresCase: boolean;
    }
  /** Every row: for what cannot be indexed. */
  | { readonly type: "all" };

export interface AccessTerm {
  /** Index into `table.columns`. */
  readonly column: number;
  readonly kind: EqualityKind;
}

/**
 * One entry of a shape in an access. A value is canonical text as Postgres sends it.
 *
 *     values   for equality one for each term; for null `t` or `f`; for elements, path and grams
 *              one; for all none
 *     range    a bound that is absent is open
 */
export type AccessEntry =
  | { readonly branch: number; readonly values: readonly string[] }
  | {
      readonly branch: number;
      readonly lower?: AccessBound;
      readonly upper?: AccessBound;
      /** All texts that begin with this, at most 8 bytes; in place of bounds. */
      readonly prefix?: string;
    };

export interface AccessBound {
  readonly value: string;
  readonly isInclusive: boolean;
}

export interface AccessPlan {
  /** All different, at most 256. None: no row makes the WHERE true. */
  readonly branches: readonly Access[];
  /**
   * Accesses of subqueries in which shapes are filed, to be found by their views, but rows are not
   * looked up. Entries number them on from the branches.
   */
  readonly listed?: readonly Access[];
  /** Whether a row that satisfies an entry is sure to make the WHERE true. */
  readonly isExact: boolean;
  /**
   * The WHERE is one AND of `column = constant` and nothing else, or there is none: one branch, an
   * exact equality of kinds int, uuid and text, or `all`. The constants are then the values of the
   * terms, in their order, and the core keeps them as keys: 28 bytes a shape and one entry.
   */
  readonly isConjunction?: boolean;
  /** What the core evaluates itself in place of the residual. */
  readonly pattern?: PatternTest;
}

/**
 * The whole WHERE is `column [NOT] [I]LIKE constant`, escaped by a backslash; for ILIKE, in a
 * collation that folds ASCII letters as C does. What the core cannot decide (ILIKE beyond ASCII, a
 * pattern that ends in its escape) is asked of the residual.
 */
export interface PatternTest {
  readonly column: number;
  /** ILIKE. */
  readonly ignoresCase: boolean;
  readonly isNegated: boolean;
  /** Index of the pattern in the shape's constants. */
  readonly constant: number;
}
