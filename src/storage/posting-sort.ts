/**
 * Sorts postings by key, keeping the order of seqs within a key: a radix sort, least significant
 * digit first, so that a million postings of dense keys take two passes. Each pass reads the keys
 * and their places from front to back; to look a key up by its place would be a cache miss each.
 */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const WORD = 2 ** 32;

export interface SortedKeys {
  /** Ascending. */
  readonly keys: Float64Array;
  /** Where each of them was. */
  readonly order: Uint32Array;
}

/** Sorts `keys[0 .. count)`. */
export function sortKeys(keys: Float64Array, count: number): SortedKeys {
  const sorted = new Float64Array(count);
  const columns = new Columns(count);
  if (count === 0) return { keys: sorted, order: columns.order };
  let min = keys[0]!;
  let max = min;
  for (let index = 1; index < count; index++) {
    const key = keys[index]!;
    if (key < min) min = key;
    if (key > max) max = key;
  }
  // Counted from the smallest, keys nearly always fit in a word, whose digits are a shift away.
  const range = max - min;
  const fill = (wordOf: (key: number) => number): void => {
    const { order, words } = columns;
    for (let index = 0; index < count; index++) words[index] = wordOf(keys[order[index]!]! - min);
  };
  fill((key) => key % WORD);
  columns.sort(Math.min(range, WORD - 1));
  if (range >= WORD) {
    fill((key) => Math.floor(key / WORD));
    columns.sort(Math.floor(range / WORD));
  }
  const { order, words } = columns;
  for (let index = 0; index < count; index++) {
    sorted[index] = range < WORD ? min + words[index]! : keys[order[index]!]!;
  }
  return { keys: sorted, order };
}

/** What is sorted by, and the place that it came from. */
class Columns {
  words: Uint32Array;
  order: Uint32Array;
  #nextWords: Uint32Array;
  #nextOrder: Uint32Array;

  constructor(count: number) {
    this.words = new Uint32Array(count);
    this.order = new Uint32Array(count);
    this.#nextWords = new Uint32Array(count);
    this.#nextOrder = new Uint32Array(count);
    for (let index = 0; index < count; index++) this.order[index] = index;
  }

  /** Stable. */
  sort(wordMax: number): void {
    for (let shift = 0; shift < 32 && wordMax >= 2 ** shift; shift += DIGIT_BITS) {
      const { words, order } = this;
      sortByDigit(shift, words, order, this.#nextWords, this.#nextOrder);
      [this.words, this.order] = [this.#nextWords, this.#nextOrder];
      [this.#nextWords, this.#nextOrder] = [words, order];
    }
  }
}

function sortByDigit(
  shift: number,
  words: Uint32Array,
  order: Uint32Array,
  nextWords: Uint32Array,
  nextOrder: Uint32Array,
): void {
  const starts = new Uint32Array(DIGITS + 1);
  const count = words.length;
  for (let index = 0; index < count; index++) {
    starts[((words[index]! >>> shift) & (DIGITS - 1)) + 1]! += 1;
  }
  for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1]! += starts[digit]!;
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    const digit = (word >>> shift) & (DIGITS - 1);
    const target = starts[digit]!;
    starts[digit] = target + 1;
    nextWords[target] = word;
    nextOrder[target] = order[index]!;
  }
}
