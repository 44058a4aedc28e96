/** Parts of arrays, and arrays made of parts (manual, sections 8.15.3 and 4.2.12). */

import { DIMENSIONS_MAX, tooManyDimensions } from "./array-text.ts";
import { EvaluationError, SQL_STATE } from "./errors.ts";
import type { ArrayValue, Dimension, ScalarName, ScalarValue } from "./scalar-type.ts";

/** `a[2][3]`: NULL outside of the bounds, and unless there is a subscript for each dimension. */
export function elementAt(array: ArrayValue, subscripts: readonly number[]): ScalarValue | null {
  const { dimensions, elements } = array;
  if (subscripts.length !== dimensions.length) return null;
  let index = 0;
  for (const [depth, { size, lowerBound }] of dimensions.entries()) {
    const offset = subscripts[depth]! - lowerBound;
    if (offset < 0 || offset >= size) return null;
    index = index * size + offset;
  }
  return elements[index] ?? null;
}

/** One dimension of `a[1:2][:3][4:]`; a bound that is left out is the array's. */
export interface SliceBounds {
  readonly lower?: number;
  readonly upper?: number;
}

/**
 * `a[1:2]`: what lies inside the bounds, numbered from 1. Dimensions without bounds are taken
 * whole; bounds for more dimensions than there are give the empty array. A plain subscript among
 * slices means `1:n`, which is for the caller to say.
 */
export function sliceOf(array: ArrayValue, bounds: readonly SliceBounds[]): ArrayValue {
  const { elementType, dimensions, elements } = array;
  const empty: ArrayValue = { elementType, dimensions: [], elements: [] };
  if (dimensions.length < bounds.length || dimensions.length === 0) return empty;

  const ranges = dimensions.map(({ size, lowerBound }, depth) => {
    const { lower = -Infinity, upper = Infinity } = bounds[depth] ?? {};
    return {
      start: Math.max(lower - lowerBound, 0),
      end: Math.min(upper - lowerBound + 1, size),
      size,
    };
  });
  if (ranges.some(({ start, end }) => start >= end)) return empty;

  let offsets = [0];
  for (const { start, end, size } of ranges) {
    offsets = offsets.flatMap((offset) =>
      Array.from({ length: end - start }, (_, index) => offset * size + start + index),
    );
  }
  return {
    elementType,
    dimensions: ranges.map(({ start, end }) => ({ size: end - start, lowerBound: 1 })),
    elements: offsets.map((offset) => elements[offset] ?? null),
  };
}

/**
 * `ARRAY[ARRAY[1,2],ARRAY[3,4]]`: arrays of the same dimensions become one that has one more. If
 * all of them are empty or NULL the result is empty.
 *
 * @throws {EvaluationError} they differ in their dimensions, or become too many.
 */
export function nestArrays(
  elementType: ScalarName,
  arrays: readonly (ArrayValue | null)[],
): ArrayValue {
  const full = arrays.filter((array) => array !== null && array.dimensions.length > 0);
  if (full.length === 0) return { elementType, dimensions: [], elements: [] };
  const inner = full[0]!.dimensions;
  if (full.length < arrays.length || !full.every((array) => isAlike(array!.dimensions, inner))) {
    throw new EvaluationError(
      "multidimensional arrays must have array expressions with matching dimensions",
      SQL_STATE.arraySubscriptError,
    );
  }
  if (inner.length === DIMENSIONS_MAX) throw tooManyDimensions(inner.length + 1);
  return {
    elementType,
    dimensions: [{ size: arrays.length, lowerBound: 1 }, ...inner],
    elements: full.flatMap((array) => array!.elements),
  };
}

function isAlike(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ size, lowerBound }, index) => {
      return size === b[index]!.size && lowerBound === b[index]!.lowerBound;
    })
  );
}
