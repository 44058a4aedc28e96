/**
 * Sorts postings by key, keeping the order of seqs within a key: a radix sort of a permutation,
 * least significant digit first, so that a million postings of dense keys take two passes.
 */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

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
  let next = new Uint32Array(count);
  // Keys have up to 40 bits, so digits are taken by division.
  for (let scale = 1; scale <= max - min; scale *= DIGITS) {
    sortByDigit(keys, min, scale, order, next);
    [order, next] = [next, order];
  }
  return order;
}

function sortByDigit(
  keys: Float64Array,
  min: number,
  scale: number,
  source: Uint32Array,
  target: Uint32Array,
): void {
  const starts = new Uint32Array(DIGITS + 1);
  for (let index = 0; index < source.length; index++) {
    const digit = Math.floor((keys[source[index]!]! - min) / scale) % DIGITS;
    starts[digit + 1]! += 1;
  }
  for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1]! += starts[digit]!;
  for (let index = 0; index < source.length; index++) {
    const entry = source[index]!;
    const digit = Math.floor((keys[entry]! - min) / scale) % DIGITS;
    target[starts[digit]!] = entry;
    starts[digit]! += 1;
  }
}
