/**
 * Encodes what a walsender sends into one growing buffer.
 *
 *     frame     'd' u32 size | 'w' u64 start u64 end u64 time | message        (CopyData, XLogData)
 *     messages  Begin, Relation, Insert | Update | Delete ..., Commit
 */

import type { RelationSpec } from "./baseline/routing-engine.ts";

/** Undefined: did not change and was too long to be sent again. */
export type WireValue = string | null | undefined;

const TEXT_OID = 25;

export class FrameWriter {
  #bytes = Buffer.allocUnsafe(1 << 22);
  #at = 0;
  #frameStart = 0;
  #lsn = 0x16_b374_0000n;
  #xid = 700;

  begin(): { lsn: bigint; xid: number } {
    this.#xid += 1;
    this.#open("B");
    this.#lsn += 0x100n;
    this.#u64(this.#lsn);
    this.#u64(0n);
    this.#u32(this.#xid);
    this.#close();
    return { lsn: this.#lsn, xid: this.#xid };
  }

  commit(): void {
    this.#open("C");
    this.#u8(0);
    this.#u64(this.#lsn);
    this.#u64(this.#lsn + 0x30n);
    this.#u64(0n);
    this.#close();
  }

  relation({ oid, schema, name, columns }: RelationSpec): void {
    this.#open("R");
    this.#u32(oid);
    this.#text(`${schema}\0${name}\0f`);
    this.#u16(columns.length);
    for (const column of columns) {
      this.#u8(1); // Replica identity full: every column is part of the key.
      this.#text(`${column.name}\0`);
      this.#u32(TEXT_OID);
      this.#u32(0xffff_ffff);
    }
    this.#close();
  }

  insert(oid: number, row: readonly WireValue[]): void {
    this.#open("I");
    this.#u32(oid);
    this.#tuple("N", row);
    this.#close();
  }

  update(oid: number, before: readonly WireValue[], after: readonly WireValue[]): void {
    this.#open("U");
    this.#u32(oid);
    this.#tuple("O", before);
    this.#tuple("N", after);
    this.#close();
  }

  /** As a table sends it whose replica identity is not FULL. */
  updateWithoutOld(oid: number, after: readonly WireValue[]): void {
    this.#open("U");
    this.#u32(oid);
    this.#tuple("N", after);
    this.#close();
  }

  delete(oid: number, row: readonly WireValue[]): void {
    this.#open("D");
    this.#u32(oid);
    this.#tuple("O", row);
    this.#close();
  }

  /** What was written so far, from the beginning. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #open(message: string): void {
    // A message that is longer does not fit: nobody here writes one.
    if (this.#at + 65_536 > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)]);
    }
    this.#frameStart = this.#at;
    this.#text("d");
    this.#u32(0);
    this.#text("w");
    this.#u64(this.#lsn);
    this.#u64(this.#lsn);
    this.#u64(0n);
    this.#text(message);
  }

  #close(): void {
    this.#bytes.writeUInt32BE(this.#at - this.#frameStart - 1, this.#frameStart + 1);
  }

  #tuple(tag: string, row: readonly WireValue[]): void {
    this.#text(tag);
    this.#u16(row.length);
    for (const value of row) {
      if (typeof value !== "string") {
        this.#text(value === null ? "n" : "u");
        continue;
      }
      this.#text("t");
      const sizeAt = this.#at;
      this.#u32(0);
      this.#text(value);
      this.#bytes.writeUInt32BE(this.#at - sizeAt - 4, sizeAt);
    }
  }

  #text(value: string): void {
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  #u8(value: number): void {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
  }

  #u16(value: number): void {
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
  }

  #u32(value: number): void {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  #u64(value: bigint): void {
    this.#at = this.#bytes.writeBigUInt64BE(value, this.#at);
  }
}
