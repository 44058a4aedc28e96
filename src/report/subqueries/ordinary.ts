/**
 * Shapes with a subselect in ordinary JavaScript. Where each has its own, the shape itself owns the
 * values; where they share them, the values are kept once, and a subselect knows its shapes.
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
  /** Of shared subselects: by number, its name among the owners. */
  readonly #subselects: ShapeNames<Ref>;
  readonly #users = new Map<Ref, Set<Ref>>();

  /** @param subselects names of another kind than shapes have. */
  constructor(
    set: SubquerySet,
    names: ShapeNames<Ref>,
    subselects: ShapeNames<Ref>,
    toValue: (text: string) => Value,
  ) {
    this.#set = set;
    this.#names = names;
    this.#subselects = subselects;
    this.#toValue = toValue;
  }

  add(shape: number): void {
    const constants = [String(shape)];
    const ref = this.#names.add(definitionOf(shape), constants);
    if (!this.#set.isShared) {
      this.#addValues(ref, shape);
      return;
    }
    const subselect = this.#set.subselectOf(shape);
    let owner = this.#subselects.find(definitionOf(subselect));
    if (owner === undefined) {
      owner = this.#subselects.add(definitionOf(subselect), [String(subselect)]);
      this.#addValues(owner, subselect);
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
    const subselect = definitionOf(this.#set.subselectOf(shape));
    const owner = this.#subselects.find(subselect)!;
    const users = this.#users.get(owner)!;
    users.delete(ref);
    if (users.size > 0) return;
    this.#users.delete(owner);
    this.#values.remove(owner);
    this.#subselects.remove(subselect);
  }

  has(shape: number): boolean {
    return this.#names.find(definitionOf(shape)) !== undefined;
  }

  structures(): undefined {
    return undefined;
  }

  #addValues(owner: Ref, subselect: number): void {
    this.#values.add(owner, this.#set.valuesOf(subselect).map(this.#toValue));
  }
}

function definitionOf(number: number): string {
  return `grants ${number}`;
}
