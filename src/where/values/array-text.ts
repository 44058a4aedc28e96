/**
 * Arrays as text (manual, sections 8.15.2 and 8.15.6).
 *
 *     [2:3]={1,NULL}       {{"a b",c},{"","NULL"}}
 *     └ bounds, only if some lower one is not 1
 *
 * The reader takes what Postgres 18 takes. Between tokens white space is free; an element without
 * quotation marks loses it at both ends; a backslash takes the next character as it is.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import type { ArrayValue, Dimension, ScalarName, ScalarValue } from "./scalar-type.ts";

export const DIMENSIONS_MAX = 6;
const INT4_MAX = 0x7fff_ffff;
const INT4_MIN = -0x8000_0000;

/** A token of the text: a brace, a comma, or an element, which is null for NULL. */
type Token = "{" | "}" | "," | { readonly element: string | null };

/** @throws {EvaluationError} malformed, or `parseElement` refuses an element. */
export function parseArray(
  elementType: ScalarName,
  text: string,
  parseElement: (text: string) => ScalarValue,
): ArrayValue {
  return new ArrayReader(text).read(elementType, parseElement);
}

class ArrayReader {
  readonly #text: string;
  #index = 0;
  readonly #elements: (ScalarValue | null)[] = [];
  /** The size that each level must have; undefined until the first of that level has ended. */
  readonly #sizes: (number | undefined)[] = [];
  #depthMax = 0;
  /** The number of levels is settled by explicit bounds, or by the first element. */
  #isDepthSettled = false;

  constructor(text: string) {
    this.#text = text;
  }

  read(elementType: ScalarName, parseElement: (text: string) => ScalarValue): ArrayValue {
    const bounds = this.#readBounds();
    if (bounds.length > 0) {
      this.#isDepthSettled = true;
      this.#depthMax = bounds.length;
      this.#sizes.push(...bounds.map(({ size }) => size));
    }
    this.#readBody(parseElement);
    this.#skipSpace();
    if (this.#index < this.#text.length) throw this.#malformed();
    if (this.#elements.length === 0) return { elementType, dimensions: [], elements: [] };
    const dimensions =
      bounds.length > 0 ? bounds : this.#sizes.map((size) => ({ size: size!, lowerBound: 1 }));
    return { elementType, dimensions, elements: this.#elements };
  }

  #readBody(parseElement: (text: string) => ScalarValue): void {
    /** Members so far of each level that is open. */
    const counts: number[] = [];
    let isDelimiterNext = false;
    do {
      const token = this.#readToken();
      if (token === "{") {
        if (isDelimiterNext) throw this.#malformed();
        this.#enterLevel(counts);
      } else if (token === "}") {
        if (counts.at(-1)! > 0 && !isDelimiterNext) throw this.#malformed();
        this.#leaveLevel(counts);
        isDelimiterNext = true;
      } else if (token === ",") {
        if (!isDelimiterNext) throw this.#malformed();
        isDelimiterNext = false;
      } else {
        if (isDelimiterNext) throw this.#malformed();
        this.#isDepthSettled = true;
        if (counts.length !== this.#depthMax) throw this.#malformed();
        this.#elements.push(token.element === null ? null : parseElement(token.element));
        counts[counts.length - 1]!++;
        isDelimiterNext = true;
      }
    } while (counts.length > 0);
  }

  #enterLevel(counts: number[]): void {
    if (counts.length === DIMENSIONS_MAX) throw tooManyDimensions(counts.length + 1);
    counts.push(0);
    if (counts.length <= this.#depthMax) return;
    if (this.#isDepthSettled) throw this.#malformed();
    this.#depthMax = counts.length;
  }

  #leaveLevel(counts: number[]): void {
    const size = counts.pop()!;
    const level = counts.length;
    if (level > 0) counts[level - 1]!++;
    this.#sizes[level] ??= size;
    if (this.#sizes[level] !== size) throw this.#malformed();
  }

  /** `[1:2][3]=`, where one number is an upper bound. */
  #readBounds(): Dimension[] {
    const bounds: Dimension[] = [];
    this.#skipSpace();
    while (this.#text[this.#index] === "[") {
      if (bounds.length === DIMENSIONS_MAX) throw tooManyDimensions(bounds.length + 1);
      const match = /\[([+-]?\d+)(?::([+-]?\d+))?\]/y;
      match.lastIndex = this.#index;
      const found = match.exec(this.#text);
      if (found === null) throw this.#malformed();
      const [whole, first, second] = found;
      bounds.push(dimensionOf(second === undefined ? "1" : first!, second ?? first!));
      this.#index += whole.length;
      this.#skipSpace();
    }
    if (bounds.length > 0) {
      if (this.#text[this.#index] !== "=") throw this.#malformed();
      this.#index++;
      this.#skipSpace();
    }
    if (this.#text[this.#index] !== "{") throw this.#malformed();
    return bounds;
  }

  #readToken(): Token {
    this.#skipSpace();
    const character = this.#text[this.#index];
    switch (character) {
      case undefined:
        throw this.#malformed();
      case "{":
      case "}":
      case ",":
        this.#index++;
        return character;
      case '"':
        return { element: this.#readQuoted() };
      default:
        return { element: this.#readUnquoted() };
    }
  }

  #readQuoted(): string {
    const match = /"((?:[^"\\]|\\[^])*)"/y;
    match.lastIndex = this.#index;
    const found = match.exec(this.#text);
    if (found === null) throw this.#malformed();
    this.#index += found[0].length;
    this.#skipSpace();
    if (!/[,}]/.test(this.#text[this.#index] ?? "")) throw this.#malformed();
    return unescape(found[1]!);
  }

  #readUnquoted(): string | null {
    const match = /(?:[^,{}"\\]|\\[^])*/y;
    match.lastIndex = this.#index;
    const whole = match.exec(this.#text)![0];
    this.#index += whole.length;
    if (!/[,}]/.test(this.#text[this.#index] ?? "")) throw this.#malformed();
    if (/^null[ \t\n\v\f\r]*$/i.test(whole)) return null;
    return unescape(trimEnd(whole));
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#index))) this.#index++;
  }

  #malformed(): EvaluationError {
    return new EvaluationError(
      `malformed array literal: "${this.#text}"`,
      SQL_STATE.invalidTextRepresentation,
    );
  }
}

/** Space, tabulator, line feed, vertical tabulator, form feed, carriage return. */
function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

/** Without white space at the end, unless a backslash stands before it. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  let backslashes = 0;
  while (text[end - 1 - backslashes] === "\\") backslashes++;
  return text.slice(0, backslashes % 2 === 1 ? end + 1 : end);
}

function unescape(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\([^])/g, "$1") : text;
}

function dimensionOf(lowerText: string, upperText: string): Dimension {
  const lowerBound = boundOf(lowerText);
  const upperBound = boundOf(upperText);
  if (upperBound === INT4_MAX) {
    throw limitExceeded(`array upper bound is too large: ${upperBound}`);
  }
  if (upperBound < lowerBound) {
    throw new EvaluationError(
      "upper bound cannot be less than lower bound",
      SQL_STATE.arraySubscriptError,
    );
  }
  return { size: upperBound - lowerBound + 1, lowerBound };
}

function boundOf(text: string): number {
  const bound = Number(text);
  if (bound >= INT4_MIN && bound <= INT4_MAX) return bound;
  throw new EvaluationError(
    "array bound is out of integer range",
    SQL_STATE.numericValueOutOfRange,
  );
}

export function tooManyDimensions(count: number): EvaluationError {
  return limitExceeded(
    `number of array dimensions (${count}) exceeds the maximum allowed (${DIMENSIONS_MAX})`,
  );
}

function limitExceeded(message: string): EvaluationError {
  return new EvaluationError(message, SQL_STATE.programLimitExceeded);
}

/** The text that `array_out` writes. */
export function formatArray(
  { dimensions, elements }: ArrayValue,
  formatElement: (value: ScalarValue) => string,
): string {
  if (elements.length === 0) return "{}";
  let next = 0;
  const level = (depth: number): string => {
    if (depth === dimensions.length) {
      const element = elements[next++] ?? null;
      return element === null ? "NULL" : quoteElement(formatElement(element));
    }
    const members = Array.from({ length: dimensions[depth]!.size }, () => level(depth + 1));
    return `{${members.join(",")}}`;
  };
  return boundsText(dimensions) + level(0);
}

function boundsText(dimensions: readonly Dimension[]): string {
  if (dimensions.every(({ lowerBound }) => lowerBound === 1)) return "";
  const bounds = dimensions.map(
    ({ size, lowerBound }) => `[${lowerBound}:${lowerBound + size - 1}]`,
  );
  return `${bounds.join("")}=`;
}

function quoteElement(text: string): string {
  const isPlain = text !== "" && !/[ \t\n\v\f\r"\\{},]/.test(text) && !/^null$/i.test(text);
  return isPlain ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
