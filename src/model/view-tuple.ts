/**
 * A tuple of a view as the core takes it:
 *
 *     per column  ┌──────────┬───────┐
 *                 │ size u32 │ text  │    size 0xffffffff: NULL, and no text
 *                 └──────────┴───────┘
 */

const NULL_SIZE = 0xffff_ffff;

export function encodeTuple(values: readonly (string | null)[]): Uint8Array {
  const texts = values.map((value) => (value === null ? null : Buffer.from(value)));
  const bytes = Buffer.alloc(texts.reduce((size, text) => size + 4 + (text?.length ?? 0), 0));
  let at = 0;
  for (const text of texts) {
    at = bytes.writeUInt32LE(text?.length ?? NULL_SIZE, at);
    if (text !== null) at += text.copy(bytes, at);
  }
  return bytes;
}

/** Where the tuple ends that starts there. */
export function endOfTuple(body: Uint8Array, start: number, columnCount: number): number {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = start;
  for (let column = 0; column < columnCount; column++) {
    const size = view.getUint32(at, true);
    at += 4 + (size === NULL_SIZE ? 0 : size);
  }
  return at;
}
