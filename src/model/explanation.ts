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
  /** Of a WHERE with subqueries. */
  readonly subqueries?: ExplainedSubqueries;
  readonly row?: RowExplanation;
}

export interface ExplainedSubqueries {
  /** Distinct subqueries. */
  readonly dependencies: readonly ExplainedDependency[];
  /** By their positions in tags and `active_conditions`. */
  readonly literals: readonly ExplainedLiteral[];
  /** Positions: a row is in the shape if all literals of one disjunct are true of it. */
  readonly disjuncts: readonly (readonly number[])[];
}

export interface ExplainedDependency {
  /** The subquery, as a query of its own. */
  readonly select: string;
  /** What is kept of it, once for all shapes that it is in. Null: there is none of these now. */
  readonly view: ExplainedView | null;
}

export interface ExplainedView {
  /** Different ones, those with a NULL not counted. */
  readonly valueCount: number;
  readonly hasNull: boolean;
  /** Shapes that it is in, and subqueries around it; no more than 100,000 are counted. */
  readonly userCount: number;
  /** Whether it has its values yet. */
  readonly isReady: boolean;
}

export interface ExplainedLiteral {
  readonly sql: string;
  /** Which subquery it asks; null if it is about the row alone. */
  readonly dependency: number | null;
  /** Whether rows find the shape by it. */
  readonly isProbed: boolean;
}

export interface RowExplanation {
  /** Null: that is for a subquery to say of which nothing is kept now. */
  readonly matches: boolean | null;
  /**
   * The parts of the outermost AND, or the whole. With subqueries that could be asked, the literals
   * (`ExplainedSubqueries.literals`), of which it is said whether they are true.
   */
  readonly parts: readonly { readonly sql: string; readonly result: PartResult }[];
}

/** `unknown`: the part has a subquery, which cannot be asked. */
export type PartResult = "true" | "false" | "null" | "unknown" | `error: ${string}`;
