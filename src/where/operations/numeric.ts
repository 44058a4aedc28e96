/** Arithmetic of numeric (manual, section 9.3), which `values/decimal.ts` does. */

import { Decimal } from "../values/decimal.ts";
import { binary, fn, prefix, refused, type Operation } from "./operation.ts";

const ONE = Decimal.of(1n);

export const NUMERIC_OPERATIONS: readonly Operation[] = [
  binary("+", "numeric", "numeric", "numeric", (a, b) => a.add(b)),
  binary("-", "numeric", "numeric", "numeric", (a, b) => a.subtract(b)),
  binary("*", "numeric", "numeric", "numeric", (a, b) => a.multiply(b)),
  binary("/", "numeric", "numeric", "numeric", (a, b) => a.divide(b)),
  binary("%", "numeric", "numeric", "numeric", (a, b) => a.remainder(b)),
  fn("mod", ["numeric", "numeric"], "numeric", (a, b) => a.remainder(b)),
  fn("div", ["numeric", "numeric"], "numeric", (a, b) => a.integerQuotient(b)),
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
