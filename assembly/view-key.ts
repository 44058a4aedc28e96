/**
 * Keys of the subquery index: the tuple that an inner row gives a view, or the left side of an
 * outer row, as few bytes as it takes to tell it from others of its family.
 *
 *     one integer       NUMBER   8 bytes    the integer
 *     one uuid          UUID    16 bytes
 *     anything else     STORED   4 bytes    ValueId of the text, of the tuple if there are several
 *                                           terms: 8 bytes each, the integer or the ValueId
 *
 * A key that is looked up is not stored: text that no view has is in no store, so there is nothing
 * to find. A row of the subquery index holds one reference to each value in its key.
 *
 * Timestamps, dates and times are kept as text. Both sides of a membership have the same type and
 * come from Postgres, which writes each such value in one way; what a client may write otherwise
 * never gets here. So what a view has can be told as Postgres wrote it.
 *
 * Only interning allocates, and reserves what it needs.
 */

import { TERM_COUNT_MAX } from "./access";
import * as literal from "./literal";
import * as pagePool from "./page-pool";
import * as valueStore from "./value-store";

/** What became of a term. */
export const FOUND: u32 = 0;
/** Looked up: no view has it. */
export const UNKNOWN: u32 = 1;
/** It is no literal of its kind, or longer than a value may be. */
export const INVALID: u32 = 2;
/** Interned: the budget forbids it, or the store is full. */
export const REFUSED: u32 = 3;

/** Classes of keys are the sizes of their bytes. */
export const NUMBER: u32 = 8;
export const UUID: u32 = 16;
export const STORED: u32 = 4;

/** The key that was read last. */
const key: usize = memory.data(16, 8);
/** Room for the tuple of the most terms there may be. */
const tuple: usize = memory.data(512, 8);
if (TERM_COUNT_MAX * 8 != 512) ERROR("a word for every term");
/** The kinds of the terms that were read. */
const kindsRead: usize = memory.data(64);
/** The text of a term that is kept as a number or a uuid. */
const text: usize = memory.data(40, 8);
if (literal.TEXT_SIZE_MAX > 40) ERROR("the text of a number or a uuid must fit");

let termCount: u32 = 0;
let termsRead: u32 = 0;
let textAddress: usize = 0;
let textSize: u32 = 0;

/** The class of keys of `count` terms; `kind` is that of the first. */
export function classOf(count: u32, kind: u32): u32 {
  if (count > 1) return STORED;
  return kind == literal.INT ? NUMBER : kind == literal.UUID ? UUID : STORED;
}

/** Begins a key of `count` terms. */
export function begin(count: u32): void {
  assert(count != 0 && count <= TERM_COUNT_MAX);
  termCount = count;
  termsRead = 0;
}

/** Looks the next term up: FOUND, UNKNOWN or INVALID. With the last one the key is complete. */
export function readTerm(kind: u32, address: usize, size: u32): u32 {
  return take(kind, address, size, false);
}

/** Interns the next term: FOUND, INVALID or REFUSED, and then nothing of the key is interned. */
export function internTerm(kind: u32, address: usize, size: u32): u32 {
  return take(kind, address, size, true);
}

/** The most pages that interning a key acquires whose texts have so many bytes in all. */
export function pagesForIntern(size: u32): u32 {
  const tupleCount: u32 = termCount > 1 ? 1 : 0;
  const values = termCount + tupleCount;
  return values * valueStore.pagesForIntern(0) + pagePool.pagesFor(<usize>size);
}

/** Where the bytes of the complete key are, until another one is begun. */
export function address(): usize {
  assert(termsRead == termCount);
  return key;
}

/** Gives back what the key at `bytes` holds; `kinds` has a byte for each of its terms. */
export function release(bytes: usize, kinds: usize, count: u32): void {
  if (classOf(count, kindAt(kinds, 0)) != STORED) return;
  const value = load<u32>(bytes);
  if (count > 1) releaseTerms(valueStore.address(value), kinds, count);
  valueStore.release(value);
}

/**
 * Writes one term of the key at `bytes` as canonical text: see `lastAddress` and `lastSize`, which
 * hold until the next text is written or the key is released.
 */
export function writeTerm(bytes: usize, kinds: usize, count: u32, index: u32): void {
  const kind = kindAt(kinds, index);
  const at = count > 1 ? valueStore.address(load<u32>(bytes)) + ((<usize>index) << 3) : bytes;
  textAddress = text;
  if (kind == literal.INT) {
    textSize = literal.writeInt(load<i64>(at), text);
    return;
  }
  if (kind == literal.UUID) {
    const uuid = count > 1 ? valueStore.address(load<u32>(at)) : at;
    textSize = literal.writeUuid(uuid, text);
    return;
  }
  textAddress = valueStore.address(load<u32>(at));
  textSize = valueStore.size(load<u32>(at));
}

export function lastAddress(): usize {
  return textAddress;
}

export function lastSize(): u32 {
  return textSize;
}

function take(kind: u32, address: usize, size: u32, isInterned: bool): u32 {
  assert(termsRead < termCount);
  const outcome = takeTerm(kind, address, size, isInterned);
  if (outcome != FOUND) {
    if (isInterned) releaseRead();
    return outcome;
  }
  store<u8>(kindsRead + <usize>termsRead, <u8>kind);
  termsRead += 1;
  if (termCount == 1 || termsRead != termCount) return FOUND;
  const tupleSize = termCount << 3;
  const value = isInterned
    ? valueStore.intern(tuple, tupleSize)
    : valueStore.find(tuple, tupleSize);
  store<u32>(key, value);
  if (value != valueStore.NONE) return FOUND;
  if (isInterned) releaseRead();
  return isInterned ? REFUSED : UNKNOWN;
}

function takeTerm(kind: u32, address: usize, size: u32, isInterned: bool): u32 {
  const target = termCount == 1 ? key : tuple + ((<usize>termsRead) << 3);
  if (kind >= literal.TIMESTAMP) kind = literal.TEXT;
  if (!literal.read(kind, address, size)) return INVALID;
  if (kind == literal.INT) {
    store<i64>(target, literal.lastInt());
    return FOUND;
  }
  const bytes = literal.lastAddress();
  if (kind == literal.UUID && termCount == 1) {
    memory.copy(key, bytes, literal.UUID_SIZE);
    return FOUND;
  }
  const bytesSize = literal.lastSize();
  if (bytesSize > valueStore.VALUE_SIZE_MAX) return INVALID;
  const value = isInterned
    ? valueStore.intern(bytes, bytesSize)
    : valueStore.find(bytes, bytesSize);
  if (value == valueStore.NONE) return isInterned ? REFUSED : UNKNOWN;
  if (termCount == 1) store<u32>(target, value);
  else store<u64>(target, <u64>value);
  return FOUND;
}

/** Gives back what the terms that were interned hold. */
function releaseRead(): void {
  if (termCount > 1) releaseTerms(tuple, kindsRead, termsRead);
}

function releaseTerms(terms: usize, kinds: usize, count: u32): void {
  for (let index: u32 = 0; index < count; index += 1) {
    if (kindAt(kinds, index) == literal.INT) continue;
    valueStore.release(load<u32>(terms + ((<usize>index) << 3)));
  }
}

function kindAt(kinds: usize, index: u32): u32 {
  return <u32>load<u8>(kinds + <usize>index);
}
