/**
 * Bodies: a change as one JSON object, the way the log keeps it and clients read it (protocol 7).
 *
 *     {"key":"\"public\".\"items\"/\"7\"","value":{"id":"7","title":"x"},
 *      "old_value":{"title":"y"},
 *      "headers":{"operation":"update","relation":["public","items"],"txids":[744],
 *                 "lsn":"26800584","op_position":2,"key_change_to":"..."}}
 *
 * `headers` is the last member and nothing follows it: the reader of a log inserts `"last":true`
 * before the closing `}}` where it belongs.
 *
 *     operation   replica=default                    replica=full
 *     insert      all selected columns               the same
 *     update      key and changed columns            all selected, and in `old_value` the changed
 *     ones delete      key columns                        all selected columns of the old row
 *
 * A value is its text, a scalar bool `true` or `false` as the snapshot has it. A column that the
 * stream does not carry is left out. Names and punctuation that do not depend on the row were
 * spelled out by `src/router/descriptions.ts`; the transaction's part of the headers is, once for
 * each.
 *
 * Allocates nothing. Everything goes through `json-writer`, which knows when the region is full.
 */

import * as json from "./json-writer";
import { columnAt, FULL, Projection } from "./projection";
import * as record from "./record";
import { ABSENT, NEW, OLD } from "./record";
import { FLAG_BOOL, FLAG_KEY, memberAt, positionOf, RelationColumns } from "./relation-columns";
import * as tagWriter from "./tag-writer";

/** Operations, and how a half of a key change names the other. */
export const INSERT: u32 = 0;
export const UPDATE: u32 = 1;
export const DELETE: u32 = 2;
/** The delete half of a key change. */
export const DELETE_MOVED: u32 = 3;
/** The insert half of a key change. */
export const INSERT_MOVED: u32 = 4;
/** A row that a query found after a move of a subquery (protocol 14.5): of no transaction. */
export const INSERT_FETCHED: u32 = 5;

/** `{"key":`: what of a relation's prefix is not the key. */
const KEY_OFFSET: usize = 7;

/** `,"txids":[`, at the end of a relation's headers. */
const TXIDS_SIZE: usize = 10;

/** Which columns of a projection an object has. */
const ALL: u32 = 0;
const KEYS: u32 = 1;
const CHANGED: u32 = 2;
const KEYS_AND_CHANGED: u32 = 3;

const VALUE = json.spell(',"value":{');
const OLD_VALUE = json.spell(',"old_value":{');
const INSERT_HEADERS = json.spell('},"headers":{"operation":"insert"');
const UPDATE_HEADERS = json.spell('},"headers":{"operation":"update"');
const DELETE_HEADERS = json.spell('},"headers":{"operation":"delete"');
const LSN = json.spell('],"lsn":"');
const OP_POSITION = json.spell('","op_position":');
const KEY_CHANGE_TO = json.spell(',"key_change_to":');
const KEY_CHANGE_FROM = json.spell(',"key_change_from":');
const END = json.spell("}}");
const END_FETCHED = json.spell(',"is_move_in":true}}');
const NULL_VALUE = json.spell("null");
const TRUE_VALUE = json.spell('"true"');
const FALSE_VALUE = json.spell('"false"');
const TRUE_TEXT = json.spell("true");
const FALSE_TEXT = json.spell("false");
const KEY_NULL = json.spell("/_");
const KEY_OPEN = json.spell('/\\"');
const KEY_CLOSE = json.spell('\\"');

const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const BRACE: u8 = 0x7d;
const LETTER_T: u32 = 0x74;
const LETTER_F: u32 = 0x66;

// A transaction's part of the headers, `744],"lsn":"26800584","op_position":`: at most
// 10 + 9 + 20 + 16 bytes, and 20 that the writer wants to see free for a number.
const transaction: usize = memory.data(96, 16);
const TRANSACTION_SIZE_MAX: usize = 80;
let transactionSize: usize = 0;

/** Says which transaction the bodies from here on belong to. */
export function setTransaction(lsn: u64, xid: u32): void {
  json.open(transaction, transaction + TRANSACTION_SIZE_MAX);
  json.decimal(<u64>xid);
  json.fragment(LSN);
  json.decimal(lsn);
  json.fragment(OP_POSITION);
  assert(!json.isFull());
  transactionSize = json.position() - transaction;
}

/** Whether a change's two rows have different keys. */
export function isKeyChanged(relation: RelationColumns): bool {
  for (let part: u32 = 0; part < relation.keyCount; part += 1) {
    const column = load<u16>(relation.key + ((<usize>part) << 1));
    if (isChanged(relation, column)) return true;
  }
  return false;
}

/**
 * Whether one of the projection's columns differs in the two rows, or one that its tags depend on:
 * if none does, nothing is sent.
 */
export function isVisible(projection: Projection): bool {
  for (let index: u32 = 0; index < projection.columnCount; index += 1) {
    if (isChanged(projection.relation, columnAt(projection, index))) return true;
  }
  return projection.tagsSize != 0 && tagWriter.isWhereChanged(projection);
}

/**
 * Writes the body of a change for all shapes of a projection, where `json-writer` is open.
 *
 * @param active see `tag-writer.ts`; of a projection with tags.
 */
export function encode(operation: u32, projection: Projection, op: u32, active: usize): void {
  const relation = projection.relation;
  const isFull = projection.mode == FULL;
  const isDelete = operation == DELETE || operation == DELETE_MOVED;
  const side = isDelete ? OLD : NEW;
  json.raw(relation.prefix, <usize>relation.prefixSize);
  writeKeyParts(relation, side);

  json.fragment(VALUE);
  if (isFull || !(isDelete || operation == UPDATE)) {
    writeColumns(projection, side, ALL);
  } else {
    writeColumns(projection, side, isDelete ? KEYS : KEYS_AND_CHANGED);
  }
  if (operation == UPDATE && isFull) {
    json.byte(BRACE);
    json.fragment(OLD_VALUE);
    writeColumns(projection, OLD, CHANGED);
  }

  if (isDelete) json.fragment(DELETE_HEADERS);
  else json.fragment(operation == UPDATE ? UPDATE_HEADERS : INSERT_HEADERS);
  if (operation == INSERT_FETCHED) {
    json.raw(relation.headers, <usize>relation.headersSize - TXIDS_SIZE);
  } else {
    json.raw(relation.headers, <usize>relation.headersSize);
    json.raw(transaction, transactionSize);
    json.decimal(<u64>op);
  }
  if (operation == DELETE_MOVED) writeOtherKey(KEY_CHANGE_TO, relation, NEW);
  if (operation == INSERT_MOVED) writeOtherKey(KEY_CHANGE_FROM, relation, OLD);
  if (projection.tagsSize != 0) tagWriter.write(projection, tagsOf(operation), active);
  json.fragment(operation == INSERT_FETCHED ? END_FETCHED : END);
}

/** Which tags a body has. */
function tagsOf(operation: u32): u32 {
  if (operation == UPDATE) return tagWriter.OF_NEW_AND_REMOVED;
  if (operation == DELETE_MOVED) return tagWriter.OF_BOTH;
  return operation == DELETE ? tagWriter.OF_OLD : tagWriter.OF_NEW;
}

/** Writes `"name":value` for the columns of a projection, without the braces around. */
function writeColumns(projection: Projection, side: u32, which: u32): void {
  const relation = projection.relation;
  let isFirst = true;
  for (let index: u32 = 0; index < projection.columnCount; index += 1) {
    const column = columnAt(projection, index);
    const member = memberAt(relation, column);
    const flags = <u32>member.flags;
    if (which != ALL && !isWanted(relation, column, flags, which)) continue;
    const value = record.at(side, positionOf(relation, column));
    if (record.sizeOf(value) == ABSENT) continue;
    if (!isFirst) json.byte(COMMA);
    isFirst = false;
    json.raw(member.text, <usize>member.textSize);
    writeValue(value, flags);
    if (json.isFull()) return;
  }
}

function isWanted(relation: RelationColumns, column: u32, flags: u32, which: u32): bool {
  const isKey = (flags & FLAG_KEY) != 0;
  if (which == KEYS) return isKey;
  if (which == KEYS_AND_CHANGED && isKey) return true;
  return isChanged(relation, column);
}

function writeValue(value: record.Value, flags: u32): void {
  if (!record.hasBytes(value)) {
    json.fragment(NULL_VALUE);
    return;
  }
  if (flags & FLAG_BOOL && record.sizeOf(value) == 1) {
    const letter = <u32>load<u8>(record.addressOf(value));
    if (letter == LETTER_T || letter == LETTER_F) {
      json.fragment(letter == LETTER_T ? TRUE_VALUE : FALSE_VALUE);
      return;
    }
  }
  json.byte(QUOTE);
  json.text(record.addressOf(value), <usize>record.sizeOf(value));
  json.byte(QUOTE);
}

/** `/"v1"/"v2"` as the rest of a JSON string, and the quote that ends it. */
function writeKeyParts(relation: RelationColumns, side: u32): void {
  for (let part: u32 = 0; part < relation.keyCount; part += 1) {
    const column = <u32>load<u16>(relation.key + ((<usize>part) << 1));
    const value = record.at(side, positionOf(relation, column));
    if (!record.hasBytes(value)) {
      json.fragment(KEY_NULL);
      continue;
    }
    json.fragment(KEY_OPEN);
    writeKeyValue(value, <u32>memberAt(relation, column).flags);
    json.fragment(KEY_CLOSE);
  }
  json.byte(QUOTE);
}

/** The text of a value in a key: a bool is `true` there too, as it is in the snapshot's keys. */
function writeKeyValue(value: record.Value, flags: u32): void {
  if (flags & FLAG_BOOL && record.sizeOf(value) == 1) {
    const letter = <u32>load<u8>(record.addressOf(value));
    if (letter == LETTER_T || letter == LETTER_F) {
      json.fragment(letter == LETTER_T ? TRUE_TEXT : FALSE_TEXT);
      return;
    }
  }
  json.keyText(record.addressOf(value), <usize>record.sizeOf(value));
}

function writeOtherKey(name: json.Fragment, relation: RelationColumns, side: u32): void {
  json.fragment(name);
  json.raw(relation.prefix + KEY_OFFSET, <usize>relation.prefixSize - KEY_OFFSET);
  writeKeyParts(relation, side);
}

function isChanged(relation: RelationColumns, column: u32): bool {
  const position = positionOf(relation, column);
  return !record.same(record.at(NEW, position), record.at(OLD, position));
}
