/**
 * Order codes: the text of a value as 64 bits whose order is the order of the values, so that one
 * tree of numbers serves every type that has one.
 *
 *     int, date, time, timestamp    the literal, exact         sign bit flipped: unsigned
 *     uuid, text                    the first 8 bytes          inexact: longer values that begin
 *                                                              alike share a code
 *     decimal                       below, inexact             13 significant digits
 *
 *     decimal   ┌──────────────────────┬──────────────────────────┐   for a value above zero, added
 *               │ exponent of ten, 18  │ 13 digits, 44 bits       │   to 2^63; subtracted from it
 *               └──────────────────────┴──────────────────────────┘   for one below
 *
 *     -Infinity < numbers < Infinity < NaN, as in Postgres (manual, 8.1.2 and 8.1.3)
 *
 * An inexact code is never in the wrong order: a < b implies code(a) <= code(b). So a range of
 * codes that takes both its ends contains the code of every value in the range, and who compares
 * has to look at the value itself when the code is inexact.
 *
 * Text is ordered by its bytes, as under the collation C. No text contains a zero byte, so a text
 * is padded with them.
 *
 * Allocates nothing.
 */

import * as literal from "./literal";

export const INT: u32 = 1;
export const DATE: u32 = 2;
export const TIME: u32 = 3;
export const TIMESTAMP: u32 = 4;
export const DECIMAL: u32 = 5;
export const UUID: u32 = 6;
export const TEXT: u32 = 7;

const SIGN_BIT: u64 = 0x8000_0000_0000_0000;

/** Numbers of Postgres lie between 10^-16383 and 10^131072, floats far inside that. */
const EXPONENT_BIAS: i64 = 40_000;
const EXPONENT_SHIFT: u64 = 44;
const EXPONENT_MAX: i64 = 262_143;
const DIGITS_MAX: u32 = 13;

const MINUS: u32 = 0x2d;
const PLUS: u32 = 0x2b;
const POINT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const LETTER_E: u32 = 0x65;
const LETTER_I: u32 = 0x49;
const LETTER_N: u32 = 0x4e;

let code: u64 = 0;

/** Whether different values of a kind have different codes. */
export function isExact(order: u32): bool {
  return order <= TIMESTAMP;
}

/** Reads the code of a text, which `last` then returns. False: the text is none of this kind. */
export function read(order: u32, address: usize, size: u32): bool {
  switch (order) {
    case INT:
      return readNumber(literal.INT, address, size);
    case DATE:
      return readNumber(literal.DATE, address, size);
    case TIME:
      return readNumber(literal.TIME, address, size);
    case TIMESTAMP:
      return readNumber(literal.TIMESTAMP, address, size);
    case DECIMAL:
      return readDecimal(address, size);
    case UUID:
      if (!literal.read(literal.UUID, address, size)) return false;
      code = bswap<u64>(load<u64>(literal.lastAddress()));
      return true;
    default:
      code = firstBytes(address, size, 0);
      return true;
  }
}

export function last(): u64 {
  return code;
}

/** The least code of a text that begins with these bytes. */
export function leastWithPrefix(address: usize, size: u32): u64 {
  return firstBytes(address, size, 0);
}

/** The greatest code of a text that begins with these bytes. */
export function greatestWithPrefix(address: usize, size: u32): u64 {
  return firstBytes(address, size, 0xff);
}

function readNumber(kind: u32, address: usize, size: u32): bool {
  if (!literal.read(kind, address, size)) return false;
  code = (<u64>literal.lastInt()) ^ SIGN_BIT;
  return true;
}

/** The first eight bytes as a number, the most significant first; a short text is padded. */
function firstBytes(address: usize, size: u32, padding: u64): u64 {
  if (size >= 8) return bswap<u64>(load<u64>(address));
  let word: u64 = 0;
  for (let index: u32 = 0; index < 8; index += 1) {
    word = (word << 8) | (index < size ? <u64>load<u8>(address + <usize>index) : padding);
  }
  return word;
}

// --- Decimals ----------------------------------------------------------------------------------

let at: usize = 0;
let end: usize = 0;
/** Significant digits, at most DIGITS_MAX of them. */
let digits: u64 = 0;
let digitCount: u32 = 0;
/** Of the first significant digit: the number is 0.d1d2d3... times ten to the power of it. */
let exponent: i64 = 0;

function readDecimal(address: usize, size: u32): bool {
  if (size == 0) return false;
  at = address;
  end = address + <usize>size;
  const isNegative = <u32>load<u8>(at) == MINUS;
  if (isNegative) at += 1;
  if (at == end) return false;
  const first = <u32>load<u8>(at);
  if (first == LETTER_N) {
    code = u64.MAX_VALUE;
    return true;
  }
  if (first == LETTER_I) {
    code = isNegative ? 0 : u64.MAX_VALUE - 1;
    return true;
  }
  if (!readDigits() || !readExponent()) return false;
  if (digits == 0) {
    code = SIGN_BIT;
    return true;
  }
  while (digitCount < DIGITS_MAX) {
    digits *= 10;
    digitCount += 1;
  }
  const biased = min(max(exponent + EXPONENT_BIAS, 0), EXPONENT_MAX);
  const magnitude = ((<u64>biased) << EXPONENT_SHIFT) | digits;
  code = isNegative ? SIGN_BIT - magnitude : SIGN_BIT + magnitude;
  return true;
}

/** Reads digits with at most one point among them, up to an exponent or the end. */
function readDigits(): bool {
  digits = 0;
  digitCount = 0;
  exponent = 0;
  let hasPoint = false;
  let hasDigit = false;
  while (at < end && <u32>load<u8>(at) != LETTER_E) {
    const character = <u32>load<u8>(at);
    at += 1;
    if (character == POINT && !hasPoint) {
      hasPoint = true;
      continue;
    }
    const digit = character - ZERO;
    if (digit > 9) return false;
    hasDigit = true;
    if (digitCount == 0 && digit == 0) {
      // A zero before the first significant digit counts behind the point only.
      if (hasPoint) exponent -= 1;
      continue;
    }
    if (!hasPoint) exponent += 1;
    if (digitCount == DIGITS_MAX) continue;
    digits = digits * 10 + <u64>digit;
    digitCount += 1;
  }
  return hasDigit;
}

/** Reads `e+20`, if it is there. */
function readExponent(): bool {
  if (at == end) return true;
  at += 1;
  const isNegative = at < end && <u32>load<u8>(at) == MINUS;
  if (isNegative || (at < end && <u32>load<u8>(at) == PLUS)) at += 1;
  if (at == end || end - at > 6) return false;
  let written: i64 = 0;
  while (at < end) {
    const digit = <u32>load<u8>(at) - ZERO;
    if (digit > 9) return false;
    written = written * 10 + <i64>digit;
    at += 1;
  }
  exponent += isNegative ? -written : written;
  return true;
}
