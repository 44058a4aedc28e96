/**
 * A position in a shape log (protocol section 6): `<tx>_<op>`, where tx is the commit LSN of a
 * transaction and op the position of a change in it. Below every real offset lie the virtual ones:
 *
 *     -1  <  0_0 < 0_1 < ... < 0_inf  <  tx_op
 *     |      |                 |
 *     |      end of snapshot   snapshot consumed, log still empty
 *     before everything        chunk n
 */

export interface LogOffset {
  /** Commit LSN, or 0 for the snapshot, or -1 for "before everything". */
  readonly tx: bigint;
  /** Position in the transaction, or the snapshot chunk; `Infinity` for the last possible one. */
  readonly op: number;
}

export const BEFORE_ALL: LogOffset = { tx: -1n, op: 0 };
export const FIRST: LogOffset = { tx: 0n, op: 0 };
/** The latest offset of every shape whose log is still empty. */
export const SNAPSHOT_END: LogOffset = { tx: 0n, op: Infinity };

const U64_MAX = 2n ** 64n - 1n;

/** Reads an offset as clients send it. Returns undefined when the format is invalid. */
export function parseLogOffset(text: string): LogOffset | undefined {
  if (text === "-1" || text === "-1_0") return BEFORE_ALL;
  const match = /^([0-9]+)_([0-9]+|inf)$/.exec(text);
  if (match === null) return undefined;
  const tx = BigInt(match[1]!);
  if (tx > U64_MAX) return undefined;
  if (match[2] === "inf") return { tx, op: Infinity };
  const op = Number(match[2]);
  return Number.isSafeInteger(op) ? { tx, op } : undefined;
}

export function formatLogOffset(offset: LogOffset): string {
  if (offset.tx < 0n) return "-1";
  return `${offset.tx.toString()}_${offset.op === Infinity ? "inf" : offset.op}`;
}

/** Negative, zero or positive, like any comparator. */
export function compareLogOffsets(a: LogOffset, b: LogOffset): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1;
  return a.op === b.op ? 0 : a.op < b.op ? -1 : 1;
}

export function maxLogOffset(a: LogOffset, b: LogOffset): LogOffset {
  return compareLogOffsets(a, b) >= 0 ? a : b;
}
