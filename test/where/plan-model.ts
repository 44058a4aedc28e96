/**
 * What an access plan says of a row, computed by comparing values one by one: the oracle for plans,
 * independent of the core that executes them.
 */

import type { Access, AccessEntry, EqualityKind } from "../../src/model/access-plan.ts";
import type { WhereTemplate } from "../../src/model/shape-definition.ts";
import { accessEntries } from "../../src/where/access-entries.ts";
import { typeNamed } from "../../src/where/type-table.ts";
import { readJson } from "../../src/where/values/json-text.ts";
import type { ArrayValue, Value } from "../../src/where/values/scalar-type.ts";

type Row = readonly (string | null)[];

/** Whether the row satisfies an entry of the shape. */
export function isCandidate(where: WhereTemplate, constants: readonly string[], row: Row): boolean {
  return accessEntries(where, constants).some((entry) => {
    return satisfies(where.plan.branches[entry.branch]!, entry, row);
  });
}

function satisfies(access: Access, entry: AccessEntry, row: Row): boolean {
  switch (access.type) {
    case "all":
      return true;
    case "null":
      return (row[access.column] === null) === (valuesOf(entry)[0] === "t");
    case "equality":
      return access.terms.every(({ column, kind }, index) => {
        const text = row[column] ?? null;
        return text !== null && areEqual(kind, text, valuesOf(entry)[index]!);
      });
    case "elements": {
      const text = row[access.column] ?? null;
      if (text === null) return false;
      const { elements } = typeNamed("text[]").parse(text) as ArrayValue;
      return elements.some((element) => {
        return element !== null && areEqual(access.kind, element as string, valuesOf(entry)[0]!);
      });
    }
    case "path": {
      const text = row[access.column] ?? null;
      return text !== null && textsAt(text, access.path).includes(valuesOf(entry)[0]!);
    }
    case "subquery":
      throw new Error("a plan alone does not say what a view contains");
    case "grams": {
      const text = row[access.column] ?? null;
      if (text === null) return false;
      const { ignoresCase } = access;
      const folded = text.replaceAll("\u0130", "i").replaceAll("\u212a", "k").toLowerCase();
      return (ignoresCase ? folded : text).includes(valuesOf(entry)[0]!);
    }
    case "range":
      return isWithin(access.order, entry, row[access.column]!);
  }
}

function valuesOf(entry: AccessEntry): readonly string[] {
  return "values" in entry ? entry.values : [];
}

const TYPES: Record<string, string> = {
  int: "int8",
  uuid: "uuid",
  decimal: "numeric",
  date: "date",
  time: "time",
  timestamp: "timestamptz",
  text: "text",
};

function areEqual(kind: EqualityKind, one: string, other: string): boolean {
  if (kind === "text" || kind === "uuid") return one === other;
  if (kind === "padded") return one.replace(/ +$/, "") === other.replace(/ +$/, "");
  const type = typeNamed(TYPES[kind]!);
  return type.equals(parse(kind, one), parse(kind, other));
}

/** A timestamp without a zone is read as one of UTC, which keeps order and equality. */
function parse(kind: string, text: string): Value {
  return typeNamed(TYPES[kind]!).parse(
    kind === "timestamp" && !/[+-]\d\d(?::\d\d)?(?: BC)?$|infinity/.test(text)
      ? text.replace(/( BC)?$/, "+00$1")
      : text,
  );
}

function isWithin(order: string, entry: AccessEntry, text: string | null): boolean {
  if (text === null || "values" in entry) return false;
  const { prefix, lower, upper } = entry;
  if (prefix !== undefined) return text.startsWith(prefix);
  const compare = (bound: string): number => {
    if (order === "text") return Buffer.compare(Buffer.from(text), Buffer.from(bound));
    return typeNamed(TYPES[order]!).compare!(parse(order, text), parse(order, bound));
  };
  const isAbove = lower === undefined || compare(lower.value) > (lower.isInclusive ? -1 : 0);
  return isAbove && (upper === undefined || compare(upper.value) < (upper.isInclusive ? 1 : 0));
}

/** What `->` and `->>` may find: where a key stands in an object twice, each of the two. */
function textsAt(text: string, path: readonly string[]): readonly string[] {
  let nodes = [readJson(text)];
  for (const key of path) {
    nodes = nodes.flatMap((node) => {
      if (node.type !== "object") return [];
      return node.members.filter(([name]) => name === key).map(([, value]) => value);
    });
  }
  return nodes.flatMap((node) => {
    if (node.type === "null") return [];
    return node.type === "string" ? node.value : text.slice(node.start, node.end);
  });
}
