/**
 * The slots whose logs have grown in a transaction that spans several frames: each once, because
 * its frames may name the same ten thousand over and over.
 */

import { grownWords } from "./bytes.ts";

export class GrownSlots {
  /** One bit per slot; slots are dense, 2 MiB at sixteen million. */
  #seen = new Uint32Array(1024);
  #slots: Uint32Array = new Uint32Array(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Valid until the next `add` or `clear`. */
  get slots(): Uint32Array {
    return this.#slots.subarray(0, this.#count);
  }

  add(slots: Uint32Array): void {
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index]!;
      const word = slot >>> 5;
      if (word >= this.#seen.length) this.#seen = grownWords(this.#seen, word + 1);
      const bit = 1 << (slot & 31);
      if ((this.#seen[word]! & bit) !== 0) continue;
      this.#seen[word]! |= bit;
      if (this.#count === this.#slots.length) {
        this.#slots = grownWords(this.#slots, this.#count + 1);
      }
      this.#slots[this.#count++] = slot;
    }
  }

  clear(): void {
    for (let index = 0; index < this.#count; index++) this.#seen[this.#slots[index]! >>> 5] = 0;
    this.#count = 0;
  }
}
