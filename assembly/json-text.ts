/**
 * What lies at a path of a JSON document, from its text, as `#>>` of Postgres has it (manual,
 * 9.16): a step is the key of an object or, where the value is an array, an index of it, from its
 * end if negative.
 *
 *     {"a": {"b": ["x", "y\n"]}}      a, b, 1  ->  y and a line feed
 *
 * A string is its characters, what is neither string nor null its text, null is NULL. An object of
 * type `json` may have a key several times: `find` is asked for the first value, the second, ...
 *
 * A value lies in the document, or in the text buffer if it is a string with escapes. The document
 * comes from Postgres, so it is well formed; one that is not ends early.
 *
 * Allocates nothing.
 */

import * as jsonString from "./json-string";

const SPACE: u32 = 0x20;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const MINUS: u32 = 0x2d;
const ZERO: u32 = 0x30;
const BACKSLASH: u32 = 0x5c;
const OPEN_ARRAY: u32 = 0x5b;
const CLOSE_ARRAY: u32 = 0x5d;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;
const LETTER_N: u32 = 0x6e;

/** What a step is if it is no index. */
const NO_INDEX: i32 = i32.MAX_VALUE;

let at: usize = 0;
let end: usize = 0;
/** How many values at the path to pass over. */
let left: u32 = 0;
let valueAddress: usize = 0;
let valueSize: u32 = 0;
let isValueNull: bool = false;
let isValueTooLong: bool = false;

/**
 * Finds the value at a path, or another one at the same if `ordinal` is not 0. The path is steps of
 * (u32 size, bytes). False: there are no more.
 */
export function find(address: usize, size: u32, path: usize, stepCount: u32, ordinal: u32): bool {
  at = address;
  end = address + <usize>size;
  left = ordinal;
  return descend(path, stepCount);
}

/** Whether the value is JSON's null; then it has no text. */
export function isNull(): bool {
  return isValueNull;
}

/** Whether the value is longer than whatever it may be equal to; then it has no text. */
export function isTooLong(): bool {
  return isValueTooLong;
}

export function lastAddress(): usize {
  return valueAddress;
}

export function lastSize(): u32 {
  return valueSize;
}

/** Looks in the value that begins here, and ends behind it if it finds nothing. */
function descend(step: usize, stepCount: u32): bool {
  skipSpace();
  if (stepCount == 0) return reach();
  const opening = peek();
  if (opening == OPEN_OBJECT) return descendObject(step, stepCount);
  if (opening == OPEN_ARRAY) return descendArray(step, stepCount);
  skipValue();
  return false;
}

function descendObject(step: usize, stepCount: u32): bool {
  at += 1;
  while (true) {
    skipSpace();
    if (peek() == COMMA) {
      at += 1;
      skipSpace();
    }
    if (peek() != QUOTE) break;
    const key = at + 1;
    const hasEscape = skipString();
    const keySize = <u32>(at - 1 - key);
    skipSpace();
    if (peek() == COLON) at += 1;
    if (jsonString.isSame(key, keySize, hasEscape, step + 4, load<u32>(step))) {
      if (descend(step + 4 + <usize>load<u32>(step), stepCount - 1)) return true;
    } else {
      skipSpace();
      skipValue();
    }
  }
  at = min(at + 1, end);
  return false;
}

function descendArray(step: usize, stepCount: u32): bool {
  let index = indexOf(step);
  if (index < 0) index += countElements();
  if (index < 0 || index == NO_INDEX) {
    skipValue();
    return false;
  }
  at += 1;
  while (true) {
    skipSpace();
    if (peek() == COMMA) {
      at += 1;
      skipSpace();
    }
    if (at >= end || peek() == CLOSE_ARRAY) break;
    if (index == 0) {
      if (descend(step + 4 + <usize>load<u32>(step), stepCount - 1)) return true;
    } else {
      skipValue();
    }
    index -= 1;
  }
  at = min(at + 1, end);
  return false;
}

/** The path ends here. */
function reach(): bool {
  const start = at;
  const first = peek();
  const hasEscape = first == QUOTE ? skipString() : false;
  if (first != QUOTE) skipValue();
  if (left != 0) {
    left -= 1;
    return false;
  }
  isValueNull = first == LETTER_N;
  isValueTooLong = false;
  valueAddress = start;
  valueSize = <u32>(at - start);
  if (first != QUOTE) return start < end;
  valueAddress += 1;
  valueSize -= 2;
  if (!hasEscape) return true;
  isValueTooLong = !jsonString.read(valueAddress, valueSize);
  valueAddress = jsonString.lastAddress();
  valueSize = jsonString.lastSize();
  return true;
}

/** How many elements the array has that begins here. */
function countElements(): i32 {
  const start = at;
  let count: i32 = 0;
  at += 1;
  while (true) {
    skipSpace();
    if (peek() == COMMA) {
      at += 1;
      skipSpace();
    }
    if (at >= end || peek() == CLOSE_ARRAY) break;
    skipValue();
    count += 1;
  }
  at = start;
  return count;
}

/** The index that a step is, NO_INDEX if it is none. */
function indexOf(step: usize): i32 {
  const size = load<u32>(step);
  const isNegative = size != 0 && <u32>load<u8>(step + 4) == MINUS;
  let index: i32 = 0;
  let position: u32 = isNegative ? 1 : 0;
  // Nine digits stay within 32 bits; no array of Postgres has more elements.
  if (position == size || size - position > 9) return NO_INDEX;
  while (position < size) {
    const digit = <u32>load<u8>(step + 4 + <usize>position) - ZERO;
    if (digit > 9) return NO_INDEX;
    index = index * 10 + <i32>digit;
    position += 1;
  }
  return isNegative ? -index : index;
}

// --- Passing over ------------------------------------------------------------------------------

/** The byte that comes next, 0 at the end. */
function peek(): u32 {
  return at < end ? <u32>load<u8>(at) : 0;
}

function skipSpace(): void {
  while (at < end && <u32>load<u8>(at) <= SPACE) at += 1;
}

/** Passes over the string that begins here. Returns whether it has escapes. */
function skipString(): bool {
  let hasEscape = false;
  at += 1;
  while (at < end) {
    const character = <u32>load<u8>(at);
    at += 1;
    if (character == QUOTE) return hasEscape;
    if (character == BACKSLASH) {
      hasEscape = true;
      if (at < end) at += 1;
    }
  }
  return hasEscape;
}

/** Passes over the value that begins here; over one byte at least. */
function skipValue(): void {
  let depth: u32 = 0;
  while (at < end) {
    const character = <u32>load<u8>(at);
    if (character == QUOTE) {
      skipString();
    } else if (character == OPEN_OBJECT || character == OPEN_ARRAY) {
      depth += 1;
      at += 1;
    } else if (character == CLOSE_OBJECT || character == CLOSE_ARRAY) {
      at += 1;
      if (depth <= 1) return;
      depth -= 1;
    } else if (depth == 0) {
      skipScalar();
    } else {
      at += 1;
    }
    if (depth == 0) return;
  }
}

/** Passes over a number or a word. */
function skipScalar(): void {
  at += 1;
  while (at < end) {
    const character = <u32>load<u8>(at);
    if (character <= SPACE || character == COMMA) return;
    if (character == CLOSE_OBJECT || character == CLOSE_ARRAY) return;
    at += 1;
  }
}
