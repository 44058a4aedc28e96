/**
 * JSON as text: RFC 8259 as Postgres reads it, section 8.14 of the manual.
 *
 * The type json checks the grammar and keeps the text. What reads its values, and jsonb, also
 * decodes its strings, all of them: `\u0000` is no character of a text, nor is half of a surrogate
 * pair one.
 *
 * `JSON.parse` has the same grammar and serves as the check, but it would lose the digits of
 * numbers, and the places of values, which `->` needs: what it takes out of a json is the text.
 */

import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";

/** Deeper, and a stack would not do, Postgres' at about 6,000. */
const DEPTH_MAX = 1000;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const LETTERS: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** A value and its place in the text. */
export type JsonNode = JsonPlace & JsonContent;

interface JsonPlace {
  readonly start: number;
  readonly end: number;
}

type JsonContent =
  | { readonly type: "null" | "true" | "false" | "number" }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly items: readonly JsonNode[] }
  /** As written: keys may repeat. */
  | { readonly type: "object"; readonly members: readonly JsonMember[] };

export type JsonMember = readonly [key: string, value: JsonNode];

/** @throws {InvalidText} it is no JSON. */
export function checkJson(text: string): void {
  try {
    JSON.parse(text);
  } catch {
    throw new InvalidText("json", text);
  }
}

/**
 * @throws {InvalidText} it is no JSON.
 * @throws {EvaluationError} it is too deep, or has a character that a text cannot have.
 */
export function readJson(text: string): JsonNode {
  return new Reader(text).read();
}

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): JsonNode {
    const node = this.#readValue(0);
    this.#skipSpaces();
    if (this.#position !== this.#text.length) this.#fail();
    return node;
  }

  /** Each kind is an object literal of its own: spreading a part of it costs ten times as much. */
  #readValue(depth: number): JsonNode {
    this.#skipSpaces();
    const start = this.#position;
    const first = this.#text[start];
    if (first === '"') {
      const value = this.#readString();
      return { type: "string", value, start, end: this.#position };
    }
    if (first === "{" || first === "[") {
      if (depth >= DEPTH_MAX) this.#failOnDepth();
      this.#position++;
      if (first === "{") {
        const members = this.#readMembers(depth);
        return { type: "object", members, start, end: this.#position };
      }
      const items = this.#readItems(depth);
      return { type: "array", items, start, end: this.#position };
    }
    const word = this.#take(WORD);
    if (word === "" && this.#take(NUMBER) === "") this.#fail();
    const type = word === "" ? "number" : (word as "true" | "false" | "null");
    return { type, start, end: this.#position };
  }

  #readMembers(depth: number): JsonMember[] {
    const members: JsonMember[] = [];
    if (this.#takeMark("}")) return members;
    do {
      this.#skipSpaces();
      if (this.#text[this.#position] !== '"') this.#fail();
      const key = this.#readString();
      if (!this.#takeMark(":")) this.#fail();
      members.push([key, this.#readValue(depth + 1)]);
    } while (this.#takeMark(","));
    if (!this.#takeMark("}")) this.#fail();
    return members;
  }

  #readItems(depth: number): JsonNode[] {
    const items: JsonNode[] = [];
    if (this.#takeMark("]")) return items;
    do items.push(this.#readValue(depth + 1));
    while (this.#takeMark(","));
    if (!this.#takeMark("]")) this.#fail();
    return items;
  }

  #readString(): string {
    this.#position++;
    let value = this.#takePlain();
    while (this.#text[this.#position] !== '"') {
      const escape = this.#take(ESCAPE);
      if (escape === "") this.#fail();
      value +=
        escape[1] === "u" ? this.#readCharacter(escape) : (LETTERS[escape[1]!] ?? escape[1]!);
      value += this.#takePlain();
    }
    this.#position++;
    return value;
  }

  /** A `\uXXXX` that was taken, and the one that must follow it if it is half a character. */
  #readCharacter(escape: string): string {
    const unit = Number.parseInt(escape.slice(2), 16);
    if (unit === 0) {
      throw new EvaluationError(
        "unsupported Unicode escape sequence: \\u0000 cannot be converted to text",
        SQL_STATE.untranslatableCharacter,
      );
    }
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    const next = this.#take(ESCAPE);
    const low = next[1] === "u" ? Number.parseInt(next.slice(2), 16) : 0;
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) this.#fail();
    return String.fromCharCode(unit, low);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#position;
    if (!pattern.test(this.#text)) return "";
    const start = this.#position;
    this.#position = pattern.lastIndex;
    return this.#text.slice(start, this.#position);
  }

  /** What a string has as it is: everything but quotes, backslashes and control characters. */
  #takePlain(): string {
    const start = this.#position;
    let code = this.#text.charCodeAt(this.#position);
    while (code >= 0x20 && code !== QUOTE && code !== BACKSLASH) {
      code = this.#text.charCodeAt(++this.#position);
    }
    return this.#text.slice(start, this.#position);
  }

  #skipSpaces(): void {
    let code = this.#text.charCodeAt(this.#position);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = this.#text.charCodeAt(++this.#position);
    }
  }

  #takeMark(mark: string): boolean {
    this.#skipSpaces();
    if (this.#text[this.#position] !== mark) return false;
    this.#position++;
    return true;
  }

  #failOnDepth(): never {
    throw new EvaluationError(
      `JSON of more than ${DEPTH_MAX} levels is not supported`,
      SQL_STATE.programLimitExceeded,
    );
  }

  #fail(): never {
    throw new InvalidText("json", this.#text);
  }
}

const MUST_BE_ESCAPED = /["\\\u0000-\u001f]/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** A string as jsonb's output writes it: what JSON wants escaped is, and nothing else. */
export function writeString(value: string): string {
  const escaped = value.replace(MUST_BE_ESCAPED, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return SHORT_ESCAPES[character] ?? `\\u${code}`;
  });
  return `"${escaped}"`;
}
