/** What a shape enters where its template says it is looked up: from its constants, as text. */

import type { AccessBound, AccessEntry } from "../model/access-plan.ts";
import {
  routedConstants,
  type Constants,
  type EntryBound,
  type EntryGram,
  type EntryValue,
  type WhereTemplate,
} from "../model/shape-definition.ts";
import { gramOf } from "./grams.ts";
import { singlePath, splitPattern } from "./hints.ts";
import { typeNamed } from "./type-table.ts";
import type { ArrayValue, Json } from "./values/scalar-type.ts";

/** Bytes of a prefix that count (`model/access-plan.ts`). */
const PREFIX_BYTES_MAX = 8;

/** As long as any id. */
const UNKNOWN_VIEW = "16777215";

/** The constants of a shape as they are routed, before its views are known, or told to anybody. */
export function withUnknownViews(where: WhereTemplate, constants: Constants): Constants {
  const { dependencies = [] } = where.subqueries ?? {};
  if (dependencies.length === 0) return constants;
  return routedConstants(
    where,
    constants,
    dependencies.map(() => UNKNOWN_VIEW),
  );
}

/**
 * What a shape enters beside its constants: nothing, where the core keeps them as keys.
 *
 * @param constants as they are routed (`model/subquery.ts`); asked for only where they are needed.
 */
export function entriesOf(
  where: WhereTemplate | undefined,
  constants: () => Constants,
): readonly AccessEntry[] {
  if (where === undefined || where.plan.isConjunction === true) return [];
  return accessEntries(where, constants());
}

/** The same for the same constants: what was added is removed by asking again. */
export function accessEntries(where: WhereTemplate, constants: Constants): AccessEntry[] {
  return where.entries.flatMap((recipe): AccessEntry[] => {
    const { branch } = recipe;
    if ("values" in recipe) {
      return combinations(recipe.values, constants).map((values) => ({ branch, values }));
    }
    if ("pattern" in recipe) {
      return [{ branch, prefix: cut(splitPattern(constants[recipe.pattern]!).prefix) }];
    }
    if ("gram" in recipe) return gramEntries(branch, recipe.gram, constants);
    const { lower, upper } = recipe;
    return [
      {
        branch,
        ...(lower === undefined ? {} : { lower: boundOf(lower, constants) }),
        ...(upper === undefined ? {} : { upper: boundOf(upper, constants) }),
      },
    ];
  });
}

/** An upper bound of the bytes of all entries, without making them. */
export function entriesSizeMax(where: WhereTemplate, constants: Constants): number {
  return where.entries.reduce((sum, recipe) => {
    if (!("values" in recipe)) return sum;
    let repeated = 0;
    let listed = 0;
    for (const value of recipe.values) {
      if (value.is === "elements") listed += constants[value.index]!.length;
      else
        repeated += Buffer.byteLength(value.is === "text" ? value.text : constants[value.index]!);
    }
    // An element takes a character and a comma at least.
    return sum + 3 * listed + repeated * (1 + listed / 2);
  }, 0);
}

function gramEntries(
  branch: number,
  { index, size, ignoresCase }: EntryGram,
  constants: Constants,
): AccessEntry[] {
  const gram = gramOf(constants[index]!, ignoresCase);
  const bytes = gram === undefined ? 0 : Buffer.byteLength(gram);
  if (bytes !== size) return [];
  return [{ branch, values: gram === undefined ? [] : [gram] }];
}

function boundOf({ index, isInclusive }: EntryBound, constants: Constants): AccessBound {
  return { value: constants[index]!, isInclusive };
}

/** At whole characters. */
function cut(prefix: string): string {
  let size = 0;
  let text = "";
  for (const character of prefix) {
    size += Buffer.byteLength(character);
    if (size > PREFIX_BYTES_MAX) break;
    text += character;
  }
  return text;
}

/** One list of values for each element of the one value that is a list. */
function combinations(values: readonly EntryValue[], constants: Constants): string[][] {
  let lists: string[][] = [[]];
  for (const value of values) {
    const texts = textsOf(value, constants);
    lists = lists.flatMap((list) => texts.map((text) => [...list, text]));
  }
  return lists;
}

function textsOf(value: EntryValue, constants: Constants): readonly string[] {
  switch (value.is) {
    case "text":
      return [value.text];
    case "constant":
      return [constants[value.index]!];
    case "path": {
      const json = typeNamed("jsonb").parse(constants[value.index]!) as Json;
      return [singlePath(json)!.text];
    }
    case "elements": {
      const { elements } = typeNamed(value.type).parse(constants[value.index]!) as ArrayValue;
      const { format } = typeNamed(value.type.slice(0, -2));
      const texts = elements.flatMap((element) => (element === null ? [] : [format(element)]));
      const different = [...new Set(texts)];
      return value.isAnyOne ? [longest(different)] : different;
    }
  }
}

/** The longer a word, the rarer it is. */
function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => (b.length > a.length ? b : a));
}
