/** What is told to people of a shape's WHERE. Made by `where/explain.ts`. */

import type { Constants } from "./shape-definition.ts";

/**
 *     everything   no WHERE
 *     nothing      no row makes it true
 *     equality, range, prefix, null, elements, path, subquery   the one kind of index that it uses
 *     grams        parts of a LIKE pattern; where that has no three plain bytes, every row
 *     union        several
 *     scan         every row of the table is looked at
 */
export const SHAPE_CLASSES = [
  "everything",
  "nothing",
  "equality",
  "range",
  "prefix",
  "grams",
  "null",
  "elements",
  "path",
  "subquery",
  "union",
  "scan",
] as const;
export type ShapeClass = (typeof SHAPE_CLASSES)[number];

export interface IndexUse {
  /** `equality of "tenant", "status"`. */
  readonly index: string;
  /** Of this shape. */
  readonly entryCount: number;
}

export interface Explanation {
  readonly class: ShapeClass;
  /** The template, with `$1`, `$2`, ... for the constants. Null: every row belongs. */
  readonly where: string | null;
  readonly constants: Constants;
  readonly indexes: readonly IndexUse[];
  /** Whether the indexes alone decide. */
  readonly isExact: boolean;
  /** What is evaluated for each candidate, null if the plan is exact. */
  readonly residual: string | null;
  /** Of a WHERE with subselects. */
  readonly subqueries?: ExplainedSubqueries;
  readonly row?: RowExplanation;
}

export interface ExplainedSubqueries {
  /**
   * Distinct subselects, as queries of their own. Whatever shapes they are in, each is one view.
   */
  readonly dependencies: readonly string[];
  /** By their positions in tags and `active_conditions`. */
  readonly literals: readonly ExplainedLiteral[];
  /** Positions: a row is in the shape if all literals of one disjunct are true of it. */
  readonly disjuncts: readonly (readonly number[])[];
}

export interface ExplainedLiteral {
  readonly sql: string;
  /** Which subselect it asks; null if it is about the row alone. */
  readonly dependency: number | null;
  /** Whether rows find the shape by it. */
  readonly isProbed: boolean;
}

export interface RowExplanation {
  /** Null: that is for a subselect to say. */
  readonly matches: boolean | null;
  /** The parts of the outermost AND, or the whole. */
  readonly parts: readonly { readonly sql: string; readonly result: PartResult }[];
}

/** `unknown`: the part has a subselect, which is not asked. */
export type PartResult = "true" | "false" | "null" | "unknown" | `error: ${string}`;
