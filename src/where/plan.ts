/**
 * How the shapes of a template are found (`model/access-plan.ts`), chosen by what the comparisons
 * of its WHERE are:
 *
 *     AND   equalities of columns are one composite key; of the rest, the most selective part
 *     OR    all parts together, or nothing
 *
 * A comparison can be looked up only where it happens in the column's own type, for the core
 * compares the texts that Postgres sends: among integers, of an integer with a numeric, otherwise
 * of two equal types. What cannot be looked up is left to the residual.
 */

import type { Access, AccessPlan, AccessTerm, PatternTest } from "../model/access-plan.ts";
import { membershipsOf, type Expression, type MembershipNode } from "../model/expression.ts";
import type { Dependency, EntryRecipe, EntryValue } from "../model/shape-definition.ts";
import {
  accessesOf,
  COST,
  type Branch,
  type Candidate,
  type Recipe,
  type Term,
} from "./access-of.ts";

export interface Plan {
  readonly plan: AccessPlan;
  readonly entries: readonly EntryRecipe[];
}

/** `assembly/path-key.ts` has room for so many. */
export const TERM_COUNT_MAX = 64;

/** More are as good as every row. */
const BRANCH_COUNT_MAX = 32;

const COST_OF_ALL = 100;
const EVERY_ROW: Candidate = {
  branches: [{ access: { type: "all" }, recipe: { values: [] } }],
  isExact: false,
  cost: COST_OF_ALL,
};

/**
 * REQUIRES: constants are lifted.
 *
 * @param dependencies of which the expression has memberships.
 */
export function planAccess(expression: Expression, dependencies: readonly Dependency[] = []): Plan {
  const conjunction = dependencies.length === 0 ? planConjunction(expression) : undefined;
  if (conjunction !== undefined) return conjunction;
  const { branches, isExact } = candidateOf(expression, dependencies);
  const accesses: Access[] = [];
  const positions = new Map<string, number>();
  const entries = branches.map(({ access, recipe }): EntryRecipe => {
    const key = JSON.stringify(access);
    let branch = positions.get(key);
    if (branch === undefined) {
      branch = accesses.push(access) - 1;
      positions.set(key, branch);
    }
    return { branch, ...recipe };
  });
  const listed = planListed(expression, dependencies, positions);
  const pattern = patternOf(expression);
  return {
    plan: {
      branches: accesses,
      ...(listed.length === 0 ? {} : { listed: listed.map(({ access }) => access) }),
      isExact,
      ...(pattern === undefined ? {} : { pattern }),
    },
    entries: [
      ...withoutRepetition(entries),
      ...listed.map(({ recipe }, index) => ({ branch: accesses.length + index, ...recipe })),
    ],
  };
}

/** A membership that stands in two disjuncts has one entry. */
function withoutRepetition(entries: readonly EntryRecipe[]): readonly EntryRecipe[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}

/** Shapes are found by their views in any case: a value that moves is looked up there. */
function planListed(
  expression: Expression,
  dependencies: readonly Dependency[],
  probed: ReadonlyMap<string, number>,
): readonly Branch[] {
  const listed = new Map<string, Branch>();
  for (const membership of membershipsOf(expression)) {
    const branch = branchOf(membership, dependencies);
    const key = JSON.stringify(branch.access);
    if (!probed.has(key)) listed.set(key, branch);
  }
  return [...listed.values()];
}

/** Its entry is the view, which is routed behind the constants of the WHERE itself. */
function branchOf(
  { dependency, columns }: MembershipNode,
  dependencies: readonly Dependency[],
): Branch {
  const { kinds } = dependencies[dependency]!;
  const terms = columns.map((column, place) => ({ column, kind: kinds[place]! }));
  const index = dependencies[0]!.firstConstant + dependency;
  return {
    access: { type: "subquery", terms, dependency },
    recipe: { values: [{ is: "constant", index }] },
  };
}

/** The compact form: the constants are the values of the terms, in their order. */
function planConjunction(expression: Expression): Plan | undefined {
  const parts = expression.node === "and" ? expression.args : [expression];
  const terms = parts.map((part, index): AccessTerm | undefined => {
    const { term, isExact } = candidateOf(part, []);
    const isPlain =
      term !== undefined &&
      isExact &&
      COMPACT_KINDS.has(term.kind) &&
      term.value.is === "constant" &&
      term.value.index === index;
    return isPlain ? { column: term.column, kind: term.kind } : undefined;
  });
  if (terms.length > TERM_COUNT_MAX || !areSorted(terms)) return undefined;
  const access: Access = { type: "equality", terms };
  const values = terms.map((_, index): EntryValue => ({ is: "constant", index }));
  return {
    plan: { branches: [access], isExact: true, isConjunction: true },
    entries: [{ branch: 0, values }],
  };
}

function areSorted(terms: readonly (AccessTerm | undefined)[]): terms is readonly AccessTerm[] {
  return terms.every((term, index) => {
    return term !== undefined && (index === 0 || terms[index - 1]!.column <= term.column);
  });
}

const COMPACT_KINDS: ReadonlySet<string> = new Set(["int", "uuid", "text"]);

function candidateOf(expression: Expression, dependencies: readonly Dependency[]): Candidate {
  switch (expression.node) {
    case "and":
      return intersection(expression.args.map((arg) => candidateOf(arg, dependencies)));
    case "or":
      return union(expression.args.map((arg) => candidateOf(arg, dependencies)));
    case "membership":
      // What is not in a view is nearly everything.
      return expression.isNegated
        ? EVERY_ROW
        : { branches: [branchOf(expression, dependencies)], isExact: true, cost: COST.list };
    case "value":
      // The root is FALSE; TRUE is no WHERE at all.
      return { branches: [], isExact: true, cost: 0 };
    default:
      return accessesOf(expression) ?? EVERY_ROW;
  }
}

/** `a = 1 OR a = 2 OR ...` has many entries in one access. */
function union(parts: readonly Candidate[]): Candidate {
  const branches = parts.flatMap((part) => part.branches);
  const cost = Math.max(...parts.map((part) => part.cost)) + parts.length / 1000;
  const accesses = new Set(branches.map(({ access }) => JSON.stringify(access)));
  if (accesses.size > BRANCH_COUNT_MAX || cost >= COST_OF_ALL) return EVERY_ROW;
  return { branches, isExact: parts.every((part) => part.isExact), cost };
}

function intersection(parts: readonly Candidate[]): Candidate {
  const composite = compose(parts);
  const range = joinRanges(parts);
  const candidates = [composite, range, ...parts].filter((part) => part !== undefined);
  let chosen = candidates[0]!;
  for (const candidate of candidates) if (candidate.cost < chosen.cost) chosen = candidate;
  // Only what covers all parts leaves nothing to evaluate.
  const isWhole = chosen === composite || chosen === range;
  return isWhole ? chosen : { branches: chosen.branches, isExact: false, cost: chosen.cost };
}

/** One key of all columns that are compared for equality, one of them with a list at most. */
function compose(parts: readonly Candidate[]): Candidate | undefined {
  const terms = new Map<number, Term>();
  let hasList = false;
  let cost = COST_OF_ALL;
  let taken = 0;
  let isExact = true;
  for (const { term, ...part } of parts) {
    if (term === undefined || terms.has(term.column) || terms.size === TERM_COUNT_MAX) continue;
    const isList = term.value.is === "elements";
    if (isList && hasList) continue;
    hasList ||= isList;
    terms.set(term.column, term);
    cost = Math.min(cost, part.cost);
    isExact &&= part.isExact;
    taken += 1;
  }
  if (terms.size === 0) return undefined;
  const sorted = [...terms.values()].sort((a, b) => a.column - b.column);
  const access: Access = {
    type: "equality",
    terms: sorted.map(({ column, kind }) => ({ column, kind })),
  };
  const recipe = { values: sorted.map(({ value }) => value) };
  return {
    branches: [{ access, recipe }],
    isExact: isExact && taken === parts.length,
    cost: cost - terms.size / 100,
  };
}

/** A lower and an upper bound of one column are one interval. */
function joinRanges(parts: readonly Candidate[]): Candidate | undefined {
  const bounds = parts.map(boundsOf);
  for (const [first, lower] of bounds.entries()) {
    if (lower?.recipe.lower === undefined) continue;
    const key = JSON.stringify(lower.access);
    const second = bounds.findIndex((upper) => {
      return upper?.recipe.upper !== undefined && JSON.stringify(upper.access) === key;
    });
    if (second < 0) continue;
    const recipe = { lower: lower.recipe.lower, upper: bounds[second]!.recipe.upper! };
    return {
      branches: [{ access: lower.access, recipe }],
      isExact: parts.length === 2 && parts[first]!.isExact && parts[second]!.isExact,
      cost: parts[first]!.cost / 2,
    };
  }
  return undefined;
}

type BoundsRecipe = Extract<Recipe, { lower?: unknown }>;

function boundsOf({ branches }: Candidate): { access: Access; recipe: BoundsRecipe } | undefined {
  const [branch] = branches;
  if (branches.length !== 1 || branch!.access.type !== "range") return undefined;
  return { access: branch!.access, recipe: branch!.recipe as BoundsRecipe };
}

// --- Patterns ------------------------------------------------------------------------------------

const PATTERNS: Readonly<Record<string, Pick<PatternTest, "ignoresCase" | "isNegated">>> = {
  "~~": { ignoresCase: false, isNegated: false },
  "!~~": { ignoresCase: false, isNegated: true },
  "~~*": { ignoresCase: true, isNegated: false },
  "!~~*": { ignoresCase: true, isNegated: true },
};

/** Of a WHERE that is nothing but a LIKE or ILIKE of a column of text. */
function patternOf(expression: Expression): PatternTest | undefined {
  if (expression.node !== "call") return undefined;
  const { operation, args, hint } = expression;
  const kind = PATTERNS[operation.name];
  if (kind === undefined || operation.args[0] === "bytea" || operation.args[0] === "bpchar") {
    return undefined;
  }
  if (kind.ignoresCase && hint?.is !== "ascii") return undefined;
  const [left, right] = args;
  const column = left!.node === "convert" && left.how === "relabel" ? left.arg : left!;
  if (column.node !== "column" || column.type === "bpchar") return undefined;
  if (right!.node !== "constant") return undefined;
  return { column: column.column, ...kind, constant: right.index };
}
