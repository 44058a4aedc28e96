/**
 * The Elias-Fano code of an ascending list of ids: of every id its low bits as they are; of its
 * high bits, which say in which bucket it is, only how far they are from those of the id before.
 *
 *     ┌───┬───────┬──────────────────────────────────┬───────┬────────────────────────────┐
 *     │ l │ words │ buckets: a 1 for each id, and a  │ zeros │ low bits, l of each id,    │
 *     │   │       │ 0 wherever the next one begins   │       │ the last one's first       │
 *     └───┴───────┴──────────────────────────────────┴───────┴────────────────────────────┘
 *     0   5       11             at most 11 + 3 rest      64 words - l rest              64 words
 *
 *     base + 3, + 4, + 13 with l = 2:   buckets 1 0 1 0 0 1   low bits 01 00 11
 *
 * The first id, the base, is its holder's to keep, as is `rest`, the number of ids that follow it.
 * l is the least with which there are at most twice as many buckets as these. Where ids are drawn
 * one in g, each takes log2 g + 1.9 to 2 bits; no code can do with less than log2 g + 1.44. Gaps in
 * whole bytes, as wide as the widest needs, were measured against it: a tenth to a fifth more, but
 * decoded in a quarter of the time.
 *
 * Both parts end in the middle, so an id behind all others is put there in place where there is
 * room: ids are minted in ascending order.
 *
 * A list that loses an id has no longer code than before, whichever it is: under the same l it has
 * l + 1 bits less, or even fewer buckets, and its own l is the one with the fewest bits. So
 * whoever removes needs no memory.
 */

const LOW_BITS_MASK: u32 = 31;
const WORDS_SHIFT: u32 = 5;
const WORDS_MASK: u32 = 63;
const HEAD_BITS: u32 = 11;

/** Bytes of the code of `count` ids, at least two, ascending, at `ids`. */
export function bytesFor(ids: usize, count: u32): usize {
  const rest = count - 1;
  const span = load<u32>(ids + ((<usize>rest) << 2)) - load<u32>(ids);
  return (<usize>wordsFor(rest, span, lowBitsFor(rest, span))) << 3;
}

/** Bytes of a code. */
export function sizeOf(code: usize): usize {
  return (<usize>wordsOf(code)) << 3;
}

/** Writes the code of `count` ids, at least two, ascending, at `ids`: `bytesFor` bytes. */
export function encode(code: usize, ids: usize, count: u32): void {
  const rest = count - 1;
  const base = load<u32>(ids);
  const last = ids + ((<usize>rest) << 2);
  const span = load<u32>(last) - base;
  const lowBits = lowBitsFor(rest, span);
  const words = wordsFor(rest, span, lowBits);

  let target = code;
  let word = <u64>(lowBits | (words << WORDS_SHIFT));
  // Where the bit of an id in bucket 0 would be, seen from `target`.
  let origin = HEAD_BITS;
  for (let id = ids + 4; id <= last; id += 4) {
    let bit = origin + ((load<u32>(id) - base) >> lowBits);
    while (bit >= 64) {
      store<u64>(target, word);
      target += 8;
      word = 0;
      bit -= 64;
      origin -= 64;
    }
    word |= (<u64>1) << (<u64>bit);
    origin += 1;
  }

  const firstLow = (words << 6) - rest * lowBits;
  if (target != wordAt(code, firstLow)) {
    store<u64>(target, word);
    target += 8;
    word = 0;
  }
  const mask = ((<u32>1) << lowBits) - 1;
  let filled = firstLow & 63;
  for (let id = last; id > ids; id -= 4) {
    const low = <u64>((load<u32>(id) - base) & mask);
    word |= low << (<u64>filled);
    filled += lowBits;
    if (filled >= 64) {
      store<u64>(target, word);
      target += 8;
      filled -= 64;
      word = low >> (<u64>(lowBits - filled));
    }
  }
}

/**
 * Adds an id to a code in place. Returns false, and has changed nothing, if the id is not behind
 * all others, or if the code would be of another size or have another l.
 */
export function append(code: usize, base: u32, rest: u32, id: u32): bool {
  const lowBits = lowBitsOf(code);
  const number = id - base;
  if (id <= lastOf(code, base, rest)) return false;
  if (lowBitsFor(rest + 1, number) != lowBits) return false;
  if (wordsFor(rest + 1, number, lowBits) != wordsOf(code)) return false;
  const bit = HEAD_BITS + (number >> lowBits) + rest;
  const word = wordAt(code, bit);
  store<u64>(word, load<u64>(word) | bitAt(bit));
  const end = lowEnd(code, lowBits, rest);
  const bytes = bytesOfLow(code, end);
  const low = number & (((<u32>1) << lowBits) - 1);
  if (lowBits != 0) store<u32>(bytes, load<u32>(bytes) | (low << shiftOfLow(end, lowBits)));
  return true;
}

/**
 * Copies ids after `base` that are at least `from`, ascending, to `out`, at most `capacity`.
 * Returns how many.
 */
export function copyTo(
  code: usize,
  base: u32,
  rest: u32,
  out: usize,
  capacity: u32,
  from: u32,
): u32 {
  seek(code, rest, max(from, base) - base);
  const size = min(rest - rankFound, capacity);
  if (size != 0) decode(code, base, out, size);
  return size;
}

/** Where `seek` has found an id: how many are before it, and the bit that stands for it. */
let rankFound: u32 = 0;
let bitFound: u32 = 0;

/** Finds the first id that is `number` or more above the base; `rest` is the rank if none is. */
function seek(code: usize, rest: u32, number: u32): void {
  const lowBits = lowBitsOf(code);
  const bucket = number >> lowBits;
  bitFound = startOf(code, rest, bucket);
  rankFound = min(bitFound - HEAD_BITS - bucket, rest);
  const low = number & (((<u32>1) << lowBits) - 1);
  // Those in its bucket, which have low bits in ascending order.
  while (low != 0 && rankFound < rest && isSet(code, bitFound)) {
    if (lowAt(code, lowBits, rankFound) >= low) return;
    rankFound += 1;
    bitFound += 1;
  }
}

/** Copies `size` ids from the one that `seek` has found. REQUIRES: there are as many. */
function decode(code: usize, base: u32, out: usize, size: u32): void {
  const lowBits = lowBitsOf(code);
  const bucketSize = (<u32>1) << lowBits;
  const mask = bucketSize - 1;
  let end = lowEnd(code, lowBits, rankFound);
  let word = wordAt(code, bitFound);
  let bits = bitsFrom(load<u64>(word), bitFound);
  // What the first bit of the word would stand for: a bucket more with each bit, one less with
  // each id.
  let origin = base + (((bitFound & ~63) - HEAD_BITS - rankFound) << lowBits);
  const outEnd = out + ((<usize>size) << 2);
  while (out < outEnd) {
    while (bits == 0) {
      word += 8;
      origin += bucketSize << 6;
      bits = load<u64>(word);
    }
    const low = (load<u32>(bytesOfLow(code, end)) >> shiftOfLow(end, lowBits)) & mask;
    store<u32>(out, origin + ((<u32>ctz(bits)) << lowBits) + low);
    bits &= bits - 1;
    origin -= bucketSize;
    end -= lowBits;
    out += 4;
  }
}

/** Returns the bit with which a bucket begins; one behind the last id's if there is none. */
function startOf(code: usize, rest: u32, bucket: u32): u32 {
  if (bucket == 0) return HEAD_BITS;
  let word = code;
  let first: u32 = 0;
  let zeros = bitsFrom(~load<u64>(word), HEAD_BITS);
  let left = bucket;
  while (true) {
    const count = <u32>popcnt(zeros);
    if (count >= left) return first + select(zeros, left - 1) + 1;
    left -= count;
    first += 64;
    // Of the bits so far, those of buckets and those of ids.
    if (first - HEAD_BITS - (bucket - left) >= rest) return HEAD_BITS + bucket + rest;
    word += 8;
    zeros = ~load<u64>(word);
  }
}

/** The last id. */
function lastOf(code: usize, base: u32, rest: u32): u32 {
  const lowBits = lowBitsOf(code);
  let word = code;
  let ones = bitsFrom(load<u64>(word), HEAD_BITS);
  let left = rest;
  let count = <u32>popcnt(ones);
  while (count < left) {
    left -= count;
    word += 8;
    ones = load<u64>(word);
    count = <u32>popcnt(ones);
  }
  const bit = ((<u32>(word - code)) << 3) + select(ones, left - 1);
  const bucket = bit - HEAD_BITS - (rest - 1);
  return base + ((bucket << lowBits) | lowAt(code, lowBits, rest - 1));
}

/** Which bit is set that has `rank` others below it. */
function select(bits: u64, rank: u32): u32 {
  let at: u32 = 0;
  for (let half: u32 = 32; half != 0; half >>= 1) {
    const below = <u32>popcnt(bits & (((<u64>1) << (<u64>half)) - 1));
    if (rank < below) continue;
    rank -= below;
    at += half;
    bits >>= <u64>half;
  }
  return at;
}

/** The least l with `span >> l` at most twice `rest`. */
function lowBitsFor(rest: u32, span: u32): u32 {
  const most = rest << 1;
  // With so many both have as many bits.
  const lowBits = <u32>max(<i32>clz(most) - <i32>clz(span), 0);
  return span >> lowBits > most ? lowBits + 1 : lowBits;
}

/** 8 bytes each: at most 37 for 128 ids. */
function wordsFor(rest: u32, span: u32, lowBits: u32): u32 {
  return (HEAD_BITS + rest * (lowBits + 1) + (span >> lowBits) + 63) >> 6;
}

function lowBitsOf(code: usize): u32 {
  return load<u32>(code) & LOW_BITS_MASK;
}

function wordsOf(code: usize): u32 {
  return (load<u32>(code) >> WORDS_SHIFT) & WORDS_MASK;
}

function lowAt(code: usize, lowBits: u32, rank: u32): u32 {
  const end = lowEnd(code, lowBits, rank);
  const low = load<u32>(bytesOfLow(code, end)) >> shiftOfLow(end, lowBits);
  return low & (((<u32>1) << lowBits) - 1);
}

/** The bit behind the low bits of the id of a rank. */
function lowEnd(code: usize, lowBits: u32, rank: u32): u32 {
  return (wordsOf(code) << 6) - rank * lowBits;
}

/** Four bytes that end with the low bits which end there. They are never in front of the code. */
function bytesOfLow(code: usize, end: u32): usize {
  return code + <usize>((end + 7) >> 3) - 4;
}

/** Where the low bits are in these bytes. */
function shiftOfLow(end: u32, lowBits: u32): u32 {
  return ((end + 7) & 7) + 25 - lowBits;
}

function isSet(code: usize, bit: u32): bool {
  return (load<u64>(wordAt(code, bit)) & bitAt(bit)) != 0;
}

/** The one in its word. */
function bitAt(bit: u32): u64 {
  const below = <u64>(bit & 63);
  return (<u64>1) << below;
}

/** The bits of a word without those before the one at `bit`. */
function bitsFrom(word: u64, bit: u32): u64 {
  const below = <u64>(bit & 63);
  return word & (~(<u64>0) << below);
}

function wordAt(code: usize, bit: u32): usize {
  return code + <usize>((bit >> 6) << 3);
}
