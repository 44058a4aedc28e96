/**
 * The classes of WHERE that the benchmark measures, each with what the planner would tell the core
 * and what an ordinary index of it is:
 *
 *     in-list      n IN (a, b, c)                   number of a shape's own slot, and two beside it
 *     range        n BETWEEN a AND b                half of a slot
 *     prefix       name LIKE 'word%'                the core checks the pattern
 *     decimal      n BETWEEN 0.5 AND 9.5            numeric: codes are inexact, TypeScript compares
 *     residual     n = a AND note IS NULL           an equality, and TypeScript for the rest
 *     null         note IS NULL OR n = a            a row with NULL is for all shapes
 *     elements     tags @> '{word}'
 *     path         document -> 'owner' ->> 'name' = 'word'
 *     ilike        name ILIKE '%WORD%'              no ordinary index: it tries every pattern
 *     mix          one of six after the other
 *
 * `IS NULL` alone has no constant, so all who ask for it share a shape: `null` is the next to it.
 */

import type { AccessPlan } from "../../model/access-plan.ts";
import type { RowFilter } from "../../model/row-filter.ts";
import { numericType } from "../../where/values/numeric.ts";
import {
  NullIndex,
  one,
  PatternList,
  PrefixIndex,
  RangeIndex,
  TextIndex,
  type ClauseIndex,
} from "./clause-index.ts";
import type { ClauseSet, ClauseShape, ClauseTemplate } from "./clause-set.ts";
import { COLUMN, EVENTS, NUMBERS_PER_SLOT, wordOf } from "./events.ts";

const MIXED = ["in-list", "range", "prefix", "residual", "elements", "path"] as const;
export const CLASS_NAMES = [...MIXED, "decimal", "null", "ilike", "mix"] as const;
export type ClassName = (typeof CLASS_NAMES)[number];
export type SimpleClass = Exclude<ClassName, "mix">;

/** The shapes of one class, or of a mix. */
export function classClauses(name: ClassName): ClauseSet<SimpleClass> {
  return {
    relation: EVENTS,
    templateNameOf: (slot) => (name === "mix" ? MIXED[slot % MIXED.length]! : name),
    shapeOf,
    templateOf,
    createIndex,
  };
}

function templateOf(name: SimpleClass): ClauseTemplate {
  switch (name) {
    case "in-list":
      return { plan: exact({ type: "equality", terms: [{ column: COLUMN.n, kind: "int" }] }) };
    case "range":
      return { plan: exact({ type: "range", column: COLUMN.n, order: "int" }) };
    case "prefix":
      return {
        plan: {
          branches: [{ type: "range", column: COLUMN.name, order: "text" }],
          isExact: false,
          pattern: likeName(false),
        },
        residual: NEVER_ASKED,
      };
    case "residual":
      return {
        plan: {
          branches: [{ type: "equality", terms: [{ column: COLUMN.n, kind: "int" }] }],
          isExact: false,
        },
        residual: {
          columns: [COLUMN.n, COLUMN.note],
          matches: (row, [n]) => row.text(COLUMN.n) === n && row.text(COLUMN.note) === null,
        },
      };
    case "decimal":
      return {
        plan: { branches: [{ type: "range", column: COLUMN.n, order: "decimal" }], isExact: false },
        residual: {
          columns: [COLUMN.n],
          matches: (row, [from, to]) => isBetween(row.text(COLUMN.n)!, from!, to!),
        },
      };
    case "null":
      return {
        plan: {
          branches: [
            { type: "null", column: COLUMN.note },
            { type: "equality", terms: [{ column: COLUMN.n, kind: "int" }] },
          ],
          isExact: true,
        },
      };
    case "elements":
      return { plan: exact({ type: "elements", column: COLUMN.tags, kind: "text" }) };
    case "path":
      return {
        plan: exact({ type: "path", column: COLUMN.document, path: ["owner", "name"] }),
      };
    case "ilike":
      return {
        plan: {
          branches: [
            { type: "grams", column: COLUMN.name, size: 6, ignoresCase: true },
            { type: "grams", column: COLUMN.name, size: 3, ignoresCase: true },
            { type: "all" },
          ],
          isExact: false,
          pattern: likeName(true),
        },
        residual: NEVER_ASKED,
      };
  }
}

function shapeOf(name: SimpleClass, slot: number): ClauseShape {
  const n = slot * NUMBERS_PER_SLOT;
  switch (name) {
    case "in-list": {
      const list = [n, n + 1, n + 2].map(String);
      const entries = list.map((value) => ({ branch: 0, values: [value] }));
      return { constants: [`{${list.join(",")}}`], entries };
    }
    case "range": {
      const [from, to] = [String(n), String(n + NUMBERS_PER_SLOT / 2)];
      const lower = { value: from, isInclusive: true };
      const upper = { value: to, isInclusive: true };
      return { constants: [from, to], entries: [{ branch: 0, lower, upper }] };
    }
    case "decimal": {
      const [from, to] = [`${n - 1}.${FRACTION}`, `${n + NUMBERS_PER_SLOT / 2}.${FRACTION}`];
      const lower = { value: from, isInclusive: true };
      const upper = { value: to, isInclusive: true };
      return { constants: [from, to], entries: [{ branch: 0, lower, upper }] };
    }
    case "null":
      return {
        constants: [String(n)],
        entries: [
          { branch: 0, values: ["t"] },
          { branch: 1, values: [String(n)] },
        ],
      };
    case "prefix":
      return {
        constants: [`${wordOf(slot)}%`],
        entries: [{ branch: 0, prefix: wordOf(slot) }],
      };
    case "residual":
      return { constants: [String(n)], entries: [{ branch: 0, values: [String(n)] }] };
    case "elements":
      return { constants: [`{${wordOf(slot)}}`], entries: [{ branch: 0, values: [wordOf(slot)] }] };
    case "path":
      return { constants: [wordOf(slot)], entries: [{ branch: 0, values: [wordOf(slot)] }] };
    case "ilike":
      return {
        constants: [`%${wordOf(slot).toUpperCase()}%`],
        entries: [{ branch: 0, values: [wordOf(slot)] }],
      };
  }
}

function createIndex<Ref extends string | number>(name: SimpleClass): ClauseIndex<Ref> {
  switch (name) {
    case "in-list":
      return new TextIndex(([list]) => list!.slice(1, -1).split(","), one(COLUMN.n));
    case "residual":
      return new TextIndex(
        ([n]) => [n!],
        (row) => (row.text(COLUMN.note) === null ? one(COLUMN.n)(row) : []),
      );
    case "elements":
      return new TextIndex(
        ([list]) => list!.slice(1, -1).split(","),
        (row) => row.text(COLUMN.tags)!.slice(1, -1).split(","),
      );
    case "path":
      return new TextIndex(
        ([name]) => [name!],
        (row) => {
          const document = JSON.parse(row.text(COLUMN.document)!) as { owner: { name: string } };
          return [document.owner.name];
        },
      );
    case "range":
    case "decimal":
      return new RangeIndex();
    case "null":
      return new NullIndex(COLUMN.note, new TextIndex(([n]) => [n!], one(COLUMN.n)));
    case "prefix":
      return new PrefixIndex();
    case "ilike":
      return new PatternList();
  }
}

/** More digits than a code holds. */
const FRACTION = "50000000000000000001";

/** As the residual of a real clause does it. */
function isBetween(text: string, from: string, to: string): boolean {
  const { parse } = numericType;
  const compare = numericType.compare!;
  const value = parse(text);
  return compare(parse(from), value) <= 0 && compare(value, parse(to)) <= 0;
}

const NEVER_ASKED: RowFilter = {
  columns: [COLUMN.name],
  matches: () => {
    throw new Error("the core decides patterns of ASCII itself");
  },
};

const exact = (branch: AccessPlan["branches"][number]): AccessPlan => ({
  branches: [branch],
  isExact: true,
});

function likeName(ignoresCase: boolean): NonNullable<AccessPlan["pattern"]> {
  return { column: COLUMN.name, ignoresCase, isNegated: false, constant: 0 };
}
