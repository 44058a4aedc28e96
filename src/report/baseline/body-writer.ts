/**
 * Writes the JSON body of a change straight from the bytes of the row into a buffer: no string, no
 * object, no JSON.stringify. Bytes equal what JSON.stringify would have made of them.
 *
 *     {"key":"\"s\".\"t\"/\"1\"","value":{...},"old_value":{...},"headers":{"operation":...}}
 */

import { DELETE, INSERT, TEXT_VALUE, UPDATE, type Tuple } from "./pgoutput-reader.ts";
import type { Projection, Relation } from "./schema.ts";

/** Room for everything in a body that does not come from the row or the catalog. */
const FIXED_BYTES_MAX = 512;
/** The longest that a byte of a value can become: a control character is `\u001f`. */
const ESCAPED_BYTES_MAX = 6;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const COMMA = 0x2c;
const NO_BYTE = -1;

/** What follows the backslash for each byte: 0 for none needed, `u` for a \u00xx. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(0x75, 0, 0x20);
for (const [byte, letter] of [
  [0x08, "b"],
  [0x09, "t"],
  [0x0a, "n"],
  [0x0c, "f"],
  [0x0d, "r"],
] as const) {
  ESCAPES[byte] = letter.charCodeAt(0);
}
ESCAPES[QUOTE] = QUOTE;
ESCAPES[BACKSLASH] = BACKSLASH;
const HEX = Buffer.from("0123456789abcdef");

const text = (value: string): Buffer => Buffer.from(value, "latin1");
const OPEN = text('{"key":"');
const VALUE = text(',"value":{');
const OLD_VALUE = text('},"old_value":{');
const HEADERS = text('},"headers":{"operation":');
const OPERATIONS: Record<number, Buffer> = {
  [INSERT]: text('"insert"'),
  [UPDATE]: text('"update"'),
  [DELETE]: text('"delete"'),
};
const KEY_CHANGE_TO = text(',"key_change_to":"');
const KEY_CHANGE_FROM = text(',"key_change_from":"');
const CLOSE = text("}}");
const NULL = text("null");
const TRUE = text('"true"');
const FALSE = text('"false"');

/** One change and how it is to be told. */
export interface BodySource {
  readonly relation: Relation<unknown>;
  readonly projection: Projection;
  readonly operation: number;
  readonly op: number;
  /** The row of an insert or delete, the new one of an update. */
  readonly row: Tuple;
  /** The old row of an update; of either half of a key change, the row of the other half. */
  readonly other: Tuple | undefined;
}

export class BodyWriter {
  bytes = Buffer.allocUnsafe(1 << 20);
  #at = 0;
  #source: Uint8Array = this.bytes;
  #lsnHigh = 0;
  #lsnLow = 0;
  #xid = 0;
  /** `<xid>],"lsn":"<lsn>","op_position":`, spelled out when a transaction's first body asks. */
  #transaction: Buffer | undefined;

  begin(lsnHigh: number, lsnLow: number, xid: number): void {
    this.#lsnHigh = lsnHigh;
    this.#lsnLow = lsnLow;
    this.#xid = xid;
    this.#transaction = undefined;
  }

  /** Where the next body will begin. */
  get offset(): number {
    return this.#at;
  }

  clear(): void {
    this.#at = 0;
  }

  /** Returns the body's size. `source` is what the tuples' positions are about. */
  write(source: Uint8Array, body: BodySource): number {
    this.#source = source;
    this.#reserve(body);
    const start = this.#at;
    this.#put(OPEN);
    this.#key(body.relation, body.row);
    this.#byte(QUOTE);
    this.#values(body);
    this.#headers(body);
    return this.#at - start;
  }

  #reserve({ relation, projection, row, other }: BodySource): void {
    let size = FIXED_BYTES_MAX + 2 * relation.keyPrefix.length + relation.headers.length;
    for (const column of projection.columns) size += 2 * relation.memberNames[column]!.length;
    for (const tuple of other === undefined ? [row] : [row, other]) {
      let payload = 0;
      for (let column = 0; column < tuple.count; column += 1) {
        if (tuple.kinds[column] === TEXT_VALUE) payload += tuple.sizes[column]!;
      }
      // Once in the values and, with its slashes doubled, once in the key.
      size += 3 * ESCAPED_BYTES_MAX * (payload + 4 * tuple.count);
    }
    if (this.#at + size <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(2 * (this.#at + size));
    this.bytes.copy(grown, 0, 0, this.#at);
    this.bytes = grown;
  }

  #key(relation: Relation<unknown>, row: Tuple): void {
    this.#put(relation.keyPrefix);
    for (const column of relation.key) {
      const position = relation.positions[column]!;
      this.#byte(SLASH);
      if (position < 0 || row.kinds[position] !== TEXT_VALUE) {
        this.#byte(0x5f);
        continue;
      }
      this.#byte(BACKSLASH);
      this.#byte(QUOTE);
      if (relation.isBool[column]!) this.#put(this.#bool(row, position, false));
      else this.#escaped(row.starts[position]!, row.sizes[position]!, SLASH);
      this.#byte(BACKSLASH);
      this.#byte(QUOTE);
    }
  }

  #values({ relation, projection, operation, row, other }: BodySource): void {
    const { columns, isFull } = projection;
    const { key } = relation;
    const isUpdate = operation === UPDATE;
    this.#put(VALUE);
    for (const column of columns) {
      const isWanted =
        isFull ||
        operation === INSERT ||
        key.includes(column) ||
        (isUpdate && !relation.isSameColumn(this.#source, row, other!, column));
      if (isWanted) this.#member(relation, row, column);
    }
    this.#endMembers();
    if (!isUpdate || !isFull) return;
    this.#put(OLD_VALUE);
    for (const column of columns) {
      if (relation.isSameColumn(this.#source, row, other!, column)) continue;
      this.#member(relation, other!, column);
    }
    this.#endMembers();
  }

  #headers({ relation, operation, op, other }: BodySource): void {
    this.#put(HEADERS);
    this.#put(OPERATIONS[operation]!);
    this.#put(relation.headers);
    this.#transaction ??= this.#spellTransaction();
    this.#put(this.#transaction);
    this.#number(op);
    if (operation !== UPDATE && other !== undefined) {
      this.#put(operation === DELETE ? KEY_CHANGE_TO : KEY_CHANGE_FROM);
      this.#key(relation, other);
      this.#byte(QUOTE);
    }
    this.#put(CLOSE);
  }

  #spellTransaction(): Buffer {
    const lsn = (BigInt(this.#lsnHigh) << 32n) | BigInt(this.#lsnLow);
    return text(`${this.#xid}],"lsn":"${lsn}","op_position":`);
  }

  #member(relation: Relation<unknown>, row: Tuple, column: number): void {
    const position = relation.positions[column]!;
    if (position < 0) return;
    this.#put(relation.memberNames[column]!);
    if (row.kinds[position] !== TEXT_VALUE) {
      this.#put(NULL);
    } else if (relation.isBool[column]!) {
      this.#put(this.#bool(row, position, true));
    } else {
      this.#byte(QUOTE);
      this.#escaped(row.starts[position]!, row.sizes[position]!, NO_BYTE);
      this.#byte(QUOTE);
    }
    this.#byte(COMMA);
  }

  /** Takes back the comma after the last member, if there was one. */
  #endMembers(): void {
    if (this.bytes[this.#at - 1] === COMMA) this.#at -= 1;
  }

  #bool(row: Tuple, position: number, isQuoted: boolean): Buffer {
    const quoted = this.#source[row.starts[position]!] === 0x74 ? TRUE : FALSE;
    return isQuoted ? quoted : quoted.subarray(1, -1);
  }

  #escaped(start: number, size: number, doubled: number): void {
    const source = this.#source;
    const target = this.bytes;
    let at = this.#at;
    for (let index = start; index < start + size; index += 1) {
      const byte = source[index]!;
      if (ESCAPES[byte] !== 0) {
        at = this.#escape(byte, at);
        continue;
      }
      target[at++] = byte;
      if (byte === doubled) target[at++] = byte;
    }
    this.#at = at;
  }

  #escape(byte: number, offset: number): number {
    let at = offset;
    this.bytes[at++] = BACKSLASH;
    this.bytes[at++] = ESCAPES[byte]!;
    if (ESCAPES[byte] !== 0x75) return at;
    this.bytes[at++] = 0x30;
    this.bytes[at++] = 0x30;
    this.bytes[at++] = HEX[byte >> 4]!;
    this.bytes[at++] = HEX[byte & 15]!;
    return at;
  }

  #number(value: number): void {
    let divisor = 1;
    while (divisor * 10 <= value) divisor *= 10;
    for (; divisor >= 1; divisor = Math.floor(divisor / 10)) {
      this.#byte(0x30 + (Math.floor(value / divisor) % 10));
    }
  }

  #put(fragment: Uint8Array): void {
    this.bytes.set(fragment, this.#at);
    this.#at += fragment.length;
  }

  #byte(byte: number): void {
    this.bytes[this.#at++] = byte;
  }
}
