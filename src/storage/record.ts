/**
 * Records are what the journal consists of: one for each body, and one for each thing that happens
 * to a shape. Each takes a seq. The header is self-contained, so that one can be read by its place
 * alone; the shapes that a change belongs to stand in the frame (`frame.ts`), where only a replay
 * looks.
 *
 *     ┌──────────┬─────────┬──────────┬──────────┬─ ─ ─ ─ ─
 *     │ size u32 │ kind u8 │ op u40   │ lsn u64  │ payload
 *     └──────────┴─────────┴──────────┴──────────┴─ ─ ─ ─ ─
 *     0          4         5          10         18
 *
 *     kind             op            lsn           payload, of `size` bytes
 *     dead             -             -             none: a rewrite dropped it, its seq remains
 *     change           op            commit LSN    the body
 *     moved            op            commit LSN    the same, of what came behind that transaction
 *     template         template id   0             its text
 *     created          storage key   0             hash, template id, constants
 *     removed          storage key   0             none
 *     inline snapshot  storage key   bounds.lsn    bounds, chunk ends, rows
 *     snapshot file    storage key   bounds.lsn    bounds, chunk ends
 *     void             0             0             first and last seq taken back
 *     partitions       table oid     0             how many, oid and transaction of each
 *     behind           0             0             since and position, how many, their keys
 *     confirmed        0             LSN           none
 */

import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Lsn } from "../model/lsn.ts";
import type { PartitionTree } from "../model/partition-tree.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

export const RECORD_HEADER_SIZE = 18;

export const RecordKind = {
  dead: 0,
  change: 1,
  template: 2,
  created: 3,
  removed: 4,
  inlineSnapshot: 5,
  snapshotFile: 6,
  void: 7,
  partitions: 8,
  moved: 9,
  behind: 10,
  confirmed: 11,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** An entry of logs, whose frame says of which. */
export type BodyKind = typeof RecordKind.change | typeof RecordKind.moved;

export function isBody(kind: RecordKind): kind is BodyKind {
  return kind === RecordKind.change || kind === RecordKind.moved;
}

export function writeRecordHeader(
  bytes: Buffer,
  offset: number,
  size: number,
  kind: RecordKind,
  op: number,
  lsnLow: number,
  lsnHigh: number,
): void {
  bytes.writeUInt32LE(size, offset);
  bytes[offset + 4] = kind;
  bytes.writeUIntLE(op, offset + 5, 5);
  bytes.writeUInt32LE(lsnLow, offset + 10);
  bytes.writeUInt32LE(lsnHigh, offset + 14);
}

export function recordSize(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset);
}

export function recordKind(bytes: Buffer, offset: number): RecordKind {
  return bytes[offset + 4] as RecordKind;
}

export function recordOp(bytes: Buffer, offset: number): number {
  return bytes.readUIntLE(offset + 5, 5);
}

export function recordLsn(bytes: Buffer, offset: number): Lsn {
  return bytes.readBigUInt64LE(offset + 10) as Lsn;
}

export interface CreatedPayload {
  readonly hash: number;
  readonly templateId: number;
  readonly constants: Uint8Array;
}

export function encodeCreated(payload: CreatedPayload): Uint8Array {
  return new ByteWriter().varint(payload.hash).varint(payload.templateId).append(payload.constants)
    .bytes;
}

export function decodeCreated(bytes: Uint8Array): CreatedPayload {
  const reader = new ByteReader(bytes);
  const hash = reader.varint();
  const templateId = reader.varint();
  return { hash, templateId, constants: reader.take(reader.end - reader.offset) };
}

/** What is known of a snapshot beside its rows. */
export interface SnapshotMeta {
  readonly bounds: SnapshotBounds;
  /**
   * Where each chunk ends in the rows, ascending. Kept, because what an offset stands for must not
   * change when the threshold does.
   */
  readonly chunkEnds: readonly number[];
}

/** Appends all of it but `bounds.lsn`, which stands in the header of the record or row. */
export function encodeSnapshotMeta(writer: ByteWriter, meta: SnapshotMeta): void {
  const { xmin, xmax, xip } = meta.bounds;
  writer
    .u64(xmin)
    .varint(Number(xmax - xmin))
    .varint(xip.length);
  for (const xid of xip) writer.varint(Number(xid - xmin));
  writer.varint(meta.chunkEnds.length);
  let previous = 0;
  for (const end of meta.chunkEnds) {
    writer.varint(end - previous);
    previous = end;
  }
}

export function decodeSnapshotMeta(reader: ByteReader, lsn: Lsn): SnapshotMeta {
  const xmin = reader.u64();
  const xmax = xmin + BigInt(reader.varint());
  const xip: bigint[] = [];
  for (let count = reader.varint(); count > 0; count--) xip.push(xmin + BigInt(reader.varint()));
  const chunkEnds: number[] = [];
  let end = 0;
  for (let count = reader.varint(); count > 0; count--) {
    end += reader.varint();
    chunkEnds.push(end);
  }
  return { bounds: { xmin, xmax, xip, lsn }, chunkEnds };
}

/** Nothing at all where nothing is known any more. */
export function encodePartitions(partitions: PartitionTree | undefined): Uint8Array {
  const writer = new ByteWriter();
  if (partitions === undefined) return writer.bytes;
  writer.varint(partitions.size);
  for (const [oid, since] of partitions) writer.u32(oid).u32(since);
  return writer.bytes;
}

export function decodePartitions(bytes: Uint8Array): PartitionTree | undefined {
  const reader = new ByteReader(bytes);
  if (reader.isAtEnd) return undefined;
  const partitions = new Map<number, number>();
  for (let count = reader.varint(); count > 0; count--) partitions.set(reader.u32(), reader.u32());
  return partitions;
}

/** A stretch of seqs, both ends included. */
export interface SeqRange {
  readonly first: number;
  readonly last: number;
}

export function encodeVoid(range: SeqRange): Uint8Array {
  return new ByteWriter().u48(range.first).u48(range.last).bytes;
}

export function decodeVoid(bytes: Uint8Array): SeqRange {
  const reader = new ByteReader(bytes);
  return { first: reader.u48(), last: reader.u48() };
}
