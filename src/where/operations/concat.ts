/**
 * `concat` and `concat_ws` (manual, section 9.4): of values of any type, each in the form in which
 * its output function writes it. A NULL is left out.
 */

import { typeNamed } from "../type-table.ts";
import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import type { TypeName, Value } from "../values/scalar-type.ts";
import { make, type Operation } from "./operation.ts";

/** In UTF-16 units; as for the other functions of text. */
const RESULT_LENGTH_MAX = 2 ** 20;

export const CONCAT: readonly Operation[] = [
  make(
    "function",
    "concat",
    ["any"],
    "text",
    ({ types }) =>
      (...values) =>
        join(values, types, ""),
    { isStrict: false, isVariadic: true },
  ),
  make(
    "function",
    "concat_ws",
    ["text", "any"],
    "text",
    ({ types }) =>
      (separator, ...values) =>
        separator === null ? null : join(values, types.slice(1), separator as string),
    { isStrict: false, isVariadic: true },
  ),
];

function join(
  values: readonly (Value | null)[],
  types: readonly TypeName[],
  separator: string,
): string {
  const parts = values.flatMap((value, index) =>
    value === null ? [] : [typeNamed(types[index]!).format(value)],
  );
  const length = parts.reduce((sum, part) => sum + part.length + separator.length, 0);
  if (length > RESULT_LENGTH_MAX) {
    throw new EvaluationError("requested length too large", SQL_STATE.programLimitExceeded);
  }
  return parts.join(separator);
}
