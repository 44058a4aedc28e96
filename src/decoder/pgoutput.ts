/**
 * The pgoutput messages that concern TypeScript (Postgres manual, 54.9 "Logical Replication Message
 * Formats"): how a table's rows are laid out, and that tables were emptied. Rows, and what frames
 * them into transactions, are read in the core alone, where they make no object.
 *
 * Pure: the same bytes give the same values. Nothing of the bytes is kept.
 */

import { ByteReader, MalformedMessage } from "./byte-reader.ts";

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
}

/** Sent before a table's first change in a session, and again after its form has changed. */
export interface RelationMessage {
  readonly kind: "relation";
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `relreplident`: f full, d default, n nothing, i index. */
  readonly replicaIdentity: string;
  /** In the order in which tuples carry them. */
  readonly columns: readonly RelationColumn[];
}

export interface TruncateMessage {
  readonly kind: "truncate";
  readonly relationOids: readonly number[];
}

/** Type, Origin, logical messages: nothing that a shape depends on. */
export interface OtherMessage {
  readonly kind: "other";
}

export type StreamMessage = RelationMessage | TruncateMessage | OtherMessage;

const RELATION = 0x52; // "R"
const TRUNCATE = 0x54; // "T"

/**
 * @param bytes one message, its type first.
 * @throws {MalformedMessage} when it is cut short or goes on after its end.
 */
export function decodeMessage(bytes: Uint8Array): StreamMessage {
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  if (type !== RELATION && type !== TRUNCATE) return { kind: "other" };
  const message = type === RELATION ? decodeRelation(reader) : decodeTruncate(reader);
  if (reader.remaining > 0) {
    throw new MalformedMessage(
      `a ${message.kind} message goes on for ${reader.remaining} bytes after its end`,
    );
  }
  return message;
}

function decodeRelation(reader: ByteReader): RelationMessage {
  const oid = reader.u32();
  const schema = reader.text();
  const name = reader.text();
  const replicaIdentity = String.fromCharCode(reader.u8());
  const columns: RelationColumn[] = [];
  for (let count = reader.u16(); count > 0; count--) {
    reader.u8(); // Whether it is part of the replica identity: with FULL, every column is.
    columns.push({ name: reader.text(), typeOid: reader.u32(), typeModifier: reader.i32() });
  }
  // The empty schema stands for pg_catalog.
  const schemaName = schema === "" ? "pg_catalog" : schema;
  return { kind: "relation", oid, schema: schemaName, name, replicaIdentity, columns };
}

function decodeTruncate(reader: ByteReader): TruncateMessage {
  const count = reader.u32();
  if (4 * count > reader.remaining) {
    throw new MalformedMessage(`a truncate message names ${count} tables and ends before them`);
  }
  reader.u8(); // CASCADE and RESTART IDENTITY: the tables they reach are named all the same.
  return { kind: "truncate", relationOids: Array.from({ length: count }, () => reader.u32()) };
}
