/**
 * Restored shapes whose snapshot may show transactions that are yet to come, until Postgres says
 * from where it goes on. After a quiet night that may be all of them, so each is three numbers in
 * arrays, and they are forgotten as soon as it is decided.
 */

import type { ShapeId, StorageKey } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";

const CAPACITY_MIN = 64;

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

  /** Visits those whose snapshot lies beyond `confirmed`, and forgets all. */
  takeBeyond(confirmed: Lsn, visit: (id: ShapeId, key: StorageKey) => void): void {
    for (let index = 0; index < this.#count; index++) {
      if (this.#lsns[index]! <= confirmed) continue;
      visit(this.#ids[index]!, this.#keys[index] as StorageKey);
    }
    this.#count = 0;
    this.#ids = [];
    this.#resize(0);
  }

  #resize(capacity: number): void {
    const [keys, lsns] = [this.#keys, this.#lsns];
    this.#keys = new Float64Array(capacity);
    this.#lsns = new BigUint64Array(capacity);
    this.#keys.set(keys.subarray(0, this.#count));
    this.#lsns.set(lsns.subarray(0, this.#count));
  }
}
