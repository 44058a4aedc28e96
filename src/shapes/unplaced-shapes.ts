/**
 * Restored shapes whose snapshot may show transactions that are yet to come, until Postgres says
 * from where it goes on. After a quiet night that may be all of them, so each is three numbers in
 * arrays, and they are forgotten as soon as it is decided.
 */

import type { ShapeId, StorageKey } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";

const CAPACITY_MIN = 64;
/** Shapes that are looked at together: 50 ns each, and 10 us where something has to be done. */
const SLICE = 500;

export interface UnplacedShape {
  readonly id: ShapeId;
  readonly key: StorageKey;
}

export class UnplacedShapes {
  #count = 0;
  /** Small integers: no object for any of them. */
  #ids: ShapeId[] = [];
  #keys = new Float64Array(0);
  #lsns = new BigUint64Array(0);

  get count(): number {
    return this.#count;
  }

  /** @param lsn `bounds.lsn` of the shape's snapshot. */
  add(id: ShapeId, key: StorageKey, lsn: Lsn): void {
    if (this.#count === this.#keys.length) this.#resize(Math.max(CAPACITY_MIN, 2 * this.#count));
    this.#ids.push(id);
    this.#keys[this.#count] = key;
    this.#lsns[this.#count] = lsn;
    this.#count += 1;
  }

  /**
   * Those whose snapshot lies beyond `confirmed`, as many lists as there are slices to look at; and
   * forgets all.
   */
  *takeBeyond(confirmed: Lsn): Generator<UnplacedShape[], void, void> {
    const [ids, keys, lsns] = [this.#ids, this.#keys, this.#lsns];
    this.#count = 0;
    this.#ids = [];
    this.#resize(0);
    for (let first = 0; first < ids.length; first += SLICE) {
      const beyond: UnplacedShape[] = [];
      for (let index = first; index < Math.min(first + SLICE, ids.length); index++) {
        if (lsns[index]! <= confirmed) continue;
        beyond.push({ id: ids[index]!, key: keys[index] as StorageKey });
      }
      yield beyond;
    }
  }

  #resize(capacity: number): void {
    const [keys, lsns] = [this.#keys, this.#lsns];
    this.#keys = new Float64Array(capacity);
    this.#lsns = new BigUint64Array(capacity);
    this.#keys.set(keys.subarray(0, this.#count));
    this.#lsns.set(lsns.subarray(0, this.#count));
  }
}
