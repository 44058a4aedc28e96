/**
 * Shapes with a subquery in ordinary JavaScript. Where each has its own, the shape itself owns the
 * values; where they share them, the values are kept once, and a subquery knows its shapes.
 */

import type { ShapeNames } from "../baseline/shape-names.ts";
import { ValueSets } from "../baseline/value-sets.ts";
import type { Population } from "../workload.ts";
import type { SubquerySet } from "./subquery-set.ts";

export class OrdinarySubqueries<
  Ref extends string | number,
  Value extends string | number,
> implements Population {
  readonly #set: SubquerySet;
  readonly #names: ShapeNames<Ref>;
  readonly #toValue: (text: string) => Value;
  readonly #values = new ValueSets<Ref, Value>();
  /** Of shared subqueries: by number, its name among the owners. */
  readonly #subqueries: ShapeNames<Ref>;
  readonly #users = new Map<Ref, Set<Ref>>();

  /** @param subqueries names of another kind than shapes have. */
  constructor(
    set: SubquerySet,
    names: ShapeNames<Ref>,
    subqueries: ShapeNames<Ref>,
    toValue: (text: string) => Value,
  ) {
    this.#set = set;
    this.#names = names;
    this.#subqueries = subqueries;
    this.#toValue = toValue;
  }

  add(shape: number): void {
    const ref = this.#names.add(definitionOf(shape));
    if (!this.#set.isShared) {
      this.#addValues(ref, shape);
      return;
    }
    const subquery = this.#set.subselectOf(shape);
    let owner = this.#subqueries.find(definitionOf(subquery));
    if (owner === undefined) {
      owner = this.#subqueries.add(definitionOf(subquery));
      this.#addValues(owner, subquery);
      this.#users.set(owner, new Set());
    }
    this.#users.get(owner)!.add(ref);
  }

  remove(shape: number): void {
    const ref = this.#names.remove(definitionOf(shape));
    if (!this.#set.isShared) {
      this.#values.remove(ref);
      return;
    }
    const subquery = definitionOf(this.#set.subselectOf(shape));
    const owner = this.#subqueries.find(subquery)!;
    const users = this.#users.get(owner)!;
    users.delete(ref);
    if (users.size > 0) return;
    this.#users.delete(owner);
    this.#values.remove(owner);
    this.#subqueries.remove(subquery);
  }

  has(shape: number): boolean {
    return this.#names.find(definitionOf(shape)) !== undefined;
  }

  structures(): undefined {
    return undefined;
  }

  #addValues(owner: Ref, subquery: number): void {
    this.#values.add(owner, this.#set.valuesOf(subquery).map(this.#toValue));
  }
}

function definitionOf(number: number): string {
  return `grants ${number}`;
}
