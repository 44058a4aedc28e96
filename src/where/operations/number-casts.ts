/**
 * Casts between numbers, and of bool (manual, sections 8.1 and 4.2.9; `pg_cast`).
 *
 * A float becomes a numeric through the digits that its type is sure of, 15 or 6, and not through
 * those that its text shows. To integers floats are rounded half to even, numerics half away from
 * zero.
 */

import { Decimal } from "../values/decimal.ts";
import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import { parseFloat4, parseFloat8, roundToFloat4 } from "../values/float.ts";
import { toInt2, toInt4, toInt8 } from "../values/integer.ts";
import { parseDecimal } from "../values/numeric.ts";
import { roundHalfEven } from "./float.ts";
import { cast, type Operation } from "./operation.ts";

/** Digits that survive a trip through the type: `FLT_DIG` and `DBL_DIG` of C. */
const FLOAT4_DIGITS = 6;
const FLOAT8_DIGITS = 15;

export const NUMBER_CASTS: readonly Operation[] = [
  cast("int2", "int4", "implicit", (value) => value),
  cast("int2", "int8", "implicit", (value) => BigInt(value)),
  cast("int2", "float4", "implicit", (value) => value),
  cast("int2", "float8", "implicit", (value) => value),
  cast("int2", "numeric", "implicit", (value) => Decimal.of(BigInt(value))),

  cast("int4", "int2", "assignment", toInt2),
  cast("int4", "int8", "implicit", (value) => BigInt(value)),
  cast("int4", "float4", "implicit", (value) => Math.fround(value)),
  cast("int4", "float8", "implicit", (value) => value),
  cast("int4", "numeric", "implicit", (value) => Decimal.of(BigInt(value))),
  cast("int4", "bool", "explicit", (value) => value !== 0),

  cast("int8", "int2", "assignment", (value) => toInt2(Number(value))),
  cast("int8", "int4", "assignment", (value) => toInt4(Number(value))),
  cast("int8", "float4", "implicit", float4OfInt8),
  cast("int8", "float8", "implicit", (value) => Number(value)),
  cast("int8", "numeric", "implicit", (value) => Decimal.of(value)),

  ...(["float4", "float8"] as const).flatMap((type) => [
    cast(type, "int2", "assignment", (value: number) => toInt2(integerOf(value, "smallint"))),
    cast(type, "int4", "assignment", (value: number) => toInt4(integerOf(value, "integer"))),
    cast(type, "int8", "assignment", (value: number) => {
      return toInt8(BigInt(integerOf(value, "bigint")));
    }),
  ]),
  cast("float4", "float8", "implicit", (value) => value),
  cast("float8", "float4", "assignment", float4OfFloat8),
  cast("float4", "numeric", "assignment", (value) => decimalOf(value, FLOAT4_DIGITS)),
  cast("float8", "numeric", "assignment", (value) => decimalOf(value, FLOAT8_DIGITS)),

  cast("numeric", "int2", "assignment", (value) => toInt2(Number(wholeOf(value, "smallint")))),
  cast("numeric", "int4", "assignment", (value) => toInt4(Number(wholeOf(value, "integer")))),
  cast("numeric", "int8", "assignment", (value) => toInt8(wholeOf(value, "bigint"))),
  cast("numeric", "float4", "implicit", (value) => parseFloat4(value.toString())),
  cast("numeric", "float8", "implicit", (value) => parseFloat8(value.toString())),

  cast("bool", "int4", "explicit", (value) => (value ? 1 : 0)),
  cast("bool", "text", "assignment", wordOf),
  cast("bool", "varchar", "assignment", wordOf),
  cast("bool", "bpchar", "assignment", wordOf),
];

/** The whole word, where the output function writes a letter. */
function wordOf(value: boolean): string {
  return value ? "true" : "false";
}

/** Rounded once: by way of a double it might be rounded twice. */
function float4OfInt8(value: bigint): number {
  const isNegative = value < 0n;
  return roundToFloat4({ isNegative, digits: isNegative ? -value : value, exponent: 0 });
}

function float4OfFloat8(value: number): number {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded) && Number.isFinite(value)) throw outOfFloat4("overflow");
  if (rounded === 0 && value !== 0) throw outOfFloat4("underflow");
  return rounded;
}

function outOfFloat4(how: string): EvaluationError {
  return new EvaluationError(`value out of range: ${how}`, SQL_STATE.numericValueOutOfRange);
}

function integerOf(value: number, typeName: string): number {
  // An integer has one zero only, which adding 0 makes of both.
  if (Number.isFinite(value)) return roundHalfEven(value) + 0;
  throw new EvaluationError(`${typeName} out of range`, SQL_STATE.numericValueOutOfRange);
}

function wholeOf(value: Decimal, typeName: string): bigint {
  if (value.isFinite) return value.toBigInt();
  const what = value.isNaN ? "NaN" : "infinity";
  throw new EvaluationError(`cannot convert ${what} to ${typeName}`, SQL_STATE.featureNotSupported);
}

function decimalOf(value: number, digits: number): Decimal {
  if (!Number.isFinite(value)) return parseDecimal(value.toString());
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e") as [string, string];
  // Zeros at the end are not written, so they do not count for the scale.
  return parseDecimal(`${mantissa.replace(/\.?0+$/, "")}e${exponent}`);
}
