/**
 * Keys of the membership index: a text of a row, or of an entry, as 64 bits.
 *
 *     one value, a number    the number
 *     one value of bytes     its ValueId
 *     several values         ValueId of the tuple: 8 bytes each, the number or the ValueId
 *
 * A row is looked up: bytes that no entry has are in no store, so there is no key and nothing to
 * find. An entry is interned; a row of the membership index holds one reference to each value in
 * its key, and `release` gives them back.
 *
 * Only interning allocates, and reserves what it needs.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as literal from "./literal";
import * as record from "./record";
import { positionOf } from "./relation-columns";
import * as valueStore from "./value-store";

/** What became of a value. */
export const FOUND: u32 = 0;
/** Looked up: no entry has it. */
export const UNKNOWN: u32 = 1;
/** It is no literal of its kind. */
export const INVALID: u32 = 2;
/** Interned: the budget forbids it, or the store is full. */
export const REFUSED: u32 = 3;

/** Room for the tuple of the most terms there may be. */
const tuple: usize = memory.data(512, 8);
if (accesses.TERM_COUNT_MAX * 8 != 512) ERROR("a word for every term");

let key: u64 = 0;

/** The key that was found or interned last. */
export function last(): u64 {
  return key;
}

/** Makes a number the last key. */
export function setLast(number: u64): void {
  key = number;
}

/** Looks a value up. */
export function find(kind: u32, address: usize, size: u32): u32 {
  if (!literal.read(kind, address, size)) return INVALID;
  if (literal.isNumber(kind)) {
    key = <u64>literal.lastInt();
    return FOUND;
  }
  key = <u64>valueStore.find(literal.lastAddress(), literal.lastSize());
  return key == 0 ? UNKNOWN : FOUND;
}

/**
 * Looks up the key that a row has in an access of EQUALITY. UNKNOWN too if one of its values is
 * NULL: then nothing is equal to it. INVALID if a column is not sent.
 */
export function findInRow(access: Access, side: u32): u32 {
  const count = accesses.termCount(access);
  for (let index: u32 = 0; index < count; index += 1) {
    const column = accesses.termColumn(access, index);
    const value = record.at(side, positionOf(access.relation, column));
    if (!record.hasBytes(value)) return record.sizeOf(value) == record.NULL ? UNKNOWN : INVALID;
    const kind = accesses.termKind(access, index);
    const outcome = find(kind, record.addressOf(value), record.sizeOf(value));
    if (outcome != FOUND || count == 1) return outcome;
    setTerm(index);
  }
  return findTuple(count);
}

/** Interns a value. */
export function intern(kind: u32, address: usize, size: u32): u32 {
  if (!literal.read(kind, address, size)) return INVALID;
  if (literal.isNumber(kind)) {
    key = <u64>literal.lastInt();
    return FOUND;
  }
  if (literal.lastSize() > valueStore.VALUE_SIZE_MAX) return INVALID;
  key = <u64>valueStore.intern(literal.lastAddress(), literal.lastSize());
  return key == 0 ? REFUSED : FOUND;
}

/** Makes the last key part of a tuple. */
export function setTerm(index: u32): void {
  store<u64>(tuple + ((<usize>index) << 3), key);
}

/** Looks up the tuple of so many terms. */
export function findTuple(count: u32): u32 {
  key = <u64>valueStore.find(tuple, count << 3);
  return key == 0 ? UNKNOWN : FOUND;
}

/** Interns the tuple of so many terms, which were interned. */
export function internTuple(count: u32): u32 {
  key = <u64>valueStore.intern(tuple, count << 3);
  return key == 0 ? REFUSED : FOUND;
}

/** Gives back the first `count` terms of the tuple at hand. */
export function releaseTerms(access: Access, count: u32): void {
  releaseTermsAt(access, tuple, count);
}

/** Gives back what the interning of a key of this access took. */
export function release(access: Access, value: u64): void {
  const type = accesses.typeOf(access);
  if (type == accesses.NULL || type == accesses.GRAMS || accesses.isOfViews(access)) return;
  if (type == accesses.ELEMENTS || type == accesses.PATH) {
    const isBytes = type == accesses.PATH || !literal.isNumber(accesses.kindOf(access));
    if (isBytes) valueStore.release(<u32>value);
    return;
  }
  const count = accesses.termCount(access);
  if (count > 1) releaseTermsAt(access, valueStore.address(<u32>value), count);
  if (count > 1 || !literal.isNumber(accesses.termKind(access, 0))) valueStore.release(<u32>value);
}

function releaseTermsAt(access: Access, address: usize, count: u32): void {
  for (let index: u32 = 0; index < count; index += 1) {
    if (literal.isNumber(accesses.termKind(access, index))) continue;
    valueStore.release(load<u32>(address + ((<usize>index) << 3)));
  }
}
