/**
 * What a client asks for, resolved against the catalog and taken apart in two:
 *
 *     template   what a million shapes have in common: table, form of the WHERE, columns, mode
 *     constants  what tells one of them from the next: the values that stand in the WHERE
 *
 * Two requests share a shape if and only if both parts are equal (protocol 11.1).
 */

import type { Table } from "./table.ts";

/** How many columns an update carries (protocol 7.4). */
export type ReplicaMode = "default" | "full";

/** Whether the shape begins with the rows there are (protocol 2.1). */
export type LogMode = "full" | "changes_only";

/** How a constant lies in the core: the value's canonical bytes, see `where/canonical.ts`. */
export type ConstantKind = "int" | "uuid" | "text";

/** One `column = constant` of a conjunction; the constant is held apart. */
export interface EqualityTerm {
  /** Index into `table.columns`. */
  readonly column: number;
  readonly kind: ConstantKind;
  /** The type to which Postgres is told to cast the parameter in a snapshot query, as SQL. */
  readonly castSql: string;
}

export interface ShapeTemplate {
  /** Canonical text, unique per template: the key under which it is interned and persisted. */
  readonly text: string;
  readonly table: Table;
  /**
   * Sorted by column. Empty: every row belongs to the shape. A column stands twice only with two
   * different constants (`a = 1 AND a = 2`): then no row belongs to it.
   */
  readonly terms: readonly EqualityTerm[];
  /** Selected columns, ascending indexes into `table.columns`. Always contains the key. */
  readonly columns: readonly number[];
  /** Whether the client named the columns itself: decides what a new column does (protocol 7.9). */
  readonly hasExplicitColumns: boolean;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

/**
 * A constant in canonical form, one per term: the very text in which Postgres sends the value.
 * Equal values have equal text, so the core compares bytes.
 */
export type Constants = readonly string[];

export interface ShapeDefinition {
  readonly template: ShapeTemplate;
  readonly constants: Constants;
}
