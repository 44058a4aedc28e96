/**
 * Reads the bytes of a replication socket, written as plain JavaScript should be: no object and no
 * string for a row. A tuple is three typed arrays of positions in the read buffer, overwritten by
 * the next one; who wants a value takes it from there.
 *
 *     CopyData    'd' u32 size | 'w' u64 start u64 end u64 time | pgoutput message
 *     tuple       u16 count | per column: 'n' | 'u' | 't' u32 size bytes      all big-endian
 *
 * Frames may be cut anywhere: what is left of a chunk is kept in front of the next.
 */

const COPY_DATA = 0x64;
const XLOG_DATA = 0x77;
/** 'w' and three u64. */
const XLOG_HEADER_SIZE = 25;

/** MaxTupleAttributeNumber of Postgres. */
const COLUMNS_MAX = 1664;

export const NULL_VALUE = 0x6e;
export const UNCHANGED_VALUE = 0x75;
export const TEXT_VALUE = 0x74;

export const INSERT = 0x49;
export const UPDATE = 0x55;
export const DELETE = 0x44;

const BEGIN = 0x42;
const RELATION = 0x52;
const TRUNCATE = 0x54;
const OLD_TUPLE = 0x4f;

/** Where the columns of one row lie in the reader's buffer. */
export class Tuple {
  count = 0;
  readonly kinds = new Uint8Array(COLUMNS_MAX);
  readonly starts = new Int32Array(COLUMNS_MAX);
  readonly sizes = new Int32Array(COLUMNS_MAX);

  /** Takes one column of another tuple over the same bytes. */
  copyColumn(from: Tuple, column: number): void {
    this.kinds[column] = from.kinds[column]!;
    this.starts[column] = from.starts[column]!;
    this.sizes[column] = from.sizes[column]!;
  }
}

export interface PgoutputHandler {
  begin(lsnHigh: number, lsnLow: number, xid: number): void;
  /** Column names in the order of the wire. */
  relation(oid: number, columns: readonly string[]): void;
  /** `offset` is where the tuples begin; `readTuples` reads them if they are wanted. */
  change(kind: number, oid: number, offset: number): void;
  truncate(): void;
}

export class PgoutputReader {
  bytes = Buffer.allocUnsafe(256 * 1024);
  readonly oldTuple = new Tuple();
  readonly newTuple = new Tuple();
  readonly #handler: PgoutputHandler;
  #end = 0;

  constructor(handler: PgoutputHandler) {
    this.#handler = handler;
  }

  receive(chunk: Uint8Array): void {
    this.#append(chunk);
    const end = this.#end;
    let at = 0;
    while (end - at >= 5) {
      const frameEnd = at + 1 + this.#u32(at + 1);
      if (frameEnd > end) break;
      const isChange = this.bytes[at] === COPY_DATA && this.bytes[at + 5] === XLOG_DATA;
      if (isChange) this.#message(at + 5 + XLOG_HEADER_SIZE);
      at = frameEnd;
    }
    this.bytes.copyWithin(0, at, end);
    this.#end = end - at;
  }

  /**
   * Reads the rows of a change: `newTuple` of an insert or update, `oldTuple` of an update or
   * delete. False: the old row is not there in full, as with any replica identity but FULL, so it
   * cannot be said which shapes the row was in.
   */
  readTuples(kind: number, offset: number): boolean {
    if (kind === INSERT) {
      this.#tuple(offset + 1, this.newTuple);
      return true;
    }
    if (this.bytes[offset] !== OLD_TUPLE) return false;
    const at = this.#tuple(offset + 1, this.oldTuple);
    if (kind === DELETE) return true;
    this.#tuple(at + 1, this.newTuple);
    return this.#fillGaps();
  }

  #append(chunk: Uint8Array): void {
    const size = this.#end + chunk.length;
    if (size > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.bytes.length));
      this.bytes.copy(grown, 0, 0, this.#end);
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.#end);
    this.#end = size;
  }

  #message(at: number): void {
    switch (this.bytes[at]) {
      case INSERT:
      case UPDATE:
      case DELETE:
        this.#handler.change(this.bytes[at], this.#u32(at + 1), at + 5);
        break;
      case BEGIN:
        this.#handler.begin(this.#u32(at + 1), this.#u32(at + 5), this.#u32(at + 17));
        break;
      case RELATION:
        this.#relation(at + 1);
        break;
      case TRUNCATE:
        this.#handler.truncate();
        break;
    }
  }

  #relation(offset: number): void {
    const oid = this.#u32(offset);
    let at = this.bytes.indexOf(0, offset + 4) + 1; // The schema's name.
    at = this.bytes.indexOf(0, at) + 2; // The table's name and its replica identity.
    const columns: string[] = [];
    for (let left = this.#u16(at); left > 0; left -= 1) {
      const start = at + (columns.length === 0 ? 3 : 1);
      const nameEnd = this.bytes.indexOf(0, start);
      columns.push(this.bytes.toString("utf8", start, nameEnd));
      at = nameEnd + 9; // Type and modifier follow.
    }
    this.#handler.relation(oid, columns);
  }

  #tuple(offset: number, tuple: Tuple): number {
    const count = this.#u16(offset);
    let at = offset + 2;
    for (let column = 0; column < count; column += 1) {
      const kind = this.bytes[at]!;
      tuple.kinds[column] = kind;
      at += 1;
      if (kind !== TEXT_VALUE) continue;
      const size = this.#u32(at);
      tuple.starts[column] = at + 4;
      tuple.sizes[column] = size;
      at += 4 + size;
    }
    tuple.count = count;
    return at;
  }

  /** An unchanged value that was too long to be sent again stands in the old row. */
  #fillGaps(): boolean {
    const { oldTuple, newTuple } = this;
    for (let column = 0; column < newTuple.count; column += 1) {
      if (newTuple.kinds[column] !== UNCHANGED_VALUE) continue;
      if (oldTuple.kinds[column] === UNCHANGED_VALUE) return false;
      newTuple.copyColumn(oldTuple, column);
    }
    return true;
  }

  #u16(at: number): number {
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  #u32(at: number): number {
    const { bytes } = this;
    const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
    return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }
}
