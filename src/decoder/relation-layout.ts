/**
 * A Relation message beside the catalog's word on the same table: is it still the table that shapes
 * were defined on, and where in a tuple does each of its columns lie?
 */

import type { Table, TableColumn } from "../model/table.ts";
import type { RelationColumn, RelationMessage } from "./pgoutput.ts";

/** Marks a catalog column that tuples do not carry. */
const ABSENT = 0xffff;

/**
 * Whether the message describes the table as the catalog did: same name, and the same columns with
 * the same types in the same order. Generated columns may be missing: Postgres leaves them out
 * unless the publication asks for them (version 18, `publish_generated_columns`). A table whose
 * replica identity is no longer FULL is another one too: its old rows do not come any more.
 */
export function describesSameTable(table: Table, message: RelationMessage): boolean {
  if (table.schema !== message.schema || table.name !== message.name) return false;
  if (message.replicaIdentity !== "f") return false;
  let position = 0;
  for (const column of table.columns) {
    if (column.name === "") continue;
    const wire = message.columns[position];
    if (wire !== undefined && isSameColumn(column, wire)) position += 1;
    else if (column.generated === undefined) return false;
  }
  return position === message.columns.length;
}

/**
 * Whether the message can only be of this table, with columns added, dropped or of another type:
 * what is known by name comes in attribute order, and what is not comes last, as new columns do.
 * A column that was renamed, or two that changed names, show as something else.
 * REQUIRES: the table is not partial.
 */
export function mayFollowFrom(table: Table, message: RelationMessage): boolean {
  if (table.schema !== message.schema || table.name !== message.name) return false;
  if (message.replicaIdentity !== "f") return false;
  const numbers = new Map(table.columns.map(({ name }, index) => [name, index]));
  let last = -1;
  for (const { name } of message.columns) {
    const number = numbers.get(name) ?? table.columns.length;
    if (number < last) return false;
    last = number;
  }
  return true;
}

/** Whether tuples of that layout carry all of these columns, with the types that the table says. */
export function carries(
  message: RelationMessage,
  table: Table,
  columns: readonly number[],
): boolean {
  const wires = new Map(message.columns.map((column) => [column.name, column]));
  return columns.every((index) => {
    const column = table.columns[index]!;
    const wire = wires.get(column.name);
    return wire !== undefined && isSameColumn(column, wire);
  });
}

function isSameColumn(column: TableColumn, wire: RelationColumn): boolean {
  return (
    column.name === wire.name &&
    column.typeOid === wire.typeOid &&
    column.typeModifier === wire.typeModifier
  );
}

/** For each catalog column its position in a tuple, 0xffff for one that is not sent. */
export function layoutOf(table: Table, message: RelationMessage): Uint16Array {
  const positions = new Map(message.columns.map((column, position) => [column.name, position]));
  return Uint16Array.from(table.columns, (column) => positions.get(column.name) ?? ABSENT);
}
