/** Files the postings of the journal's tail again, which were in memory only. */

import type { LogSlot } from "../model/ids.ts";
import { grownWords } from "./bytes.ts";
import { readFrameLists, type FrameHeader } from "./frame.ts";
import type { PostingFiler } from "./posting-filer.ts";

/**
 * The slots that shapes were given at this start, by storage key. Lives for the restore only: 12
 * bytes a shape, because keys arrive in ascending order.
 */
export class RestoredSlots {
  #keys = new Float64Array(1024);
  #slots = new Uint32Array(1024);
  #count = 0;

  add(key: number, slot: LogSlot): void {
    if (this.#count === this.#slots.length) {
      this.#slots = grownWords(this.#slots, this.#count + 1);
      const keys = new Float64Array(this.#slots.length);
      keys.set(this.#keys);
      this.#keys = keys;
    }
    this.#keys[this.#count] = key;
    this.#slots[this.#count] = slot;
    this.#count += 1;
  }

  /** Undefined: the shape is gone. */
  get(key: number): number | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return this.#keys[low] === key && low < this.#count ? this.#slots[low] : undefined;
  }
}

export async function replayPostings(
  frames: Iterable<{ readonly header: FrameHeader; readonly frame: Buffer }>,
  slots: RestoredSlots,
  filer: PostingFiler,
  replayed: (bytes: number) => void,
): Promise<void> {
  for (const { header, frame } of frames) {
    if (header.firstSeq + header.count <= filer.filedSeq + 1) continue;
    const { references, lists } = readFrameLists(frame, header);
    const slotLists = lists.map((keys) => slotsOf(keys, slots));
    await filer.file({
      firstSeq: header.firstSeq,
      count: header.count,
      slotsOf: (index) => {
        const reference = references[index]!;
        return reference === 0 ? undefined : slotLists[reference - 1];
      },
    });
    replayed(header.size);
  }
}

function slotsOf(keys: Float64Array, slots: RestoredSlots): Uint32Array {
  const list = new Uint32Array(keys.length);
  let count = 0;
  for (const key of keys) {
    const slot = slots.get(key);
    if (slot !== undefined) list[count++] = slot;
  }
  return list.subarray(0, count);
}
