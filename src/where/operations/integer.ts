/**
 * Arithmetic of integers (manual, section 9.3). The result is of the larger of the two types; what
 * it cannot hold is an error and never wraps around.
 *
 * An int8 is a bigint and the smaller ones are numbers, whose products are exact: 2^62 is not, but
 * is far enough out of range for int4 to be seen to be.
 */

import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import { toInt2, toInt4, toInt8 } from "../values/integer.ts";
import { binary, fn, prefix, type Operation } from "./operation.ts";

type IntegerName = "int2" | "int4" | "int8";
type SmallName = "int2" | "int4";

const INTEGERS = ["int2", "int4", "int8"] as const;
const SMALL = ["int2", "int4"] as const;
const CHECKS = { int2: toInt2, int4: toInt4 } as const;

export const INTEGER_OPERATIONS: readonly Operation[] = [
  ...INTEGERS.flatMap((left) => INTEGERS.flatMap((right) => arithmetic(left, right))),
  ...SMALL.flatMap(smallOperations),
  ...wideOperations(),
];

/** `+ - * /` */
function arithmetic(left: IntegerName, right: IntegerName): Operation[] {
  if (left === "int8" || right === "int8") {
    const wide = (name: string, compute: (a: bigint, b: bigint) => bigint) =>
      binary(name, left, right, "int8", (a, b) => toInt8(compute(BigInt(a), BigInt(b))));
    return [
      wide("+", (a, b) => a + b),
      wide("-", (a, b) => a - b),
      wide("*", (a, b) => a * b),
      wide("/", (a, b) => a / nonZeroWide(b)),
    ];
  }
  const result: SmallName = left === "int4" || right === "int4" ? "int4" : "int2";
  const check = CHECKS[result];
  const small = (name: string, compute: (a: number, b: number) => number) =>
    binary(name, left, right, result, (a: number, b: number) => check(compute(a, b)));
  return [
    small("+", (a, b) => a + b),
    small("-", (a, b) => a - b),
    small("*", (a, b) => withoutMinusZero(a * b)),
    small("/", (a, b) => withoutMinusZero(Math.trunc(a / nonZero(b)))),
  ];
}

function smallOperations(type: SmallName): Operation[] {
  const check = CHECKS[type];
  const remainder = (a: number, b: number) => withoutMinusZero(a % nonZero(b));
  const magnitude = (a: number) => check(Math.abs(a));
  return [
    binary("%", type, type, type, remainder),
    fn("mod", [type, type], type, remainder),
    binary("&", type, type, type, (a: number, b: number) => a & b),
    binary("|", type, type, type, (a: number, b: number) => a | b),
    binary("#", type, type, type, (a: number, b: number) => a ^ b),
    prefix("~", type, type, (a: number) => ~a),
    prefix("+", type, type, (a: number) => a),
    prefix("-", type, type, (a: number) => check(withoutMinusZero(-a))),
    prefix("@", type, type, magnitude),
    fn("abs", [type], type, magnitude),
  ];
}

function wideOperations(): Operation[] {
  const remainder = (a: bigint, b: bigint) => a % nonZeroWide(b);
  const magnitude = (a: bigint) => toInt8(a < 0n ? -a : a);
  return [
    binary("%", "int8", "int8", "int8", remainder),
    fn("mod", ["int8", "int8"], "int8", remainder),
    binary("&", "int8", "int8", "int8", (a, b) => a & b),
    binary("|", "int8", "int8", "int8", (a, b) => a | b),
    binary("#", "int8", "int8", "int8", (a, b) => a ^ b),
    prefix("~", "int8", "int8", (a) => ~a),
    prefix("+", "int8", "int8", (a) => a),
    prefix("-", "int8", "int8", (a) => toInt8(-a)),
    prefix("@", "int8", "int8", magnitude),
    fn("abs", ["int8"], "int8", magnitude),
  ];
}

/** An integer has one zero only. */
function withoutMinusZero(value: number): number {
  return value + 0;
}

function nonZero(divisor: number): number {
  if (divisor === 0) throw divisionByZero();
  return divisor;
}

function nonZeroWide(divisor: bigint): bigint {
  if (divisor === 0n) throw divisionByZero();
  return divisor;
}

function divisionByZero(): EvaluationError {
  return new EvaluationError("division by zero", SQL_STATE.divisionByZero);
}
