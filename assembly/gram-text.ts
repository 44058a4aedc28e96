/**
 * The grams of a text: every run of 3 bytes of it, or of 6, as a number. A text that is like
 * `%word%` has the grams of `word`, so shapes are found under one of them (`src/where/grams.ts`).
 *
 *     Hello    hel, ell, llo          folded, each with its first byte lowest in the number
 *
 * Folding is of letters of ASCII, and of the two other characters that any collation makes such
 * letters: U+0130 is taken for an i and U+212A for a k. So a text has at least the grams of what it
 * is in lower case, as far as they are ASCII.
 *
 *     filter    ┌─┬─┬─┬─ ─ ─┬─┐
 *               │ │1│ │     │ │      32,768 bits: whether there is an entry for a gram of the hash
 *               └─┴─┴─┴─ ─ ─┴─┘
 *
 * Most grams of a row are nobody's, and are passed over without a look-up. Bits are not taken back:
 * what is no longer filed costs a look-up until the last template of the access goes.
 *
 *     told      ┌────────┬───────────────┐   256 words, by other bits of the hash: of which text
 *               │ serial │ gram, 6 bytes │   which gram was told last
 *               └────────┴───────────────┘
 *
 * A word that stands in a text a hundred times has its shapes found once. Serials of texts go round
 * at 65,536, and all that was told is forgotten then; none is 0.
 *
 * Allocates nothing.
 */

export const FILTER_SIZE: u32 = 4096;
/** From a hash of 64 bits to one of as many as the filter has. */
const FILTER_SHIFT: u64 = 49;
if ((<u64>FILTER_SIZE) << 3 != (<u64>1) << (64 - FILTER_SHIFT)) ERROR("a bit for every hash");

const TOLD_COUNT: u64 = 256;
const TOLD_SHIFT: u64 = 41;
const SERIAL_SHIFT: u64 = 48;
const SERIAL_MAX: u64 = 0xffff;
const told: usize = memory.data(2048, 8);
if (TOLD_COUNT << 3 != 2048) ERROR("what is told must fit its data");

const DOTTED_I_LEAD: u32 = 0xc4;
const DOTTED_I_END: u32 = 0xb0;
/** Little-endian: the bytes E2 84 AA. */
const KELVIN: u32 = 0xaa84e2;
const KELVIN_LEAD: u32 = 0xe2;
const LETTER_I: u32 = 0x69;
const LETTER_K: u32 = 0x6b;

let at: usize = 0;
let end: usize = 0;
let filter: usize = 0;
let isFolding: bool = false;
/** How far the newest byte is shifted. */
let newest: u64 = 0;
let gram: u64 = 0;
/** Bytes until the first gram is whole. */
let missing: u32 = 0;
/** Of the text. */
let serial: u64 = 0;

/** Begins with a text. Reads up to 3 bytes beyond it; every region has a pad. */
export function open(
  address: usize,
  size: u32,
  gramSize: u32,
  isFolding_: bool,
  filter_: usize,
): void {
  at = address;
  end = address + <usize>size;
  filter = filter_;
  isFolding = isFolding_;
  newest = (<u64>(gramSize - 1)) << 3;
  gram = 0;
  missing = gramSize;
  if (serial == SERIAL_MAX) {
    memory.fill(told, 0, (<usize>TOLD_COUNT) << 3);
    serial = 0;
  }
  serial += 1;
}

/** Goes on to the next gram that may be somebody's. One that repeats is not told again, mostly. */
export function next(): bool {
  while (at < end) {
    gram = (gram >> 8) | ((<u64>readByte()) << newest);
    if (missing > 1) {
      missing -= 1;
      continue;
    }
    missing = 0;
    const hash = hashOf(gram);
    const bit = <u32>(hash >> FILTER_SHIFT);
    const isFiled = (<u32>load<u8>(filter + ((<usize>bit) >> 3))) & (1 << (bit & 7));
    if (isFiled != 0 && isFirst(hash)) return true;
  }
  return false;
}

export function last(): u64 {
  return gram;
}

/** The number of a gram of so many bytes. */
export function numberOf(address: usize, size: u32): u64 {
  let number: u64 = 0;
  for (let index: u32 = 0; index < size; index += 1) {
    number |= (<u64>load<u8>(address + <usize>index)) << ((<u64>index) << 3);
  }
  return number;
}

/** Notes in a filter that there is such a gram. */
export function note(filter: usize, number: u64): void {
  const bit = <u32>(hashOf(number) >> FILTER_SHIFT);
  const address = filter + ((<usize>bit) >> 3);
  store<u8>(address, <u8>((<u32>load<u8>(address)) | (1 << (bit & 7))));
}

/** The next byte of the text, or the letter that a character stands for. */
function readByte(): u32 {
  const byte = <u32>load<u8>(at);
  at += 1;
  if (!isFolding) return byte;
  if (byte - 0x41 < 26) return byte | 0x20;
  if (byte == DOTTED_I_LEAD && at < end && <u32>load<u8>(at) == DOTTED_I_END) {
    at += 1;
    return LETTER_I;
  }
  if (byte == KELVIN_LEAD && end - at >= 2 && (load<u32>(at - 1) & 0xffffff) == KELVIN) {
    at += 2;
    return LETTER_K;
  }
  return byte;
}

/** Whether the gram was not told of this text, as far as is remembered. Remembers it. */
function isFirst(hash: u64): bool {
  const address = told + ((<usize>((hash >> TOLD_SHIFT) % TOLD_COUNT)) << 3);
  const word = (serial << SERIAL_SHIFT) | gram;
  if (load<u64>(address) == word) return false;
  store<u64>(address, word);
  return true;
}

/** Its highest bits are the best. */
function hashOf(number: u64): u64 {
  return number * 0x9e3779b97f4a7c15;
}
