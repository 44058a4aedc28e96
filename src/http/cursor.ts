/**
 * `electric-cursor` (protocol 4.5): clients that poll in the same window share one URL, so that a
 * cache in between answers all of them with one request.
 */

/** 2024-10-09T00:00:00Z in seconds. */
const EPOCH_SECONDS = 1_728_432_000;
/** Longer ones were never issued here; what they cost to parse grows with their square. */
const DIGITS_MAX = 30;

export interface CursorInput {
  readonly nowMs: number;
  readonly longPollTimeoutMs: number;
  /** The request's `cursor`, as it came. */
  readonly previous: string | undefined;
  /** From 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

export function nextCursor(input: CursorInput): string {
  const window = Math.floor(input.longPollTimeoutMs / 1000);
  const elapsed = input.nowMs / 1000 - EPOCH_SECONDS;
  const next = window === 0 ? 0n : BigInt(Math.ceil(elapsed / window) * window);
  const previous = parseCursor(input.previous);
  if (next > previous) return next.toString();
  return (previous + BigInt(1 + Math.floor(input.random() * 3600))).toString();
}

function parseCursor(text: string | undefined): bigint {
  if (text === undefined || text.length > DIGITS_MAX || !/^[0-9]+$/.test(text)) return 0n;
  return BigInt(text);
}
