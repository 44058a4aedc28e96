/**
 * Messages of pgoutput, protocol version 1 (Postgres manual, 55.9), as far as the core reads them.
 *
 *     Begin   'B'  final LSN u64, time u64, xid u32
 *     Commit  'C'  flags u8, commit LSN u64, end LSN u64, time u64
 *     Insert  'I'  relation oid u32, 'N', tuple
 *     Update  'U'  relation oid u32, ['O' or 'K', tuple], 'N', tuple
 *     Delete  'D'  relation oid u32, 'O' or 'K', tuple
 *     Truncate 'T', Relation 'R'             for TypeScript
 *     Type 'Y', Origin 'O', Message 'M'      passed over
 *
 * 'O' is the whole old row, 'K' its key alone, whose other columns read as NULLs: no use for
 * routing.
 *
 * Allocates nothing.
 */

import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as record from "./record";
import { NEW, OLD } from "./record";
import * as state from "./run-state";

export const BEGIN: u32 = 0x42; // B
export const COMMIT: u32 = 0x43; // C
export const INSERT: u32 = 0x49; // I
export const UPDATE: u32 = 0x55; // U
export const DELETE: u32 = 0x44; // D
export const RELATION: u32 = 0x52; // R
export const TRUNCATE: u32 = 0x54; // T
export const TYPE: u32 = 0x59; // Y
export const ORIGIN: u32 = 0x4f; // O
export const MESSAGE: u32 = 0x4d; // M

const NEW_TUPLE: u32 = 0x4e; // N
const OLD_TUPLE: u32 = 0x4f; // O
const KEY_TUPLE: u32 = 0x4b; // K

/** Type and oid: how every row change begins. The shortest goes on with a tuple of no columns. */
const CHANGE_HEAD_SIZE: usize = 5;
const CHANGE_SIZE_MIN: usize = 8;

/** What `openChange` found. */
export const OPEN: u32 = 0;
/** The relation is not known or has no shapes. */
export const UNWATCHED: u32 = 1;
/** `reason` is a MalformedReason. */
export const MALFORMED: u32 = 2;
/** `reason` is an UnroutableReason. */
export const UNROUTABLE: u32 = 3;

let relation: Relation | null = null;
let reason: u32 = 0;

/** Whether a message is a row change. */
export function isChange(kind: u32): bool {
  return kind == INSERT || kind == UPDATE || kind == DELETE;
}

/** The oid of the relation that a row change is of, 0 if it is cut short before. */
export function oidOfChange(start: usize, end: usize): u32 {
  return end - start < CHANGE_SIZE_MIN ? 0 : bswap<u32>(load<u32>(start + 1));
}

/** Opens the sides of a row change in the record. REQUIRES: the message is a row change. */
export function openChange(start: usize, end: usize): u32 {
  if (end - start < CHANGE_SIZE_MIN) return malformed(state.BAD_MESSAGE_SIZE);
  return openChangeOf(tree.findRelation(oidOfChange(start, end)), start, end);
}

/** The same, as a change of a relation that the row's own is a part of. */
export function openChangeOf(target: Relation | null, start: usize, end: usize): u32 {
  if (end - start < CHANGE_SIZE_MIN) return malformed(state.BAD_MESSAGE_SIZE);
  relation = target;
  const known = target;
  if (known == null || known.shapeCount == 0) return UNWATCHED;
  record.reset();
  const kind = <u32>load<u8>(start);
  const tuples = start + CHANGE_HEAD_SIZE;
  if (kind == INSERT) return openNew(tuples, end);

  const letter = <u32>load<u8>(tuples);
  const hasNoOld = kind == UPDATE && letter == NEW_TUPLE;
  if (letter != OLD_TUPLE && letter != KEY_TUPLE && !hasNoOld) {
    return malformed(state.BAD_MESSAGE_KIND);
  }
  if (letter != OLD_TUPLE) return unroutable(state.OLD_ROW_MISSING);
  if (!record.open(OLD, tuples + 1, end)) return malformed(record.faultFound());
  if (record.count(OLD) < known.widthMin) return unroutable(state.ROW_TOO_NARROW);
  if (kind == DELETE) return OPEN;
  const newTuple = record.skip(OLD);
  if (record.faultFound() != 0) return malformed(record.faultFound());
  return openNew(newTuple, end);
}

/** Of the change that was opened last. REQUIRES: it was not UNWATCHED. */
export function relationOfChange(): Relation {
  return relation as Relation;
}

/** Why the change could not be opened. */
export function reasonFound(): u32 {
  return reason;
}

/** Opens a new tuple behind its letter. */
function openNew(address: usize, end: usize): u32 {
  if (address >= end) return malformed(state.BAD_MESSAGE_SIZE);
  if (<u32>load<u8>(address) != NEW_TUPLE) return malformed(state.BAD_MESSAGE_KIND);
  if (!record.open(NEW, address + 1, end)) return malformed(record.faultFound());
  const known = relation as Relation;
  return record.count(NEW) < known.widthMin ? unroutable(state.ROW_TOO_NARROW) : OPEN;
}

function malformed(why: u32): u32 {
  reason = why;
  return MALFORMED;
}

function unroutable(why: u32): u32 {
  reason = why;
  return UNROUTABLE;
}
