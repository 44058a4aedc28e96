/**
 * json: a text that is JSON, kept as it is written. Section 8.14 of the manual.
 *
 * Postgres has no `=` for it: whether two texts are the same JSON is a question for jsonb. `equals`
 * compares the texts, and no operation uses it.
 *
 * What is taken out of it is a piece of the text.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import { indexOfStep } from "./json-step.ts";
import { checkJson, readJson, type JsonNode } from "./json-text.ts";
import type { ArrayValue, ScalarType } from "./scalar-type.ts";

export const jsonType: ScalarType<string> = {
  name: "json",
  parse(text) {
    checkJson(text);
    return text;
  },
  format: (value) => value,
  equals: (a, b) => a === b,
};

/** By the first character. */
const TYPES: Readonly<Record<string, string>> = {
  "{": "object",
  "[": "array",
  '"': "string",
  t: "boolean",
  f: "boolean",
  n: "null",
};

/** `->` by a name. NULL if it is no object or has no such member. */
export function memberOfJson(json: string, key: string): string | null {
  return textOf(json, memberOf(readJson(json), key));
}

/** `->>` by a name: the content of a string, the text of anything else, NULL for null. */
export function memberTextOfJson(json: string, key: string): string | null {
  return contentOf(json, memberOf(readJson(json), key));
}

/** `->` by an index, which counts from the end if negative. */
export function itemOfJson(json: string, index: number): string | null {
  return textOf(json, itemOf(readJson(json), index));
}

/** `->>` by an index. */
export function itemTextOfJson(json: string, index: number): string | null {
  return contentOf(json, itemOf(readJson(json), index));
}

/** `#>`: members and items, step by step. NULL if a step is. */
export function pathOfJson(json: string, path: ArrayValue): string | null {
  return path.elements.includes(null) ? null : textOf(json, nodeAt(readJson(json), path));
}

/** `#>>`. */
export function pathTextOfJson(json: string, path: ArrayValue): string | null {
  return path.elements.includes(null) ? null : contentOf(json, nodeAt(readJson(json), path));
}

export function typeOfJson(json: string): string {
  const first = /[^ \t\n\r]/.exec(json)![0];
  return TYPES[first] ?? "number";
}

/** @throws {EvaluationError} it is no array. */
export function lengthOfJsonArray(json: string): number {
  // Strings are not decoded here, and so are not refused either.
  const value: unknown = JSON.parse(json);
  if (Array.isArray(value)) return value.length;
  const kind = value !== null && typeof value === "object" ? "non-array" : "scalar";
  throw new EvaluationError(
    `cannot get array length of a ${kind}`,
    SQL_STATE.invalidParameterValue,
  );
}

function memberOf(node: JsonNode, key: string): JsonNode | undefined {
  if (node.type !== "object") return undefined;
  return node.members.findLast(([name]) => name === key)?.[1];
}

function itemOf(node: JsonNode, index: number): JsonNode | undefined {
  return node.type === "array" ? node.items.at(index) : undefined;
}

/** REQUIRES: no step is NULL. */
function nodeAt(root: JsonNode, path: ArrayValue): JsonNode | undefined {
  const isScalar = root.type !== "array" && root.type !== "object";
  // All of a scalar is all of the text up to its end, with the spaces before it.
  if (path.elements.length === 0) return isScalar ? { ...root, start: 0 } : root;
  const search = new PathSearch(path.elements as readonly string[]);
  search.visit(root, 0, true);
  return search.found;
}

/**
 * What `#>` finds, in the way that Postgres looks for it: from the beginning of the text to its
 * end, so that of repeated keys each is followed and the last value found counts.
 *
 * An index from the end becomes one from the start at the first array of its level that is long
 * enough, and that array need not be on the path. It is a slip of Postgres', kept because a row
 * must not be in a shape for one of us and not for the other.
 */
class PathSearch {
  found: JsonNode | undefined;
  readonly #path: readonly string[];
  readonly #indexes: (number | undefined)[];
  readonly #hasNegativeIndex: boolean;

  constructor(path: readonly string[]) {
    this.#path = path;
    this.#indexes = path.map(indexOfStep);
    this.#hasNegativeIndex = this.#indexes.some((index) => index !== undefined && index < 0);
  }

  visit(node: JsonNode, level: number, isOnPath: boolean): void {
    if (level === this.#path.length) {
      if (isOnPath) this.found = node;
    } else if (!isOnPath && !this.#hasNegativeIndex) {
      return;
    } else if (node.type === "object") {
      for (const [key, value] of node.members) {
        this.visit(value, level + 1, isOnPath && key === this.#path[level]);
      }
    } else if (node.type === "array") {
      const index = this.#indexes[level];
      if (index !== undefined && index < 0 && -index <= node.items.length) {
        this.#indexes[level] = index + node.items.length;
      }
      for (const [at, item] of node.items.entries()) {
        this.visit(item, level + 1, isOnPath && at === this.#indexes[level]);
      }
    }
  }
}

function textOf(json: string, node: JsonNode | undefined): string | null {
  return node === undefined ? null : json.slice(node.start, node.end);
}

function contentOf(json: string, node: JsonNode | undefined): string | null {
  if (node === undefined || node.type === "null") return null;
  return node.type === "string" ? node.value : json.slice(node.start, node.end);
}
