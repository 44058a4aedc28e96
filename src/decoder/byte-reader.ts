/**
 * Reads the fields of one protocol message in order: big-endian integers and zero-terminated UTF-8
 * text (Postgres manual, 54.5 "Message Data Types"). Reading past the end is a typed error, because
 * what comes over a socket is input and not a promise.
 */

import { LitzError } from "../lib/errors.ts";
import { lsnOf, type Lsn } from "../model/lsn.ts";

export class MalformedMessage extends LitzError {
  override readonly name = "MalformedMessage";

  constructor(message: string) {
    super(message, { code: "REPLICATION_MALFORMED", retriable: true });
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  lsn(): Lsn {
    return lsnOf(this.u32(), this.u32());
  }

  /** Zero-terminated text. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    if (end === -1) throw new MalformedMessage("a text in a replication message has no end");
    const text = this.#bytes.toString("utf8", this.#offset, end);
    this.#offset = end + 1;
    return text;
  }

  #advance(size: number): number {
    const offset = this.#offset;
    if (offset + size > this.#bytes.length) {
      throw new MalformedMessage(
        `a replication message of ${this.#bytes.length} bytes ends before byte ${offset + size}`,
      );
    }
    this.#offset = offset + size;
    return offset;
  }
}
