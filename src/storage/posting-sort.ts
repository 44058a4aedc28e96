/**
 * Sorts postings by key, keeping the order of seqs within a key: a radix sort of a permutation,
 * least significant digit first, so that a million postings of dense keys take two passes.
 */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const WORD = 2 ** 32;

/** The order in which to take `keys[0 .. count)`. */
export function orderByKey(keys: Float64Array, count: number): Uint32Array {
  let order = new Uint32Array(count);
  for (let index = 0; index < count; index++) order[index] = index;
  if (count === 0) return order;
  let min = keys[0]!;
  let max = min;
  for (let index = 1; index < count; index++) {
    const key = keys[index]!;
    if (key < min) min = key;
    if (key > max) max = key;
  }
  // Counted from the smallest, keys nearly always fit in a word, whose digits are a shift away.
  const words = new Uint32Array(count);
  let next = new Uint32Array(count);
  const sortByWord = (wordMax: number): void => {
    for (let shift = 0; shift < 32 && wordMax >= 2 ** shift; shift += DIGIT_BITS) {
      sortByDigit(words, shift, order, next);
      [order, next] = [next, order];
    }
  };
  for (let index = 0; index < count; index++) words[index] = (keys[index]! - min) % WORD;
  sortByWord(Math.min(max - min, WORD - 1));
  if (max - min >= WORD) {
    for (let index = 0; index < count; index++) words[index] = (keys[index]! - min) / WORD;
    sortByWord((max - min) / WORD);
  }
  return order;
}

function sortByDigit(
  words: Uint32Array,
  shift: number,
  source: Uint32Array,
  target: Uint32Array,
): void {
  const starts = new Uint32Array(DIGITS + 1);
  for (const word of words) starts[((word >>> shift) & (DIGITS - 1)) + 1]! += 1;
  for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1]! += starts[digit]!;
  for (let index = 0; index < source.length; index++) {
    const entry = source[index]!;
    const digit = (words[entry]! >>> shift) & (DIGITS - 1);
    target[starts[digit]!] = entry;
    starts[digit]! += 1;
  }
}
