/** PostingBuffer as plain arrays: what the one in linear memory is compared with. */

import assert from "node:assert/strict";
import type { LogSlot, Seq } from "../../src/model/ids.ts";
import type { FrozenPostings, PostingBuffer } from "../../src/storage/storage.ts";

interface Posting {
  readonly slot: number;
  readonly seq: number;
}

export class ArrayPostingBuffer implements PostingBuffer {
  readonly capacity: number;
  readonly #keyOf: (slot: LogSlot) => number;
  #active: Posting[] = [];
  #frozen: Posting[] | undefined;
  readonly #last = new Map<number, number>();

  /** `keyOf` answers 0 for a slot whose shape is gone. */
  constructor(capacity: number, keyOf: (slot: LogSlot) => number) {
    this.capacity = capacity;
    this.#keyOf = keyOf;
  }

  get count(): number {
    return this.#active.length;
  }
  get hasFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  file(base: Seq, groups: Uint32Array): void {
    for (let index = 0; index < groups.length;) {
      const seq = base + groups[index]!;
      const count = groups[index + 1]!;
      for (const slot of groups.subarray(index + 2, index + 2 + count)) {
        assert.ok(seq > (this.#last.get(slot) ?? 0), "seqs ascend per slot");
        this.#active.push({ slot, seq });
        this.#last.set(slot, seq);
      }
      index += 2 + count;
    }
    assert.ok(this.#active.length <= this.capacity, "postings fit");
  }

  lastSeq(slot: LogSlot): Seq | 0 | undefined {
    return this.#last.get(slot) as Seq | undefined;
  }

  setLastSeq(slot: LogSlot, seq: Seq | 0): void {
    if ((this.#last.get(slot) ?? -1) < seq) this.#last.set(slot, seq);
  }

  seqsAfter(slot: LogSlot, after: number): Float64Array {
    const all = [...(this.#frozen ?? []), ...this.#active];
    const seqs = all.filter((posting) => posting.slot === slot && posting.seq > after);
    return Float64Array.from(seqs, ({ seq }) => seq);
  }

  freeze(): void {
    assert.ok(!this.hasFrozen, "one half is frozen at a time");
    this.#frozen = this.#active;
    this.#active = [];
  }

  copyFrozen(): Promise<FrozenPostings> {
    const frozen = this.#frozen!;
    const base = frozen[0]?.seq ?? 0;
    const kept = frozen.filter(({ slot }) => this.#keyOf(slot as LogSlot) !== 0);
    return Promise.resolve({
      count: kept.length,
      base: base as Seq,
      keys: Float64Array.from(kept, ({ slot }) => this.#keyOf(slot as LogSlot)),
      seqs: Uint32Array.from(kept, ({ seq }) => seq - base),
    });
  }

  retire(): void {
    this.#frozen = undefined;
  }

  /** The slot was given to another shape. */
  forget(slot: LogSlot): void {
    this.#last.delete(slot);
    const isOther = (posting: Posting): boolean => posting.slot !== slot;
    this.#active = this.#active.filter(isOther);
    this.#frozen = this.#frozen?.filter(isOther);
  }
}
