/**
 * What a clause refers to: columns of the table and parameters of the request. Checked before
 * anything else is made of the clause, so that a misspelt column is called that, and not an
 * expression that is not supported.
 */

import type { ColumnRef, Node, SubLink } from "@pgsql/types";
import type { Table } from "../model/table.ts";
import { errorAt } from "./clause-error.ts";
import type { WhereClause } from "./parser.ts";

/**
 * @throws {InvalidParameter} naming `where`: the first reference in the text that leads nowhere.
 */
export function checkReferences(clause: WhereClause, table: Table, parameterCount: number): void {
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      // Inside of a subquery, names are those of another table.
      if (name === "SubLink") visit((member as SubLink).testexpr);
      else if (name === "ColumnRef") checkColumn(clause, table, member as ColumnRef);
      else if (name === "ParamRef") checkParameter(clause, parameterCount, member as ParamRef);
      else visit(member);
    }
  };
  visit(clause.expression);
}

/** Whether there is a column in it, be it in a place where its value makes no difference. */
export function refersToColumn(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, member]) => {
    return name === "ColumnRef" || refersToColumn(member);
  });
}

/** Index into `table.columns`, or -1. Only bare names refer to columns (protocol 13.2). */
export function columnIndexOf(table: Table, reference: ColumnRef): number {
  const names = (reference.fields ?? []).map(nameOf);
  if (names.length !== 1) return -1;
  return table.columns.findIndex((column) => column.name === names[0]);
}

interface ParamRef {
  readonly number?: number;
  readonly location?: number;
}

function checkColumn(clause: WhereClause, table: Table, reference: ColumnRef): void {
  if (columnIndexOf(table, reference) >= 0) return;
  const name = (reference.fields ?? []).map((field) => nameOf(field) ?? "*").join(".");
  throw errorAt(clause.text, reference.location, `unknown reference ${name}`);
}

function checkParameter(clause: WhereClause, count: number, reference: ParamRef): void {
  const number = reference.number ?? 0;
  if (number >= 1 && number <= count) return;
  throw errorAt(clause.text, reference.location, `parameter $${number} was not provided`);
}

function nameOf(field: Node): string | undefined {
  return "String" in field ? (field.String.sval ?? "") : undefined;
}
