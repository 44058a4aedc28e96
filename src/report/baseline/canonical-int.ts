/** Integers as Postgres writes them, read from bytes: no string is made of a usual one. */

const MINUS = 0x2d;
const ZERO = 0x30;
/** Any integer of so many digits is exact as a number. */
const EXACT_DIGITS_MAX = 15;
const USUAL_INT = /^(?:0|-?[1-9][0-9]{0,17})$/;
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;

/** NaN for what is no integer or may not be exact as a number. */
export function parseShortInt(bytes: Uint8Array, start: number, size: number): number {
  const isNegative = bytes[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  const end = start + size;
  if (first === end || end - first > EXACT_DIGITS_MAX) return NaN;
  let value = 0;
  for (let index = first; index < end; index += 1) {
    const digit = bytes[index]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return isNegative && value !== 0 ? -value : value;
}

/** The shortest text of the integer, undefined for what is none or exceeds 64 bits. */
export function canonicalInt(text: string): string | undefined {
  if (USUAL_INT.test(text)) return text;
  if (!/^-?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text);
  return value >= I64_MIN && value <= I64_MAX ? value.toString() : undefined;
}

/** Whether the bytes are an integer's shortest text already, of at most 18 digits. */
export function isCanonicalInt(bytes: Uint8Array, start: number, size: number): boolean {
  const first = bytes[start] === MINUS ? start + 1 : start;
  const end = start + size;
  if (first === end || end - first > 18) return false;
  if (bytes[first] === ZERO) return size === 1;
  for (let index = first; index < end; index += 1) {
    const digit = bytes[index]! - ZERO;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}
