/**
 * A `Map` for what comes and goes: requests, shapes that are being made, snapshots under way.
 *
 * Each time the table of a `Map` has been used up by deletions V8 makes it anew, and the old one
 * keeps its last entries and points to its successor, for iterators that may still be on their way.
 * Once a table has grown old enough for the old generation it is only found to be garbage by a full
 * collection. Until then it keeps its successor alive, which so gets there too, with all it has,
 * and so on: everything that passes through the map outlives the collections that are meant for
 * it. A request that does takes twenty times as long to be forgotten. So tables have numbers here:
 *
 *     #places   key ─> place           a Map, whose old tables keep nothing but keys
 *     #values   place ─> value         an array; undefined where a place is free
 *     #free     places to be taken     the last one first
 *
 * Invariants:
 *
 *   1. A place is in `#places` or in `#free`, never in both.
 *   2. There are as many places as there have been entries at a time.
 */
export class TransientMap<Key extends string | number, Value extends object> {
  readonly #places = new Map<Key, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.size;
  }

  has(key: Key): boolean {
    return this.#places.has(key);
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  set(key: Key, value: Value): void {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#values.length;
      this.#places.set(key, place);
    }
    this.#values[place] = value;
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }

  /** In the order in which they came, as those of a `Map`, of which it is no copy. */
  *entries(): Generator<[Key, Value], void, void> {
    for (const [key, place] of this.#places) yield [key, this.#values[place]!];
  }

  /** In the same order. */
  *values(): Generator<Value, void, void> {
    for (const place of this.#places.values()) yield this.#values[place]!;
  }
}
