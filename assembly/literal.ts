/**
 * Literals: the text of a value, read as the kind that a term compares.
 *
 *     int    `-?[0-9]+` within 64 bits -> i64, so that a constant takes eight bytes and no store
 *     uuid   36 characters, lower case -> 16 bytes, less than half
 *     text   the bytes themselves
 *
 * Postgres writes each value in one way only, so equal values have equal literals. A text that is
 * no literal of its kind, or a number beyond 64 bits, is equal to no constant.
 *
 * Allocates nothing.
 */

export const INT: u32 = 1;
export const UUID: u32 = 2;
export const TEXT: u32 = 3;

export const UUID_TEXT_SIZE: u32 = 36;
export const UUID_SIZE: u32 = 16;

const INT_TEXT_SIZE_MAX: u32 = 20;
const MINUS: u32 = 0x2d;
const ZERO: u32 = 0x30;
const HYPHEN: u32 = 0x2d;

let integer: i64 = 0;

/** Reads an integer, which `lastInt` then returns. False: it is none, or has over 64 bits. */
export function readInt(address: usize, size: u32): bool {
  const isNegative = size != 0 && <u32>load<u8>(address) == MINUS;
  const first = address + (isNegative ? 1 : 0);
  const end = address + <usize>size;
  if (first == end || size > INT_TEXT_SIZE_MAX) return false;

  // 20 digits may exceed even u64. Postgres writes no leading zeros, so 19 are enough.
  if (end - first > 19) return false;
  let magnitude: u64 = 0;
  for (let at = first; at < end; at += 1) {
    const digit = <u32>load<u8>(at) - ZERO;
    if (digit > 9) return false;
    magnitude = magnitude * 10 + <u64>digit;
  }
  if (magnitude > <u64>i64.MAX_VALUE + (isNegative ? 1 : 0)) return false;
  integer = isNegative ? <i64>(0 - magnitude) : <i64>magnitude;
  return true;
}

export function lastInt(): i64 {
  return integer;
}

/** Writes the 16 bytes of a uuid to `target`. False: the text is none in canonical form. */
export function readUuid(address: usize, size: u32, target: usize): bool {
  if (size != UUID_TEXT_SIZE) return false;
  let at = address;
  for (let index: u32 = 0; index < UUID_SIZE; index += 1) {
    // 8-4-4-4-12 digits: hyphens stand before bytes 4, 6, 8 and 10.
    if (index == 4 || index == 6 || index == 8 || index == 10) {
      if (<u32>load<u8>(at) != HYPHEN) return false;
      at += 1;
    }
    const high = hexDigit(load<u8>(at));
    const low = hexDigit(load<u8>(at + 1));
    if ((high | low) > 15) return false;
    store<u8>(target + <usize>index, <u8>((high << 4) | low));
    at += 2;
  }
  return true;
}

/** 0 .. 15, or more for what is no lower-case hexadecimal digit. */
function hexDigit(character: u32): u32 {
  const digit = character - ZERO;
  if (digit <= 9) return digit;
  const letter = character - 0x61;
  return letter <= 5 ? letter + 10 : 16;
}
