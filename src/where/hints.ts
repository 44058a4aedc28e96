/**
 * What a constant says about how its comparison can be found, and the template must therefore say:
 * shapes of one template are indexed alike (`Hint` in `model/expression.ts`).
 */

import type { CallNode, Hint } from "../model/expression.ts";
import type { EvaluationFacts } from "./evaluate.ts";
import { typeNamed } from "./type-table.ts";
import type { ArrayValue, Json } from "./values/scalar-type.ts";

/** As many bytes of a text as an order code has (`model/access-plan.ts`). */
const PREFIX_BYTES_MAX = 8;

/** `never`: no row makes the condition true. REQUIRES: NULL may be taken for false. */
export function hintOf(call: CallNode, facts: EvaluationFacts): Hint | "never" | undefined {
  const { name, args } = call.operation;
  const right = call.args[1];
  if (right?.node !== "value" || right.text === null) return undefined;
  if (name === "~~") return patternHint(right.text);
  if (name === "~~*" || name === "!~~*") return foldingHint(facts, call.collation === "C");
  if (args[0] === "anyarray" && (name === "@>" || name === "&&")) {
    return membersHint(name, typeNamed(right.type).parse(right.text) as ArrayValue);
  }
  if (args[0] === "jsonb" && name === "@>") {
    const path = singlePath(typeNamed("jsonb").parse(right.text) as Json);
    return path === undefined ? undefined : { is: "path", path: path.path };
  }
  return undefined;
}

function patternHint(pattern: string): Hint | undefined {
  const { prefix, rest } = splitPattern(pattern);
  if (prefix === "") return undefined;
  const isWhole = rest === "%" && Buffer.byteLength(prefix) <= PREFIX_BYTES_MAX;
  return { is: isWhole ? "begins" : "prefix" };
}

/** The text with which every match of a LIKE pattern begins, and what follows it in the pattern. */
export function splitPattern(pattern: string): { readonly prefix: string; readonly rest: string } {
  let prefix = "";
  let index = 0;
  while (index < pattern.length) {
    const character = pattern[index]!;
    if (character === "%" || character === "_") break;
    if (character === "\\") {
      if (index + 1 === pattern.length) break;
      index += 1;
    }
    prefix += pattern[index]!;
    index += 1;
  }
  return { prefix, rest: pattern.slice(index) };
}

/** Whether ILIKE treats the letters of ASCII as everywhere but in Turkish. */
function foldingHint({ caseMapping }: EvaluationFacts, isC: boolean): Hint | undefined {
  const isPlain =
    isC || (caseMapping?.lower(ASCII_UPPER) === ASCII_LOWER && caseMapping.lower("İK") !== "iK");
  return isPlain ? { is: "ascii" } : undefined;
}

const ASCII_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ASCII_LOWER = ASCII_UPPER.toLowerCase();

function membersHint(name: string, { elements }: ArrayValue): Hint | "never" | undefined {
  // No array is said to contain a NULL, not even one that does; what is empty overlaps nothing.
  const known = elements.filter((element) => element !== null).length;
  if (name === "&&") return known === 0 ? "never" : undefined;
  if (known < elements.length) return "never";
  if (known === 0) return undefined;
  return { is: known === 1 ? "single" : "members" };
}

/** The one string or boolean that a jsonb of nested objects has. */
export function singlePath(
  json: Json,
): { readonly path: readonly string[]; readonly text: string } | undefined {
  const path: string[] = [];
  let inner = json;
  while (inner.type === "object") {
    if (inner.members.size !== 1) return undefined;
    const [[key, member]] = inner.members as unknown as [[string, Json]];
    path.push(key);
    inner = member;
  }
  if (path.length === 0) return undefined;
  if (inner.type === "string") return { path, text: inner.value };
  return inner.type === "boolean" ? { path, text: String(inner.value) } : undefined;
}
