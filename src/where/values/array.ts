/**
 * Arrays (manual, section 8.15): values of one scalar type in up to six dimensions, where an
 * element may be NULL and a subscript need not begin at 1.
 *
 *     [0:1][1:2]={{a,b},{c,d}}     dimensions  {size 2, lowerBound 0} {size 2, lowerBound 1}
 *                                  elements    a b c d
 *
 * Two arrays are equal if dimensions, lower bounds and elements are; an element NULL is equal to
 * NULL there.
 */

import { formatArray, parseArray } from "./array-text.ts";
import type { ArrayName, ArrayValue, ScalarName, ScalarType, ScalarValue } from "./scalar-type.ts";

/** The array type of a scalar one. Arrays are ordered if their elements are. */
export function createArrayType(element: ScalarType<ScalarValue>): ScalarType<ArrayValue> {
  const elementType = element.name as ScalarName;
  const type: ScalarType<ArrayValue> = {
    name: `${elementType}[]` satisfies ArrayName,
    parse: (text) => parseArray(elementType, text, (item) => element.parse(item)),
    format: (array) => formatArray(array, (item) => element.format(item)),
    equals: (a, b) => equalArrays(a, b, element),
  };
  const { compare } = element;
  if (compare === undefined) return type;
  return { ...type, compare: (a, b) => compareArrays(a, b, compare) };
}

/** An array of one dimension that begins at 1, or the empty one. */
export function arrayOf(
  elementType: ScalarName,
  elements: readonly (ScalarValue | null)[],
): ArrayValue {
  const dimensions = elements.length === 0 ? [] : [{ size: elements.length, lowerBound: 1 }];
  return { elementType, dimensions, elements };
}

/** Whether both have the same shape, lower bounds included. */
export function haveSameDimensions(a: ArrayValue, b: ArrayValue): boolean {
  return (
    a.dimensions.length === b.dimensions.length &&
    a.dimensions.every(({ size, lowerBound }, index) => {
      const other = b.dimensions[index]!;
      return size === other.size && lowerBound === other.lowerBound;
    })
  );
}

function equalArrays(a: ArrayValue, b: ArrayValue, { equals }: ScalarType<ScalarValue>): boolean {
  return (
    haveSameDimensions(a, b) &&
    a.elements.every((element, index) => {
      const other = b.elements[index] ?? null;
      return element === null || other === null ? element === other : equals(element, other);
    })
  );
}

/** By elements, a NULL after all others; then by number of elements, dimensions, sizes, bounds. */
function compareArrays(
  a: ArrayValue,
  b: ArrayValue,
  compare: (a: ScalarValue, b: ScalarValue) => number,
): number {
  const count = Math.min(a.elements.length, b.elements.length);
  for (let index = 0; index < count; index++) {
    const left = a.elements[index] ?? null;
    const right = b.elements[index] ?? null;
    if (left !== null && right !== null) {
      const order = compare(left, right);
      if (order !== 0) return order;
    } else if (left !== right) {
      return left === null ? 1 : -1;
    }
  }
  return (
    a.elements.length - b.elements.length ||
    a.dimensions.length - b.dimensions.length ||
    compareDimensions(a, b)
  );
}

/** REQUIRES: as many dimensions in both. */
function compareDimensions(a: ArrayValue, b: ArrayValue): number {
  for (const key of ["size", "lowerBound"] as const) {
    for (const [index, dimension] of a.dimensions.entries()) {
      const order = dimension[key] - b.dimensions[index]![key];
      if (order !== 0) return order;
    }
  }
  return 0;
}
