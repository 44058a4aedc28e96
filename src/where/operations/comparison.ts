/**
 * `= <> < <= > >=` of the types that are no arrays, moments or documents (manual, section 9.2).
 *
 * Between integers of different size, between the two floats and between name and text Postgres has
 * operators of their own; they compare the values, as if the smaller type were the larger one.
 */

import { boolType } from "../values/boolean.ts";
import { byteaType } from "../values/bytea.ts";
import { compareFloats } from "../values/float.ts";
import type { TypeName, ValueOf } from "../values/scalar-type.ts";
import { compareCodePoints, trimPadding } from "../values/text.ts";
import { uuidType } from "../values/uuid.ts";
import { binary, make, type CollationNeed, type Operation } from "./operation.ts";

/** The six operators, of an order: negative, 0 or positive. */
export function comparisons<Left extends TypeName, Right extends TypeName>(
  left: Left,
  right: Right,
  compare: (a: ValueOf<Left>, b: ValueOf<Right>) => number,
  isCollated = false,
): Operation[] {
  const operator = (name: string, need: CollationNeed, accepts: (order: number) => boolean) =>
    make(
      "binary",
      name,
      [left, right],
      "bool",
      () => (a, b) => accepts(compare(a as ValueOf<Left>, b as ValueOf<Right>)),
      isCollated ? { collation: need } : {},
    );
  return [
    operator("=", "equality", (order) => order === 0),
    operator("<>", "equality", (order) => order !== 0),
    operator("<", "order", (order) => order < 0),
    operator("<=", "order", (order) => order <= 0),
    operator(">", "order", (order) => order > 0),
    operator(">=", "order", (order) => order >= 0),
  ];
}

/** Works for numbers and bigints, and between them; neither can be NaN here. */
function compareIntegers(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const INTEGERS = ["int2", "int4", "int8"] as const;
const FLOATS = ["float4", "float8"] as const;

const isCollated = true;

export const COMPARISONS: readonly Operation[] = [
  ...comparisons("bool", "bool", boolType.compare!),
  ...INTEGERS.flatMap((left) =>
    INTEGERS.flatMap((right) => comparisons(left, right, compareIntegers)),
  ),
  ...FLOATS.flatMap((left) => FLOATS.flatMap((right) => comparisons(left, right, compareFloats))),
  ...comparisons("numeric", "numeric", (a, b) => a.compare(b)),
  ...comparisons("text", "text", compareCodePoints, isCollated),
  ...comparisons("name", "name", compareCodePoints, isCollated),
  ...comparisons("name", "text", compareCodePoints, isCollated),
  ...comparisons("text", "name", compareCodePoints, isCollated),
  ...comparisons(
    "bpchar",
    "bpchar",
    (a, b) => compareCodePoints(trimPadding(a), trimPadding(b)),
    isCollated,
  ),
  ...comparisons("uuid", "uuid", uuidType.compare!),
  ...comparisons("bytea", "bytea", byteaType.compare!),
  binary("=", "anyenum", "anyenum", "bool", (a, b) => a === b),
  binary("<>", "anyenum", "anyenum", "bool", (a, b) => a !== b),
];
