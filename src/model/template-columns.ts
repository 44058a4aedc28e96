/**
 * What of its table a template depends on. A table changes its form while shapes live on it, and
 * those that the change does not touch are kept (protocol 7.9):
 *
 *     every column                      without `columns` in the request, or without a primary key
 *     selected, compared, key columns   otherwise
 *
 * Whether a column may be NULL is no part of it: no value that a client holds depends on that.
 */

import type { ShapeTemplate } from "./shape-definition.ts";
import { keyColumnsOf, liveColumnsOf, type Table, type TableColumn } from "./table.ts";

type Parts = Pick<ShapeTemplate, "table" | "columns" | "where">;

/** Ascending indexes into `table.columns`: what is selected, compared or part of the key. */
export function usedColumnsOf({ table, columns, where }: Parts): readonly number[] {
  const used = new Set([...columns, ...(where?.columns ?? []), ...keyColumnsOf(table)]);
  return [...used].sort((a, b) => a - b);
}

/**
 * Whether shapes of the template mean the same on this description of their table: it is the same
 * table under the same name, with the same key, and every column they depend on is what it was.
 * REQUIRES: the description is not partial.
 */
export function holdsOn(table: Table, template: ShapeTemplate): boolean {
  const before = template.table;
  if (before === table) return true;
  if (before.oid !== table.oid || before.schema !== table.schema) return false;
  if (before.name !== table.name) return false;
  const used = usedColumnsOf(template);
  if (!used.every((index) => isSameColumn(before.columns[index]!, table.columns[index]))) {
    return false;
  }
  if (!areEqual(keyColumnsOf(before), keyColumnsOf(table))) return false;
  return template.hasExplicitColumns || areEqual(template.columns, liveColumnsOf(table));
}

/**
 * Whether two descriptions of one table agree on every column that both of them know, and the one
 * that is not partial knows all of the other's.
 */
export function agree(one: Table, other: Table): boolean {
  if (one === other) return true;
  if (one.oid !== other.oid || one.schema !== other.schema || one.name !== other.name) return false;
  const count = Math.max(one.columns.length, other.columns.length);
  for (let index = 0; index < count; index++) {
    const a = one.columns[index];
    const b = other.columns[index];
    if (isUnknown(a) && one.isPartial === true) continue;
    if (isUnknown(b) && other.isPartial === true) continue;
    if (isUnknown(a) && isUnknown(b)) continue;
    if (isUnknown(a) || !isSameColumn(a, b)) return false;
  }
  return true;
}

/** Whether nothing at all is new, be it what shapes do not depend on. */
export function isDescribedAlike(known: Table, table: Table): boolean {
  const isSame = known.isPartial === undefined && agree(known, table);
  return isSame && JSON.stringify(known.columns) === JSON.stringify(table.columns);
}

/** What two descriptions that agree know together. */
export function merge(one: Table, other: Table): Table {
  if (one.isPartial === undefined) return one;
  if (other.isPartial === undefined) return other;
  const [longer, shorter] = one.columns.length < other.columns.length ? [other, one] : [one, other];
  const columns = longer.columns.map((column, index) =>
    isUnknown(column) ? (shorter.columns[index] ?? column) : column,
  );
  return { ...one, columns };
}

function isUnknown(column: TableColumn | undefined): column is undefined {
  return column === undefined || column.name === "";
}

function isSameColumn(before: TableColumn, after: TableColumn | undefined): boolean {
  return (
    after !== undefined &&
    before.name === after.name &&
    before.typeOid === after.typeOid &&
    before.typeName === after.typeName &&
    before.typeKind === after.typeKind &&
    before.typeModifier === after.typeModifier &&
    before.dimensionCount === after.dimensionCount &&
    before.keyIndex === after.keyIndex &&
    before.generated === after.generated &&
    before.hasByteEquality === after.hasByteEquality
  );
}

function areEqual(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((index, n) => index === other[n]);
}
