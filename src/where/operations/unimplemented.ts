/**
 * What Postgres has for the types of a WHERE and we have not, as far as its name is one of ours. It
 * is in the catalogue so that a call never means something else here than there: it is refused.
 *
 * `test/where/signatures.test.ts` compares the catalogue with `pg_operator` and `pg_proc`.
 */

import type { TypeName } from "../values/scalar-type.ts";
import { refused, type Operation, type OperandType } from "./operation.ts";

const NO_ORDER = "the order of the labels of an enum may change; compare the column with = or IN";
const NO_JSON_ORDER = "the order of jsonb values is of no use; compare a member of it, by ->>";
const NO_BYTES = "it is not available for bytea";
const NO_JSON_CHANGE = "jsonb values can be looked into, not changed";
const REGULAR = "regular expressions are not supported, use LIKE";
const SESSION = "it depends on the time zone of a session; use AT TIME ZONE";

const ORDERING = ["<", "<=", ">", ">="] as const;

export const UNIMPLEMENTED: readonly Operation[] = [
  ...ORDERING.flatMap((name) => [
    refused("binary", name, ["anyenum", "anyenum"], "bool", NO_ORDER),
    refused("binary", name, ["jsonb", "jsonb"], "bool", NO_JSON_ORDER),
  ]),
  ...(["int4", "text", "text[]"] as const).map((key) =>
    refused("binary", "-", ["jsonb", key], "jsonb", NO_JSON_CHANGE),
  ),
  refused("binary", "||", ["jsonb", "jsonb"], "jsonb", NO_JSON_CHANGE),
  refused("binary", "~~", ["bytea", "bytea"], "bool", NO_BYTES),
  refused("binary", "!~~", ["bytea", "bytea"], "bool", NO_BYTES),
  ...bytes("like", "bool", ["bytea"]),
  ...bytes("notlike", "bool", ["bytea"]),
  ...bytes("btrim", "bytea", ["bytea"]),
  ...bytes("ltrim", "bytea", ["bytea"]),
  ...bytes("rtrim", "bytea", ["bytea"]),
  ...bytes("length", "int4", ["name"]),
  ...bytes("position", "int4", ["bytea"]),
  ...bytes("reverse", "bytea", []),
  ...bytes("substr", "bytea", ["int4"]),
  ...bytes("substr", "bytea", ["int4", "int4"]),
  ...bytes("substring", "bytea", ["int4"]),
  ...bytes("substring", "bytea", ["int4", "int4"]),
  ...[1, 2].map((count) => regexpReplace(Array<TypeName>(count).fill("int4"))),
  regexpReplace(["int4", "int4", "text"]),
  refused("function", "timezone", ["timestamp"], "timestamptz", SESSION),
  refused("function", "timezone", ["timestamptz"], "timestamp", SESSION),
];

function bytes(name: string, result: TypeName, others: readonly OperandType[]): Operation[] {
  return [refused("function", name, ["bytea", ...others], result, NO_BYTES)];
}

function regexpReplace(others: readonly TypeName[]): Operation {
  return refused(
    "function",
    "regexp_replace",
    ["text", "text", "text", ...others],
    "text",
    REGULAR,
  );
}
