/**
 * Floats as Postgres writes them since version 12 (`extra_float_digits` of 1 or more): the fewest
 * digits that are read back as the same number, and of those the nearest to it.
 *
 * JavaScript writes doubles nearly so. It accepts digits that lie exactly in the middle between two
 * doubles, as 1e23 does, because readers round to even; Postgres does not rely on that and writes
 * 9.999999999999999e+22. Floats of 32 bits JavaScript cannot write at all.
 *
 * Notation is that of C's `%g`: an exponent when it is below -4 or at least 15 (float4: 6).
 */

import { compareExactly, type DecimalDigits } from "./float-digits.ts";

const FLOAT8_EXPONENT_MAX = 15;
const FLOAT4_EXPONENT_MAX = 6;
/** So many digits tell every number of the type from all others. */
const FLOAT8_DIGITS_MAX = 17;
const FLOAT4_DIGITS_MAX = 9;
/** Smaller doubles have no middle that can be written with 17 digits. */
const MIDDLES_FROM = 2 ** 52;

/** The open interval of the numbers that are rounded to one float. */
interface Neighbourhood {
  readonly lower: number;
  readonly upper: number;
}

export function formatFloat8(value: number): string {
  return formatSpecial(value) ?? notation(value, shortestFloat8(value), FLOAT8_EXPONENT_MAX);
}

/** REQUIRES: the value is one of float4. */
export function formatFloat4(value: number): string {
  return formatSpecial(value) ?? notation(value, shortestFloat4(value), FLOAT4_EXPONENT_MAX);
}

function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  return value === 0 ? (Object.is(value, -0) ? "-0" : "0") : undefined;
}

/** Of the number without its sign; digits and exponent as in `1.25e+3`. */
function shortestFloat8(value: number): string {
  const magnitude = Math.abs(value);
  const shortest = magnitude.toExponential();
  if (magnitude < MIDDLES_FROM || !isMiddleOfDoubles(digitsOf(shortest), magnitude)) {
    return shortest;
  }
  let count = digitsOf(shortest).digits.toString().length + 1;
  while (count < FLOAT8_DIGITS_MAX && !isOwn(rounded(magnitude, count), magnitude)) count++;
  return textOf(rounded(magnitude, count));
}

function isOwn(exact: DecimalDigits, magnitude: number): boolean {
  return Number(textOf(exact)) === magnitude && !isMiddleOfDoubles(exact, magnitude);
}

/** Whether the decimal number lies as far from a double of at least 2^52 as from its neighbour. */
function isMiddleOfDoubles({ digits, exponent }: DecimalDigits, magnitude: number): boolean {
  if (exponent < 0) return false;
  const written = digits * 10n ** BigInt(exponent);
  const exact = BigInt(magnitude);
  const unit = 1n << BigInt(exact.toString(2).length - 53);
  const distance = written < exact ? exact - written : written - exact;
  // Below a power of two the neighbours are twice as close.
  const isBelowPower = written < exact && exact === unit << 52n;
  return (isBelowPower ? 4n : 2n) * distance === unit;
}

function shortestFloat4(value: number): string {
  const magnitude = Math.abs(value);
  const neighbourhood = neighbourhoodOf(magnitude);
  for (let count = 1; count < FLOAT4_DIGITS_MAX; count++) {
    const nearest = rounded(magnitude, count);
    if (isInside(nearest, neighbourhood)) return textOf(nearest);
    // Above a power of two there is more room than below it.
    const next = { ...nearest, digits: nearest.digits + 1n };
    if (isInside(next, neighbourhood)) return textOf(next);
  }
  return textOf(rounded(magnitude, FLOAT4_DIGITS_MAX));
}

/** To so many digits, halves to the even one, where JavaScript takes the larger. */
function rounded(magnitude: number, count: number): DecimalDigits {
  const nearest = digitsOf(magnitude.toExponential(count - 1));
  const { digits, exponent } = nearest;
  const half = { ...nearest, digits: digits * 10n - 5n, exponent: exponent - 1 };
  const isHalf = digits % 2n === 1n && compareExactly(half, magnitude) === 0;
  return isHalf ? { ...nearest, digits: digits - 1n } : nearest;
}

function neighbourhoodOf(magnitude: number): Neighbourhood {
  const floats = new Float32Array([magnitude]);
  const bits = new Uint32Array(floats.buffer);
  bits[0]!++;
  const next = Number.isFinite(floats[0]!) ? floats[0]! : 2 ** 128;
  bits[0]! -= 2;
  const previous = floats[0]!;
  return { lower: (previous + magnitude) / 2, upper: (next + magnitude) / 2 };
}

function isInside(exact: DecimalDigits, { lower, upper }: Neighbourhood): boolean {
  return compareExactly(exact, lower) > 0 && compareExactly(exact, upper) < 0;
}

/** The parts of `1.25e+3`. */
function digitsOf(text: string): DecimalDigits {
  const [mantissa, exponent] = text.split("e") as [string, string];
  const digits = mantissa.replace(".", "");
  return {
    isNegative: false,
    digits: BigInt(digits),
    exponent: Number(exponent) - digits.length + 1,
  };
}

function textOf({ digits, exponent }: DecimalDigits): string {
  const text = digits.toString();
  return `${text[0]!}.${text.slice(1)}e${exponent + text.length - 1}`;
}

function notation(value: number, shortest: string, exponentMax: number): string {
  const sign = value < 0 ? "-" : "";
  const [mantissa, exponentText] = shortest.split("e") as [string, string];
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= exponentMax) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const size = Math.abs(exponent).toString().padStart(2, "0");
    return `${sign}${digits[0]!}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const integer = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return sign + integer + (fraction === "" ? "" : `.${fraction}`);
}
