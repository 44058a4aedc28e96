/**
 * LIKE and ILIKE (Postgres manual, 9.7.1): `%` is any text, `_` any character, a backslash takes
 * the meaning from what follows it. Text is UTF-8.
 *
 *     LIKE     bytes are compared; `_` passes over a whole character
 *     ILIKE    both sides in lower case, which the core knows of ASCII only
 *
 * What it does not know is left undecided: ILIKE of a text or a pattern with other letters, or of a
 * text that is too long for its place, and a pattern whose end is a backslash, for which Postgres
 * raises an error if it gets there.
 *
 * After `%` the next two bytes of the pattern are looked for in sixteen places at a time. The last
 * `%` is the only one to come back to: what lies before it has matched as early as it can. So a
 * match takes at most text times pattern steps, and nearly always one pass over the text.
 *
 * Allocates nothing. Reads up to 16 bytes beyond a text; every region has a pad.
 */

export const NO: u32 = 0;
export const YES: u32 = 1;
export const UNDECIDED: u32 = 2;

const PERCENT: u32 = 0x25;
const UNDERSCORE: u32 = 0x5f;
const BACKSLASH: u32 = 0x5c;

/** Places for folded texts, for the two sides of a change; longer ones are undecided. */
const FOLDED_SIZE_MAX: u32 = 4096;
const FOLDED_STRIDE: usize = 4128;
const folded: usize = memory.data(8256, 16);
if (FOLDED_STRIDE != <usize>FOLDED_SIZE_MAX + 32) ERROR("a place must have a pad");

let end: usize = 0;
let patternEnd: usize = 0;

/**
 * Writes a text in lower case to the place of a side. False: it has bytes that are not ASCII, or is
 * too long.
 */
export function fold(side: u32, address: usize, size: u32): bool {
  if (size > FOLDED_SIZE_MAX) return false;
  const place = foldedAt(side);
  const last = address + <usize>size;
  let from = address;
  let to = place;
  while (from < last) {
    const bytes = v128.load(from);
    const isLetter = v128.and(
      i8x16.ge_s(bytes, i8x16.splat(0x41)),
      i8x16.le_s(bytes, i8x16.splat(0x5a)),
    );
    v128.store(to, v128.or(bytes, v128.and(isLetter, i8x16.splat(0x20))));
    const beyond = <u32>i8x16.bitmask(bytes);
    const rest = last - from;
    if ((rest >= 16 ? beyond : beyond & (((<u32>1) << (<u32>rest)) - 1)) != 0) return false;
    from += 16;
    to += 16;
  }
  return true;
}

/** Where a folded text lies. */
export function foldedAt(side: u32): usize {
  return folded + <usize>side * FOLDED_STRIDE;
}

/** Whether a text is like a pattern. `isFolded`: ILIKE, and the text is in lower case already. */
export function match(
  text: usize,
  size: u32,
  pattern: usize,
  patternSize: u32,
  isFolded: bool,
): u32 {
  end = text + <usize>size;
  patternEnd = pattern + <usize>patternSize;
  let at = text;
  let step = pattern;
  /** Behind the last `%`, and where its text was taken to end. */
  let anchor: usize = 0;
  let anchorText: usize = 0;
  while (true) {
    if (step < patternEnd && <u32>load<u8>(step) == PERCENT) {
      while (step < patternEnd && <u32>load<u8>(step) == PERCENT) step += 1;
      if (step == patternEnd) return YES;
      anchor = step;
      anchorText = skipTo(at, step, isFolded);
      if (anchorText == end) return endsAlike(step);
      at = anchorText;
    }
    if (at == end) return endsAlike(step);
    if (step < patternEnd) {
      let wanted = <u32>load<u8>(step);
      if (wanted == UNDERSCORE) {
        at = min(at + characterSize(<u32>load<u8>(at)), end);
        step += 1;
        continue;
      }
      let width: usize = 1;
      if (wanted == BACKSLASH) {
        if (step + 1 == patternEnd) return UNDECIDED;
        wanted = <u32>load<u8>(step + 1);
        width = 2;
      }
      if (isFolded && wanted >= 0x80) return UNDECIDED;
      if ((isFolded ? lower(wanted) : wanted) == <u32>load<u8>(at)) {
        at += 1;
        step += width;
        continue;
      }
    }
    if (anchor == 0) return NO;
    const next = min(anchorText + characterSize(<u32>load<u8>(anchorText)), end);
    anchorText = skipTo(next, anchor, isFolded);
    at = anchorText;
    step = anchor;
  }
}

/**
 * The text has ended: the rest of the pattern must be able to be nothing. Whether Postgres gets as
 * far as a backslash at the end depends on how it came here.
 */
function endsAlike(step: usize): u32 {
  let at = step;
  while (at < patternEnd && <u32>load<u8>(at) == PERCENT) at += 1;
  if (at == patternEnd) return YES;
  return at + 1 == patternEnd && <u32>load<u8>(at) == BACKSLASH ? UNDECIDED : NO;
}

/**
 * The first place from `at` on where the pattern may go on: where its next two bytes stand, or its
 * next one if what follows is not plain. The end if there is none.
 */
function skipTo(at: usize, step: usize, isFolded: bool): usize {
  if (!isPlain(step, isFolded)) return at;
  const first = plainAt(step, isFolded);
  const second = isPlain(step + 1, isFolded) ? plainAt(step + 1, isFolded) : v128.splat<u8>(0);
  const anySecond = isPlain(step + 1, isFolded) ? v128.splat<u8>(0) : v128.splat<u8>(0xff);
  let from = at;
  while (from < end) {
    const isSecond = v128.or(i8x16.eq(v128.load(from + 1), second), anySecond);
    const isBoth = v128.and(i8x16.eq(v128.load(from), first), isSecond);
    const found = <u32>i8x16.bitmask(isBoth);
    if (found != 0) return min(from + <usize>ctz(found), end);
    from += 16;
  }
  return end;
}

/** Whether the pattern has a byte there that stands for itself. */
function isPlain(step: usize, isFolded: bool): bool {
  if (step >= patternEnd) return false;
  const byte = <u32>load<u8>(step);
  if (byte == PERCENT || byte == UNDERSCORE || byte == BACKSLASH) return false;
  return !isFolded || byte < 0x80;
}

function plainAt(step: usize, isFolded: bool): v128 {
  const byte = <u32>load<u8>(step);
  return i8x16.splat(<i8>(isFolded ? lower(byte) : byte));
}

function lower(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 0x20 : byte;
}

/** Bytes of the character that begins with this one. */
function characterSize(lead: u32): usize {
  if (lead < 0xc0) return 1;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}
