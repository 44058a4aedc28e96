/**
 * Literals: the text of a value, read as the kind that a term compares. Two values of one type are
 * equal if and only if their literals are.
 *
 *     int        `-?[0-9]+` within 64 bits -> i64        so that a constant takes eight bytes
 *     timestamp  ISO text -> microseconds                and needs no store
 *     date       ISO text -> days
 *     time       ISO text -> microseconds
 *     uuid       36 characters, lower case -> 16 bytes   less than half
 *     text       the bytes themselves
 *     decimal    the bytes without what does not count: `1.50` and `1.5`, `-0` and `0`
 *     padded     the bytes without the spaces at the end
 *
 * Postgres writes each value of a type in one way only but for the digits after a numeric's last
 * (its scale is kept), the sign of a float's zero and the padding of bpchar. So the literal of a
 * decimal or of a padded text is a part of its text, and nothing has to be written to read it.
 *
 * A text that is no literal of its kind, or a number beyond 64 bits, is equal to no constant.
 *
 * Allocates nothing. A literal is valid until the next one is read.
 */

import * as temporal from "./temporal-text";

export const INT: u32 = 1;
export const UUID: u32 = 2;
export const TEXT: u32 = 3;
export const DECIMAL: u32 = 4;
export const PADDED: u32 = 5;
export const TIMESTAMP: u32 = 6;
export const DATE: u32 = 7;
export const TIME: u32 = 8;

export const UUID_TEXT_SIZE: u32 = 36;
export const UUID_SIZE: u32 = 16;

const INT_TEXT_SIZE_MAX: u32 = 20;
const MINUS: u32 = 0x2d;
const ZERO: u32 = 0x30;
const HYPHEN: u32 = 0x2d;
const POINT: u32 = 0x2e;
const SPACE: u32 = 0x20;
const LETTER_E: u32 = 0x65;

/** The uuid that `read` has read. */
const uuid: usize = memory.data(16, 8);

let integer: i64 = 0;
let textAddress: usize = 0;
let textSize: u32 = 0;

/** Whether literals of a kind are numbers of 64 bits; the others are bytes. */
export function isNumber(kind: u32): bool {
  return kind == INT || kind >= TIMESTAMP;
}

/**
 * Reads a literal: `lastInt` returns it if it is a number, `lastAddress` and `lastSize` say where
 * its bytes are otherwise. False: the text is none of this kind.
 */
export function read(kind: u32, address: usize, size: u32): bool {
  textAddress = address;
  textSize = size;
  switch (kind) {
    case INT:
      return readInt(address, size);
    case UUID:
      textAddress = uuid;
      textSize = UUID_SIZE;
      return readUuid(address, size, uuid);
    case TEXT:
      return true;
    case DECIMAL:
      trimDecimal();
      return size != 0;
    case PADDED:
      while (textSize != 0 && byteAt(textSize - 1) == SPACE) textSize -= 1;
      return true;
    case TIMESTAMP:
      if (!temporal.readTimestamp(address, size)) return false;
      break;
    case DATE:
      if (!temporal.readDate(address, size)) return false;
      break;
    default:
      if (!temporal.readTime(address, size)) return false;
  }
  integer = temporal.lastValue();
  return true;
}

export function lastInt(): i64 {
  return integer;
}

export function lastAddress(): usize {
  return textAddress;
}

export function lastSize(): u32 {
  return textSize;
}

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

/** The most bytes that `writeInt` and `writeUuid` write. */
export const TEXT_SIZE_MAX: u32 = 36;

/** Writes an integer as Postgres does, and returns its size. */
export function writeInt(value: i64, target: usize): u32 {
  let magnitude = value < 0 ? 0 - <u64>value : <u64>value;
  let size: u32 = value < 0 ? 2 : 1;
  for (let power: u64 = 10; magnitude >= power; power *= 10) size += 1;
  if (value < 0) store<u8>(target, <u8>MINUS);
  let at = target + <usize>size;
  while (magnitude > <u64>u32.MAX_VALUE) {
    at -= 1;
    store<u8>(at, <u8>(ZERO + <u32>(magnitude % 10)));
    magnitude /= 10;
  }
  // Division of 32 bits by a constant is a multiplication.
  let rest = <u32>magnitude;
  do {
    at -= 1;
    store<u8>(at, <u8>(ZERO + (rest % 10)));
    rest /= 10;
  } while (rest != 0);
  return size;
}

/** Writes 16 bytes as a uuid, 8-4-4-4-12 digits, and returns its size. */
export function writeUuid(bytes: usize, target: usize): u32 {
  const second = digitsOf(load<u32>(bytes, 4));
  const third = digitsOf(load<u32>(bytes, 8));
  store<u64>(target, digitsOf(load<u32>(bytes)));
  store<u8>(target, <u8>HYPHEN, 8);
  store<u32>(target, <u32>second, 9);
  store<u8>(target, <u8>HYPHEN, 13);
  store<u32>(target, <u32>(second >> 32), 14);
  store<u8>(target, <u8>HYPHEN, 18);
  store<u32>(target, <u32>third, 19);
  store<u8>(target, <u8>HYPHEN, 23);
  store<u32>(target, <u32>(third >> 32), 24);
  store<u64>(target, digitsOf(load<u32>(bytes, 12)), 28);
  return UUID_TEXT_SIZE;
}

/** The hexadecimal digits of four bytes, as the eight bytes of their text. */
function digitsOf(bytes: u32): u64 {
  let digits = <u64>bytes;
  digits = (digits | (digits << 16)) & 0x0000ffff0000ffff;
  digits = (digits | (digits << 8)) & 0x00ff00ff00ff00ff;
  digits = ((digits >> 4) | (digits << 8)) & 0x0f0f0f0f0f0f0f0f;
  // Ten and more, and no other, reach 16 with 6 more; letters come 39 after the character for 10.
  const areLetters = ((digits + 0x0606060606060606) >> 4) & 0x0101010101010101;
  return digits + 0x3030303030303030 + areLetters * 39;
}

/**
 * Leaves out the zeros that end the digits after a point, a point that ends the text then, and the
 * sign of a zero. With an exponent there is nothing to leave out: floats have no such zeros.
 */
function trimDecimal(): void {
  let point = textSize;
  for (let index: u32 = 0; index < textSize; index += 1) {
    const byte = byteAt(index);
    if (byte == LETTER_E) return;
    if (byte == POINT) point = index;
  }
  if (point < textSize) {
    while (byteAt(textSize - 1) == ZERO) textSize -= 1;
    if (textSize == point + 1) textSize = point;
  }
  if (textSize == 2 && byteAt(0) == MINUS && byteAt(1) == ZERO) {
    textAddress += 1;
    textSize = 1;
  }
}

function byteAt(index: u32): u32 {
  return load<u8>(textAddress + <usize>index);
}

/** 0 .. 15, or more for what is no lower-case hexadecimal digit. */
function hexDigit(character: u32): u32 {
  const digit = character - ZERO;
  if (digit <= 9) return digit;
  const letter = character - 0x61;
  return letter <= 5 ? letter + 10 : 16;
}
