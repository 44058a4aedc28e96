/**
 * Functions of text (manual, section 9.4). Positions and lengths are counted in characters, which
 * are code points; only `octet_length` counts bytes.
 *
 * A result that a few characters of SQL could make as large as they like is bounded, lower than in
 * Postgres: what is larger is an error there or a value that no row should have.
 */

import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import {
  countCharacters,
  indexOfCharacter,
  sliceCharacters,
  trimPadding,
  truncateName,
} from "../values/text.ts";
import { binary, cast, fn, make, type Operation } from "./operation.ts";

/** In UTF-16 units. */
const RESULT_LENGTH_MAX = 2 ** 20;
/** Functions that compare parts of texts do so byte by byte. */
const BYTEWISE = { collation: "equality" } as const;

export const TEXT_OPERATIONS: readonly Operation[] = [
  ...lengths(),
  ...parts(),
  ...searches(),
  ...trims(),
  ...cases(),
  binary("||", "text", "text", "text", (a, b) => checkLength(a.length + b.length, () => a + b)),
  fn("repeat", ["text", "int4"], "text", (text, count) => {
    const times = Math.max(count, 0);
    return checkLength(text.length * times, () => text.repeat(times));
  }),
  fn("reverse", ["text"], "text", (text) => Array.from(text).reverse().join("")),
  fn("lpad", ["text", "int4"], "text", (text, size) => padding(text, size, " ") + cut(text, size)),
  fn("lpad", ["text", "int4", "text"], "text", (text, size, fill) => {
    return padding(text, size, fill) + cut(text, size);
  }),
  fn("rpad", ["text", "int4"], "text", (text, size) => cut(text, size) + padding(text, size, " ")),
  fn("rpad", ["text", "int4", "text"], "text", (text, size, fill) => {
    return cut(text, size) + padding(text, size, fill);
  }),
  fn("replace", ["text", "text", "text"], "text", replace, BYTEWISE),
  fn("translate", ["text", "text", "text"], "text", translate),
  fn("ascii", ["text"], "int4", (text) => text.codePointAt(0) ?? 0),
];

/** Between the character types; most change nothing but the name. */
export const TEXT_CASTS: readonly Operation[] = [
  cast("text", "varchar", "implicit", (text) => text),
  cast("text", "bpchar", "implicit", (text) => text),
  cast("text", "name", "implicit", truncateName),
  cast("varchar", "text", "implicit", (text) => text),
  cast("varchar", "bpchar", "implicit", (text) => text),
  cast("varchar", "name", "implicit", truncateName),
  cast("bpchar", "text", "implicit", trimPadding),
  cast("bpchar", "varchar", "implicit", trimPadding),
  cast("bpchar", "name", "implicit", (text) => truncateName(trimPadding(text))),
  cast("name", "text", "implicit", (text) => text),
  cast("name", "varchar", "assignment", (text) => text),
  cast("name", "bpchar", "assignment", (text) => text),
];

export const BYTEA_OPERATIONS: readonly Operation[] = [
  binary("||", "bytea", "bytea", "bytea", (a, b) => Buffer.concat([a, b])),
  fn("length", ["bytea"], "int4", (bytes) => bytes.length),
  fn("octet_length", ["bytea"], "int4", (bytes) => bytes.length),
  fn("bit_length", ["bytea"], "int4", (bytes) => bytes.length * 8),
];

function lengths(): Operation[] {
  const byteLength = (text: string) => Buffer.byteLength(text, "utf8");
  return [
    ...["length", "char_length", "character_length"].flatMap((name) => [
      fn(name, ["text"], "int4", countCharacters),
      fn(name, ["bpchar"], "int4", (text) => countCharacters(trimPadding(text))),
    ]),
    fn("octet_length", ["text"], "int4", byteLength),
    fn("octet_length", ["bpchar"], "int4", byteLength),
    fn("bit_length", ["text"], "int4", (text) => byteLength(text) * 8),
  ];
}

function parts(): Operation[] {
  return [
    ...["substring", "substr"].flatMap((name) => [
      fn(name, ["text", "int4"], "text", (text, start) => sliceCharacters(text, start - 1)),
      fn(name, ["text", "int4", "int4"], "text", substring),
    ]),
    fn("left", ["text", "int4"], "text", (text, count) => {
      return sliceCharacters(text, 0, count < 0 ? countCharacters(text) + count : count);
    }),
    fn("right", ["text", "int4"], "text", (text, count) => {
      // Postgres negates in 32 bits, where the lowest number stays as it is.
      return sliceCharacters(text, count < 0 ? -count | 0 : countCharacters(text) - count);
    }),
    fn("split_part", ["text", "text", "int4"], "text", splitPart, BYTEWISE),
  ];
}

/** From `start` on, counted from 1, which may lie before the text; the length counts from there. */
function substring(text: string, start: number, length: number): string {
  if (length < 0) {
    throw new EvaluationError("negative substring length not allowed", SQL_STATE.substringError);
  }
  return sliceCharacters(text, start - 1, start - 1 + length);
}

/** The nth field from the left, or from the right if n is negative; empty when there is none. */
function splitPart(text: string, separator: string, number: number): string {
  if (number === 0) {
    throw new EvaluationError("field position must not be zero", SQL_STATE.invalidParameterValue);
  }
  const fields = separator === "" || text === "" ? [text] : text.split(separator);
  return fields.at(number > 0 ? number - 1 : number) ?? "";
}

function searches(): Operation[] {
  const position = (text: string, part: string) => {
    const index = text.indexOf(part);
    return index < 0 ? 0 : countCharacters(text.slice(0, index)) + 1;
  };
  const isPrefix = (text: string, part: string) => text.startsWith(part);
  return [
    fn("position", ["text", "text"], "int4", position, BYTEWISE),
    fn("strpos", ["text", "text"], "int4", position, BYTEWISE),
    fn("starts_with", ["text", "text"], "bool", isPrefix, BYTEWISE),
    binary("^@", "text", "text", "bool", isPrefix, BYTEWISE),
  ];
}

function trims(): Operation[] {
  const sides = { btrim: [true, true], ltrim: [true, false], rtrim: [false, true] } as const;
  return Object.entries(sides).flatMap(([name, [isLeft, isRight]]) => [
    fn(name, ["text"], "text", (text) => trim(text, " ", isLeft, isRight)),
    fn(name, ["text", "text"], "text", (text, set) => trim(text, set, isLeft, isRight)),
  ]);
}

/** Without any character of the set at either end. */
function trim(text: string, set: string, isLeft: boolean, isRight: boolean): string {
  const characters = Array.from(text);
  const unwanted = new Set(set);
  let start = 0;
  let end = characters.length;
  if (isLeft) while (start < end && unwanted.has(characters[start]!)) start++;
  if (isRight) while (end > start && unwanted.has(characters[end - 1]!)) end--;
  return characters.slice(start, end).join("");
}

function cases(): Operation[] {
  return (["lower", "upper"] as const).map((name) =>
    make(
      "function",
      name,
      ["text"],
      "text",
      ({ caseMapping }) =>
        (text) =>
          caseMapping[name](text as string),
      { collation: "case" },
    ),
  );
}

function cut(text: string, size: number): string {
  return sliceCharacters(text, 0, size);
}

/** As much of the fill, over and over, as the text lacks to the size; none of an empty fill. */
function padding(text: string, size: number, fill: string): string {
  const missing = size - countCharacters(text);
  if (missing <= 0 || fill === "") return "";
  const times = Math.ceil(missing / countCharacters(fill));
  const repeated = checkLength(fill.length * times, () => fill.repeat(times));
  return repeated.slice(0, indexOfCharacter(repeated, missing));
}

function replace(text: string, from: string, to: string): string {
  if (from === "") return text;
  const parts = text.split(from);
  const length = text.length + (parts.length - 1) * (to.length - from.length);
  return checkLength(length, () => parts.join(to));
}

/** Each character of `from` becomes the one at the same place of `to`, or nothing. */
function translate(text: string, from: string, to: string): string {
  const targets = Array.from(to);
  const replacements = new Map<string, string>();
  for (const [index, character] of Array.from(from).entries()) {
    if (!replacements.has(character)) replacements.set(character, targets[index] ?? "");
  }
  return Array.from(text, (character) => replacements.get(character) ?? character).join("");
}

function checkLength(length: number, make: () => string): string {
  if (length > RESULT_LENGTH_MAX) {
    throw new EvaluationError("requested length too large", SQL_STATE.programLimitExceeded);
  }
  return make();
}
