/** What is told to people of a shape's WHERE. Made by `where/explain.ts`. */

import type { Constants } from "./shape-definition.ts";

/**
 *     everything   no WHERE
 *     nothing      no row makes it true
 *     equality, range, prefix, null, elements, path   the one kind of index that it uses
 *     union        several
 *     scan         every row of the table is looked at
 */
export const SHAPE_CLASSES = [
  "everything",
  "nothing",
  "equality",
  "range",
  "prefix",
  "null",
  "elements",
  "path",
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
  readonly row?: RowExplanation;
}

export interface RowExplanation {
  readonly matches: boolean;
  /** The parts of the outermost AND, or the whole. */
  readonly parts: readonly { readonly sql: string; readonly result: PartResult }[];
}

export type PartResult = "true" | "false" | "null" | `error: ${string}`;
