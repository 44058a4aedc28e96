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

/** @throws {RangeError} when the bytes are cut short. */
export function decodeConstants(encoded: Uint8Array): Constants {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const constants: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const size = bytes.readUInt32LE(offset);
    offset += 4;
    if (offset + size > bytes.length) {
      throw new RangeError(`a constant of ${size} bytes does not fit in ${bytes.length - offset}`);
    }
    constants.push(bytes.toString("utf8", offset, offset + size));
    offset += size;
  }
  return constants;
}
