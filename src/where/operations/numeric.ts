/**
 * Arithmetic of numeric (manual, section 9.3), which `values/decimal.ts` does.
 *
 * As for texts, a result that a few characters of SQL could make as long as they like is bounded,
 * lower than in Postgres: a clause may have hundreds of operators, each evaluated for every row.
 */

import { Decimal } from "../values/decimal.ts";
import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import { binary, fn, prefix, refused, type Operation } from "./operation.ts";

const ONE = Decimal.of(1n);

/** Of a result, before and behind the point. */
const DIGITS_MAX = 4_000;
const COEFFICIENT_LIMIT = 10n ** BigInt(DIGITS_MAX);

export const NUMERIC_OPERATIONS: readonly Operation[] = [
  binary("+", "numeric", "numeric", "numeric", (a, b) => bounded(a.add(b))),
  binary("-", "numeric", "numeric", "numeric", (a, b) => bounded(a.subtract(b))),
  binary("*", "numeric", "numeric", "numeric", (a, b) => bounded(a.multiply(b))),
  binary("/", "numeric", "numeric", "numeric", (a, b) => bounded(a.divide(b))),
  binary("%", "numeric", "numeric", "numeric", (a, b) => bounded(a.remainder(b))),
  fn("mod", ["numeric", "numeric"], "numeric", (a, b) => bounded(a.remainder(b))),
  fn("div", ["numeric", "numeric"], "numeric", (a, b) => bounded(a.integerQuotient(b))),
  prefix("+", "numeric", "numeric", (a) => a),
  prefix("-", "numeric", "numeric", (a) => a.negate()),
  prefix("@", "numeric", "numeric", (a) => a.abs()),
  fn("abs", ["numeric"], "numeric", (a) => a.abs()),
  fn("round", ["numeric"], "numeric", (a) => a.round(0)),
  fn("round", ["numeric", "int4"], "numeric", (a, digits) => a.round(digits)),
  fn("trunc", ["numeric"], "numeric", (a) => a.truncate(0)),
  fn("trunc", ["numeric", "int4"], "numeric", (a, digits) => a.truncate(digits)),
  fn("ceil", ["numeric"], "numeric", (a) => a.ceil()),
  fn("ceiling", ["numeric"], "numeric", (a) => a.ceil()),
  fn("floor", ["numeric"], "numeric", (a) => a.floor()),
  fn("sign", ["numeric"], "numeric", signOf),
  ...refusals(),
];

/** @throws {EvaluationError} it has too many digits. */
function bounded(value: Decimal): Decimal {
  const { coefficient } = value;
  if (coefficient < COEFFICIENT_LIMIT && coefficient > -COEFFICIENT_LIMIT) return value;
  const message = `a result of numeric has more than ${DIGITS_MAX} digits`;
  throw new EvaluationError(message, SQL_STATE.programLimitExceeded);
}

function signOf(value: Decimal): Decimal {
  if (value.isNaN || value.sign === 0) return value.isNaN ? value : Decimal.ZERO;
  return value.sign < 0 ? ONE.negate() : ONE;
}

/** How many digits they give differs between the versions of Postgres. */
function refusals(): Operation[] {
  const why = (name: string) =>
    `${name} of numeric has other digits in other versions of Postgres ` +
    `and cannot be evaluated exactly`;
  return [
    ...["power", "pow", "log"].map((name) =>
      refused("function", name, ["numeric", "numeric"], "numeric", why(name)),
    ),
    ...["sqrt", "exp", "ln", "log", "log10"].map((name) =>
      refused("function", name, ["numeric"], "numeric", why(name)),
    ),
    refused("binary", "^", ["numeric", "numeric"], "numeric", why("the operator ^")),
  ];
}
