/**
 * Under which collation text is compared: the derivation of the manual's section 23.2.1, as far as
 * it decides whether a comparison of bytes is the comparison that Postgres makes.
 *
 *     explicit   COLLATE "C" in the clause: bytes
 *     implicit   of a column, and "C" of a constant of type name; two different ones have none in
 *                common
 *     default    the database's, of other constants and of columns that have no other
 */

import type { Table, TableColumn } from "../model/table.ts";
import type { CollationNeed } from "./operations/operation.ts";
import { elementOf, isArray, type SqlType } from "./sql-types.ts";

export type CollationState =
  | { readonly is: "explicit" }
  | { readonly is: "implicit"; readonly column: TableColumn }
  /** Of a constant, or of what had no collation before it became a name. */
  | { readonly is: "name" }
  /** Of the two operands that have different ones. */
  | { readonly is: "conflict"; readonly operands: readonly [string, string] };

/** That of a value of this type that nothing with a collation has gone into. */
export function collationOfType(type: SqlType): CollationState | undefined {
  return (isArray(type) ? elementOf(type) : type) === "name" ? { is: "name" } : undefined;
}

/** That of an expression made of others; undefined is the default of the database. */
export function derive(
  states: readonly (CollationState | undefined)[],
): CollationState | undefined {
  let derived: CollationState | undefined;
  for (const state of states) {
    if (state === undefined || derived?.is === "explicit") continue;
    if (derived === undefined || state.is === "explicit") derived = state;
    else if (derived.is !== "conflict" && state.is !== "conflict") derived = meet(derived, state);
  }
  return derived;
}

type Implicit = Extract<CollationState, { is: "implicit" | "name" }>;

function meet(one: Implicit, other: Implicit): CollationState {
  const a = nonDefault(one);
  const b = nonDefault(other);
  if (a === b) return one.is === "name" ? other : one;
  if (b === undefined) return one;
  if (a === undefined) return other;
  return { is: "conflict", operands: [describe(one), describe(other)] };
}

/** The name of a collation that is not the database's. */
function nonDefault(state: Implicit): string | undefined {
  if (state.is === "name") return "C";
  const { collation } = state.column;
  return collation?.isDefault === false ? collation.name : undefined;
}

function describe(state: Implicit): string {
  return state.is === "name"
    ? "a constant of type name"
    : `the column ${JSON.stringify(state.column.name)}`;
}

/** Which letters are folded: those of the database's mapping or those of ASCII. */
export function foldsAsC(state: CollationState | undefined): boolean {
  if (state?.is === "explicit" || state?.is === "name") return true;
  return state?.is === "implicit" && isC(state.column);
}

function isC({ collation }: TableColumn): boolean {
  return collation?.name === "C" || collation?.name === "POSIX";
}

/** Why an operation that has a need cannot be done under a collation; undefined: it can. */
export function refusal(
  need: CollationNeed,
  state: CollationState | undefined,
  table: Pick<Table, "columns">,
): string | undefined {
  if (state?.is === "explicit" || state?.is === "name") return undefined;
  if (state?.is === "conflict") {
    const [one, other] = state.operands;
    return `${one} and ${other} have different collations; ${ADVICE}`;
  }
  if (state === undefined) {
    if (need !== "order" || defaultHasByteOrder(table)) return undefined;
    return `the database's collation may not order by bytes; ${ADVICE}`;
  }
  const { column } = state;
  const called = `the column ${JSON.stringify(column.name)}`;
  if (!column.hasByteEquality) {
    const why = "its collation is nondeterministic, so that different texts may be equal";
    return `${called} cannot be compared: ${why}; ${ADVICE}`;
  }
  const of = `${called}, whose collation is ${nameOf(column)}`;
  if (need === "order" && column.collation?.hasByteOrder !== true) {
    return `${of}, cannot be ordered: it does not order by bytes; ${ADVICE}`;
  }
  if (need === "case" && column.collation?.isDefault === false && !isC(column)) {
    return `${of}, cannot be folded to one case: only the database's own collation can; ${ADVICE}`;
  }
  return undefined;
}

/** Any column that has it tells. */
function defaultHasByteOrder({ columns }: Pick<Table, "columns">): boolean {
  const known = columns.find(({ collation }) => collation?.isDefault === true);
  return known?.collation?.hasByteOrder ?? false;
}

const ADVICE = 'write COLLATE "C" behind the operand to compare bytes';

function nameOf({ collation }: TableColumn): string {
  if (collation === undefined || collation.isDefault) return "the database's";
  return JSON.stringify(collation.name);
}
