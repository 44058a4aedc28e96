/**
 * Shapes with a subquery to be measured:
 *
 *     of its own    item IN (SELECT item FROM grants WHERE role = <shape>)
 *     shared        item IN (SELECT item FROM grants WHERE role = <role>) AND kind = <shape>
 */

import { flatText } from "../baseline/flat-text.ts";
import { Random } from "../random.ts";

export type ValueKind = "int" | "uuid";

export interface SubquerySet {
  readonly kind: ValueKind;
  /** Whether several shapes have the same subquery. */
  readonly isShared: boolean;
  /** The number of a shape's subquery. */
  subselectOf(shape: number): number;
  /** All different, as text; they follow from the number of the subquery alone. */
  valuesOf(subquery: number): readonly string[];
}

export interface DrawnValues {
  readonly kind: ValueKind;
  readonly valuesPerSubselect: number;
  /** Of how many they are drawn; undefined: no two subqueries have one in common. */
  readonly valuesInAll: number | undefined;
}

/** Shapes of which so many that follow each other have the same subquery, of values drawn. */
export function drawnSet(values: DrawnValues, shapesPerSubselect: number): SubquerySet {
  return {
    kind: values.kind,
    isShared: shapesPerSubselect > 1,
    subselectOf: (shape) => Math.floor(shape / shapesPerSubselect),
    valuesOf: (subquery) => draw(values, subquery),
  };
}

function draw(drawn: DrawnValues, subquery: number): readonly string[] {
  const { kind, valuesPerSubselect: count, valuesInAll } = drawn;
  if (valuesInAll === undefined) {
    return Array.from({ length: count }, (_, at) => textOf(kind, subquery * count + at));
  }
  const random = new Random(subquery);
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(random.below(valuesInAll));
  return [...numbers].map((number) => textOf(kind, number));
}

/** A value of a kind: equal numbers have equal ones. */
export function textOf(kind: ValueKind, number: number): string {
  if (kind === "int") return String(number);
  // Scattered, and different: an odd factor permutes 32 bits.
  const low = number.toString(16).padStart(12, "0");
  const high = (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
  return flatText(`${high}-0000-4000-8000-${low}`);
}
