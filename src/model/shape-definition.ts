/**
 * What a client asks for, resolved against the catalog and taken apart in two:
 *
 *     template   what a million shapes have in common: table, form of the WHERE, columns, mode
 *     constants  what tells one of them from the next: the values that stand in the WHERE
 *
 * Two requests share a shape if and only if both parts are equal (protocol 11.1).
 */

import type { AccessPlan, EqualityKind } from "./access-plan.ts";
import { countConstants, type Expression } from "./expression.ts";
import type { Literal, SqlPieces, SubquerySql } from "./subquery.ts";
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
  /**
   * Present in a subquery's template: what is selected, in order, as indexes into `table.columns`.
   * Its shapes are views (`view.ts`).
   */
  readonly projection?: readonly number[];
}

export type SubselectTemplate = ShapeTemplate & Required<Pick<ShapeTemplate, "projection">>;

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
  readonly sql: SqlPieces;
  /** Present if the WHERE has memberships: the template is then *dependent*. */
  readonly subqueries?: Subqueries;
}

/** See `subquery.ts`. */
export interface Subqueries {
  /** Distinct subqueries, in the order of their first appearance. */
  readonly dependencies: readonly Dependency[];
  readonly literals: readonly Literal[];
  /** Indexes of literals, ascending and contiguous. At most 100. */
  readonly disjuncts: readonly (readonly number[])[];
  readonly sql: SubquerySql;
}

/** A subquery without its constants. */
export interface Dependency {
  /** Columns are the projected ones and the key; `log` is full, `replica` default. */
  readonly template: SubselectTemplate;
  /** How each projected value becomes a key. */
  readonly kinds: readonly EqualityKind[];
  /** The subquery's own constants are these of the outer shape's. */
  readonly firstConstant: number;
  readonly constantCount: number;
}

/** What a shape enters in one branch of the plan. Numbers are indexes of constants. */
export type EntryRecipe =
  /**
   * One entry, or one for each element of an array. At most one of the values is such an array.
   */
  | { readonly branch: number; readonly values: readonly EntryValue[] }
  | { readonly branch: number; readonly lower?: EntryBound; readonly upper?: EntryBound }
  /** The text with which a LIKE pattern begins. */
  | { readonly branch: number; readonly pattern: number }
  /** If it has so many bytes, the gram of a LIKE pattern; of 0 bytes is what there is none of. */
  | { readonly branch: number; readonly gram: EntryGram };

export interface EntryGram {
  /** Of the pattern. */
  readonly index: number;
  readonly size: 0 | 3 | 6;
  readonly ignoresCase: boolean;
}

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

/** The template itself and those of its dependencies, theirs and so on; each once. */
export function templatesOf(template: ShapeTemplate): readonly ShapeTemplate[] {
  const found = new Map<string, ShapeTemplate>();
  const visit = (each: ShapeTemplate): void => {
    if (found.has(each.text)) return;
    found.set(each.text, each);
    for (const dependency of each.where?.subqueries?.dependencies ?? []) visit(dependency.template);
  };
  visit(template);
  return [...found.values()];
}

/** The tables that a shape is made of: the one whose rows it has, then those of subqueries. */
export function tablesOf(template: ShapeTemplate): readonly Table[] {
  if (template.where?.subqueries === undefined) return [template.table];
  return [...new Map(templatesOf(template).map(({ table }) => [table.oid, table])).values()];
}

/** How many constants a shape of the template has, those of its dependencies included. */
export function constantCountOf(where: WhereTemplate | undefined): number {
  if (where === undefined) return 0;
  const last = where.subqueries?.dependencies.at(-1);
  return last === undefined ? ownConstantCountOf(where) : last.firstConstant + last.constantCount;
}

/** How many of them stand outside of subqueries; the first ones. */
function ownConstantCountOf({ expression, subqueries }: WhereTemplate): number {
  return subqueries?.dependencies[0]?.firstConstant ?? countConstants(expression);
}

/** The constants of a shape as they are routed (`subquery.ts`). @param views as decimal texts. */
export function routedConstants(
  where: WhereTemplate,
  constants: Constants,
  views: readonly string[],
): Constants {
  return [...constants.slice(0, ownConstantCountOf(where)), ...views];
}

/** The WHERE as SQL, its constants from `$firstParameter` on. */
export function whereSql(where: WhereTemplate, firstParameter: number): string {
  return whereSqlOver(where, (index) => `$${firstParameter + index}`);
}

/** @param constant an expression of type text, or a parameter, by the index of the constant. */
export function whereSqlOver(where: WhereTemplate, constant: (index: number) => string): string {
  return sqlOf(where.sql, constant);
}

/** @param constant see `whereSqlOver`. */
export function sqlOf(pieces: SqlPieces, constant: (index: number) => string): string {
  return pieces.map((piece) => (typeof piece === "string" ? piece : constant(piece))).join("");
}
