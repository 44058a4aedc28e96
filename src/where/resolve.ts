/**
 * Which operation a call means: the rules of chapter 10 of the Postgres manual, sections 10.2 and
 * 10.3 (`func_select_candidate` in `parse_func.c`).
 *
 * They are followed over everything that Postgres has for the types known here, including what is
 * refused (`operations/unimplemented.ts`): otherwise a call could mean something else here
 * than there. Whatever is left of an ambiguity is refused, as Postgres does.
 */

import { commonType, isImplicit } from "./conversions.ts";
import { CATALOGUE } from "./operations/catalogue.ts";
import type { Operation, OperandType } from "./operations/operation.ts";
import {
  arrayOf,
  categoryOf,
  elementOf,
  isArray,
  isEnum,
  isPreferred,
  UNKNOWN,
  type SqlType,
} from "./sql-types.ts";

/** One operation for one list of arguments. */
export interface Resolution {
  readonly operation: Operation;
  /** What the arguments have to be converted to. */
  readonly types: readonly SqlType[];
  readonly result: SqlType;
}

interface Candidate {
  readonly operation: Operation;
  readonly args: readonly OperandType[];
}

const OPERATIONS = new Map<string, Operation[]>();
for (const operation of CATALOGUE) {
  const name = `${operation.kind} ${operation.name}`;
  OPERATIONS.set(name, [...(OPERATIONS.get(name) ?? []), operation]);
}

/** Whether there is anything of that name, for any number of arguments unless it is given. */
export function isKnown(kind: Operation["kind"], name: string, count?: number): boolean {
  const operations = OPERATIONS.get(`${kind} ${name}`) ?? [];
  return count === undefined
    ? operations.length > 0
    : operations.some((operation) => expand(operation, count) !== undefined);
}

/** Of points, lines or hardware addresses as well: without any type, they could mean either. */
const AMBIGUOUS: ReadonlySet<string> = new Set(["?| 2", "trunc 1"]);

/** Undefined: none fits, or several do equally well. */
export function resolve(
  kind: Operation["kind"],
  name: string,
  given: readonly SqlType[],
): Resolution | undefined {
  const operations = OPERATIONS.get(`${kind} ${name}`) ?? [];
  const candidates = operations.flatMap((operation): Candidate[] => {
    const args = expand(operation, given.length);
    return args === undefined ? [] : [{ operation, args }];
  });
  if (AMBIGUOUS.has(`${name} ${given.length}`) && given.every((type) => type === UNKNOWN))
    return undefined;
  const chosen =
    exactMatch(candidates, kind === "binary" ? sameType(given) : given) ??
    bestMatch(
      candidates.filter(({ args }) => areAccepted(args, given)),
      given,
    );
  return chosen === undefined ? undefined : complete(chosen, given);
}

/** Undefined: it does not take so many. */
function expand(
  { args, isVariadic }: Operation,
  count: number,
): readonly OperandType[] | undefined {
  if (args.length === count) return args;
  if (!isVariadic || count < args.length) return undefined;
  return [...args, ...Array<OperandType>(count - args.length).fill(args.at(-1)!)];
}

/** An operand of unknown type is first taken to be of the other's type. */
function sameType(given: readonly SqlType[]): readonly SqlType[] {
  const [left, right] = given as [SqlType, SqlType];
  return [left === UNKNOWN ? right : left, right === UNKNOWN ? left : right];
}

function exactMatch(
  candidates: readonly Candidate[],
  given: readonly SqlType[],
): Candidate | undefined {
  return candidates.find(({ args }) => args.every((type, index) => type === given[index]));
}

// --- Candidates ----------------------------------------------------------------------------------

const isPseudo = (type: OperandType): boolean => type.startsWith("any") && type !== "any";

const isArrayPlaceholder = (type: OperandType): boolean => {
  return type === "anyarray" || type === "anycompatiblearray";
};

function areAccepted(args: readonly OperandType[], given: readonly SqlType[]): boolean {
  const fits = args.every((type, index) => accepts(type, given[index]!));
  return fits && (!args.some(isPseudo) || stands(args, given) !== undefined);
}

function accepts(type: OperandType, given: SqlType): boolean {
  if (given === UNKNOWN || type === "any") return true;
  if (isArrayPlaceholder(type)) return isArray(given);
  if (type === "anyenum") return isEnum(given);
  if (type === "anynonarray") return !isArray(given);
  return isPseudo(type) || isImplicit(given, type);
}

/**
 * What the two families of placeholders stand for, as element types. Undefined: they contradict
 * each other. Unknown where all arguments are.
 */
function stands(
  args: readonly OperandType[],
  given: readonly SqlType[],
): { readonly any: SqlType; readonly compatible: SqlType } | undefined {
  let any: SqlType = UNKNOWN;
  const compatible: SqlType[] = [];
  for (const [index, arg] of args.entries()) {
    const type = given[index]!;
    if (type === UNKNOWN || !isPseudo(arg)) continue;
    const element = isArrayPlaceholder(arg) ? elementOf(type) : type;
    if (arg.startsWith("anycompatible")) {
      compatible.push(element);
    } else {
      if (any !== UNKNOWN && any !== element) return undefined;
      any = element;
    }
  }
  if (compatible.length === 0) return { any, compatible: "text" };
  const common = commonType(compatible);
  return typeof common === "string" ? { any, compatible: common } : undefined;
}

function complete(
  { operation, args }: Candidate,
  given: readonly SqlType[],
): Resolution | undefined {
  const standing = stands(args, given);
  if (standing === undefined) return undefined;
  const replace = (type: OperandType): SqlType => {
    if (!isPseudo(type)) return type;
    const element = type.startsWith("anycompatible") ? standing.compatible : standing.any;
    return isArrayPlaceholder(type) && element !== UNKNOWN ? arrayOf(element) : element;
  };
  // Each argument of a variadic "any" has a type of its own; a literal is text.
  const types = args.map((arg, index) => {
    if (arg !== "any") return replace(arg);
    return given[index] === UNKNOWN ? "text" : given[index]!;
  });
  const result = replace(operation.result);
  // There is no array of arrays: `int4[]` has any number of dimensions.
  const isNested = (type: SqlType) => isArray(type) && isArray(elementOf(type));
  if ([...types, result].some((type) => type === UNKNOWN || isNested(type))) return undefined;
  return { operation, types, result };
}

// --- The best of several -------------------------------------------------------------------------

function bestMatch(
  accepted: readonly Candidate[],
  given: readonly SqlType[],
): Candidate | undefined {
  const filters = [mostExact, mostPreferred, fittingUnknowns, assumingOneType];
  let left = accepted;
  for (const filter of filters) {
    if (left.length <= 1) break;
    left = filter(left, given);
  }
  return left.length === 1 ? left[0] : undefined;
}

function mostExact(candidates: readonly Candidate[], given: readonly SqlType[]): Candidate[] {
  return best(candidates, ({ args }) => count(args, (type, index) => type === given[index]));
}

function mostPreferred(candidates: readonly Candidate[], given: readonly SqlType[]): Candidate[] {
  return best(candidates, ({ args }) =>
    count(args, (type, index) => {
      const known = given[index]!;
      if (known === UNKNOWN) return false;
      return type === known || (isPreferred(type) && categoryOf(type) === categoryOf(known));
    }),
  );
}

/** Strings win where any candidate takes one; otherwise all must agree on a category. */
function fittingUnknowns(
  candidates: readonly Candidate[],
  given: readonly SqlType[],
): readonly Candidate[] {
  const slots: {
    readonly index: number;
    readonly category: string;
    readonly hasPreferred: boolean;
  }[] = [];
  for (const [index, type] of given.entries()) {
    if (type !== UNKNOWN) continue;
    const types = candidates.map(({ args }) => args[index]!);
    const categories = new Set(types.map(slotCategory));
    if (categories.size > 1 && !categories.has("string")) return candidates;
    const category = categories.has("string") ? "string" : [...categories][0]!;
    const hasPreferred = types.some((each) => slotCategory(each) === category && isPreferred(each));
    slots.push({ index, category, hasPreferred });
  }
  if (slots.length === 0) return candidates;
  const fitting = candidates.filter(({ args }) =>
    slots.every(({ index, category, hasPreferred }) => {
      const type = args[index]!;
      return slotCategory(type) === category && (!hasPreferred || isPreferred(type));
    }),
  );
  return fitting.length === 0 ? candidates : fitting;
}

function slotCategory(type: OperandType): string {
  return type.startsWith("any") ? "pseudo" : categoryOf(type);
}

/** If all that is known is of one type, what is unknown may be of it too. */
function assumingOneType(
  candidates: readonly Candidate[],
  given: readonly SqlType[],
): readonly Candidate[] {
  const known = new Set(given.filter((type) => type !== UNKNOWN));
  if (known.size !== 1 || !given.includes(UNKNOWN)) return [];
  const assumed = given.map(() => [...known][0]!);
  return candidates.filter(({ args }) => areAccepted(args, assumed));
}

function best(
  candidates: readonly Candidate[],
  score: (candidate: Candidate) => number,
): Candidate[] {
  const scores = candidates.map(score);
  const highest = Math.max(...scores);
  return candidates.filter((_, index) => scores[index] === highest);
}

function count<T>(items: readonly T[], holds: (item: T, index: number) => boolean): number {
  return items.filter(holds).length;
}
