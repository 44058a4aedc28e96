/**
 * Operators and functions of arrays (manual, section 9.19). They are polymorphic: what they have to
 * know of the elements they are told by the type of the place where they stand.
 *
 * `@> <@ &&` look at elements alone, not at dimensions; a NULL is in no array there, while `=` and
 * `array_position` take two NULLs for the same.
 */

import { haveSameDimensions } from "../values/array.ts";
import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import type {
  ArrayValue,
  Dimension,
  ScalarName,
  ScalarType,
  ScalarValue,
  TypeName,
  Value,
} from "../values/scalar-type.ts";
import { typeNamed } from "../type-table.ts";
import {
  fn,
  make,
  type Evaluate,
  type OperandType,
  type Operation,
  type Options,
  type Place,
} from "./operation.ts";

type Element = ScalarValue | null;

const BYTEWISE = { collation: "equality" } as const;
const LENIENT = { isStrict: false } as const;

export const ARRAY_OPERATIONS: readonly Operation[] = [
  equality("=", (isEqual) => isEqual),
  equality("<>", (isEqual) => !isEqual),
  order("<", (sign) => sign < 0),
  order("<=", (sign) => sign <= 0),
  order(">", (sign) => sign > 0),
  order(">=", (sign) => sign >= 0),
  membership("@>", (a, b, equals) => containsAll(a, b, equals)),
  membership("<@", (a, b, equals) => containsAll(b, a, equals)),
  membership("&&", (a, b, equals) => b.some((element) => contains(a, element, equals))),
  ...concatenations(),
  ...dimensions(),
  position(["anycompatiblearray", "anycompatible"]),
  position(["anycompatiblearray", "anycompatible", "int4"]),
];

function equality(name: string, accepts: (isEqual: boolean) => boolean): Operation {
  const bind = ({ types }: Place): Evaluate => {
    elementTypeOf(types[0]!);
    const type = typeNamed(types[0]!);
    return (a, b) => accepts(type.equals(a!, b!));
  };
  return make("binary", name, ["anyarray", "anyarray"], "bool", bind, BYTEWISE);
}

function order(name: string, accepts: (sign: number) => boolean): Operation {
  const bind = ({ types }: Place): Evaluate => {
    const type = typeNamed(types[0]!);
    if (type.compare === undefined) throw noOperator("a comparison function", types[0]!);
    return (a, b) => accepts(type.compare!(a!, b!));
  };
  return make("binary", name, ["anyarray", "anyarray"], "bool", bind, { collation: "order" });
}

type Equals = (a: ScalarValue, b: ScalarValue) => boolean;

function membership(
  name: string,
  test: (a: readonly Element[], b: readonly Element[], equals: Equals) => boolean,
): Operation {
  const bind = ({ types }: Place): Evaluate => {
    const element = elementTypeOf(types[0]!);
    const equals: Equals = (a, b) => element.equals(a, b);
    return (a, b) => test((a as ArrayValue).elements, (b as ArrayValue).elements, equals);
  };
  return make("binary", name, ["anyarray", "anyarray"], "bool", bind, BYTEWISE);
}

function containsAll(all: readonly Element[], some: readonly Element[], equals: Equals): boolean {
  return some.every((element) => contains(all, element, equals));
}

function contains(elements: readonly Element[], wanted: Element, equals: Equals): boolean {
  if (wanted === null) return false;
  return elements.some((element) => element !== null && equals(element, wanted));
}

function concatenations(): Operation[] {
  const append = lenient(([array, element], elementType) => {
    return appendElement(array as ArrayValue | null, element as Element, elementType);
  });
  const prepend = lenient(([element, array], elementType) => {
    return prependElement(element as Element, array as ArrayValue | null, elementType);
  });
  const join: Evaluate = (a, b) => {
    if (a === null || b === null) return a ?? b;
    return concatenate(a as ArrayValue, b as ArrayValue);
  };
  const array = "anycompatiblearray";
  const element = "anycompatible";
  return [
    make("binary", "||", [array, element], array, append(0), LENIENT),
    make("function", "array_append", [array, element], array, append(0), LENIENT),
    make("binary", "||", [element, array], array, prepend(1), LENIENT),
    make("function", "array_prepend", [element, array], array, prepend(1), LENIENT),
    make("binary", "||", [array, array], array, () => join, LENIENT),
    make("function", "array_cat", [array, array], array, () => join, LENIENT),
  ];
}

/** Given the number of the argument that is the array. */
function lenient(
  evaluate: (values: readonly (Value | null)[], elementType: ScalarName) => Value,
): (arrayIndex: number) => (place: Place) => Evaluate {
  return (arrayIndex) =>
    ({ types }) => {
      const elementType = elementNameOf(types[arrayIndex]!);
      return (...values) => evaluate(values, elementType);
    };
}

function appendElement(
  array: ArrayValue | null,
  element: Element,
  elementType: ScalarName,
): ArrayValue {
  const { size, lowerBound } = onlyDimensionOf(array);
  if (lowerBound + size > INT4_MAX) throw integerOutOfRange();
  return {
    elementType,
    dimensions: [{ size: size + 1, lowerBound }],
    elements: [...(array?.elements ?? []), element],
  };
}

/** The lower bound stays: what was the first element gets the next number. */
function prependElement(
  element: Element,
  array: ArrayValue | null,
  elementType: ScalarName,
): ArrayValue {
  const { size, lowerBound } = onlyDimensionOf(array);
  if (size > 0 && lowerBound - 1 < INT4_MIN) throw integerOutOfRange();
  return {
    elementType,
    dimensions: [{ size: size + 1, lowerBound }],
    elements: [element, ...(array?.elements ?? [])],
  };
}

const INT4_MAX = 0x7fff_ffff;
const INT4_MIN = -0x8000_0000;

function onlyDimensionOf(array: ArrayValue | null): Dimension {
  if (array === null || array.dimensions.length === 0) return { size: 0, lowerBound: 1 };
  if (array.dimensions.length === 1) return array.dimensions[0]!;
  throw new EvaluationError(
    "argument must be empty or one-dimensional array",
    SQL_STATE.dataException,
  );
}

function integerOutOfRange(): EvaluationError {
  return new EvaluationError("integer out of range", SQL_STATE.numericValueOutOfRange);
}

/** Along the first dimension; an array of one dimension less counts as one more member. */
function concatenate(a: ArrayValue, b: ArrayValue): ArrayValue {
  if (a.dimensions.length === 0) return b;
  if (b.dimensions.length === 0) return a;
  const difference = a.dimensions.length - b.dimensions.length;
  if (Math.abs(difference) > 1) throw incompatible();
  const outer = difference >= 0 ? a : b;
  const innerOf = (array: ArrayValue) =>
    array.dimensions.length === outer.dimensions.length
      ? { ...array, dimensions: array.dimensions.slice(1) }
      : array;
  if (!haveSameDimensions(innerOf(a), innerOf(b))) throw incompatible();
  const [first, ...inner] = outer.dimensions;
  const added = difference === 0 ? b.dimensions[0]!.size : 1;
  return {
    elementType: a.elementType,
    dimensions: [{ size: first!.size + added, lowerBound: first!.lowerBound }, ...inner],
    elements: [...a.elements, ...b.elements],
  };
}

function incompatible(): EvaluationError {
  return new EvaluationError(
    "cannot concatenate incompatible arrays",
    SQL_STATE.arraySubscriptError,
  );
}

function dimensions(): Operation[] {
  const ofDimension = (name: string, answer: (dimension: Dimension) => number) =>
    fn(name, ["anyarray", "int4"], "int4", (array, number) => {
      const dimension = array.dimensions[number - 1];
      return dimension === undefined ? null : answer(dimension);
    });
  return [
    fn("array_ndims", ["anyarray"], "int4", (array) => array.dimensions.length || null),
    fn("cardinality", ["anyarray"], "int4", (array) => array.elements.length),
    ofDimension("array_length", ({ size }) => size),
    ofDimension("array_lower", ({ lowerBound }) => lowerBound),
    ofDimension("array_upper", ({ size, lowerBound }) => lowerBound + size - 1),
  ];
}

/** The subscript of the first such element, from the given subscript on; NULL is found as well. */
function position(args: readonly OperandType[]): Operation {
  const bind = ({ types }: Place): Evaluate => {
    const element = elementTypeOf(types[0]!);
    return (array, wanted, start) => {
      if (array === null) return null;
      return positionOf(array as ArrayValue, wanted as Element, element, start as Start);
    };
  };
  const options: Options = { isStrict: false, ...BYTEWISE };
  return make("function", "array_position", args, "int4", bind, options);
}

/** Where to begin; undefined when the call does not say. */
type Start = number | null | undefined;

function positionOf(
  { dimensions, elements }: ArrayValue,
  wanted: Element,
  type: ScalarType<ScalarValue>,
  start: Start,
): number | null {
  if (dimensions.length > 1) {
    throw new EvaluationError(
      "searching for elements in multidimensional arrays is not supported",
      SQL_STATE.featureNotSupported,
    );
  }
  // What cannot be found is not looked for, from wherever it may be.
  if (elements.length === 0 || (wanted === null && !elements.includes(null))) return null;
  if (start === null) {
    throw new EvaluationError("initial position must not be null", SQL_STATE.nullValueNotAllowed);
  }
  const { lowerBound } = dimensions[0]!;
  const first = Math.max((start ?? lowerBound) - lowerBound, 0);
  for (let index = first; index < elements.length; index++) {
    const element = elements[index] ?? null;
    const isFound =
      element === null || wanted === null ? element === wanted : type.equals(element, wanted);
    if (isFound) return lowerBound + index;
  }
  return null;
}

/** @throws {EvaluationError} the type has no equality. */
function elementTypeOf(array: TypeName): ScalarType<ScalarValue> {
  const name = elementNameOf(array);
  if (name === "json") throw noOperator("an equality operator", name);
  return typeNamed(name) as ScalarType<ScalarValue>;
}

function elementNameOf(array: TypeName): ScalarName {
  return array.replace("[]", "") as ScalarName;
}

function noOperator(what: string, type: TypeName): EvaluationError {
  return new EvaluationError(
    `could not identify ${what} for type ${type}`,
    SQL_STATE.undefinedFunction,
  );
}
