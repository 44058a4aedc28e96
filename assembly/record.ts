/**
 * The row of one change as it lies in memory: the new tuple, the old one, or both. Nothing is
 * copied; a column is a place in INPUT.
 *
 *     tuple    ┌───────────┬──────────────┬──────────────┬─ ─ ─
 *              │ u16 count │ column 0     │ column 1     │
 *              └───────────┴──────────────┴──────────────┴─ ─ ─
 *     column   'n'                       NULL
 *              'u'                       unchanged TOAST: not sent, the old row has it
 *              't' u32 size, bytes       a value as text
 *              'b' u32 size, bytes       a value in binary: never asked for, hence malformed
 *
 * Tuples are parsed lazily: a row that nobody wants is read up to the last column that a path asks
 * for and no further. What has been parsed is remembered, in one word per column (a `Value`):
 *
 *     ┌─────────────┬────────────┐
 *     │ address u32 │  size u32  │     size NULL, UNCHANGED or ABSENT instead of a size: no bytes
 *     └─────────────┴────────────┘
 *
 * A tuple that lies about itself sets the fault and reads as NULLs from there on. Faults are looked
 * at when the change is done, once, and nothing of such a change is kept.
 *
 * Invariants:
 *
 *   1. parsed <= count <= COLUMN_COUNT_MAX on either side.
 *   2. The bytes of every remembered value lie below the end of the message.
 *
 * Allocates nothing.
 */

import { BAD_COLUMN_KIND, BAD_MESSAGE_SIZE } from "./run-state";

/** A column as it lies in memory, see above. */
export type Value = u64;

/** The two sides of a change. */
export const NEW: u32 = 0;
export const OLD: u32 = 1;

/** From here on a size is none. */
const NO_BYTES: u32 = 0xffff_fffd;
export const ABSENT: u32 = 0xffff_fffd;
export const UNCHANGED: u32 = 0xffff_fffe;
export const NULL: u32 = 0xffff_ffff;

/** MaxTupleAttributeNumber of Postgres. */
const COLUMN_COUNT_MAX: u32 = 1664;
const VALUES_SIZE: usize = 13312;

const TEXT: u32 = 0x74; // t
const NOTHING: u32 = 0x6e; // n
const TOAST: u32 = 0x75; // u

const newValues: usize = memory.data(13312, 16);
const oldValues: usize = memory.data(13312, 16);

if (<usize>COLUMN_COUNT_MAX * 8 != VALUES_SIZE) ERROR("a word for every column");

@unmanaged
class Tuple {
  /** Where the first column lies that is not parsed. */
  cursor: usize;
  /** Where the message ends. */
  end: usize;
  count: u32;
  parsed: u32;
}

const newTuple: usize = memory.data(16, 16);
const oldTuple: usize = memory.data(16, 16);

if (offsetof<Tuple>() != 16) ERROR("a Tuple must fit its data");

let fault: u32 = 0;
let hasOldSide: bool = false;
let isIncomplete: bool = false;

/** Forgets the last change. */
export function reset(): void {
  fault = 0;
  hasOldSide = false;
  isIncomplete = false;
}

/** Begins to read a tuple. False: it is malformed already. */
export function open(side: u32, address: usize, end: usize): bool {
  if (address > end || end - address < 2) return fail(BAD_MESSAGE_SIZE);
  const count = <u32>bswap<u16>(load<u16>(address));
  if (count > COLUMN_COUNT_MAX) return fail(BAD_MESSAGE_SIZE);
  const tuple = tupleOf(side);
  tuple.cursor = address + 2;
  tuple.end = end;
  tuple.count = count;
  tuple.parsed = 0;
  if (side == OLD) hasOldSide = true;
  return true;
}

/** Parses the whole tuple and returns where it ends. */
export function skip(side: u32): usize {
  const tuple = tupleOf(side);
  if (tuple.parsed < tuple.count) parseUpTo(side, tuple.count - 1);
  return tuple.cursor;
}

/** How many columns the tuple has. */
export function count(side: u32): u32 {
  return tupleOf(side).count;
}

/**
 * The column at a position of the tuple; ABSENT beyond its end. What is unchanged in the new tuple
 * is what the old one has.
 */
export function at(side: u32, position: u32): Value {
  const tuple = tupleOf(side);
  if (position >= tuple.parsed) {
    if (position >= tuple.count) return <Value>ABSENT;
    parseUpTo(side, position);
  }
  const value = load<u64>(valuesOf(side) + ((<usize>position) << 3));
  if (sizeOf(value) != UNCHANGED) return value;
  if (side == NEW && hasOldSide) return at(OLD, position);
  isIncomplete = true;
  return value;
}

/**
 * Whether a value was asked for that was left out as unchanged and is not in the old row either.
 */
export function lacksValue(): bool {
  return isIncomplete;
}

/** MalformedReason of what was found wrong, 0 for nothing. */
export function faultFound(): u32 {
  return fault;
}

export function addressOf(value: Value): usize {
  return <usize>(value >> 32);
}

/** The size, or NULL, UNCHANGED, ABSENT. */
export function sizeOf(value: Value): u32 {
  return <u32>value;
}

export function hasBytes(value: Value): bool {
  return <u32>value < NO_BYTES;
}

/** Whether two columns read the same: NULLs are the same as each other and as nothing else. */
export function same(a: Value, b: Value): bool {
  if (<u32>a != <u32>b) return false;
  if (a == b || !hasBytes(a)) return true;
  return sameBytes(addressOf(a), addressOf(b), <usize>sizeOf(a));
}

/** Compares whole words, then an overlapping last word: most values are shorter than two. */
export function sameBytes(a: usize, b: usize, size: usize): bool {
  if (size < 8) {
    const end = a + size;
    while (a < end) {
      if (load<u8>(a) != load<u8>(b)) return false;
      a += 1;
      b += 1;
    }
    return true;
  }
  const last = a + size - 8;
  const lastOfB = b + size - 8;
  while (a < last) {
    if (load<u64>(a) != load<u64>(b)) return false;
    a += 8;
    b += 8;
  }
  return load<u64>(last) == load<u64>(lastOfB);
}

function parseUpTo(side: u32, position: u32): void {
  const tuple = tupleOf(side);
  const end = tuple.end;
  let cursor = tuple.cursor;
  let slot = valuesOf(side) + ((<usize>tuple.parsed) << 3);
  const last = valuesOf(side) + ((<usize>position) << 3);
  while (slot <= last) {
    let value: Value = <Value>NULL;
    // A text of no bytes at the very end is the shortest that is followed by nothing: 5 bytes.
    if (end - cursor >= 5 && load<u8>(cursor) == TEXT) {
      const size = bswap<u32>(load<u32>(cursor + 1));
      cursor += 5;
      if (<usize>size > end - cursor) {
        fail(BAD_MESSAGE_SIZE);
        cursor = end;
      } else {
        value = ((<u64>cursor) << 32) | (<u64>size);
        cursor += <usize>size;
      }
    } else if (cursor >= end) {
      fail(BAD_MESSAGE_SIZE);
    } else {
      const kind = <u32>load<u8>(cursor);
      cursor += 1;
      if (kind == TOAST) value = <Value>UNCHANGED;
      else if (kind == TEXT) fail(BAD_MESSAGE_SIZE);
      else if (kind != NOTHING) fail(BAD_COLUMN_KIND);
    }
    store<u64>(slot, value);
    slot += 8;
  }
  tuple.cursor = cursor;
  tuple.parsed = position + 1;
}

/** The first fault counts: what follows may be a consequence of it. */
function fail(reason: u32): bool {
  if (fault == 0) fault = reason;
  return false;
}

function tupleOf(side: u32): Tuple {
  return changetype<Tuple>(side == NEW ? newTuple : oldTuple);
}

function valuesOf(side: u32): usize {
  return side == NEW ? newValues : oldValues;
}
