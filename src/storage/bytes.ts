/**
 * Numbers as bytes. Everything is little-endian; a varint has seven bits to a byte, low ones first,
 * the high bit of a byte says that another one follows.
 */

import * as zlib from "node:zlib";

const BIT_28 = 2 ** 28;

/** Bytes that a varint below 2^53 takes at most. */
export const VARINT_SIZE_MAX = 8;

/** REQUIRES: 0 <= value < 2^53. Returns the offset behind what was written. */
export function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  let high = value;
  while (high >= BIT_28) {
    // Bit operations see 32 bits only, so the low seven bits of a larger number are arithmetic.
    bytes[offset++] = (high % 128) | 0x80;
    high = Math.floor(high / 128);
  }
  let low = high | 0;
  while (low >= 0x80) {
    bytes[offset++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  bytes[offset++] = low;
  return offset;
}

/** Reads a run of numbers, one after the other. */
export class ByteReader {
  readonly bytes: Buffer;
  offset: number;
  readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.offset >= this.end;
  }

  /** @throws {RangeError} beyond the end, and for more than 53 bits. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (this.offset >= this.end) throw new RangeError("a varint is cut short");
      const byte = this.bytes[this.offset++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new RangeError("a varint exceeds 53 bits");
    return value;
  }

  /** @throws {RangeError} beyond the end. */
  skipVarints(count: number): void {
    let { offset } = this;
    for (let rest = count; rest > 0; offset++) {
      if (offset >= this.end) throw new RangeError("a varint is cut short");
      if (this.bytes[offset]! < 0x80) rest -= 1;
    }
    this.offset = offset;
  }

  u32(): number {
    const value = this.bytes.readUInt32LE(this.offset);
    this.offset += 4;
    return value;
  }

  u48(): number {
    const value = this.bytes.readUIntLE(this.offset, 6);
    this.offset += 6;
    return value;
  }

  u64(): bigint {
    const value = this.bytes.readBigUInt64LE(this.offset);
    this.offset += 8;
    return value;
  }

  take(size: number): Buffer {
    if (this.offset + size > this.end) throw new RangeError(`${size} bytes are cut short`);
    const taken = this.bytes.subarray(this.offset, this.offset + size);
    this.offset += size;
    return taken;
  }
}

/** Writes a run of numbers into memory that grows. For the control plane. */
export class ByteWriter {
  #bytes: Buffer;
  #size = 0;

  /** @param size bytes for which there is room at first. */
  constructor(size = 64) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  varint(value: number): this {
    this.#reserve(VARINT_SIZE_MAX);
    this.#size = writeVarint(this.#bytes, this.#size, value);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#size = this.#bytes.writeUInt32LE(value, this.#size);
    return this;
  }

  u48(value: number): this {
    this.#reserve(6);
    this.#size = this.#bytes.writeUIntLE(value, this.#size, 6);
    return this;
  }

  u64(value: bigint): this {
    this.#reserve(8);
    this.#size = this.#bytes.writeBigUInt64LE(value, this.#size);
    return this;
  }

  append(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
    return this;
  }

  get size(): number {
    return this.#size;
  }

  /** Valid until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  #reserve(size: number): void {
    if (this.#size + size > this.#bytes.length) {
      this.#bytes = grownBuffer(this.#bytes, this.#size, this.#size + size);
    }
  }
}

/** A copy with room for at least `needed` bytes; doubles, so that growth is amortised. */
export function grownBuffer(bytes: Buffer, used: number, needed: number): Buffer {
  const grown = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, needed));
  bytes.copy(grown, 0, 0, used);
  return grown;
}

export function grownWords(words: Uint32Array, needed: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(Math.max(words.length * 2, needed));
  grown.set(words);
  return grown;
}

export function grownFloats(floats: Float64Array, needed: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(Math.max(floats.length * 2, needed));
  grown.set(floats);
  return grown;
}

let crcTable: Uint32Array | undefined;

/** CRC-32 as in zip. Node has it from 20.15 on; before that it is computed here, 5x slower. */
export const crc32: (bytes: Uint8Array) => number =
  (zlib as Partial<typeof zlib>).crc32 ?? crc32InScript;

export function crc32InScript(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1;
    }
    return remainder;
  });
  let crc = 0xffffffff;
  for (let index = 0; index < bytes.length; index++) {
    crc = crcTable[(crc ^ bytes[index]!) & 0xff]! ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
