/**
 * The value sets of subqueries in ordinary JavaScript, as an engine needs them: which sets have a
 * value, to route a row and to say whether it is a member, and which values a set has, to take it
 * out again.
 *
 *     value -> owner, or a Set of two and more           owner -> array of values
 *
 * Owners are handles or small integers, values texts or numbers: both as plain as can be.
 */

export class ValueSets<Owner extends string | number, Value extends string | number> {
  readonly #owners = new Map<Value, Owner | Set<Owner>>();
  readonly #values = new Map<Owner, readonly Value[]>();

  /** REQUIRES: the owner has no set yet, and no value is there twice. */
  add(owner: Owner, values: readonly Value[]): void {
    this.#values.set(owner, values);
    for (const value of values) {
      const there = this.#owners.get(value);
      if (there === undefined) this.#owners.set(value, owner);
      else if (typeof there === "object") there.add(owner);
      else this.#owners.set(value, new Set([there, owner]));
    }
  }

  has(owner: Owner, value: Value): boolean {
    const there = this.#owners.get(value);
    return typeof there === "object" ? there.has(owner) : there === owner;
  }

  remove(owner: Owner): void {
    for (const value of this.#values.get(owner)!) {
      const there = this.#owners.get(value)!;
      if (typeof there !== "object") {
        this.#owners.delete(value);
        continue;
      }
      there.delete(owner);
      if (there.size === 1) for (const last of there) this.#owners.set(value, last);
    }
    this.#values.delete(owner);
  }
}
