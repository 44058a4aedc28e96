/**
 * A row that a query found, as `Router.replay` takes it: a tuple of the replication stream
 * (Postgres manual, 54.9), with a column for each of the core's relation, in that order.
 *
 *     ┌───────────┬─────┬─ ─ ─ ─ ─ ─ ─ ─ ─┬─────┬─ ─ ─
 *     │ u16 count │ 't' │ u32 size, bytes │ 'n' │             'n' is NULL; big-endian
 *     └───────────┴─────┴─ ─ ─ ─ ─ ─ ─ ─ ─┴─────┴─ ─ ─
 */

const TEXT = 0x74;
const NULL = 0x6e;

/** @param values as the stream would send them: a bool is `t` or `f`. */
export function fetchedRow(values: readonly (string | null)[]): Uint8Array {
  let size = 2;
  for (const value of values) size += value === null ? 1 : 5 + Buffer.byteLength(value);
  const bytes = Buffer.allocUnsafe(size);
  let offset = bytes.writeUInt16BE(values.length, 0);
  for (const value of values) {
    if (value === null) {
      offset = bytes.writeUInt8(NULL, offset);
      continue;
    }
    offset = bytes.writeUInt8(TEXT, offset);
    const length = bytes.write(value, offset + 4);
    offset = bytes.writeUInt32BE(length, offset) + length;
  }
  return bytes;
}
