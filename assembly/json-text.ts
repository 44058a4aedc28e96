/**
 * What lies in a JSON document under the paths of a path tree, from its text, as `#>>` of Postgres
 * has it (manual, 9.16). The document is walked once; objects that no path leads into are passed
 * over, and so are arrays: a step is the key of an object.
 *
 *     {"a": {"b": "y\n"}}       a, b  ->  y and a line feed       a  ->  {"b": "y\n"}
 *
 *     levels    ┌──────┬──────┬─ ─ ─      the nodes of the objects that are open
 *               │ root │ a    │
 *               └──────┴──────┴─ ─ ─
 *
 * A string is its characters, what is neither string nor null its text, null is NULL. An object of
 * type `json` may have a key several times: each value is found.
 *
 * A value lies in the document, or in the text buffer if it is a string with escapes. The document
 * comes from Postgres, so it is well formed; one that is not ends early.
 *
 * Takes time in proportion to the document, and to what is found in it: an object is read once as
 * the text of a value and once more for the paths that go on in it, so once per step of a path.
 *
 * Allocates nothing.
 */

import * as jsonString from "./json-string";
import * as pathTree from "./path-tree";

const SPACE: u32 = 0x20;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const BACKSLASH: u32 = 0x5c;
const OPEN_ARRAY: u32 = 0x5b;
const CLOSE_ARRAY: u32 = 0x5d;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;
const LETTER_N: u32 = 0x6e;

const levels: usize = memory.data(128, 4);
if (pathTree.DEPTH_MAX * 4 != 128) ERROR("a level for every step");

let at: usize = 0;
let end: usize = 0;
let depth: u32 = 0;
let valueAddress: usize = 0;
let valueSize: u32 = 0;
let isValueNull: bool = false;
let isValueTooLong: bool = false;

/** Begins with a document, for the paths from this node on. */
export function open(address: usize, size: u32, root: u32): void {
  at = address;
  end = address + <usize>size;
  depth = 0;
  skipSpace();
  enter(root);
}

/** Goes on to the next value at which a path ends. Returns its node, `pathTree.NONE` at the end. */
export function next(): u32 {
  while (depth != 0) {
    skipSpace();
    if (peek() == COMMA) {
      at += 1;
      continue;
    }
    if (peek() != QUOTE) {
      at = min(at + 1, end);
      depth -= 1;
      continue;
    }
    const node = childAtKey();
    skipSpace();
    if (node == pathTree.NONE) {
      skipValue();
    } else if (pathTree.accessOf(node) != 0) {
      readValue(node);
      return node;
    } else if (!enter(node)) {
      skipValue();
    }
  }
  return pathTree.NONE;
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

/** Goes into the value that begins here, if it is an object and a path goes on in it. */
function enter(node: u32): bool {
  if (peek() != OPEN_OBJECT || !pathTree.hasChildren(node)) return false;
  at += 1;
  store<u32>(levels + ((<usize>depth) << 2), node);
  depth += 1;
  return true;
}

/** Passes over a key and its colon. Returns the node to which it leads, NONE if to none. */
function childAtKey(): u32 {
  const parent = load<u32>(levels + ((<usize>(depth - 1)) << 2));
  const key = at + 1;
  const hasEscape = skipString();
  const size = <u32>(at - 1 - key);
  skipSpace();
  if (peek() == COLON) at += 1;
  if (!hasEscape) return pathTree.child(parent, key, size);
  // What does not fit in the buffer is no key that is looked for.
  if (!jsonString.read(key, size)) return pathTree.NONE;
  return pathTree.child(parent, jsonString.lastAddress(), jsonString.lastSize());
}

/** Reads the value that begins here, and stays in it if a path goes on there. */
function readValue(node: u32): void {
  const start = at;
  const first = peek();
  const hasEscape = first == QUOTE ? skipString() : false;
  if (first != QUOTE) skipValue();
  isValueNull = first == LETTER_N;
  isValueTooLong = false;
  valueAddress = start;
  valueSize = <u32>(at - start);
  if (first == OPEN_OBJECT) {
    const after = at;
    at = start;
    if (!enter(node)) at = after;
  } else if (first == QUOTE) {
    valueAddress += 1;
    valueSize = max(valueSize, 2) - 2; // It may be cut.
    if (hasEscape) readEscaped();
  }
}

function readEscaped(): void {
  isValueTooLong = !jsonString.read(valueAddress, valueSize);
  valueAddress = jsonString.lastAddress();
  valueSize = jsonString.lastSize();
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
