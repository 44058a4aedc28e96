/**
 * Constants as bytes: how they lie in the catalog and how they are handed to the core.
 *
 *     ┌──────────┬─────────────┬──────────┬─────────────┬ ...
 *     │ u32 size │ UTF-8 bytes │ u32 size │ UTF-8 bytes │       little-endian, one pair per term
 *     └──────────┴─────────────┴──────────┴─────────────┴ ...
 */

import type { Constants } from "./shape-definition.ts";

export function encodeConstants(constants: Constants): Uint8Array {
  let size = 0;
  for (const text of constants) size += 4 + Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const text of constants) {
    const textSize = bytes.write(text, offset + 4);
    bytes.writeUInt32LE(textSize, offset);
    offset += 4 + textSize;
  }
  return bytes;
}

/**
 * Those in `bytes` from `start` to `end`. Routing asks for them per shape and row, so no view of
 * the bytes is made if they are a Buffer.
 *
 * @throws {RangeError} when the bytes are cut short.
 */
export function decodeConstants(bytes: Uint8Array, start = 0, end = bytes.length): Constants {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const constants: string[] = [];
  let offset = start;
  while (offset < end) {
    const size = buffer.readUInt32LE(offset);
    offset += 4;
    if (offset + size > end) {
      throw new RangeError(`a constant of ${size} bytes does not fit in ${end - offset}`);
    }
    constants.push(textAt(buffer, offset, size));
    offset += size;
  }
  return constants;
}

/** Most constants are numbers, and a number's text is made in half the time that bytes' takes. */
function textAt(buffer: Buffer, offset: number, size: number): string {
  const number = numberAt(buffer, offset, size);
  return number === undefined ? buffer.toString("utf8", offset, offset + size) : String(number);
}

/** So many digits make a number that is exact. */
const DIGITS_MAX = 15;
const ZERO = 0x30;

/** Undefined: another text than a number's. */
function numberAt(buffer: Buffer, offset: number, size: number): number | undefined {
  if (size === 0 || size > DIGITS_MAX) return undefined;
  if (buffer[offset] === ZERO && size > 1) return undefined;
  let number = 0;
  for (let at = offset; at < offset + size; at++) {
    const digit = buffer[at]! - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
  }
  return number;
}
