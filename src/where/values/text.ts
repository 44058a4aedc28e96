/**
 * The character types (manual, section 8.3). A string's length is counted in characters, which are
 * code points, and its order is that of its UTF-8 bytes: the order of the collation "C". That is
 * not the order of JavaScript, which compares halves of surrogate pairs.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";

/** Bytes of a name, `NAMEDATALEN` less the terminator. */
const NAME_BYTES_MAX = 63;

export const textType: ScalarType<string> = characterType("text", checkText);

/** Without its length, which only an assignment or a cast enforces. */
export const varcharType: ScalarType<string> = characterType("varchar", checkText);

/** Cut, without complaint, at the last character that fits. */
export const nameType: ScalarType<string> = characterType("name", (text) =>
  truncateName(checkText(text)),
);

/** Trailing spaces do not count in comparisons. */
export const bpcharType: ScalarType<string> = {
  name: "bpchar",
  parse: checkText,
  format: (value) => value,
  compare: (a, b) => compareCodePoints(trimPadding(a), trimPadding(b)),
  equals: (a, b) => trimPadding(a) === trimPadding(b),
};

function characterType(
  name: "text" | "varchar" | "name",
  parse: (text: string) => string,
): ScalarType<string> {
  return {
    name,
    parse,
    format: (value) => value,
    compare: compareCodePoints,
    equals: (a, b) => a === b,
  };
}

/** Postgres has no text with a null character, nor with half of a surrogate pair. */
function checkText(text: string): string {
  if (text.includes("\0") || /\p{Surrogate}/u.test(text)) {
    throw new EvaluationError(
      'invalid byte sequence for encoding "UTF8"',
      SQL_STATE.characterNotInRepertoire,
    );
  }
  return text;
}

/** The order of the UTF-8 bytes, which is that of the code points. */
export function compareCodePoints(a: string, b: string): number {
  const size = Math.min(a.length, b.length);
  for (let index = 0; index < size; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rankOfUnit(left) - rankOfUnit(right);
  }
  return a.length - b.length;
}

/** Moves surrogates, which stand for the highest code points, above U+E000 to U+FFFF. */
function rankOfUnit(unit: number): number {
  return isSurrogate(unit) ? unit + 0x10000 : unit;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000;
}

/** A bpchar without the spaces that padded it; other white space is kept. */
export function trimPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--;
  return text.slice(0, end);
}

export function truncateName(text: string): string {
  // A character has at most three bytes per UTF-16 unit.
  if (text.length * 3 <= NAME_BYTES_MAX) return text;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= NAME_BYTES_MAX) return text;
  let end = NAME_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** The number of characters. */
export function countCharacters(text: string): number {
  if (!hasSurrogates(text)) return text.length;
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    if (!isLowSurrogate(text.charCodeAt(index))) count++;
  }
  return count;
}

/** Where the character with this number, from 0, begins; the length when there is none. */
export function indexOfCharacter(text: string, number: number): number {
  if (number <= 0) return 0;
  if (!hasSurrogates(text)) return Math.min(number, text.length);
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    if (isLowSurrogate(text.charCodeAt(index))) continue;
    if (count === number) return index;
    count++;
  }
  return text.length;
}

/** Characters `start` to `end`, both from 0, without the last. */
export function sliceCharacters(text: string, start: number, end = Infinity): string {
  return text.slice(indexOfCharacter(text, start), indexOfCharacter(text, end));
}

export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}
