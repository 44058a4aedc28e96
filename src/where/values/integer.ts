/** The integer types int2, int4 and int8 (manual, sections 4.1.2.6 and 8.1.1). */

import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";
import { SPACE } from "./white-space.ts";

/** Sign, digits. An underscore may stand before any digit but the first of a decimal number. */
const INT = new RegExp(
  `^${SPACE}([+-]?)(0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+|[0-9](?:_?[0-9])*)${SPACE}$`,
  "i",
);
/** Of 64 bits in the longest notation, the binary one. Longer numbers are not worth computing. */
const DIGIT_COUNT_MAX = 64;

/** Far from where numbers become inexact. */
const PLAIN_DIGITS_MAX = 9;
const ZERO = 0x30;

const INT8_MAX = 2n ** 63n - 1n;

export const int2Type: ScalarType<number> = smallIntegerType("int2", "smallint", toInt2);
export const int4Type: ScalarType<number> = smallIntegerType("int4", "integer", toInt4);

export const int8Type: ScalarType<bigint> = {
  name: "int8",
  parse: (text) => {
    const value = parseInteger("bigint", text);
    if (BigInt.asIntN(64, value) !== value) throw InvalidText.outOfRange("bigint", text);
    return value;
  },
  format: (value) => value.toString(),
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  equals: (a, b) => a === b,
};

function smallIntegerType(
  name: "int2" | "int4",
  typeName: string,
  check: (value: number) => number,
): ScalarType<number> {
  return {
    name,
    parse: (text) => {
      const value = parsePlain(text) ?? Number(parseInteger(typeName, text));
      try {
        return check(value);
      } catch {
        throw InvalidText.outOfRange(typeName, text);
      }
    },
    format: (value) => value.toString(),
    compare: (a, b) => a - b,
    equals: (a, b) => a === b,
  };
}

/**
 * As nearly everybody writes one: a sign perhaps, and up to nine digits. A shape is asked about a
 * row with its constants, so these are not matched with a pattern each time.
 */
function parsePlain(text: string): number | undefined {
  const first = text.startsWith("-") ? 1 : 0;
  const count = text.length - first;
  if (count === 0 || count > PLAIN_DIGITS_MAX) return undefined;
  let magnitude = 0;
  for (let at = first; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    magnitude = magnitude * 10 + digit;
  }
  // 0 has no sign.
  return first === 0 || magnitude === 0 ? magnitude : -magnitude;
}

function parseInteger(typeName: string, text: string): bigint {
  const match = INT.exec(text);
  if (match === null) throw new InvalidText(typeName, text);
  const digits = match[2]!.replaceAll("_", "").toLowerCase();
  const prefix = /^0[xob]/.exec(digits)?.[0] ?? "";
  const significant = digits.slice(prefix.length).replace(/^0+(?=.)/, "");
  if (significant.length > DIGIT_COUNT_MAX) throw InvalidText.outOfRange(typeName, text);
  const magnitude = BigInt(prefix + significant);
  return match[1] === "-" ? -magnitude : magnitude;
}

/** The result of an operation, given back if int2 has it. @throws {EvaluationError} */
export function toInt2(value: number): number {
  if (value < -0x8000 || value > 0x7fff) throw outOfRange("smallint");
  return value;
}

/** The same for int4. The value is exact: |value| < 2^53, or far out of range. */
export function toInt4(value: number): number {
  if (value < -0x8000_0000 || value > 0x7fff_ffff) throw outOfRange("integer");
  return value;
}

/** The same for int8. */
export function toInt8(value: bigint): bigint {
  if (value > INT8_MAX || value < -INT8_MAX - 1n) throw outOfRange("bigint");
  return value;
}

function outOfRange(typeName: string): EvaluationError {
  return new EvaluationError(`${typeName} out of range`, SQL_STATE.numericValueOutOfRange);
}
