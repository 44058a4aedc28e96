/**
 * The types float4 and float8 (manual, section 8.1.3): IEEE 754 numbers of 32 and 64 bits.
 *
 * A float4 lies in a JavaScript number that has its value exactly. Its text must be rounded to 32
 * bits in one step: rounded to 64 first, it may land on the middle between two floats and then go
 * the wrong way (`roundToFloat4`).
 *
 * Text is what C's `strtod` takes, which includes hexadecimal floats; out of range are numbers that
 * would become an infinity, and such as are not zero and would become it.
 */

import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";
import { compareExactly, type DecimalDigits } from "./float-digits.ts";
import { formatFloat4, formatFloat8 } from "./float-text.ts";
import type { ScalarType } from "./scalar-type.ts";
import { SPACE } from "./white-space.ts";

const SPECIAL = new RegExp(
  `^${SPACE}(?:[+-]?(nan)(?:\\([0-9a-z_]*\\))?|([+-]?)inf(?:inity)?)${SPACE}$`,
  "i",
);
const DECIMAL = new RegExp(
  `^${SPACE}([+-]?)(?=\\.?[0-9])([0-9]*)(?:\\.([0-9]*))?(?:e([+-]?[0-9]+))?${SPACE}$`,
  "i",
);
const HEXADECIMAL = new RegExp(
  `^${SPACE}([+-]?)0x(?=\\.?[0-9a-f])([0-9a-f]*)(?:\\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?${SPACE}$`,
  "i",
);
/** Powers of two beyond which a double is an infinity, or zero. */
const BINARY_EXPONENT_MAX = 1_100;

const FLOAT4_MAX = 3.4028234663852886e38;
/** In the middle between the largest float and 2^128. */
const FLOAT4_OVERFLOW = 3.4028235677973366e38;

export const float8Type: ScalarType<number> = {
  name: "float8",
  parse: (text) => parseFloat8(text),
  format: formatFloat8,
  compare: compareFloats,
  equals: (a, b) => compareFloats(a, b) === 0,
};

export const float4Type: ScalarType<number> = {
  name: "float4",
  parse: (text) => parseFloat4(text),
  format: formatFloat4,
  compare: compareFloats,
  equals: (a, b) => compareFloats(a, b) === 0,
};

/** NaN is equal to itself and greater than everything; the zeros are equal. */
export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** @throws {EvaluationError} */
export function parseFloat8(text: string): number {
  const special = parseSpecial(text);
  if (special !== undefined) return special;
  const exact = parseDigits("double precision", text);
  const value = toDouble(exact);
  if (!Number.isFinite(value) || (value === 0 && exact.digits !== 0n)) {
    throw outOfRange("double precision", text);
  }
  return value;
}

/** @throws {EvaluationError} */
export function parseFloat4(text: string): number {
  const special = parseSpecial(text);
  if (special !== undefined) return special;
  const exact = parseDigits("real", text);
  const value = roundToFloat4(exact);
  if (!Number.isFinite(value) || (value === 0 && exact.digits !== 0n)) {
    throw outOfRange("real", text);
  }
  return value;
}

/** The float nearest to an exact number, ties to even; an infinity when it is too large. */
export function roundToFloat4(exact: DecimalDigits): number {
  const double = Math.abs(toDouble(exact));
  const rounded = Math.fround(double);
  const magnitude = isMiddle(double, rounded) ? nearest(exact, double, rounded) : rounded;
  return exact.isNegative ? -magnitude : magnitude;
}

/** Whether a double lies exactly between two floats, one of which it was rounded to. */
function isMiddle(double: number, rounded: number): boolean {
  if (double === FLOAT4_OVERFLOW) return true;
  const other = 2 * double - rounded;
  return double !== rounded && Number.isFinite(rounded) && Math.fround(other) === other;
}

/** Leaves the middle in the direction of the number that was rounded to it. */
function nearest(exact: DecimalDigits, middle: number, rounded: number): number {
  const direction = compareExactly(exact, middle);
  if (direction === 0) return rounded;
  const [lower, upper] =
    middle === FLOAT4_OVERFLOW
      ? [FLOAT4_MAX, Infinity]
      : [Math.min(rounded, 2 * middle - rounded), Math.max(rounded, 2 * middle - rounded)];
  return direction < 0 ? lower : upper;
}

function parseSpecial(text: string): number | undefined {
  const match = SPECIAL.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined) return NaN;
  return match[2] === "-" ? -Infinity : Infinity;
}

function parseDigits(typeName: string, text: string): DecimalDigits {
  const decimal = DECIMAL.exec(text);
  if (decimal !== null) {
    const [, sign, integer = "", fraction = "", exponent = "0"] = decimal;
    return {
      isNegative: sign === "-",
      digits: BigInt(integer + fraction),
      exponent: Number(exponent) - fraction.length,
    };
  }
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal === null) throw new InvalidText(typeName, text);
  const [, sign, integer = "", fraction = "", exponent = "0"] = hexadecimal;
  const digits = BigInt(`0x${integer}${fraction}`);
  return ofBinary(sign === "-", digits, Number(exponent) - 4 * fraction.length);
}

/** `digits` times 2^exponent in decimal notation; 1/2^n has n digits behind the point. */
function ofBinary(isNegative: boolean, digits: bigint, exponent: number): DecimalDigits {
  if (digits === 0n) return { isNegative, digits, exponent: 0 };
  const magnitude = digits.toString(2).length + exponent;
  if (Math.abs(magnitude) > BINARY_EXPONENT_MAX) {
    return { isNegative, digits: 1n, exponent: Math.sign(magnitude) * BINARY_EXPONENT_MAX };
  }
  if (exponent >= 0) return { isNegative, digits: digits << BigInt(exponent), exponent: 0 };
  return { isNegative, digits: digits * 5n ** BigInt(-exponent), exponent };
}

/** Rounded correctly by JavaScript's own reader of numbers. */
function toDouble({ isNegative, digits, exponent }: DecimalDigits): number {
  const magnitude = Number(`${digits}e${exponent}`);
  return isNegative ? -magnitude : magnitude;
}

function outOfRange(typeName: string, text: string): EvaluationError {
  return new EvaluationError(
    `"${text}" is out of range for type ${typeName}`,
    SQL_STATE.numericValueOutOfRange,
  );
}
