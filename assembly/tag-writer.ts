/**
 * Tags: what a client needs to know of a row to follow the moves of a shape with subqueries
 * (protocol 14.3), at the end of a body's headers:
 *
 *     ,"tags":["\1v:7\2/1","/\1v:9\2"],"removed_tags":["\1v:8\2/1"],"active_conditions":[true,...]
 *
 * A tag is made for each disjunct of the WHERE. Bodies are shared by all shapes, and a tag's hashes
 * are not: each stands as the text that is hashed, between the bytes 1 and 2, which JSON has
 * nowhere else. The reader of a log puts md5(stack id, handle, text) in its place.
 *
 * What does not depend on the row was spelled out by `src/router/tags.ts`:
 *
 *     tags      ┌──────────┬───────────┬───────────────┬──────────────┐
 *               │ literals │ disjuncts │ WHERE columns │ columns, u16 │ disjunct ...
 *               └──────────┴───────────┴───────────────┴──────────────┘
 *                 u32        u32         u32
 *     disjunct  ┌────────┬────────┬─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─┬───────────┬──────┐
 *               │ values │ size   │ column, kind u16, size u32, text ... │ tail size │ tail │
 *               └────────┴────────┴─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─┴───────────┴──────┘
 *                 u32      u32       the text that stands before a value    u32
 *
 * A value's text is canonical, so that values which are equal have equal tags: a decimal without
 * the zeros at its end, padding left out, a bool in full.
 *
 * Allocates nothing.
 */

import * as json from "./json-writer";
import * as literal from "./literal";
import { Projection, tagsOf } from "./projection";
import * as record from "./record";
import { NEW, OLD } from "./record";
import { FLAG_BOOL, memberAt, positionOf, RelationColumns } from "./relation-columns";

/** Which tags a body has. */
export const OF_NEW: u32 = 0;
export const OF_OLD: u32 = 1;
/** Of the new row, and what the old one had besides under a name of its own. */
export const OF_NEW_AND_REMOVED: u32 = 2;
/** Both under the one name: the delete half of a key change. */
export const OF_BOTH: u32 = 3;

const HEAD_SIZE: usize = 12;
const DISJUNCT_HEAD_SIZE: usize = 8;

const TAGS = json.spell(',"tags":[');
const REMOVED_TAGS = json.spell('],"removed_tags":[');
const ACTIVE_CONDITIONS = json.spell('],"active_conditions":[');
const TRUE = json.spell("true");
const FALSE = json.spell("false");
const NULL = json.spell("NULL");
const VALUE = json.spell("v:");

const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const CLOSE: u8 = 0x5d;
const LETTER_T: u32 = 0x74;

export function literalCount(projection: Projection): u32 {
  return load<u32>(tagsOf(projection));
}

/** Whether a column that the WHERE reads differs in the two rows. */
export function isWhereChanged(projection: Projection): bool {
  const tags = tagsOf(projection);
  const count = load<u32>(tags, 8);
  for (let index: u32 = 0; index < count; index += 1) {
    const column = <u32>load<u16>(tags + HEAD_SIZE + ((<usize>index) << 1));
    const position = positionOf(projection.relation, column);
    if (!record.same(record.at(NEW, position), record.at(OLD, position))) return true;
  }
  return false;
}

/**
 * Writes the members, where `json-writer` is open.
 *
 * @param active a byte for each literal, whether it is true; 0: all are.
 */
export function write(projection: Projection, which: u32, active: usize): void {
  json.fragment(TAGS);
  writeTags(projection, which == OF_OLD ? OLD : NEW, false, true);
  if (which == OF_NEW_AND_REMOVED) json.fragment(REMOVED_TAGS);
  if (which >= OF_NEW_AND_REMOVED) writeTags(projection, OLD, true, which != OF_BOTH);
  json.fragment(ACTIVE_CONDITIONS);
  const count = literalCount(projection);
  for (let index: u32 = 0; index < count; index += 1) {
    if (index != 0) json.byte(COMMA);
    const isActive = active == 0 || load<u8>(active + <usize>index) != 0;
    json.fragment(isActive ? TRUE : FALSE);
  }
  json.byte(CLOSE);
}

/** Writes the tags of one row; of the old one if `isRemovedOnly` those that the new one has not. */
function writeTags(projection: Projection, side: u32, isRemovedOnly: bool, isFirst: bool): void {
  const relation = projection.relation;
  const tags = tagsOf(projection);
  const count = load<u32>(tags, 4);
  let disjunct = tags + HEAD_SIZE + ((<usize>load<u32>(tags, 8)) << 1);
  for (let index: u32 = 0; index < count; index += 1) {
    if (!isRemovedOnly || isRemoved(relation, disjunct)) {
      if (!isFirst) json.byte(COMMA);
      isFirst = false;
      json.byte(QUOTE);
      writeTag(relation, disjunct, side);
      json.byte(QUOTE);
    }
    disjunct += <usize>load<u32>(disjunct, 4);
  }
}

function writeTag(relation: RelationColumns, disjunct: usize, side: u32): void {
  const count = load<u32>(disjunct);
  let at = disjunct + DISJUNCT_HEAD_SIZE;
  for (let index: u32 = 0; index < count; index += 1) {
    const size = <usize>load<u32>(at, 4);
    json.raw(at + 8, size);
    writeValue(relation, at, side);
    at += 8 + size;
  }
  json.raw(at + 4, <usize>load<u32>(at));
}

function writeValue(relation: RelationColumns, at: usize, side: u32): void {
  const column = <u32>load<u16>(at);
  const value = record.at(side, positionOf(relation, column));
  if (!record.hasBytes(value)) {
    json.fragment(NULL);
    return;
  }
  json.fragment(VALUE);
  if (isBool(relation, column, value)) {
    json.fragment(<u32>load<u8>(record.addressOf(value)) == LETTER_T ? TRUE : FALSE);
    return;
  }
  const canonical = canonicalOf(value, <u32>load<u16>(at, 2));
  json.text(record.addressOf(canonical), <usize>record.sizeOf(canonical));
}

/** Whether the old row's tag of a disjunct is none of the new row's. */
function isRemoved(relation: RelationColumns, disjunct: usize): bool {
  const count = load<u32>(disjunct);
  let at = disjunct + DISJUNCT_HEAD_SIZE;
  for (let index: u32 = 0; index < count; index += 1) {
    const position = positionOf(relation, <u32>load<u16>(at));
    const kind = <u32>load<u16>(at, 2);
    const before = canonicalOf(record.at(OLD, position), kind);
    if (!record.same(before, canonicalOf(record.at(NEW, position), kind))) return true;
    at += 8 + <usize>load<u32>(at, 4);
  }
  return false;
}

/** A value without what does not count. */
function canonicalOf(value: record.Value, kind: u32): record.Value {
  if (kind != literal.DECIMAL && kind != literal.PADDED) return value;
  if (!record.hasBytes(value)) return value;
  if (!literal.read(kind, record.addressOf(value), record.sizeOf(value))) return value;
  return ((<u64>literal.lastAddress()) << 32) | (<u64>literal.lastSize());
}

function isBool(relation: RelationColumns, column: u32, value: record.Value): bool {
  return ((<u32>memberAt(relation, column).flags) & FLAG_BOOL) != 0 && record.sizeOf(value) == 1;
}
