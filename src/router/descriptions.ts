/**
 * Relations and templates as the core is told of them: packed, little-endian, with every piece of
 * JSON that does not depend on a row already spelled out, so that the core only copies.
 *
 *     relation ┌─────┬─────────┬──────┬─────────────┬──────────────┬───────────┬──────────────┐
 *              │ oid │ columns │ keys │ prefix size │ headers size │ key[keys] │ (flags, size)│ ...
 *              └─────┴─────────┴──────┴─────────────┴──────────────┴───────────┴──────────────┘
 *                u32     u16     u16       u32            u32           u16     u16, u16 each
 *                followed by the texts: key prefix, headers, one member name per column
 *
 *     template   ┌─────────┬───────┬─────────┬──────────┬────────────────┬──────────┐
 *                │ replica │ terms │ columns │ reserved │ (column, kind) │ column   │ ...
 *              └─────────┴───────┴─────────┴──────────┴────────────────┴──────────┘
 *                    u16      u16     u16        u16       u16, u16 each   u16 each
 *
 * The reader is `assembly/condition-tree.ts`.
 */

import type { ConstantKind, ReplicaMode } from "../model/shape-definition.ts";
import { quoteTable } from "../model/table.ts";

export interface RelationDescription {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** In catalog order: templates and layouts speak of them by index. */
  readonly columns: readonly { readonly name: string; readonly isBool: boolean }[];
  /** `keyColumnsOf(table)`. */
  readonly key: readonly number[];
}

export interface TemplateDescription {
  /** Sorted by column. At most 64. */
  readonly terms: readonly { readonly column: number; readonly kind: ConstantKind }[];
  /** Selected columns, ascending. */
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
}

const KIND: Record<ConstantKind, number> = { int: 1, uuid: 2, text: 3 };

/** `assembly/path-key.ts` has room for so many. */
const TERM_COUNT_MAX = 64;

const FLAG_BOOL = 1;
const FLAG_KEY = 2;

export function describeRelation(relation: RelationDescription): Uint8Array {
  const { oid, schema, name, columns, key } = relation;
  const prefix = Buffer.from(`{"key":${JSON.stringify(quoteTable(relation)).slice(0, -1)}`);
  const headers = Buffer.from(`,"relation":${JSON.stringify([schema, name])},"txids":[`);
  const members = columns.map((column) => Buffer.from(`${JSON.stringify(column.name)}:`));

  const head = Buffer.alloc(16 + 2 * key.length + 4 * columns.length);
  head.writeUInt32LE(oid, 0);
  head.writeUInt16LE(columns.length, 4);
  head.writeUInt16LE(key.length, 6);
  head.writeUInt32LE(prefix.length, 8);
  head.writeUInt32LE(headers.length, 12);
  let offset = 16;
  for (const column of key) offset = head.writeUInt16LE(column, offset);
  columns.forEach((column, index) => {
    const flags = (column.isBool ? FLAG_BOOL : 0) | (key.includes(index) ? FLAG_KEY : 0);
    offset = head.writeUInt16LE(flags, offset);
    offset = head.writeUInt16LE(members[index]!.length, offset);
  });
  return Buffer.concat([head, prefix, headers, ...members]);
}

/** @throws {RangeError} when there are more terms than the core takes. */
export function describeTemplate(template: TemplateDescription): Uint8Array {
  const { terms, columns, replica } = template;
  if (terms.length > TERM_COUNT_MAX) {
    throw new RangeError(`a template has at most ${TERM_COUNT_MAX} terms, got ${terms.length}`);
  }
  const bytes = Buffer.alloc(8 + 4 * terms.length + 2 * columns.length);
  bytes.writeUInt16LE(replica === "full" ? 1 : 0, 0);
  bytes.writeUInt16LE(terms.length, 2);
  bytes.writeUInt16LE(columns.length, 4);
  let offset = 8;
  for (const { column, kind } of terms) {
    offset = bytes.writeUInt16LE(column, offset);
    offset = bytes.writeUInt16LE(KIND[kind], offset);
  }
  for (const column of columns) offset = bytes.writeUInt16LE(column, offset);
  return bytes;
}
