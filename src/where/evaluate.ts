/**
 * An expression as a function of a row: compiled once, to closures that read a frame.
 *
 *     frame  the row, its columns decoded so far, the constants of the shape that is asked about
 *
 * A column is decoded once for a row, however many shapes it is asked for; beyond the values
 * themselves nothing is allocated. What Postgres would evaluate is evaluated, in the order in which
 * it is written: AND and OR stop at the first operand that decides.
 */

import { ASCII_CASE_MAPPING, type CaseMapping } from "../model/case-mapping.ts";
import {
  childrenOf,
  typeOf,
  type Expression,
  type OperationName,
  type QuantifiedNode,
} from "../model/expression.ts";
import type { RowReader } from "../model/row-filter.ts";
import type { TimeZones } from "../model/time-zone.ts";
import { operationNamed } from "./operations/lookup.ts";
import type { Evaluate } from "./operations/operation.ts";
import { typeNamed } from "./type-table.ts";
import { elementAt, nestArrays, sliceOf } from "./values/array-subscripts.ts";
import { arrayOf } from "./values/array.ts";
import type { ArrayValue, ScalarName, ScalarValue, TypeName, Value } from "./values/scalar-type.ts";

export interface Frame {
  row: RowReader | undefined;
  /** By column; undefined is not decoded yet. */
  readonly decoded: (Value | null | undefined)[];
  constants: readonly string[];
}

export type Compute = (frame: Frame) => Value | null;

export interface EvaluationFacts {
  readonly caseMapping?: CaseMapping | undefined;
  readonly timeZones?: TimeZones | undefined;
}

export function compile(expression: Expression, facts: EvaluationFacts): Compute {
  switch (expression.node) {
    case "column":
      return column(expression.column, expression.type!);
    case "value":
      return constantly(decode(expression.type, expression.text));
    case "constant":
      return constant(expression.index, expression.type);
    case "and":
    case "or":
      return logic(expression.args.map(compileWith(facts)), expression.node === "or");
    case "not":
      return negation(compile(expression.arg, facts));
    case "isNull":
      return nullTest(expression.arg, expression.isNegated, facts);
    case "isTrue":
    case "isFalse":
    case "isUnknown":
      return booleanTest(
        compile(expression.arg, facts),
        { isTrue: true, isFalse: false, isUnknown: null }[expression.node],
        expression.isNegated,
      );
    case "membership":
      throw new Error("a membership is judged by `dependent-filter.ts`, which knows the views");
    default:
      return compileValue(expression, facts);
  }
}

type ValueExpression = Extract<
  Expression,
  | { node: "call" | "convert" | "distinct" | "any" | "all" | "array" | "subscript" }
  | ChoiceExpression
>;
type ChoiceExpression = Extract<Expression, { node: "coalesce" | "greatest" | "least" }>;

function compileValue(expression: ValueExpression, facts: EvaluationFacts): Compute {
  const children = childrenOf(expression).map(compileWith(facts));
  switch (expression.node) {
    case "call":
      return call(
        bind(expression.operation, expression.args, folding(expression, facts)),
        children,
      );
    case "convert":
      return strict(children[0]!, conversion(expression, facts));
    case "distinct":
      return distinct(
        bind(expression.operation, [expression.left, expression.right], facts).evaluate,
        children,
        expression.isNegated,
      );
    case "any":
    case "all":
      return quantified(expression, children, facts);
    case "coalesce":
      return firstOf(children);
    case "greatest":
    case "least":
      return extreme(children, expression.type, expression.node === "greatest" ? 1 : -1);
    case "array":
      return constructor(children, expression.type, expression.isNested);
    case "subscript":
      return subscript(expression, children);
  }
}

/**
 * The expression as a constant, if all of it is one, or NULL makes it one. Undefined: neither.
 * Children are folded already.
 *
 * @throws {EvaluationError}
 */
export function evaluateConstant(
  expression: Expression,
  facts: EvaluationFacts,
): Expression | undefined {
  const type = typeOf(expression);
  const children = childrenOf(expression);
  const isNull = (child: Expression) => child.node === "value" && child.text === null;
  if (expression.node === "call" && operationNamed(expression.operation).isStrict) {
    if (children.some(isNull)) return { node: "value", type, text: null };
  }
  if (children.length === 0 && expression.node !== "array") return undefined;
  if (!children.every(({ node }) => node === "value")) return undefined;
  const value = compile(expression, facts)(emptyFrame());
  return { node: "value", type, text: value === null ? null : typeNamed(type).format(value) };
}

export function emptyFrame(): Frame {
  return { row: undefined, decoded: [], constants: [] };
}

function compileWith(facts: EvaluationFacts): (expression: Expression) => Compute {
  return (expression) => compile(expression, facts);
}

// --- Leaves --------------------------------------------------------------------------------------

function column(index: number, type: string): Compute {
  const { parse } = typeNamed(type);
  return (frame) => {
    let value = frame.decoded[index];
    if (value === undefined) {
      const text = frame.row!.text(index);
      value = text === null ? null : parse(text);
      frame.decoded[index] = value;
    }
    return value;
  };
}

function constant(index: number, type: string): Compute {
  const { parse } = typeNamed(type);
  const read = remembering(parse);
  return (frame) => read(frame.constants[index]!);
}

/**
 * Constants that are worth a look-up by their text: reading a long one takes up to a millisecond.
 */
const LONG = 64;
const REMEMBERED_MAX = 64;

function remembering(parse: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    if (text.length < LONG) return parse(text);
    let value = known.get(text);
    if (value === undefined) {
      value = parse(text);
      if (known.size === REMEMBERED_MAX) known.delete(known.keys().next().value!);
      known.set(text, value);
    }
    return value;
  };
}

function constantly(value: Value | null): Compute {
  return () => value;
}

function decode(type: string, text: string | null): Value | null {
  return text === null ? null : typeNamed(type).parse(text);
}

// --- Conditions ----------------------------------------------------------------------------------

/** AND and OR of three-valued logic: `decisive` ends it, NULL is remembered. */
function logic(args: readonly Compute[], decisive: boolean): Compute {
  return (frame) => {
    let result: boolean | null = !decisive;
    for (const arg of args) {
      const value = arg(frame);
      if (value === decisive) return decisive;
      if (value === null) result = null;
    }
    return result;
  };
}

function negation(arg: Compute): Compute {
  return (frame) => {
    const value = arg(frame);
    return value === null ? null : value === false;
  };
}

/** A column is not decoded for it: its type may be one that nothing is known of. */
function nullTest(arg: Expression, isNegated: boolean, facts: EvaluationFacts): Compute {
  if (arg.node === "column") {
    return (frame) => (frame.row!.text(arg.column) === null) !== isNegated;
  }
  const compute = compile(arg, facts);
  return (frame) => (compute(frame) === null) !== isNegated;
}

function booleanTest(arg: Compute, wanted: boolean | null, isNegated: boolean): Compute {
  return (frame) => (arg(frame) === wanted) !== isNegated;
}

function distinct(
  equals: Evaluate,
  [left, right]: readonly Compute[],
  isNegated: boolean,
): Compute {
  return (frame) => {
    const a = left!(frame);
    const b = right!(frame);
    const isSame = a === null || b === null ? a === b : equals(a, b) === true;
    return isSame === isNegated;
  };
}

// --- Calls ---------------------------------------------------------------------------------------

/** Under COLLATE "C", letters of ASCII are folded and no others. */
function folding(
  { collation }: { readonly collation?: "C" },
  facts: EvaluationFacts,
): EvaluationFacts {
  return collation === undefined ? facts : { ...facts, caseMapping: ASCII_CASE_MAPPING };
}

interface Bound {
  readonly evaluate: Evaluate;
  readonly isStrict: boolean;
}

function bind(
  name: OperationName,
  args: readonly Expression[],
  { caseMapping, timeZones }: EvaluationFacts,
  types: readonly string[] = args.map(typeOf),
): Bound {
  const operation = operationNamed(name);
  const place = { types: types as TypeName[], caseMapping: caseMapping!, timeZones };
  return { evaluate: operation.bind(place), isStrict: operation.isStrict };
}

function call({ evaluate, isStrict }: Bound, args: readonly Compute[]): Compute {
  const [first, second] = args;
  if (isStrict && args.length === 1) return strict(first!, evaluate);
  if (isStrict && args.length === 2) {
    return (frame) => {
      const a = first!(frame);
      const b = second!(frame);
      return a === null || b === null ? null : evaluate(a, b);
    };
  }
  return (frame) => {
    const values = args.map((arg) => arg(frame));
    return isStrict && values.includes(null) ? null : evaluate(...values);
  };
}

function strict(arg: Compute, evaluate: Evaluate): Compute {
  return (frame) => {
    const value = arg(frame);
    return value === null ? null : evaluate(value);
  };
}

function conversion(
  { how, arg, type, element }: Extract<Expression, { node: "convert" }>,
  facts: EvaluationFacts,
): Evaluate {
  const from = typeOf(arg);
  if (how !== "elements") return plainConversion(how, from, type);
  const [inner, outer] = [from.slice(0, -2), type.slice(0, -2)];
  const convert =
    typeof element === "string"
      ? plainConversion(element, inner, outer)
      : bind(element!, [], facts, [inner]).evaluate;
  return (array) => mapElements(array as ArrayValue, outer as ScalarName, convert);
}

function mapElements(array: ArrayValue, elementType: ScalarName, convert: Evaluate): ArrayValue {
  const elements = array.elements.map((element) => {
    return element === null ? null : (convert(element) as ScalarValue | null);
  });
  return { ...array, elementType, elements };
}

function plainConversion(how: "output" | "input" | "relabel", from: string, to: string): Evaluate {
  if (how === "relabel") return (value) => value;
  if (how === "output") {
    const { format } = typeNamed(from);
    return (value) => format(value!);
  }
  const { parse } = typeNamed(to);
  return (value) => parse(value as string);
}

function quantified(
  node: QuantifiedNode,
  children: readonly Compute[],
  facts: EvaluationFacts,
): Compute {
  const { operation, left, array } = node;
  const decisive = node.node === "any";
  const types = [typeOf(left), typeOf(array).slice(0, -2)];
  const { evaluate } = bind(operation, [], folding(node, facts), types);
  const [operand, members] = children;
  return (frame) => {
    const value = operand!(frame);
    const values = members!(frame) as ArrayValue | null;
    if (values === null) return null;
    let result: boolean | null = !decisive;
    for (const element of values.elements) {
      const outcome = value === null || element === null ? null : evaluate(value, element);
      if (outcome === decisive) return decisive;
      if (outcome === null) result = null;
    }
    return result;
  };
}

function firstOf(args: readonly Compute[]): Compute {
  return (frame) => {
    for (const arg of args) {
      const value = arg(frame);
      if (value !== null) return value;
    }
    return null;
  };
}

/** GREATEST and LEAST leave NULLs out. */
function extreme(args: readonly Compute[], type: string, sign: 1 | -1): Compute {
  const { compare } = typeNamed(type);
  return (frame) => {
    let result: Value | null = null;
    for (const arg of args) {
      const value = arg(frame);
      if (value === null) continue;
      if (result === null || sign * compare!(value, result) > 0) result = value;
    }
    return result;
  };
}

function constructor(args: readonly Compute[], type: string, isNested: boolean): Compute {
  const elementType = type.slice(0, -2) as ScalarName;
  return (frame) => {
    const values = args.map((arg) => arg(frame));
    return isNested
      ? nestArrays(elementType, values as (ArrayValue | null)[])
      : arrayOf(elementType, values as (ScalarValue | null)[]);
  };
}

/** `a[2]` among slices is `a[1:2]`: the analysis has put the 1 there. */
function subscript(
  { subscripts, isSlice }: Extract<Expression, { node: "subscript" }>,
  [array, ...bounds]: readonly Compute[],
): Compute {
  return (frame) => {
    const value = array!(frame) as ArrayValue | null;
    const values = bounds.map((bound) => bound(frame) as number | null);
    if (value === null || values.includes(null)) return null;
    if (!isSlice) return elementAt(value, values as number[]);
    let next = 0;
    const slices = subscripts.map(({ lower, upper }) => ({
      ...(lower === undefined ? {} : { lower: values[next++]! }),
      ...(upper === undefined ? {} : { upper: values[next++]! }),
    }));
    return sliceOf(value, slices);
  };
}
