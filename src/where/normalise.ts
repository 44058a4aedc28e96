/**
 * Brings a condition into one form, as far as its meaning for a WHERE allows: there, NULL is as
 * good as false.
 *
 *     NOT is pushed down to where an operator has an opposite    NOT (a < 5 OR b)  a >= 5 AND b = f
 *     a constant stands on the right                             5 > a             a < 5
 *     IS TRUE and IS FALSE vanish, boolean columns are compared  NOT flag          flag = f
 *     lists are sorted, without repetition and NULL              a IN (2, NULL, 1, 2)   a IN (1, 2)
 *     a conjunction of equalities is sorted                      b = 1 AND a = 2   a = 2 AND b = 1
 *
 * and marks what the plan has to know of a constant (`Hint`). Elsewhere the order stays as it is
 * written: it decides whether an operand that raises an error is evaluated.
 *
 * A condition is *loose* where NULL may be taken for false: at the root, and below AND and OR of
 * loose conditions. After NOT has been pushed down, nearly all of a clause is.
 */

import {
  childrenOf,
  typeOf,
  withChildren,
  type CallNode,
  type Expression,
  type OperationName,
  type QuantifiedNode,
  type ValueNode,
} from "../model/expression.ts";
import { hintOf } from "./hints.ts";
import { findOperation } from "./operations/lookup.ts";
import { evaluateConstant, type EvaluationFacts } from "./evaluate.ts";
import { typeNamed } from "./type-table.ts";
import type { ArrayValue } from "./values/scalar-type.ts";

const TRUE: ValueNode = { node: "value", type: "bool", text: "t" };
const FALSE: ValueNode = { node: "value", type: "bool", text: "f" };

/** A constant TRUE means every row, a constant FALSE none. */
export function normalise(expression: Expression, facts: EvaluationFacts): Expression {
  return sortEqualities(push(expression, false, true, facts));
}

// --- NOT -----------------------------------------------------------------------------------------

function push(
  expression: Expression,
  isNegated: boolean,
  isLoose: boolean,
  facts: EvaluationFacts,
): Expression {
  switch (expression.node) {
    case "and":
    case "or": {
      const node = (expression.node === "and") === isNegated ? "or" : "and";
      return join(
        node,
        expression.args.map((arg) => push(arg, isNegated, isLoose, facts)),
      );
    }
    case "not":
      return push(expression.arg, !isNegated, isLoose, facts);
    case "isTrue":
    case "isFalse":
      if (isLoose && !expression.isNegated && !isNegated) {
        return push(expression.arg, expression.node === "isFalse", true, facts);
      }
      return flip(inside(expression, facts), isNegated, facts);
    case "isUnknown":
    case "isNull":
    case "distinct":
      return flip(inside(expression, facts), isNegated, facts);
    case "value":
      return constant(expression, isNegated, isLoose);
    case "column":
      return isLoose ? equality(expression, !isNegated) : negated(expression, isNegated);
    case "call":
      return comparison(expression, isNegated, isLoose, facts);
    case "any":
    case "all":
      return quantified(expression, isNegated, isLoose);
    case "membership":
      return { ...expression, isNegated: expression.isNegated !== isNegated };
    default:
      return negated(inside(expression, facts), isNegated);
  }
}

/** Conditions inside of values are not loose. */
function inside(expression: Expression, facts: EvaluationFacts): Expression {
  const children = childrenOf(expression).map((child) => {
    return typeOf(child) === "bool" ? push(child, false, false, facts) : inside(child, facts);
  });
  return withChildren(expression, children);
}

type Flippable = Extract<
  Expression,
  { node: "isTrue" | "isFalse" | "isUnknown" | "isNull" | "distinct" }
>;

/** What is tested may have turned out to be a constant. */
function flip(expression: Expression, isNegated: boolean, facts: EvaluationFacts): Expression {
  const test = expression as Flippable;
  const flipped = { ...test, isNegated: test.isNegated !== isNegated };
  return evaluateConstant(flipped, facts) ?? flipped;
}

function negated(expression: Expression, isNegated: boolean): Expression {
  return isNegated ? { node: "not", arg: expression } : expression;
}

function constant(value: ValueNode, isNegated: boolean, isLoose: boolean): Expression {
  if (value.text === null) return isLoose ? FALSE : value;
  return (value.text === "t") === isNegated ? FALSE : TRUE;
}

/** What decides ends it, what does not is left out. */
function join(node: "and" | "or", args: readonly Expression[]): Expression {
  const [neutral, decisive] = node === "and" ? ["t", "f"] : ["f", "t"];
  const flat: Expression[] = [];
  for (const arg of args) {
    if (arg.node === "value" && arg.text === decisive) return arg;
    if (arg.node === "value" && arg.text === neutral) continue;
    if (arg.node === node) flat.push(...arg.args);
    else flat.push(arg);
  }
  if (flat.length === 0) return node === "and" ? TRUE : FALSE;
  return flat.length === 1 ? flat[0]! : { node, args: flat };
}

// --- Comparisons ---------------------------------------------------------------------------------

const OPPOSITES: Readonly<Record<string, string>> = {
  "=": "<>",
  "<>": "=",
  "<": ">=",
  ">=": "<",
  ">": "<=",
  "<=": ">",
  "~~": "!~~",
  "!~~": "~~",
  "~~*": "!~~*",
  "!~~*": "~~*",
};

const MIRRORED: Readonly<Record<string, string>> = {
  "=": "=",
  "<>": "<>",
  "<": ">",
  ">": "<",
  "<=": ">=",
  ">=": "<=",
  "@>": "<@",
  "<@": "@>",
  "&&": "&&",
};

function comparison(
  call: CallNode,
  isNegated: boolean,
  isLoose: boolean,
  facts: EvaluationFacts,
): Expression {
  const facing = mirror(inside(call, facts) as CallNode);
  if (isLoose) {
    const flag = booleanEquality(facing, isNegated);
    if (flag !== undefined) return flag;
  }
  const opposite = isNegated ? oppositeOf(facing.operation) : facing.operation;
  if (opposite === undefined) return negated(facing, true);
  const positive: CallNode = { ...facing, operation: opposite };
  if (!isLoose) return positive;
  const hint = hintOf(positive, facts);
  if (hint === "never") return FALSE;
  const settled = DEPENDING.has(opposite.name) ? settle(positive) : positive;
  return hint === undefined ? settled : { ...settled, hint };
}

/** Whose hints depend on the value of a constant. */
const DEPENDING: ReadonlySet<string> = new Set(["~~", "@>", "&&"]);

/** With constants of which the tree depends from here on. */
function settle(call: CallNode): CallNode {
  return { ...call, args: call.args.map(withoutSource) };
}

function withoutSource(expression: Expression): Expression {
  if (expression.node !== "value") return expression;
  const { node, type, text } = expression;
  return { node, type, text };
}

function oppositeOf({ kind, name, args }: OperationName): OperationName | undefined {
  const opposite = OPPOSITES[name];
  if (kind !== "binary" || opposite === undefined) return undefined;
  return findOperation({ kind, name: opposite, args });
}

/** `5 < a` as `a > 5`. */
function mirror(call: CallNode): CallNode {
  const { kind, name, args: types } = call.operation;
  const [left, right] = call.args;
  const mirrored = MIRRORED[name];
  if (kind !== "binary" || mirrored === undefined) return call;
  if (left!.node !== "value" || right!.node === "value") return call;
  const operation = findOperation({ kind, name: mirrored, args: [types[1]!, types[0]!] });
  return operation === undefined ? call : { ...call, operation, args: [right!, left] };
}

const BOOLEAN_EQUALITY: OperationName = { kind: "binary", name: "=", args: ["bool", "bool"] };

function equality(column: Expression, isTrue: boolean): Expression {
  const args = [column, isTrue ? TRUE : FALSE];
  return { node: "call", operation: BOOLEAN_EQUALITY, args, type: "bool" };
}

/** `flag <> true` is `flag = false`, and so on. */
function booleanEquality(call: CallNode, isNegated: boolean): Expression | undefined {
  const { name, args } = call.operation;
  const [left, right] = call.args;
  if (args[0] !== "bool" || (name !== "=" && name !== "<>")) return undefined;
  if (left!.node !== "column" || right!.node !== "value") return undefined;
  if (right.text === null) return FALSE; // It was no constant before NOT was pushed down in it.
  const isSame = (name === "=") !== isNegated;
  return equality(left, (right.text === "t") === isSame);
}

function quantified(node: QuantifiedNode, isNegated: boolean, isLoose: boolean): Expression {
  if (isNegated) {
    const operation = oppositeOf(node.operation);
    if (operation === undefined) return negated(node, true);
    const which = node.node === "any" ? "all" : "any";
    return quantified({ ...node, node: which, operation }, false, isLoose);
  }
  const { array } = node;
  if (array.node !== "value" || array.text === null) {
    return array.node === "value" && isLoose ? FALSE : node;
  }
  const type = typeNamed(array.type);
  const members = type.parse(array.text) as ArrayValue;
  const known = members.elements.filter((element) => element !== null);
  const hasNull = known.length < members.elements.length;
  if (isLoose && node.node === "all" && hasNull) return FALSE;
  if (isLoose && node.node === "any" && known.length === 0) return FALSE;
  const element = typeNamed(array.type.slice(0, -2));
  const texts = [...new Set(known.map((value) => element.format(value)))];
  const { compare } = element;
  const values = texts.map((text) => element.parse(text));
  if (compare !== undefined) values.sort((a, b) => compare(a, b));
  const elements = [...values, ...(hasNull && !isLoose ? [null] : [])];
  const dimensions = elements.length === 0 ? [] : [{ size: elements.length, lowerBound: 1 }];
  const sorted = { ...members, elements, dimensions } as ArrayValue;
  return { ...node, array: { node: "value", type: array.type, text: type.format(sorted) } };
}

// --- Conjunctions of equalities ------------------------------------------------------------------

/**
 * Whether a condition is `column = constant`, whatever is in between: the order of such is of no
 * meaning, because none raises an error.
 */
function isEquality(expression: Expression): expression is CallNode {
  if (expression.node !== "call" || expression.operation.name !== "=") return false;
  const [left, right] = expression.args;
  return columnIn(left!) !== undefined && right!.node === "value";
}

/** Of a column as it is, or as text if it is a varchar. */
function columnIn(expression: Expression): number | undefined {
  if (expression.node === "column") return expression.column;
  const isRelabelled = expression.node === "convert" && expression.how === "relabel";
  return isRelabelled ? columnIn(expression.arg) : undefined;
}

function sortEqualities(expression: Expression): Expression {
  if (expression.node !== "and" || !expression.args.every(isEquality)) return expression;
  const key = ({ args: [left, right] }: CallNode) => {
    return { column: columnIn(left!)!, text: (right as ValueNode).text! };
  };
  const columns = new Set(expression.args.map((arg) => key(arg).column));
  if (columns.size < expression.args.length) {
    // Their order, and how many there are, is a matter of their values.
    const settled = expression.args.map((arg) => settle(arg));
    return sortBy(settled, key);
  }
  return sortBy(expression.args, key);
}

function sortBy(
  equalities: readonly CallNode[],
  key: (call: CallNode) => { readonly column: number; readonly text: string },
): Expression {
  const seen = new Map(equalities.map((arg) => [JSON.stringify(key(arg)), arg]));
  const args = [...seen.values()].sort((a, b) => {
    const one = key(a);
    const other = key(b);
    return one.column - other.column || (one.text < other.text ? -1 : 1);
  });
  return args.length === 1 ? args[0]! : { node: "and", args };
}
