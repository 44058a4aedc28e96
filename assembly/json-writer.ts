/**
 * Writes JSON text at a cursor, byte for byte what JSON.stringify would write.
 *
 *     escaped      "  \  and everything below U+0020: \" \\ \b \f \n \r \t, \u001f otherwise
 *     as it is     all the rest: the database speaks UTF-8, so no lone surrogate can turn up
 *
 * Text is looked at sixteen bytes at a time: a block without anything to escape, as nearly all are,
 * costs a load, three comparisons and a store. Row keys also double the slash (protocol 8.1).
 *
 * The writer stops at `limit` and remembers it (`isFull`); what it wrote is then void. It may touch
 * up to 16 bytes beyond the limit, and read as many beyond a source: both regions are padded.
 *
 * Allocates nothing.
 */

const VECTOR: usize = 16;
/** What one byte can become: \u001f. */
const ESCAPE_SIZE: usize = 6;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const SLASH: u8 = 0x2f;
const SPACE: u8 = 0x20;
const LETTER_U: u8 = 0x75;

/** The second byte of a short escape per control character, 0 for \u00xx: \b \t \n \f \r. */
const shortEscapes: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0x62, 0x74, 0x6e, 0, 0x66, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0,
]);

/** A text in static memory: its address above its size. */
export type Fragment = u64;

const spellings: usize = memory.data(1024, 16);
let spellingsEnd: usize = spellings;

/** Turns a literal into bytes, once, while the module starts: literals are UTF-16. */
export function spell(literal: string): Fragment {
  const start = spellingsEnd;
  for (let index = 0; index < literal.length; index += 1) {
    store<u8>(start + <usize>index, <u8>literal.charCodeAt(index));
  }
  spellingsEnd = start + <usize>literal.length;
  assert(spellingsEnd + VECTOR <= spellings + 1024);
  return ((<u64>start) << 32) | (<u64>(spellingsEnd - start));
}

let cursor: usize = 0;
let limit: usize = 0;
let isOver: bool = false;

/** Begins to write at `start`. */
export function open(start: usize, end: usize): void {
  cursor = start;
  limit = end;
  isOver = false;
}

/** Where the next byte goes. */
export function position(): usize {
  return cursor;
}

/** Whether something did not fit: then nothing counts that was written since `open`. */
export function isFull(): bool {
  return isOver;
}

export function byte(character: u8): void {
  if (cursor >= limit) {
    isOver = true;
    return;
  }
  store<u8>(cursor, character);
  cursor += 1;
}

/** Writes a number as four bytes, little-endian. */
export function word(value: u32): void {
  if (limit - cursor < 4) {
    isOver = true;
    return;
  }
  store<u32>(cursor, value);
  cursor += 4;
}

/** Copies text that is JSON already. For short pieces: two or three vectors. */
export function raw(source: usize, size: usize): void {
  if (size > limit - cursor) {
    isOver = true;
    return;
  }
  let from = source;
  let to = cursor;
  const end = cursor + size;
  cursor = end;
  while (to < end) {
    v128.store(to, v128.load(from));
    from += VECTOR;
    to += VECTOR;
  }
}

/** Copies a text that `spell` has made. */
export function fragment(spelled: Fragment): void {
  raw(<usize>(spelled >> 32), <usize>(<u32>spelled));
}

/** Writes the inside of a string. */
export function text(source: usize, size: usize): void {
  escaped(source, size, false);
}

/** Writes a part of a row key: the inside of a string in which every slash is doubled. */
export function keyText(source: usize, size: usize): void {
  escaped(source, size, true);
}

/** Writes an unsigned number in decimal. */
export function decimal(value: u64): void {
  // 2^64 has 20 digits, written from the last to the first.
  if (limit - cursor < 20) {
    isOver = true;
    return;
  }
  const size = digitsOf(value);
  let at = cursor + <usize>size;
  cursor = at;
  let rest = value;
  do {
    const quotient = rest / 10;
    at -= 1;
    store<u8>(at, <u8>(0x30 + <u32>(rest - quotient * 10)));
    rest = quotient;
  } while (rest != 0);
}

function digitsOf(value: u64): u32 {
  let size: u32 = 1;
  let bound: u64 = 10;
  while (size < 20 && value >= bound) {
    size += 1;
    bound *= 10;
  }
  return size;
}

function escaped(source: usize, size: usize, doublesSlash: bool): void {
  let from = source;
  let to = cursor;
  const end = source + size;
  while (from < end) {
    // What this round can write at most is a vector and an escape, or all that is left, escaped.
    const room = limit - to;
    if (room < VECTOR + ESCAPE_SIZE && room / ESCAPE_SIZE < end - from) {
      cursor = to;
      slowly(from, end, doublesSlash);
      return;
    }
    const block = v128.load(from);
    v128.store(to, block);
    const special = specialBytes(block, doublesSlash, end - from);
    if (special == 0) {
      const step = min(VECTOR, end - from);
      from += step;
      to += step;
    } else {
      const plain = <usize>ctz(special);
      to = escape(load<u8>(from + plain), to + plain);
      from += plain + 1;
    }
  }
  cursor = to;
}

/** Near the limit: byte by byte, so that text is refused only if it really does not fit. */
function slowly(source: usize, end: usize, doublesSlash: bool): void {
  for (let from = source; from < end; from += 1) {
    const character = load<u8>(from);
    const isPlain = character >= SPACE && character != QUOTE && character != BACKSLASH;
    if (isPlain && !(doublesSlash && character == SLASH)) {
      byte(character);
    } else if (limit - cursor < ESCAPE_SIZE) {
      isOver = true;
    } else {
      cursor = escape(character, cursor);
    }
    if (isOver) return;
  }
}

/** A bit per byte of the block, below `size`, that cannot be copied as it is. */
function specialBytes(block: v128, doublesSlash: bool, size: usize): u32 {
  let found = v128.or(
    v128.lt<u8>(block, i8x16.splat(SPACE)),
    v128.or(v128.eq<u8>(block, i8x16.splat(QUOTE)), v128.eq<u8>(block, i8x16.splat(BACKSLASH))),
  );
  if (doublesSlash) found = v128.or(found, v128.eq<u8>(block, i8x16.splat(SLASH)));
  const bits = <u32>v128.bitmask<u8>(found);
  return size < VECTOR ? bits & ((1 << (<u32>size)) - 1) : bits;
}

/** Writes what a special character becomes and returns where that ends. */
function escape(character: u8, to: usize): usize {
  if (character == SLASH) {
    store<u16>(to, 0x2f2f);
    return to + 2;
  }
  store<u8>(to, BACKSLASH);
  if (character >= SPACE) {
    store<u8>(to, character, 1);
    return to + 2;
  }
  const short = load<u8>(shortEscapes + <usize>character);
  if (short != 0) {
    store<u8>(to, short, 1);
    return to + 2;
  }
  store<u8>(to, LETTER_U, 1);
  store<u16>(to, 0x3030, 2); // 00
  store<u8>(to, 0x30 + (character >> 4), 4);
  const low = character & 15;
  store<u8>(to, low < 10 ? 0x30 + low : 0x57 + low, 5);
  return to + ESCAPE_SIZE;
}
