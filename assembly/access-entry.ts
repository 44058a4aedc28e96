/**
 * Entries: what a shape has in an access, as TypeScript writes them, filed and taken out again.
 *
 *     ┌────────────┬───────────┬────────────────────┬─ ─ ─
 *     │ branch u16 │ flags u16 │ u32 size, bytes    │            a text for each value
 *     └────────────┴───────────┴────────────────────┴─ ─ ─
 *
 *     flags of a range    1 has a lower bound, 2 an upper one; 4 the lower, 8 the upper is
 *                         inclusive; 16 there is a prefix in place of both
 *
 * An entry that a shape has already, and a range that is empty, change nothing; so does taking out
 * what is not there. An inexact code stands for several values: then a bound counts as inclusive.
 *
 * `add` may allocate, and reserves what it needs. `remove` never does.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as key from "./access-key";
import { FOUND, INVALID, REFUSED } from "./access-key";
import * as gramText from "./gram-text";
import * as idSet from "./id-set";
import * as literal from "./literal";
import * as membershipIndex from "./membership-index";
import * as orderCode from "./order-code";
import * as rangeIndex from "./range-index";
import * as textBuffer from "./text-buffer";

const HAS_LOWER: u32 = 1;
const HAS_UPPER: u32 = 2;
const LOWER_INCLUSIVE: u32 = 4;
const UPPER_INCLUSIVE: u32 = 8;
const PREFIX: u32 = 16;

const HEAD_SIZE: usize = 4;
const LETTER_T: u32 = 0x74;

/** Keys of an access of NULL. */
export const IS_NOT_NULL: u64 = 0;
export const IS_NULL: u64 = 1;

/** Behind the text that was read last. */
let cursor: usize = 0;
let textAddress: usize = 0;
let textSize: u32 = 0;

let lo: u64 = 0;
let hi: u64 = 0;
let isEmpty: bool = false;

/** Which branch of the plan an entry belongs to. */
export function branchOf(entry: usize): u32 {
  return load<u16>(entry);
}

/** Where the entry that was added or removed last ends. */
export function end(): usize {
  return cursor;
}

/** Files an entry. FOUND; INVALID or REFUSED, with nothing changed. */
export function add(access: Access, entry: usize, id: u32): u32 {
  const type = accesses.typeOf(access);
  if (type == accesses.RANGE) return addRange(access, entry, id);
  cursor = entry + HEAD_SIZE;
  if (type == accesses.ALL) return addToAll(access, id);
  const isBuffered = type == accesses.ELEMENTS || type == accesses.PATH;
  if (isBuffered && !textBuffer.reserve(load<u32>(cursor))) return REFUSED;
  const outcome = readKey(access, type, true);
  if (outcome != FOUND) return outcome;
  const value = key.last();
  const change = membershipIndex.add(access.id, value, id);
  // A row of the index holds one reference to its key, whatever the number of its ids.
  if (change != membershipIndex.CHANGED_ROW) key.release(access, value);
  if (change == membershipIndex.REFUSED) return REFUSED;
  if (change != membershipIndex.UNCHANGED) accesses.countEntries(access, 1);
  return FOUND;
}

/** Takes an entry out, if it is there. */
export function remove(access: Access, entry: usize, id: u32): void {
  const type = accesses.typeOf(access);
  cursor = entry + HEAD_SIZE;
  if (type == accesses.RANGE) {
    if (!readRange(access, entry) || isEmpty) return;
    if (rangeIndex.remove(accesses.treeOf(access), lo, hi, id)) accesses.countEntries(access, -1);
    return;
  }
  if (type == accesses.ALL) {
    if (!idSet.has(access.set, id)) return;
    access.set = idSet.remove(access.set, id);
    accesses.countEntries(access, -1);
    return;
  }
  if (readKey(access, type, false) != FOUND) return;
  const value = key.last();
  const change = membershipIndex.remove(access.id, value, id);
  if (change == membershipIndex.CHANGED_ROW) key.release(access, value);
  if (change != membershipIndex.UNCHANGED) accesses.countEntries(access, -1);
}

function addToAll(access: Access, id: u32): u32 {
  if (idSet.has(access.set, id)) return FOUND;
  const set = idSet.add(access.set, id);
  if (set == idSet.NONE) return REFUSED;
  access.set = set;
  accesses.countEntries(access, 1);
  return FOUND;
}

// --- Keys --------------------------------------------------------------------------------------

/** Reads the texts of an entry as a key. The cursor ends behind all of them, whatever they are. */
function readKey(access: Access, type: u32, isNew: bool): u32 {
  if (type == accesses.EQUALITY) return readTerms(access, isNew);
  readText();
  if (accesses.isOfViews(access)) {
    return literal.readInt(textAddress, textSize) ? readNumber(<u64>literal.lastInt()) : INVALID;
  }
  if (type == accesses.NULL) {
    const isNull = textSize == 1 && <u32>load<u8>(textAddress) == LETTER_T;
    return readNumber(isNull ? IS_NULL : IS_NOT_NULL);
  }
  if (type == accesses.GRAMS) {
    if (textSize != accesses.kindOf(access)) return INVALID;
    const gram = gramText.numberOf(textAddress, textSize);
    if (isNew) gramText.note(accesses.filterOf(access), gram);
    return readNumber(gram);
  }
  return readValue(type == accesses.PATH ? literal.TEXT : accesses.kindOf(access), isNew);
}

function readTerms(access: Access, isNew: bool): u32 {
  const count = accesses.termCount(access);
  let outcome = FOUND;
  for (let index: u32 = 0; index < count; index += 1) {
    readText();
    if (outcome != FOUND) continue;
    outcome = readValue(accesses.termKind(access, index), isNew);
    if (outcome == FOUND) key.setTerm(index);
    else if (isNew) key.releaseTerms(access, index);
  }
  if (outcome != FOUND || count == 1) return outcome;
  if (!isNew) return key.findTuple(count);
  outcome = key.internTuple(count);
  if (outcome != FOUND) key.releaseTerms(access, count);
  return outcome;
}

function readValue(kind: u32, isNew: bool): u32 {
  return isNew ? key.intern(kind, textAddress, textSize) : key.find(kind, textAddress, textSize);
}

function readNumber(number: u64): u32 {
  key.setLast(number);
  return FOUND;
}

function readText(): void {
  textSize = load<u32>(cursor);
  textAddress = cursor + 4;
  cursor = textAddress + <usize>textSize;
}

// --- Ranges ------------------------------------------------------------------------------------

function addRange(access: Access, entry: usize, id: u32): u32 {
  if (!readRange(access, entry)) return INVALID;
  if (isEmpty) return FOUND;
  const change = rangeIndex.add(accesses.treeOf(access), lo, hi, id);
  if (change == rangeIndex.REFUSED) return REFUSED;
  if (change == rangeIndex.CHANGED) accesses.countEntries(access, 1);
  return FOUND;
}

/**
 * Reads an entry as codes. False: a bound is not of the access's order, and the cursor stands
 * somewhere in the entry. `add` refuses such a shape, so `remove` never meets one.
 */
function readRange(access: Access, entry: usize): bool {
  const flags = <u32>load<u16>(entry, 2);
  const order = accesses.kindOf(access);
  cursor = entry + HEAD_SIZE;
  lo = 0;
  hi = u64.MAX_VALUE;
  isEmpty = false;
  if (flags & PREFIX) {
    readText();
    lo = orderCode.leastWithPrefix(textAddress, textSize);
    hi = orderCode.greatestWithPrefix(textAddress, textSize);
    return true;
  }
  if (flags & HAS_LOWER) {
    readText();
    if (!orderCode.read(order, textAddress, textSize)) return false;
    lo = orderCode.last();
    if ((flags & LOWER_INCLUSIVE) == 0 && orderCode.isExact(order)) {
      isEmpty = lo == u64.MAX_VALUE;
      lo += 1;
    }
  }
  if (flags & HAS_UPPER) {
    readText();
    if (!orderCode.read(order, textAddress, textSize)) return false;
    hi = orderCode.last();
    if ((flags & UPPER_INCLUSIVE) == 0 && orderCode.isExact(order)) {
      isEmpty = isEmpty || hi == 0;
      hi -= 1;
    }
  }
  isEmpty = isEmpty || lo > hi;
  return true;
}
