/**
 * Arithmetic of floats (manual, sections 8.1.3 and 9.3).
 *
 * Sum, difference, product, quotient and square root are rounded correctly by every machine that
 * follows IEEE 754, so they are the same here and there; rounding a double to 32 bits gives what
 * 32-bit arithmetic would have given, because a double has more than twice the bits. Powers,
 * logarithms and the like are not: each library has its own last bit. They are refused.
 *
 * Where C would give an infinity or a zero that no operand was, Postgres raises an error.
 */

import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import { binary, fn, prefix, refused, type Operation } from "./operation.ts";

type FloatName = "float4" | "float8";

const FLOATS = ["float4", "float8"] as const;

export const FLOAT_OPERATIONS: readonly Operation[] = [
  ...FLOATS.flatMap((left) => FLOATS.flatMap((right) => arithmetic(left, right))),
  ...FLOATS.flatMap((type) => [
    prefix("+", type, type, (a: number) => a),
    prefix("-", type, type, (a: number) => -a),
    prefix("@", type, type, (a: number) => Math.abs(a)),
    fn("abs", [type], type, (a: number) => Math.abs(a)),
  ]),
  prefix("|/", "float8", "float8", squareRoot),
  fn("sqrt", ["float8"], "float8", squareRoot),
  fn("round", ["float8"], "float8", roundHalfEven),
  fn("ceil", ["float8"], "float8", (a) => Math.ceil(a)),
  fn("ceiling", ["float8"], "float8", (a) => Math.ceil(a)),
  fn("floor", ["float8"], "float8", (a) => Math.floor(a)),
  fn("trunc", ["float8"], "float8", (a) => Math.trunc(a)),
  // Postgres has no negative zero, nor NaN, as a sign.
  fn("sign", ["float8"], "float8", (a) => (a > 0 ? 1 : a < 0 ? -1 : 0)),
  ...refusals(),
];

/** `+ - * /`, in 64 bits as soon as one operand has them. */
function arithmetic(left: FloatName, right: FloatName): Operation[] {
  const isSmall = left === "float4" && right === "float4";
  const result: FloatName = isSmall ? "float4" : "float8";
  const round = isSmall ? Math.fround : (value: number) => value;
  const operator = (name: string, compute: (a: number, b: number) => number) =>
    binary(name, left, right, result, compute);
  return [
    operator("+", (a, b) => checkOverflow(round(a + b), a, b)),
    operator("-", (a, b) => checkOverflow(round(a - b), a, b)),
    operator("*", (a, b) => {
      const product = checkOverflow(round(a * b), a, b);
      if (product === 0 && a !== 0 && b !== 0) throw underflow();
      return product;
    }),
    operator("/", (a, b) => {
      if (b === 0 && !Number.isNaN(a)) {
        throw new EvaluationError("division by zero", SQL_STATE.divisionByZero);
      }
      const quotient = round(a / b);
      if (isInfinite(quotient) && !isInfinite(a)) throw overflow();
      if (quotient === 0 && a !== 0 && !isInfinite(b)) throw underflow();
      return quotient;
    }),
  ];
}

function checkOverflow(result: number, a: number, b: number): number {
  if (isInfinite(result) && !isInfinite(a) && !isInfinite(b)) throw overflow();
  return result;
}

function isInfinite(value: number): boolean {
  return value === Infinity || value === -Infinity;
}

function overflow(): EvaluationError {
  return new EvaluationError("value out of range: overflow", SQL_STATE.numericValueOutOfRange);
}

function underflow(): EvaluationError {
  return new EvaluationError("value out of range: underflow", SQL_STATE.numericValueOutOfRange);
}

function squareRoot(value: number): number {
  if (value < 0) {
    throw new EvaluationError(
      "cannot take square root of a negative number",
      SQL_STATE.invalidArgumentForPower,
    );
  }
  return Math.sqrt(value);
}

/** C's `rint`: a half goes to the even neighbour, and the sign of a zero stays. */
export function roundHalfEven(value: number): number {
  const magnitude = Math.abs(value);
  const floor = Math.floor(magnitude);
  const rest = magnitude - floor;
  const isDown = rest < 0.5 || (rest === 0.5 && floor % 2 === 0);
  const rounded = isDown ? floor : floor + 1;
  return value < 0 || Object.is(value, -0) ? -rounded : rounded;
}

function refusals(): Operation[] {
  const why = (name: string) =>
    `${name} is rounded differently by different machines and cannot be evaluated exactly`;
  const binaries = ["power", "pow", "atan2", "atan2d"].map((name) =>
    refused("function", name, ["float8", "float8"], "float8", why(name)),
  );
  const unaries = ["exp", "ln", "log", "log10", "cbrt", "sin", "cos", "tan"].map((name) =>
    refused("function", name, ["float8"], "float8", why(name)),
  );
  return [
    ...binaries,
    ...unaries,
    refused("binary", "^", ["float8", "float8"], "float8", why("the operator ^")),
    refused("prefix", "||/", ["float8"], "float8", why("the operator ||/")),
  ];
}
