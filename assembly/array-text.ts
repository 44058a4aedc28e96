/**
 * The elements of an array, from its text (Postgres manual, 8.15.6), in order and whatever its
 * dimensions:
 *
 *     {1,NULL,"a b","say \"x\""}      {{1,2},{3,4}}      [0:1]={5,6}
 *
 * An element lies in the text itself, or in the text buffer if it has escapes. There is one
 * iteration at a time; an element is valid until the next one.
 *
 * Allocates nothing.
 */

import * as textBuffer from "./text-buffer";

const OPEN: u32 = 0x7b;
const CLOSE: u32 = 0x7d;
const COMMA: u32 = 0x2c;
const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const EQUALS: u32 = 0x3d;
const LOWER_CASE: u32 = 0x20202020;
/** `null` as a word. */
const NULL_WORD: u32 = 0x6c6c756e;

let at: usize = 0;
let end: usize = 0;
let elementAddress: usize = 0;
let elementSize: u32 = 0;
let isElementNull: bool = false;
let isElementTooLong: bool = false;

/** Begins an iteration. False: the text is no array. */
export function open(address: usize, size: u32): bool {
  at = address;
  end = address + <usize>size;
  if (at < end && <u32>load<u8>(at) != OPEN) {
    // Bounds that do not begin with 1 stand before the braces.
    while (at < end && <u32>load<u8>(at) != EQUALS) at += 1;
    at += 1;
  }
  return at < end && <u32>load<u8>(at) == OPEN;
}

/** Goes to the next element. False: there is none. */
export function next(): bool {
  while (at < end) {
    const character = <u32>load<u8>(at);
    if (character != OPEN && character != CLOSE && character != COMMA) break;
    at += 1;
  }
  if (at >= end) return false;
  isElementNull = false;
  isElementTooLong = false;
  if (<u32>load<u8>(at) == QUOTE) readQuoted();
  else readPlain();
  return true;
}

/** Whether the element is NULL; then it has no text. */
export function isNull(): bool {
  return isElementNull;
}

/** Whether the element is longer than whatever it may be equal to; then it has no text. */
export function isTooLong(): bool {
  return isElementTooLong;
}

export function lastAddress(): usize {
  return elementAddress;
}

export function lastSize(): u32 {
  return elementSize;
}

function readPlain(): void {
  elementAddress = at;
  while (at < end) {
    const character = <u32>load<u8>(at);
    if (character == COMMA || character == CLOSE) break;
    at += 1;
  }
  elementSize = <u32>(at - elementAddress);
  // Only quoted, it would be a text.
  isElementNull = elementSize == 4 && (load<u32>(elementAddress) | LOWER_CASE) == NULL_WORD;
}

function readQuoted(): void {
  at += 1;
  elementAddress = at;
  while (at < end) {
    const character = <u32>load<u8>(at);
    if (character == BACKSLASH) {
      readEscaped();
      return;
    }
    if (character == QUOTE) break;
    at += 1;
  }
  elementSize = <u32>(at - elementAddress);
  at += 1;
}

/** Goes on at the first escape of a quoted element: its bytes are written to the buffer. */
function readEscaped(): void {
  const target = textBuffer.address();
  const room = <usize>(textBuffer.limit() - target);
  const before = at - elementAddress;
  isElementTooLong = before > room;
  if (!isElementTooLong) memory.copy(target, elementAddress, before);
  let to = target + before;
  while (at < end) {
    let character = <u32>load<u8>(at);
    if (character == QUOTE) break;
    if (character == BACKSLASH) {
      at += 1;
      if (at == end) break;
      character = <u32>load<u8>(at);
    }
    at += 1;
    if (isElementTooLong || to == target + room) {
      isElementTooLong = true;
      continue;
    }
    store<u8>(to, <u8>character);
    to += 1;
  }
  at += 1;
  elementAddress = target;
  elementSize = isElementTooLong ? 0 : <u32>(to - target);
}
