/** How one comparison can be looked up, if at all: the leaves of `plan.ts`. */

import type { Access, AccessTerm, EqualityKind, OrderKind } from "../model/access-plan.ts";
import type { CallNode, Expression, QuantifiedNode } from "../model/expression.ts";
import type { EntryRecipe, EntryValue } from "../model/shape-definition.ts";
import { GRAM_SIZES } from "./grams.ts";

/** What a part of a WHERE needs. */
export interface Candidate {
  readonly branches: readonly Branch[];
  readonly isExact: boolean;
  /** The lower, the fewer shapes a row is expected to reach. */
  readonly cost: number;
  /** It is an equality of one column, which others can be joined to. */
  readonly term?: Term;
}

export interface Term extends AccessTerm {
  readonly value: EntryValue;
}

export type Recipe = EntryRecipe extends infer Each
  ? Each extends EntryRecipe
    ? Omit<Each, "branch">
    : never
  : never;

export interface Branch {
  readonly access: Access;
  readonly recipe: Recipe;
}

const EQUALITY: Readonly<Record<string, EqualityKind>> = {
  int2: "int",
  int4: "int",
  int8: "int",
  uuid: "uuid",
  bool: "text",
  text: "text",
  varchar: "text",
  name: "text",
  enum: "text",
  bytea: "text",
  numeric: "decimal",
  float4: "decimal",
  float8: "decimal",
  bpchar: "padded",
  timestamp: "timestamp",
  timestamptz: "timestamp",
  date: "date",
  time: "time",
};

/** Of a type that is no array: how its values become keys. Undefined: they do not. */
function equalityKindOf(type: string): EqualityKind | undefined {
  return EQUALITY[type];
}

/** The same for members of a subquery. Arrays cannot be any. */
export function memberKindOf(type: string): EqualityKind | undefined {
  return equalityKindOf(type.startsWith("enum ") && !type.endsWith("[]") ? "enum" : type);
}

const ORDER: Readonly<Record<string, OrderKind>> = {
  int2: "int",
  int4: "int",
  int8: "int",
  date: "date",
  time: "time",
  timestamp: "timestamp",
  timestamptz: "timestamp",
  numeric: "decimal",
  float4: "decimal",
  float8: "decimal",
  uuid: "uuid",
  text: "text",
  varchar: "text",
  name: "text",
};

/** Of these, two different values never have one code. */
const EXACT_ORDERS: ReadonlySet<OrderKind> = new Set(["int", "date", "time", "timestamp"]);

/** The lower, the fewer shapes a row is expected to reach. */
export const COST = {
  equality: 10,
  list: 12,
  path: 14,
  member: 16,
  prefix: 20,
  members: 22,
  grams: 30,
  range: 40,
  contained: 45,
  isNull: 50,
  boolean: 60,
  isNotNull: 70,
} as const;

/** Undefined: every row has to be looked at. */
export function accessesOf(expression: Expression): Candidate | undefined {
  switch (expression.node) {
    case "isNull":
      return nullTest(expression.arg, expression.isNegated);
    case "isTrue":
    case "isFalse":
      return booleanTest(expression.arg, expression.node === "isTrue", expression.isNegated);
    case "isUnknown":
      return nullTest(expression.arg, expression.isNegated);
    case "distinct":
      return expression.isNegated
        ? equality(expression.left, expression.right, expression.operation.args)
        : undefined;
    case "any":
      return quantified(expression);
    case "call":
      return comparison(expression);
    default:
      return undefined;
  }
}

function nullTest(arg: Expression, isNegated: boolean): Candidate | undefined {
  if (arg.node !== "column") return undefined;
  const access: Access = { type: "null", column: arg.column };
  const value: EntryValue = { is: "text", text: isNegated ? "f" : "t" };
  const branch: Branch = { access, recipe: { values: [value] } };
  return { branches: [branch], isExact: true, cost: isNegated ? COST.isNotNull : COST.isNull };
}

/** `flag IS NOT TRUE` holds for FALSE and for NULL. */
function booleanTest(arg: Expression, wanted: boolean, isNegated: boolean): Candidate | undefined {
  if (arg.node !== "column") return undefined;
  const access: Access = { type: "equality", terms: [{ column: arg.column, kind: "text" }] };
  const value: EntryValue = { is: "text", text: wanted === isNegated ? "f" : "t" };
  const branch: Branch = { access, recipe: { values: [value] } };
  const nulls = isNegated ? nullTest(arg, false)!.branches : [];
  return { branches: [branch, ...nulls], isExact: true, cost: COST.boolean };
}

// --- Columns -------------------------------------------------------------------------------------

interface ColumnOperand {
  readonly column: number;
  readonly type: string;
  /** An integer that is compared as a numeric. */
  readonly isWidened: boolean;
}

/** A column under its own name, or under that of a type that has the same values and text. */
function columnOf(expression: Expression): ColumnOperand | undefined {
  if (expression.node === "column" && expression.type !== null) {
    return { column: expression.column, type: expression.type, isWidened: false };
  }
  if (expression.node === "convert" && expression.how === "relabel") {
    const inner = columnOf(expression.arg);
    return inner === undefined || inner.type === "bpchar" || expression.type === "bpchar"
      ? undefined
      : inner;
  }
  if (expression.node === "call" && expression.operation.kind === "cast") {
    const inner = columnOf(expression.args[0]!);
    if (inner === undefined || EQUALITY[inner.type] !== "int") return undefined;
    // A narrowing cast raises an error for some rows; only the residual knows which.
    if (INTEGER_SIZE[expression.type]! >= INTEGER_SIZE[inner.type]! && !inner.isWidened) {
      return inner;
    }
    return expression.type === "numeric" ? { ...inner, isWidened: true } : undefined;
  }
  return undefined;
}

const INTEGER_SIZE: Readonly<Record<string, number>> = { int2: 2, int4: 4, int8: 8 };

function constantOf(expression: Expression): { index: number; type: string } | undefined {
  return expression.node === "constant" ? expression : undefined;
}

/** The type in which both sides are compared, by the text that Postgres sends. */
function comparedAs(column: ColumnOperand, constantType: string): string | undefined {
  if (column.isWidened) return constantType === "numeric" ? "numeric" : undefined;
  if (column.type === constantType) return constantType;
  const kinds = [EQUALITY[column.type], EQUALITY[constantType]];
  if (kinds.every((kind) => kind === "int")) return column.type;
  const isText = (type: string) => type === "text" || type === "varchar" || type === "name";
  return isText(column.type) && isText(constantType) ? "text" : undefined;
}

/** Arrays are equal if their texts are, where that is so of their elements. */
function equalityKind(type: string): EqualityKind | undefined {
  if (!type.endsWith("[]")) return EQUALITY[type];
  const element = EQUALITY[type.slice(0, -2)];
  return element === undefined || element === "decimal" || element === "padded"
    ? undefined
    : "text";
}

// --- Comparisons ---------------------------------------------------------------------------------

function comparison(call: CallNode): Candidate | undefined {
  const { kind, name, args: types } = call.operation;
  const [left, right] = call.args;
  if (kind !== "binary") return undefined;
  switch (name) {
    case "=":
      return equality(left!, right!, types) ?? pathEquality(left!, right!);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return range(name, left!, right!);
    case "~~":
      return prefix(call) ?? grams(call, false);
    case "~~*":
      return call.hint?.is === "ascii" ? grams(call, true) : undefined;
    case "@>":
      return types[0] === "jsonb" ? contains(call) : elements(call);
    case "&&":
    case "<@":
      return elements(call);
    default:
      return undefined;
  }
}

function equality(
  left: Expression,
  right: Expression,
  types: readonly string[],
): Candidate | undefined {
  const column = columnOf(left);
  const constant = constantOf(right);
  if (column === undefined || constant === undefined) return undefined;
  const type = comparedAs(column, constant.type);
  const kind = type === undefined ? undefined : equalityKind(type);
  if (kind === undefined) return undefined;
  // `bpchar = text` does not ignore the blanks of the text.
  if (kind === "padded" && types[1] !== "bpchar") return undefined;
  const value: EntryValue = { is: "constant", index: constant.index };
  const cost = column.type === "bool" ? COST.boolean : COST.equality;
  return termCandidate({ column: column.column, kind, value }, cost);
}

function termCandidate(term: Term, cost: number): Candidate {
  const { column, kind, value } = term;
  const access: Access = { type: "equality", terms: [{ column, kind }] };
  return { branches: [{ access, recipe: { values: [value] } }], isExact: true, cost, term };
}

function range(
  name: "<" | "<=" | ">" | ">=",
  left: Expression,
  right: Expression,
): Candidate | undefined {
  const column = columnOf(left);
  const constant = constantOf(right);
  if (column === undefined || constant === undefined) return undefined;
  const type = comparedAs(column, constant.type);
  const order = type === undefined ? undefined : ORDER[type];
  if (order === undefined) return undefined;
  const bound = { index: constant.index, isInclusive: name.endsWith("=") };
  const branch: Branch = {
    access: { type: "range", column: column.column, order },
    recipe: name.startsWith("<") ? { upper: bound } : { lower: bound },
  };
  return { branches: [branch], isExact: EXACT_ORDERS.has(order), cost: COST.range };
}

function prefix({ args: [left, right], hint }: CallNode): Candidate | undefined {
  const column = columnOf(left!);
  const constant = constantOf(right!);
  if (column === undefined || constant === undefined) return undefined;
  if (ORDER[column.type] !== "text" || (hint?.is !== "prefix" && hint?.is !== "begins")) {
    return undefined;
  }
  const branch: Branch = {
    access: { type: "range", column: column.column, order: "text" },
    recipe: { pattern: constant.index },
  };
  return { branches: [branch], isExact: hint.is === "begins", cost: COST.prefix };
}

/** Of a pattern that begins with anything. Which branch a shape is in, its pattern decides. */
function grams({ args: [left, right] }: CallNode, ignoresCase: boolean): Candidate | undefined {
  const column = columnOf(left!);
  const constant = constantOf(right!);
  if (column === undefined || constant === undefined || column.isWidened) return undefined;
  if (!TEXTS.has(column.type)) return undefined;
  const { index } = constant;
  const branches = GRAM_SIZES.map((size): Branch => {
    const access: Access = { type: "grams", column: column.column, size, ignoresCase };
    return { access, recipe: { gram: { index, size, ignoresCase } } };
  });
  const rest: Branch = {
    access: { type: "all" },
    recipe: { gram: { index, size: 0, ignoresCase } },
  };
  return { branches: [...branches, rest], isExact: false, cost: COST.grams };
}

const TEXTS: ReadonlySet<string> = new Set(["text", "varchar", "name", "bpchar"]);

// --- Arrays --------------------------------------------------------------------------------------

function quantified({ operation, left, array }: QuantifiedNode): Candidate | undefined {
  if (operation.name !== "=") return undefined;
  const constant = constantOf(array);
  if (constant !== undefined) return list(left, constant, operation.args);
  // `constant = ANY (column)`.
  const column = columnOf(array);
  const member = constantOf(left);
  if (column === undefined || member === undefined) return undefined;
  const kind = EQUALITY[column.type.slice(0, -2)];
  if (kind === undefined || kind === "padded") return undefined;
  if (kind !== EQUALITY[member.type]) return undefined;
  if (kind === "decimal" && member.type !== column.type.slice(0, -2)) return undefined;
  const branch: Branch = {
    access: { type: "elements", column: column.column, kind },
    recipe: { values: [{ is: "constant", index: member.index }] },
  };
  return { branches: [branch], isExact: true, cost: COST.member };
}

function list(
  left: Expression,
  { index, type }: { readonly index: number; readonly type: string },
  types: readonly string[],
): Candidate | undefined {
  const column = columnOf(left);
  if (column === undefined) return undefined;
  const element = type.slice(0, -2);
  const compared = comparedAs(column, element);
  const kind = compared === undefined ? undefined : EQUALITY[compared];
  if (kind === undefined || (kind === "padded" && types[1] !== "bpchar")) return undefined;
  const value: EntryValue = { is: "elements", index, type, isAnyOne: false };
  return termCandidate({ column: column.column, kind, value }, COST.list);
}

function elements({ operation, args: [left, right], hint }: CallNode): Candidate | undefined {
  const column = columnOf(left!);
  const constant = constantOf(right!);
  if (column === undefined || constant === undefined || operation.args[0] !== "anyarray") {
    return undefined;
  }
  const kind = EQUALITY[column.type.slice(0, -2)];
  // The blanks of a padded element may be more than the core has room to read it.
  if (kind === undefined || kind === "padded" || column.type !== constant.type) return undefined;
  const access: Access = { type: "elements", column: column.column, kind };
  const value = (isAnyOne: boolean): EntryValue => {
    return { is: "elements", index: constant.index, type: constant.type, isAnyOne };
  };
  if (operation.name === "&&") {
    const branch: Branch = { access, recipe: { values: [value(false)] } };
    return { branches: [branch], isExact: true, cost: COST.members };
  }
  if (operation.name === "<@") return contained(access, value(false), column.column);
  if (hint?.is !== "single" && hint?.is !== "members") return undefined;
  const branch: Branch = { access, recipe: { values: [value(true)] } };
  return { branches: [branch], isExact: hint.is === "single", cost: COST.member };
}

/** What is contained is empty, or has one of the elements at least. */
function contained(access: Access, value: EntryValue, column: number): Candidate {
  const empty: Branch = {
    access: { type: "equality", terms: [{ column, kind: "text" }] },
    recipe: { values: [{ is: "text", text: "{}" }] },
  };
  const branches: Branch[] = [{ access, recipe: { values: [value] } }, empty];
  return { branches, isExact: false, cost: COST.contained };
}

// --- JSON ----------------------------------------------------------------------------------------

/** `a -> 'b' ->> 'c' = constant`, and the same by `#>>`. */
function pathEquality(left: Expression, right: Expression): Candidate | undefined {
  const constant = constantOf(right);
  const found = pathOf(left);
  if (constant === undefined || found === undefined || found.path.length > STEP_COUNT_MAX) {
    return undefined;
  }
  const value: EntryValue = { is: "constant", index: constant.index };
  return path(found.column, found.path, value, found.isExact);
}

function path(
  column: number,
  keys: readonly string[],
  value: EntryValue,
  isExact: boolean,
): Candidate {
  const branch: Branch = {
    access: { type: "path", column, path: keys },
    recipe: { values: [value] },
  };
  return { branches: [branch], isExact, cost: COST.path };
}

interface JsonPath {
  readonly column: number;
  readonly path: readonly string[];
  readonly isExact: boolean;
}

/** `assembly/path-tree.ts` has room for so many. */
const STEP_COUNT_MAX = 32;

/** Of an expression whose text is that at a path: the last step gives text. */
function pathOf(expression: Expression): JsonPath | undefined {
  if (expression.node !== "call") return undefined;
  const { name } = expression.operation;
  return name === "->>" || name === "#>>" ? steps(expression) : undefined;
}

function steps(expression: Expression): JsonPath | undefined {
  if (expression.node === "column") {
    const { column, type } = expression;
    // An object of type json may have a key twice.
    return { column, path: [], isExact: type === "jsonb" };
  }
  if (expression.node !== "call" || !/^(?:->>?|#>>?)$/.test(expression.operation.name)) {
    return undefined;
  }
  const [object, key] = expression.args;
  const before = steps(object!);
  if (before === undefined || key!.node !== "value" || key.text === null) return undefined;
  // To `-> 0` a lone value is an array of itself.
  if (key.type !== "text" && key.type !== "text[]") return undefined;
  // Keys of `#>` are an array, whose text would have to be read; only plain ones are.
  if (expression.operation.name.startsWith("#")) {
    const keys = /^\{([A-Za-z_][A-Za-z0-9_]*(?:,[A-Za-z_][A-Za-z0-9_]*)*)\}$/.exec(key.text)?.[1];
    if (keys === undefined || /(?:^|,)null(?:,|$)/i.test(keys)) return undefined;
    return { ...before, path: [...before.path, ...keys.split(",")] };
  }
  return { ...before, path: [...before.path, key.text] };
}

function contains({ args: [left, right], hint }: CallNode): Candidate | undefined {
  const constant = constantOf(right!);
  if (left!.node !== "column" || constant === undefined || hint?.is !== "path") return undefined;
  if (hint.path.length > STEP_COUNT_MAX) return undefined;
  const value: EntryValue = { is: "path", index: constant.index, path: hint.path };
  return path(left.column, hint.path, value, false);
}
