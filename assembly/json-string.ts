/**
 * Strings of JSON without their escapes, as bytes of UTF-8 (RFC 8259, section 7). `read` writes one
 * to the text buffer.
 *
 * `\ud83d\ude00` is one character in two escapes. Half of such a pair alone is none, and Postgres
 * lets none pass; it is written as the three bytes that it would have.
 *
 * Allocates nothing.
 */

import * as textBuffer from "./text-buffer";

const BACKSLASH: u32 = 0x5c;
const ZERO: u32 = 0x30;
const LETTER_A: u32 = 0x61;
const LETTER_B: u32 = 0x62;
const LETTER_F: u32 = 0x66;
const LETTER_N: u32 = 0x6e;
const LETTER_R: u32 = 0x72;
const LETTER_T: u32 = 0x74;
const LETTER_U: u32 = 0x75;
const LOWER_CASE: u32 = 0x20;

const HIGH_SURROGATE: u32 = 0xd800;
const LOW_SURROGATE: u32 = 0xdc00;

/** A character takes at most so many bytes. */
const CHARACTER_SIZE_MAX: usize = 4;

let at: usize = 0;
let end: usize = 0;
let to: usize = 0;

/** Reads what stands between the quotes. False: it is longer than the buffer. */
export function read(address: usize, size: u32): bool {
  at = address;
  end = address + <usize>size;
  to = textBuffer.address();
  const limit = textBuffer.limit();
  while (at < end) {
    const byte = <u32>load<u8>(at);
    at += 1;
    if (byte != BACKSLASH) {
      if (to == limit) return false;
      store<u8>(to, <u8>byte);
      to += 1;
      continue;
    }
    // The longest text that matters may end with this character: then there is room for it.
    if (limit - to < CHARACTER_SIZE_MAX && limit - to < sizeOf(peekCharacter())) return false;
    write(readCharacter());
  }
  return true;
}

export function lastAddress(): usize {
  return textBuffer.address();
}

/** Of what was read. */
export function lastSize(): u32 {
  return <u32>(to - textBuffer.address());
}

function peekCharacter(): u32 {
  const before = at;
  const character = readCharacter();
  at = before;
  return character;
}

/** Reads the escape whose backslash was passed. */
function readCharacter(): u32 {
  if (at == end) return BACKSLASH;
  const letter = <u32>load<u8>(at);
  at += 1;
  switch (letter) {
    case LETTER_B:
      return 8;
    case LETTER_F:
      return 12;
    case LETTER_N:
      return 10;
    case LETTER_R:
      return 13;
    case LETTER_T:
      return 9;
    case LETTER_U:
      return readUnit();
    default:
      return letter; // Quote, backslash and slash stand for themselves.
  }
}

/** Reads four hexadecimal digits and, of a pair, the other escape too. */
function readUnit(): u32 {
  const high = readHexadecimal();
  if ((high & 0xfc00) != HIGH_SURROGATE || end - at < 6) return high;
  if (<u32>load<u8>(at) != BACKSLASH || <u32>load<u8>(at + 1) != LETTER_U) return high;
  const before = at;
  at += 2;
  const low = readHexadecimal();
  if ((low & 0xfc00) == LOW_SURROGATE) {
    return 0x10000 + ((high - HIGH_SURROGATE) << 10) + (low - LOW_SURROGATE);
  }
  at = before;
  return high;
}

function readHexadecimal(): u32 {
  let unit: u32 = 0;
  for (let count: u32 = 0; count < 4 && at < end; count += 1) {
    const character = <u32>load<u8>(at);
    const digit = character - ZERO;
    unit = (unit << 4) | (digit <= 9 ? digit : ((character | LOWER_CASE) - LETTER_A + 10) & 15);
    at += 1;
  }
  return unit;
}

function sizeOf(character: u32): usize {
  if (character < 0x80) return 1;
  if (character < 0x800) return 2;
  return character < 0x10000 ? 3 : 4;
}

function write(character: u32): void {
  if (character < 0x80) {
    store<u8>(to, <u8>character);
    to += 1;
    return;
  }
  const size = sizeOf(character);
  const lead: u32 = size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0;
  let rest = character;
  for (let index = size - 1; index > 0; index -= 1) {
    store<u8>(to + index, <u8>(0x80 | (rest & 0x3f)));
    rest >>= 6;
  }
  store<u8>(to, <u8>(lead | rest));
  to += size;
}
