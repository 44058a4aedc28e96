/**
 * Writes what Postgres writes on a replication socket: pgoutput messages of protocol version 1 in
 * CopyData frames (Postgres manual, 55.4 and 55.9). For tests and benches, which need streams that
 * no server would send at their bidding.
 */

/** A column that was not sent because its value, stored out of line, did not change. */
export const UNCHANGED: unique symbol = Symbol("unchanged");

/** A column: text, NULL, unchanged, or bytes in binary. */
export type WireValue = string | null | typeof UNCHANGED | Uint8Array;
export type Tuple = readonly WireValue[];

/** The old row of an update or delete: whole (`O`) or its key only (`K`). */
export interface OldTuple {
  readonly kind: "O" | "K";
  readonly tuple: Tuple;
}

export interface WireColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly isKey?: boolean;
}

// --- Messages ----------------------------------------------------------------------------------

export function begin(finalLsn: bigint, xid: number, time = 0n): Buffer {
  return join("B", u64(finalLsn), u64(time), u32(xid));
}

export function commit(lsn: bigint, endLsn = lsn + 48n, time = 0n): Buffer {
  return join("C", u8(0), u64(lsn), u64(endLsn), u64(time));
}

export function relation(
  oid: number,
  schema: string,
  name: string,
  columns: readonly WireColumn[],
): Buffer {
  const parts = columns.flatMap((column) => [
    u8(column.isKey === true ? 1 : 0),
    cString(column.name),
    u32(column.typeOid),
    u32(0xffff_ffff),
  ]);
  return join("R", u32(oid), cString(schema), cString(name), "f", u16(columns.length), ...parts);
}

export function insert(oid: number, row: Tuple): Buffer {
  return join("I", u32(oid), "N", tuple(row));
}

/** Without an old tuple: the table's replica identity did not change and is not FULL. */
export function update(oid: number, row: Tuple, old?: OldTuple): Buffer {
  const oldParts = old === undefined ? [] : [old.kind, tuple(old.tuple)];
  return join("U", u32(oid), ...oldParts, "N", tuple(row));
}

export function remove(oid: number, old: OldTuple): Buffer {
  return join("D", u32(oid), old.kind, tuple(old.tuple));
}

export function truncate(oids: readonly number[]): Buffer {
  return join("T", u32(oids.length), u8(0), ...oids.map(u32));
}

export function type(oid: number, schema: string, name: string): Buffer {
  return join("Y", u32(oid), cString(schema), cString(name));
}

export function origin(lsn: bigint, name: string): Buffer {
  return join("O", u64(lsn), cString(name));
}

export function logicalMessage(lsn: bigint, prefix: string, content: string): Buffer {
  const bytes = Buffer.from(content);
  return join("M", u8(1), u64(lsn), cString(prefix), u32(bytes.length), bytes);
}

export function tuple(values: Tuple): Buffer {
  return join(u16(values.length), ...values.map(column));
}

// --- Frames ------------------------------------------------------------------------------------

/** A message as WAL data. */
export function walData(
  message: Uint8Array,
  walStart = 0n,
  walEnd = walStart,
  sentTime = 0n,
): Buffer {
  return frame("d", join("w", u64(walStart), u64(walEnd), u64(sentTime), message));
}

export function keepalive(walEnd: bigint, isReplyRequested = false): Buffer {
  return frame("d", join("k", u64(walEnd), u64(0n), u8(isReplyRequested ? 1 : 0)));
}

/** Any frame of the protocol. */
export function frame(kind: string, payload: Uint8Array): Buffer {
  return join(kind, u32(payload.length + 4), payload);
}

/** A transaction in frames: Begin, its messages, Commit. */
export function transaction(lsn: bigint, xid: number, messages: readonly Uint8Array[]): Buffer {
  const all = [begin(lsn, xid), ...messages, commit(lsn)];
  return Buffer.concat(all.map((message) => walData(message, lsn)));
}

// --- Pieces ------------------------------------------------------------------------------------

function column(value: WireValue): Buffer {
  if (value === null) return join("n");
  if (value === UNCHANGED) return join("u");
  const bytes = Buffer.from(value as string);
  return join(typeof value === "string" ? "t" : "b", u32(bytes.length), bytes);
}

function join(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)),
  );
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function u8(value: number): Buffer {
  return Buffer.from([value]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}
