/**
 * The `electric-schema` header (protocol section 9): what a client has to know of the selected
 * columns to turn text into values. Column names may be anything and a header must be ASCII, so the
 * rest is written `\uXXXX`, which every JSON parser reads back.
 */

import type { Table, TableColumn } from "./table.ts";

/**
 * @param columns indexes into `table.columns`.
 * @param first the table as it was when the first of the shape's rows were read: a column that
 *   became NOT NULL since may well be null in the log, and a client that was told otherwise would
 *   refuse it (protocol 8.3).
 */
export function electricSchema(table: Table, columns: readonly number[], first = table): string {
  // Object members would be sorted if a column is called "1".
  const members = columns.map((index) => {
    const column = table.columns[index]!;
    const isNotNull = column.isNotNull && first.columns[index]!.isNotNull;
    return `${JSON.stringify(column.name)}:${JSON.stringify(describeColumn(column, isNotNull))}`;
  });
  return `{${members.join(",")}}`.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function describeColumn(column: TableColumn, isNotNull: boolean): Record<string, unknown> {
  return {
    type: column.typeName,
    ...(column.dimensionCount > 0 ? { dims: column.dimensionCount } : {}),
    ...(column.keyIndex === undefined ? {} : { pk_index: column.keyIndex }),
    ...(isNotNull ? { not_null: true } : {}),
    ...describeModifier(column.typeName, column.typeModifier),
  };
}

/** How a `typmod` is to be read depends on the type (Postgres: the types' `typmodin` functions). */
function describeModifier(type: string, modifier: number): Record<string, unknown> {
  if (modifier === -1) return {};
  switch (type) {
    case "varchar":
    case "text":
      return { max_length: modifier - VARLENA_HEADER_SIZE };
    case "bpchar":
      return { length: modifier - VARLENA_HEADER_SIZE };
    case "bit":
    case "varbit":
      return { length: modifier };
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
      // `timestamp(0)` counts as any other type: clients are used to it.
      return modifier > 0 ? { precision: modifier } : { type_mod: modifier };
    case "numeric":
      return describeNumeric(modifier - VARLENA_HEADER_SIZE);
    case "interval":
      return describeInterval(modifier);
    default:
      return { type_mod: modifier };
  }
}

/** `VARHDRSZ`, by which the lengths of some types are raised. */
const VARLENA_HEADER_SIZE = 4;

/** Precision in the upper half; the scale is an 11-bit signed number below. */
function describeNumeric(modifier: number): Record<string, unknown> {
  return { precision: modifier >> 16, scale: ((modifier & 0x7ff) ^ 0x400) - 0x400 };
}

/**
 * Fields as a bit mask in the upper half, precision in the lower; all bits set is "not given". The
 * bits are those of Postgres' `datetime.h`: MONTH 1, YEAR 2, DAY 3, HOUR 10, MINUTE 11, SECOND 12.
 */
function describeInterval(modifier: number): Record<string, unknown> {
  const fields = INTERVAL_FIELDS.get((modifier >> 16) & 0x7fff);
  const precision = modifier & 0xffff;
  return {
    ...(precision === 0xffff ? {} : { precision }),
    ...(fields === undefined ? {} : { fields }),
  };
}

const YEAR = 1 << 2;
const MONTH = 1 << 1;
const DAY = 1 << 3;
const HOUR = 1 << 10;
const MINUTE = 1 << 11;
const SECOND = 1 << 12;

const INTERVAL_FIELDS: ReadonlyMap<number, string> = new Map([
  [YEAR, "YEAR"],
  [MONTH, "MONTH"],
  [DAY, "DAY"],
  [HOUR, "HOUR"],
  [MINUTE, "MINUTE"],
  [SECOND, "SECOND"],
  [YEAR | MONTH, "YEAR TO MONTH"],
  [DAY | HOUR, "DAY TO HOUR"],
  [DAY | HOUR | MINUTE, "DAY TO MINUTE"],
  [DAY | HOUR | MINUTE | SECOND, "DAY TO SECOND"],
  [HOUR | MINUTE, "HOUR TO MINUTE"],
  [HOUR | MINUTE | SECOND, "HOUR TO SECOND"],
  [MINUTE | SECOND, "MINUTE TO SECOND"],
]);
