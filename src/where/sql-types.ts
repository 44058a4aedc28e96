/**
 * Types as the analysis of a clause sees them: names of `pg_type`, with `[]` behind the element's
 * for arrays. Besides:
 *
 *     unknown      a quoted literal or a parameter that nothing has given a type yet
 *     enum <name>  one enum type; the values of all of them are alike
 *     <name>       in angle brackets: a type of which nothing is known but whether a value is NULL
 *
 * Categories and preferred types are those of `pg_type`, section 10.1 of the manual.
 */

import type { TableColumn } from "../model/table.ts";
import type { ArrayName, ScalarName, TypeName } from "./values/scalar-type.ts";

export type SqlType = string;

export const UNKNOWN: SqlType = "unknown";

/** By oid, because anybody may create a type called `uuid`. The oids are those of `pg_type.dat`. */
const SCALARS: readonly (readonly [ScalarName, number, number])[] = [
  ["bool", 16, 1000],
  ["bytea", 17, 1001],
  ["name", 19, 1003],
  ["int8", 20, 1016],
  ["int2", 21, 1005],
  ["int4", 23, 1007],
  ["text", 25, 1009],
  ["json", 114, 199],
  ["float4", 700, 1021],
  ["float8", 701, 1022],
  ["bpchar", 1042, 1014],
  ["varchar", 1043, 1015],
  ["date", 1082, 1182],
  ["time", 1083, 1183],
  ["timestamp", 1114, 1115],
  ["timestamptz", 1184, 1185],
  ["interval", 1186, 1187],
  ["numeric", 1700, 1231],
  ["uuid", 2950, 2951],
  ["jsonb", 3802, 3807],
];

const TYPES_BY_OID: ReadonlyMap<number, SqlType> = new Map(
  SCALARS.flatMap(([name, oid, arrayOid]): [number, SqlType][] => [
    [oid, name],
    [arrayOid, `${name}[]`],
  ]),
);

const NAMES: ReadonlySet<string> = new Set(SCALARS.map(([name]) => name));

export function typeOfColumn(column: TableColumn): SqlType {
  const suffix = column.dimensionCount > 0 ? "[]" : "";
  if (column.typeKind === "e") return `enum ${column.typeName}${suffix}`;
  return TYPES_BY_OID.get(column.typeOid) ?? `<${column.typeName}${suffix}>`;
}

/** Whether values of the type cannot be computed with. */
export function isUntyped(type: SqlType): boolean {
  return type.startsWith("<");
}

/** Whether it is the name of a type that a cast may have for its target. */
export function isScalarName(name: string): name is ScalarName {
  return NAMES.has(name);
}

export function isArray(type: SqlType): boolean {
  return type.endsWith("[]");
}

export function isEnum(type: SqlType): boolean {
  return type.startsWith("enum ") && !isArray(type);
}

export function elementOf(array: SqlType): SqlType {
  return array.slice(0, -2);
}

export function arrayOf(element: SqlType): SqlType {
  return `${element}[]`;
}

/** How values of the type lie in JavaScript. REQUIRES: not unknown. */
export function valueTypeOf(type: SqlType): TypeName {
  if (!type.startsWith("enum ")) return type as TypeName;
  return (isArray(type) ? "enum[]" : "enum") satisfies ScalarName | ArrayName;
}

type Category = "boolean" | "number" | "string" | "time" | "span" | "array" | "enum" | "other";

const CATEGORIES: Readonly<Record<string, Category>> = {
  bool: "boolean",
  int2: "number",
  int4: "number",
  int8: "number",
  float4: "number",
  float8: "number",
  numeric: "number",
  name: "string",
  text: "string",
  bpchar: "string",
  varchar: "string",
  date: "time",
  time: "time",
  timestamp: "time",
  timestamptz: "time",
  interval: "span",
};

/** `pg_type.typcategory`. */
export function categoryOf(type: SqlType): Category {
  if (isArray(type)) return "array";
  return isEnum(type) ? "enum" : (CATEGORIES[type] ?? "other");
}

const PREFERRED: ReadonlySet<SqlType> = new Set([
  "bool",
  "float8",
  "text",
  "timestamptz",
  "interval",
]);

/** `pg_type.typispreferred`. */
export function isPreferred(type: SqlType): boolean {
  return PREFERRED.has(type);
}

/** Types of character strings: they have a collation, and output and input casts are theirs. */
export function isString(type: SqlType): boolean {
  return categoryOf(type) === "string";
}
