/**
 * The canonical text of a value: the one in which Postgres itself writes it. Whatever text
 * Postgres' input functions accept for a type is accepted here, and nothing else is; two texts of
 * one value come out equal, so that further on values are compared byte by byte
 * (`model/shape-definition.ts`).
 *
 * The authority is Postgres 18 (`numutils.c`, `bool.c`, `uuid.c`), and a test asks it. Older
 * versions refuse some of what is accepted here (`0x1F`, `1_000`), but are only ever sent canonical
 * text.
 */

import type { ConstantKind } from "../model/shape-definition.ts";
import type { TableColumn } from "../model/table.ts";

/** The types of which equality of values is equality of their text. */
export type TypeName = "int2" | "int4" | "int8" | "bool" | "text" | "varchar" | "uuid";

/** By oid, because anybody may create a type called `uuid`. The oids are those of `pg_type.dat`. */
const TYPES_BY_OID: ReadonlyMap<number, TypeName> = new Map([
  [16, "bool"],
  [20, "int8"],
  [21, "int2"],
  [23, "int4"],
  [25, "text"],
  [1043, "varchar"],
  [2950, "uuid"],
]);

const TYPE_NAMES: ReadonlySet<string> = new Set(TYPES_BY_OID.values());

const KINDS: Record<TypeName, ConstantKind> = {
  int2: "int",
  int4: "int",
  int8: "int",
  bool: "text",
  text: "text",
  varchar: "text",
  uuid: "uuid",
};

/** Undefined: values of the column cannot be compared by their text, or not yet. */
export function typeOf(column: TableColumn): TypeName | undefined {
  return TYPES_BY_OID.get(column.typeOid);
}

export function isTypeName(name: string): name is TypeName {
  return TYPE_NAMES.has(name);
}

export function kindOf(type: TypeName): ConstantKind {
  return KINDS[type];
}

/** Undefined when the text is none of the type, or is out of its range. */
export function canonicalText(type: TypeName, text: string): string | undefined {
  switch (type) {
    case "int2":
    case "int4":
    case "int8":
      return canonicalInt(type, text);
    case "bool":
      return canonicalBool(text);
    case "uuid":
      return canonicalUuid(text);
    case "text":
    case "varchar":
      // A comparison never cuts a value at the n of varchar(n); only an assignment would.
      return isStorable(text) ? text : undefined;
  }
}

/** Postgres has no text with a null character, nor with half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && !/\p{Surrogate}/u.test(text);
}

const INT_MAX = { int2: 2n ** 15n - 1n, int4: 2n ** 31n - 1n, int8: 2n ** 63n - 1n };

/** What C's `isspace` takes for white space. */
const SPACE = "[ \\t\\n\\v\\f\\r]*";
/** Sign, digits. An underscore may stand before any digit but the first of a decimal number. */
const INT = new RegExp(
  `^${SPACE}([+-]?)(0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+|[0-9](?:_?[0-9])*)${SPACE}$`,
  "i",
);
/** Of 64 bits in the longest notation, the binary one. Longer numbers are not worth computing. */
const DIGIT_COUNT_MAX = 64;

function canonicalInt(type: keyof typeof INT_MAX, text: string): string | undefined {
  const match = INT.exec(text);
  if (match === null) return undefined;
  const digits = match[2]!.replaceAll("_", "").toLowerCase();
  const prefix = /^0[xob]/.exec(digits)?.[0] ?? "";
  const significant = digits.slice(prefix.length).replace(/^0+(?=.)/, "");
  if (significant.length > DIGIT_COUNT_MAX) return undefined;
  const magnitude = BigInt(prefix + significant);
  const value = match[1] === "-" ? -magnitude : magnitude;
  const max = INT_MAX[type];
  return value > max || value < -max - 1n ? undefined : value.toString();
}

/** Each word may be cut short as long as it is told from the others: `o` is not. */
const TRUE = new RegExp(`^${SPACE}(?:t|tr|tru|true|y|ye|yes|on|1)${SPACE}$`, "i");
const FALSE = new RegExp(`^${SPACE}(?:f|fa|fal|fals|false|n|no|of|off|0)${SPACE}$`, "i");

function canonicalBool(text: string): string | undefined {
  if (TRUE.test(text)) return "t";
  return FALSE.test(text) ? "f" : undefined;
}

/** Hyphens may stand behind every fourth digit, or be left out; braces may surround it all. */
const UUID = /^(?:\{((?:[0-9a-f]{4}-?){7}[0-9a-f]{4})\}|((?:[0-9a-f]{4}-?){7}[0-9a-f]{4}))$/i;

function canonicalUuid(text: string): string | undefined {
  const match = UUID.exec(text);
  if (match === null) return undefined;
  const digits = (match[1] ?? match[2]!).replaceAll("-", "").toLowerCase();
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
