/** Files the postings of the journal's tail again, which were in memory only. */

import { partitionPoint } from "../lib/partition-point.ts";
import type { LogSlot } from "../model/ids.ts";
import { ByteReader, crc32, grownFloats, grownWords } from "./bytes.ts";
import { readEncodedLists, readFrameLists, type FrameHeader, type FrameLists } from "./frame.ts";
import { decodeKeyList } from "./key-lists.ts";
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
      this.#keys = grownFloats(this.#keys, this.#slots.length);
    }
    this.#keys[this.#count] = key;
    this.#slots[this.#count] = slot;
    this.#count += 1;
  }

  /** Undefined: the shape is gone. */
  get(key: number): number | undefined {
    const index = partitionPoint(this.#count, (at) => this.#keys[at]! < key);
    return index < this.#count && this.#keys[index] === key ? this.#slots[index] : undefined;
  }
}

export async function replayPostings(
  frames: Iterable<{ readonly header: FrameHeader; readonly frame: Buffer }>,
  slots: RestoredSlots,
  filer: PostingFiler,
  replayed: (bytes: number) => void,
): Promise<void> {
  const known = new KnownLists(slots);
  for (const { header, frame } of frames) {
    if (header.firstSeq + header.count <= filer.filedSeq + 1) continue;
    const { references, lists } = known.of(frame, header);
    await filer.file({
      firstSeq: header.firstSeq,
      count: header.count,
      listOf: (index) => (references[index] === 0 ? undefined : references[index]! - 1),
      keysOf: (list) => lists[list]!.keys,
      slotsOf: (list) => lists[list]!.slots,
    });
    replayed(header.size);
  }
}

/** Those of a list that are still there. */
interface KnownList {
  readonly keys: Float64Array;
  readonly slots: Uint32Array;
}

/** Shapes of lists that are remembered: some 15 bytes each. */
const KNOWN_SHAPES_MAX = 1024 * 1024;
/** Bytes of a list: where they are fewer, decoding takes less time than looking for it. */
const KNOWN_BYTES_MIN = 32;

/**
 * Lists that were decoded before, by their bytes: frame after frame names the same ten thousand
 * shapes, and to look each of them up again is what a start would spend its time on.
 */
class KnownLists {
  readonly #slots: RestoredSlots;
  readonly #byChecksum = new Map<number, KnownList & { readonly encoded: Uint8Array }>();
  #shapeCount = 0;

  constructor(slots: RestoredSlots) {
    this.#slots = slots;
  }

  of(frame: Buffer, header: FrameHeader): FrameLists<KnownList> {
    if (header.size - header.recordsEnd < KNOWN_BYTES_MIN * header.listCount) {
      const { references, lists } = readFrameLists(frame, header);
      return { references, lists: lists.map((keys) => this.#withSlots(keys)) };
    }
    const { references, lists } = readEncodedLists(frame, header);
    return { references, lists: lists.map((encoded) => this.#get(encoded)) };
  }

  #get(encoded: Uint8Array): KnownList {
    const checksum = crc32(encoded);
    const known = this.#byChecksum.get(checksum);
    if (known !== undefined && Buffer.compare(known.encoded, encoded) === 0) return known;
    const list = this.#withSlots(decodeKeyList(new ByteReader(encoded)));
    this.#shapeCount += list.keys.length;
    if (this.#shapeCount > KNOWN_SHAPES_MAX) {
      this.#byChecksum.clear();
      this.#shapeCount = list.keys.length;
    }
    this.#byChecksum.set(checksum, { ...list, encoded: Uint8Array.from(encoded) });
    return list;
  }

  /** Leaves out the shapes that are gone. */
  #withSlots(keys: Float64Array): KnownList {
    const slots = new Uint32Array(keys.length);
    let count = 0;
    for (const key of keys) {
      const slot = this.#slots.get(key);
      if (slot === undefined) continue;
      keys[count] = key;
      slots[count++] = slot;
    }
    if (count === keys.length) return { keys, slots };
    return { keys: keys.subarray(0, count), slots: slots.subarray(0, count) };
  }
}
