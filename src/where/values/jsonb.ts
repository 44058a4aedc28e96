/**
 * jsonb: JSON as a value. Section 8.14 of the manual.
 *
 * Numbers are numerics, exact and with their digits: `1.0` and `1.00` are equal and look different.
 * Of a repeated key the last value counts. Its text has one form, with keys sorted by their length
 * in bytes and then by bytes.
 *
 * It has no `compare`: Postgres orders strings inside of it by the database's collation.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import { indexOfStep } from "./json-step.ts";
import { readJson, writeString, type JsonNode } from "./json-text.ts";
import { parseDecimal } from "./numeric.ts";
import type { ArrayValue, Json, ScalarType } from "./scalar-type.ts";

export const jsonbType: ScalarType<Json> = {
  name: "jsonb",
  parse: (text) => toJson(text, readJson(text)),
  format,
  equals: areEqual,
};

function toJson(text: string, node: JsonNode): Json {
  switch (node.type) {
    case "null":
      return { type: "null" };
    case "true":
    case "false":
      return { type: "boolean", value: node.type === "true" };
    case "number":
      return { type: "number", value: parseDecimal(text.slice(node.start, node.end)) };
    case "string":
      return { type: "string", value: node.value };
    case "array":
      return { type: "array", items: node.items.map((item) => toJson(text, item)) };
    case "object":
      return {
        type: "object",
        members: new Map(node.members.map(([key, value]) => [key, toJson(text, value)])),
      };
  }
}

function format(json: Json): string {
  switch (json.type) {
    case "null":
      return "null";
    case "boolean":
      return String(json.value);
    case "number":
      return json.value.toString();
    case "string":
      return writeString(json.value);
    case "array":
      return `[${json.items.map(format).join(", ")}]`;
    case "object": {
      const members = Array.from(json.members, ([key, value]) => ({
        key: Buffer.from(key),
        value,
      }));
      members.sort((a, b) => a.key.length - b.key.length || Buffer.compare(a.key, b.key));
      const texts = members.map(
        ({ key, value }) => `${writeString(key.toString())}: ${format(value)}`,
      );
      return `{${texts.join(", ")}}`;
    }
  }
}

function areEqual(a: Json, b: Json): boolean {
  switch (a.type) {
    case "null":
      return b.type === "null";
    case "boolean":
      return b.type === "boolean" && a.value === b.value;
    case "number":
      return b.type === "number" && a.value.compare(b.value) === 0;
    case "string":
      return b.type === "string" && a.value === b.value;
    case "array":
      return (
        b.type === "array" &&
        a.items.length === b.items.length &&
        a.items.every((item, index) => areEqual(item, b.items[index]!))
      );
    case "object":
      return (
        b.type === "object" &&
        a.members.size === b.members.size &&
        Array.from(a.members).every(([key, value]) => {
          const other = b.members.get(key);
          return other !== undefined && areEqual(value, other);
        })
      );
  }
}

/**
 * `@>`, section 8.14.3: every member of the one is in the other, and every item, wherever it is and
 * however often. An array contains a scalar that is one of its items, but only at the top.
 */
export function contains(container: Json, contained: Json): boolean {
  if (container.type === "array" && isScalar(contained)) {
    return container.items.some((item) => areEqual(item, contained));
  }
  return containsDeeply(container, contained);
}

function containsDeeply(container: Json, contained: Json): boolean {
  if (contained.type === "object") {
    if (container.type !== "object") return false;
    for (const [key, value] of contained.members) {
      const other = container.members.get(key);
      if (other === undefined || !containsDeeply(other, value)) return false;
    }
    return true;
  }
  if (contained.type === "array") {
    if (container.type !== "array") return false;
    for (const item of contained.items) {
      if (!hasItemContaining(container.items, item)) return false;
    }
    return true;
  }
  return areEqual(container, contained);
}

function hasItemContaining(items: readonly Json[], contained: Json): boolean {
  for (const item of items) {
    if (containsDeeply(item, contained)) return true;
  }
  return false;
}

function isScalar({ type }: Json): boolean {
  return type !== "array" && type !== "object";
}

/** `?`: a member of that name, an item or the value itself that is that string. */
export function hasKey(json: Json, key: string): boolean {
  if (json.type === "object") return json.members.has(key);
  const items = json.type === "array" ? json.items : [json];
  return items.some((item) => item.type === "string" && item.value === key);
}

/** `->` by a name. NULL if it is no object or has no such member. */
export function memberOfJsonb(json: Json, key: string): Json | null {
  return json.type === "object" ? (json.members.get(key) ?? null) : null;
}

/**
 * `->` by an index, which counts from the end if negative. A scalar is the one item of an array
 * that Postgres stores it in, and answers as if it were that array.
 */
export function itemOfJsonb(json: Json, index: number): Json | null {
  if (json.type === "object") return null;
  return (json.type === "array" ? json.items : [json]).at(index) ?? null;
}

/** `#>`: members and items, step by step. */
export function pathOfJsonb(json: Json, path: ArrayValue): Json | null {
  let value: Json | null = json;
  for (const step of path.elements as readonly (string | null)[]) {
    if (value === null || step === null) return null;
    if (value.type === "array") {
      const index = indexOfStep(step);
      value = index === undefined ? null : itemOfJsonb(value, index);
    } else {
      value = memberOfJsonb(value, step);
    }
  }
  return value;
}

/** As `->>` and `#>>` give it: a string's content, NULL for null, and otherwise its text. */
export function contentOfJsonb(json: Json | null): string | null {
  if (json === null || json.type === "null") return null;
  return json.type === "string" ? json.value : format(json);
}

export function typeOfJsonb({ type }: Json): string {
  return type;
}

/** @throws {EvaluationError} it is no array. */
export function lengthOfJsonbArray(json: Json): number {
  if (json.type === "array") return json.items.length;
  const kind = json.type === "object" ? "non-array" : "scalar";
  throw new EvaluationError(
    `cannot get array length of a ${kind}`,
    SQL_STATE.invalidParameterValue,
  );
}
