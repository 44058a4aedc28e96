/** Between records of the journal and what they do to the catalog. */

import { decodeBehind } from "./behind.ts";
import type { CatalogChange } from "./catalog-change.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  decodeCreated,
  decodePartitions,
  decodeSnapshotMeta,
  encodeSnapshotMeta,
  RECORD_HEADER_SIZE,
  recordKind,
  RecordKind,
  recordLsn,
  recordOp,
  recordSize,
  type SnapshotMeta,
} from "./record.ts";

/** Offset at which the rows of an inline snapshot begin, counted from the record. */
export const INLINE_ROWS_OFFSET = RECORD_HEADER_SIZE + 4;

/** What there is beside the rows of most snapshots: then they are copied once. */
const META_BYTES = 64;

/** The payload of an inline snapshot: size of the rows u32, rows, then what is known of them. */
export function encodeInlineSnapshot(rows: Uint8Array, meta: SnapshotMeta): Uint8Array {
  const writer = new ByteWriter(rows.length + META_BYTES).u32(rows.length).append(rows);
  encodeSnapshotMeta(writer, meta);
  return writer.bytes;
}

export function encodeSnapshotFile(meta: SnapshotMeta): Uint8Array {
  const writer = new ByteWriter();
  encodeSnapshotMeta(writer, meta);
  return writer.bytes;
}

/** What the record at `offset` does; undefined: nothing. Copies what it keeps. */
export function changeOf(frame: Buffer, offset: number, seq: number): CatalogChange | undefined {
  const start = offset + RECORD_HEADER_SIZE;
  const payload = frame.subarray(start, start + recordSize(frame, offset));
  const key = recordOp(frame, offset);
  const lsn = recordLsn(frame, offset);
  switch (recordKind(frame, offset)) {
    case RecordKind.template:
      return { type: "template", id: key, text: payload.toString("utf8") };
    case RecordKind.created: {
      const created = decodeCreated(payload);
      return { type: "created", key, ...created, constants: Buffer.from(created.constants) };
    }
    case RecordKind.removed:
      return { type: "removed", key };
    case RecordKind.inlineSnapshot: {
      const meta = decodeSnapshotMeta(new ByteReader(payload, 4 + payload.readUInt32LE(0)), lsn);
      return { type: "snapshot", key, snapshot: { ...meta, seq } };
    }
    case RecordKind.snapshotFile: {
      const meta = decodeSnapshotMeta(new ByteReader(payload), lsn);
      return { type: "snapshot", key, snapshot: { ...meta, seq: 0 } };
    }
    case RecordKind.partitions:
      return { type: "partitions", oid: key, partitions: decodePartitions(payload) };
    case RecordKind.behind:
      return { type: "behind", behind: decodeBehind(payload) };
    case RecordKind.confirmed:
      return { type: "confirmed", lsn };
    case RecordKind.change:
    case RecordKind.moved:
    case RecordKind.void:
    case RecordKind.dead:
      return undefined;
  }
}
