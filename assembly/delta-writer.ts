/**
 * Deltas: what an inner row's change means for the views of a subquery, in place of a JSON body.
 * TypeScript hands the tuples to the views when the transaction is committed.
 *
 *     ┌───────┬────────────────────┬────────────────────┐
 *     │ flags │ old tuple          │ new tuple          │     flags 1: there is an old one, 2: a
 *     └───────┴────────────────────┴────────────────────┘     new one
 *       u8      per column of the projection u32 size and text; the size is 0xffffffff for NULL,
 *               without a text
 *
 * Texts are those of the stream, unescaped. Allocates nothing.
 */

import * as json from "./json-writer";
import { columnAt, Projection } from "./projection";
import * as record from "./record";
import { NEW, OLD } from "./record";
import { positionOf } from "./relation-columns";

/** Flags. */
export const HAS_OLD: u32 = 1;
export const HAS_NEW: u32 = 2;

/** Writes a delta where `json-writer` is open. */
export function encode(projection: Projection, flags: u32): void {
  json.byte(<u8>flags);
  if (flags & HAS_OLD) writeTuple(projection, OLD);
  if (flags & HAS_NEW) writeTuple(projection, NEW);
}

function writeTuple(projection: Projection, side: u32): void {
  for (let index: u32 = 0; index < projection.columnCount; index += 1) {
    const value = record.at(side, positionOf(projection.relation, columnAt(projection, index)));
    if (!record.hasBytes(value)) {
      json.word(record.NULL);
      continue;
    }
    json.word(record.sizeOf(value));
    json.raw(record.addressOf(value), <usize>record.sizeOf(value));
  }
}
