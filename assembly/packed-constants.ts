/**
 * Packed constants: the bytes of `src/model/constants-codec.ts` in less room. Shapes are kept by
 * the million and most constants are numbers or uuids, so each of these stands as its value and not
 * as its text.
 *
 *     head       is followed by
 *     00 .. 3f   so many bytes               a text
 *     40 .. 7f   1 byte                      an integer of 14 bits, the upper ones in the head
 *     80 .. bf   2 bytes                     one of 22 bits, so
 *     c0 .. df   3 bytes                     one of 29 bits, so
 *     e0 .. e7   1 to 8 bytes                any other that is not negative
 *     e8 .. ef   1 to 8 bytes                the magnitude of a negative one
 *     f0         16 bytes                    a uuid
 *     f1         size u24, so many bytes     a text
 *
 *     `42`, `active`      40 2a │ 06 61 63 74 69 76 65          9 bytes, 16 before
 *
 * What a text is packed as depends on nothing but the text, and gives back the same text: `042`,
 * `-0` and a uuid in capitals are texts. So packed constants are equal if and only if the constants
 * are, and can be hashed and compared as they lie. They are never longer than what they were made
 * of, one by one, so `pack` may write over what it reads.
 *
 * Allocates nothing.
 */

import * as literal from "./literal";

const NUMBER_14: u32 = 0x40;
const NUMBER_22: u32 = 0x80;
const NUMBER_29: u32 = 0xc0;
const NUMBER: u32 = 0xe0;
const NEGATIVE: u32 = 0xe8;
const UUID: u32 = 0xf0;
const LONG_TEXT: u32 = 0xf1;

/** Bytes of the size of a text in `constants-codec.ts`, and of its head here if it is long. */
const SIZE_SIZE: usize = 4;
const MINUS: u32 = 0x2d;
const ZERO: u32 = 0x30;

/** Where a number or a uuid is spelled out. */
const spelled: usize = memory.data(40, 8);
if (literal.TEXT_SIZE_MAX > 40) ERROR("a literal must fit where it is spelled out");

let textAddress: usize = 0;
let textSize: u32 = 0;

/** Packs constants where they lie. Returns their size. REQUIRES: no text has 2^24 bytes. */
export function pack(address: usize, size: u32): u32 {
  const end = address + <usize>size;
  let from = address;
  let to = address;
  while (from < end) {
    const text = from + SIZE_SIZE;
    const next = text + <usize>load<u32>(from);
    to = packOne(text, load<u32>(from), to);
    assert(to <= next);
    from = next;
  }
  return <u32>(to - address);
}

/** Writes constants as they were before they were packed. Returns their size. */
export function unpack(address: usize, size: u32, target: usize): u32 {
  const end = address + <usize>size;
  let from = address;
  let to = target;
  while (from < end) {
    from = read(from);
    store<u32>(to, textSize);
    memory.copy(to + SIZE_SIZE, textAddress, textSize);
    to += SIZE_SIZE + <usize>textSize;
  }
  return <u32>(to - target);
}

/**
 * Reads the packed constant that begins here: its text is at `lastAddress`, until another is read.
 * Returns where the next one begins.
 */
export function read(address: usize): usize {
  const head = <u32>load<u8>(address);
  const at = address + 1;
  if (head < NUMBER_14) return readText(at, head);
  if (head < NUMBER_22) return readNumber(at, 1, head & 0x3f, false);
  if (head < NUMBER_29) return readNumber(at, 2, head & 0x3f, false);
  if (head < NUMBER) return readNumber(at, 3, head & 0x1f, false);
  if (head < UUID) return readNumber(at, (head & 7) + 1, 0, head >= NEGATIVE);
  if (head == LONG_TEXT) return readText(at + 3, <u32>bytesAt(at, 3));
  textAddress = spelled;
  textSize = literal.writeUuid(at, spelled);
  return at + <usize>literal.UUID_SIZE;
}

export function lastAddress(): usize {
  return textAddress;
}

export function lastSize(): u32 {
  return textSize;
}

function readText(address: usize, size: u32): usize {
  textAddress = address;
  textSize = size;
  return address + <usize>size;
}

function readNumber(address: usize, count: u32, upper: u32, isNegative: bool): usize {
  const shift = <u64>(count << 3);
  const magnitude = ((<u64>upper) << shift) | bytesAt(address, count);
  textAddress = spelled;
  textSize = literal.writeInt(<i64>(isNegative ? 0 - magnitude : magnitude), spelled);
  return address + <usize>count;
}

function packOne(text: usize, size: u32, target: usize): usize {
  if (isPlainInt(text, size)) return packNumber(literal.lastInt(), target);
  if (literal.read(literal.UUID, text, size)) {
    store<u8>(target, <u8>UUID);
    memory.copy(target + 1, literal.lastAddress(), literal.UUID_SIZE);
    return target + 1 + <usize>literal.UUID_SIZE;
  }
  const isLong = size >= NUMBER_14;
  const copy = target + (isLong ? SIZE_SIZE : 1);
  // The head may lie where the text does: the text is moved first.
  memory.copy(copy, text, size);
  store<u8>(target, <u8>(isLong ? LONG_TEXT : size));
  if (isLong) setBytes(target + 1, 3, <u64>size);
  return copy + <usize>size;
}

/** Whether a text is what `literal.writeInt` makes of an integer, which `literal.lastInt` is. */
function isPlainInt(text: usize, size: u32): bool {
  if (!literal.readInt(text, size)) return false;
  const isNegative = <u32>load<u8>(text) == MINUS;
  const isZeroFirst = <u32>load<u8>(text + (isNegative ? 1 : 0)) == ZERO;
  return !isZeroFirst || size == 1;
}

function packNumber(value: i64, target: usize): usize {
  const isNegative = value < 0;
  const magnitude = isNegative ? 0 - <u64>value : <u64>value;
  if (!isNegative) {
    if (magnitude < 1 << 14) return setNumber(NUMBER_14, 1, magnitude, target);
    if (magnitude < 1 << 22) return setNumber(NUMBER_22, 2, magnitude, target);
    if (magnitude < 1 << 29) return setNumber(NUMBER_29, 3, magnitude, target);
  }
  const count: u32 = (71 - <u32>clz(magnitude)) >> 3;
  store<u8>(target, <u8>((isNegative ? NEGATIVE : NUMBER) + count - 1));
  setBytes(target + 1, count, magnitude);
  return target + 1 + <usize>count;
}

/** A number whose upper bits are those of its head. */
function setNumber(head: u32, count: u32, value: u64, target: usize): usize {
  store<u8>(target, <u8>(head | (<u32>(value >> (<u64>(count << 3))))));
  setBytes(target + 1, count, value);
  return target + 1 + <usize>count;
}

/** So many bytes as a number, the lowest first. Reads none behind them, which may not be there. */
function bytesAt(address: usize, count: u32): u64 {
  let value: u64 = 0;
  for (let index = count; index != 0; index -= 1) {
    value = (value << 8) | (<u64>load<u8>(address + <usize>(index - 1)));
  }
  return value;
}

function setBytes(address: usize, count: u32, value: u64): void {
  for (let index: u32 = 0; index < count; index += 1) {
    store<u8>(address + <usize>index, <u8>(value >> (<u64>(index << 3))));
  }
}
