/**
 * The key of a path: the values that its terms compare, read from a row or from a shape's
 * constants, and the hash of them all. There is a place for the key of each side of a change, and
 * a third for the constants of a shape that is in the index; constants that are looked up use the
 * new side.
 *
 *     slots    ┌────────────────┬────────────────────┬─ ─ ─
 *              │ i64            │ address u32, size  │            one word per term
 *              └────────────────┴────────────────────┴─ ─ ─
 *                int              uuid (16 bytes, decoded to `uuids`), text (where it lies)
 *
 * A row has no key under a path when one of its values is NULL or not a literal of the term's kind:
 * `column = constant` is then not true, whatever the constant.
 *
 * Allocates nothing. A key is valid until the next one of its side is read, and as long as the
 * bytes it was read from stay.
 */

import { Path, termColumn, termKind } from "./condition-tree";
import * as hash from "./hash";
import * as literal from "./literal";
import * as record from "./record";
import { positionOf } from "./relation-columns";

/** As many equalities as one AND may have; `src/router/descriptions.ts` refuses more. */
export const TERM_COUNT_MAX: u32 = 64;

/** The third side, beside `record.NEW` and `record.OLD`. */
export const STORED: u32 = 2;

const SLOTS_SIZE: usize = 512;
const UUIDS_SIZE: usize = 1024;
const slots: usize = memory.data(1536, 16);
const uuids: usize = memory.data(2048, 16);
const hashes: usize = memory.data(24, 8);

if (<usize>TERM_COUNT_MAX * 8 != SLOTS_SIZE) ERROR("a slot for every term");
if (<usize>TERM_COUNT_MAX * 16 != UUIDS_SIZE) ERROR("a uuid for every term");

/** Reads the key of a row under a path. False: it has none, so no shape of the path wants it. */
export function readRow(path: Path, side: u32): bool {
  const count = path.termCount;
  for (let index: u32 = 0; index < count; index += 1) {
    const position = positionOf(path.relation, termColumn(path, index));
    const value = record.at(side, position);
    if (!record.hasBytes(value)) return false;
    const kind = termKind(path, index);
    if (!readTerm(side, index, kind, record.addressOf(value), record.sizeOf(value))) return false;
  }
  hashSlots(path, side);
  return true;
}

/**
 * Reads the key that a shape's constants make, `(u32 size, bytes)` for each term. False: they are
 * not one literal of the right kind per term.
 */
export function readConstants(path: Path, address: usize, size: usize): bool {
  let cursor = address;
  const end = address + size;
  const count = path.termCount;
  for (let index: u32 = 0; index < count; index += 1) {
    if (end - cursor < 4) return false;
    const termSize = load<u32>(cursor);
    cursor += 4;
    if (<usize>termSize > end - cursor) return false;
    const kind = termKind(path, index);
    if (!readTerm(record.NEW, index, kind, cursor, termSize)) return false;
    cursor += <usize>termSize;
  }
  hashSlots(path, record.NEW);
  return cursor == end;
}

/** Whether the columns of a path read the same in both rows: then their keys are the same. */
export function isUnchanged(path: Path): bool {
  const count = path.termCount;
  for (let index: u32 = 0; index < count; index += 1) {
    const position = positionOf(path.relation, termColumn(path, index));
    if (!record.same(record.at(record.NEW, position), record.at(record.OLD, position)))
      return false;
  }
  return true;
}

/** Whether two sides hold the same key. REQUIRES: both were read under this path. */
export function areEqual(path: Path, a: u32, b: u32): bool {
  if (hashOf(a) != hashOf(b)) return false;
  const count = path.termCount;
  for (let index: u32 = 0; index < count; index += 1) {
    const ofA = slot(a, index);
    const ofB = slot(b, index);
    if (termKind(path, index) == literal.INT ? ofA != ofB : !record.same(ofA, ofB)) return false;
  }
  return true;
}

export function hashOf(side: u32): u64 {
  return load<u64>(hashes + ((<usize>side) << 3));
}

/** The integer of a term, or where its bytes lie: a `record.Value`. */
export function slot(side: u32, index: u32): u64 {
  return load<u64>(slotAddress(side, index));
}

export function setSlot(side: u32, index: u32, value: u64): void {
  store<u64>(slotAddress(side, index), value);
}

/** Hashes the slots of a side. A row and the constants it is equal to have the same slots. */
export function hashSlots(path: Path, side: u32): void {
  let h = path.seed;
  const count = path.termCount;
  for (let index: u32 = 0; index < count; index += 1) {
    const value = slot(side, index);
    h =
      termKind(path, index) == literal.INT
        ? hash.hashWord(value, h)
        : hash.hashBytes(record.addressOf(value), record.sizeOf(value), h);
  }
  store<u64>(hashes + ((<usize>side) << 3), h);
}

function readTerm(side: u32, index: u32, kind: u32, address: usize, size: u32): bool {
  const target = slotAddress(side, index);
  if (kind == literal.INT) {
    if (!literal.readInt(address, size)) return false;
    store<i64>(target, literal.lastInt());
  } else if (kind == literal.UUID) {
    const bytes = uuids + <usize>side * UUIDS_SIZE + ((<usize>index) << 4);
    if (!literal.readUuid(address, size, bytes)) return false;
    store<u64>(target, ((<u64>bytes) << 32) | (<u64>literal.UUID_SIZE));
  } else {
    store<u64>(target, ((<u64>address) << 32) | (<u64>size));
  }
  return true;
}

function slotAddress(side: u32, index: u32): usize {
  return slots + <usize>side * SLOTS_SIZE + ((<usize>index) << 3);
}
