/**
 * Shapes with a subselect to be measured:
 *
 *     of its own    item IN (SELECT item FROM grants WHERE role = <shape>)
 *     shared        item IN (SELECT item FROM grants WHERE role = <role>) AND kind = <shape>
 */

import { Random } from "../random.ts";

export interface SubquerySet {
  readonly kind: "int" | "uuid";
  /** 1: every shape has a subselect of its own. */
  readonly shapesPerSubselect: number;
  readonly valuesPerSubselect: number;
  /** Of how many they are drawn; undefined: no two subselects have one in common. */
  readonly valuesInAll: number | undefined;
}

/** All different, as text; they follow from the number of the subselect alone. */
export function valuesOf(set: SubquerySet, subselect: number): readonly string[] {
  const { kind, valuesPerSubselect: count, valuesInAll } = set;
  if (valuesInAll === undefined) {
    return Array.from({ length: count }, (_, at) => textOf(kind, subselect * count + at));
  }
  const random = new Random(subselect);
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(random.below(valuesInAll));
  return [...numbers].map((number) => textOf(kind, number));
}

function textOf(kind: SubquerySet["kind"], number: number): string {
  if (kind === "int") return String(number);
  // Scattered, and different: an odd factor permutes 32 bits.
  const low = number.toString(16).padStart(12, "0");
  const high = (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
  return `${high}-0000-4000-8000-${low}`;
}
