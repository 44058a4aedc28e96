/**
 * What a client asks for, resolved against the catalog and taken apart in two:
 *
 *     template   what a million shapes have in common: table, form of the WHERE, columns, mode
 *     constants  what tells one of them from the next: the values that stand in the WHERE
 *
 * Two requests share a shape if and only if both parts are equal (protocol 11.1).
 */

import type { AccessPlan } from "./access-plan.ts";
import type { Expression } from "./expression.ts";
import type { Table } from "./table.ts";

/** How many columns an update carries (protocol 7.4). */
export type ReplicaMode = "default" | "full";

/** Whether the shape begins with the rows there are (protocol 2.1). */
export type LogMode = "full" | "changes_only";

export interface ShapeTemplate {
  /** Canonical text, unique per template: the key under which it is interned and persisted. */
  readonly text: string;
  readonly table: Table;
  /** Undefined: every row belongs to the shape. */
  readonly where: WhereTemplate | undefined;
  /** Selected columns, ascending indexes into `table.columns`. Always contains the key. */
  readonly columns: readonly number[];
  /** Whether the client named the columns itself: decides what a new column does (protocol 7.9). */
  readonly hasExplicitColumns: boolean;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

/** The form of a WHERE. All but the expression follows from it and the table. */
export interface WhereTemplate {
  /** Conditions over columns and constants, the latter by index. */
  readonly expression: Expression;
  /** Columns that the WHERE reads, ascending. */
  readonly columns: readonly number[];
  readonly plan: AccessPlan;
  /** How a shape's entries are made of its constants, for `where/access-entries.ts`. */
  readonly entries: readonly EntryRecipe[];
  /** The WHERE as SQL in pieces; a number stands for the parameter of that constant. */
  readonly sql: readonly (string | number)[];
}

/** What a shape enters in one branch of the plan. Numbers are indexes of constants. */
export type EntryRecipe =
  /**
   * One entry, or one for each element of an array. At most one of the values is such an array.
   */
  | { readonly branch: number; readonly values: readonly EntryValue[] }
  | { readonly branch: number; readonly lower?: EntryBound; readonly upper?: EntryBound }
  /** The text with which a LIKE pattern begins. */
  | { readonly branch: number; readonly pattern: number };

export type EntryValue =
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "constant"; readonly index: number }
  /** Each element that is not NULL; of `members` of `@>` one will do, which is `isAnyOne`. */
  | {
      readonly is: "elements";
      readonly index: number;
      readonly type: string;
      readonly isAnyOne: boolean;
    }
  /** The string or boolean at a path of a jsonb. */
  | { readonly is: "path"; readonly index: number; readonly path: readonly string[] };

export interface EntryBound {
  readonly index: number;
  readonly isInclusive: boolean;
}

/**
 * Canonical texts, in the order in which the expression counts them: the very text in which
 * Postgres sends such a value.
 */
export type Constants = readonly string[];

export interface ShapeDefinition {
  readonly template: ShapeTemplate;
  readonly constants: Constants;
}

/** The WHERE as SQL, its constants from `$firstParameter` on. */
export function whereSql(where: WhereTemplate, firstParameter: number): string {
  return whereSqlOver(where, (index) => `$${firstParameter + index}`);
}

/** @param constant an expression of type text, or a parameter, by the index of the constant. */
export function whereSqlOver(where: WhereTemplate, constant: (index: number) => string): string {
  return where.sql.map((piece) => (typeof piece === "string" ? piece : constant(piece))).join("");
}
