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
    constants.push(buffer.toString("utf8", offset, offset + size));
    offset += size;
  }
  return constants;
}
