/**
 * Positions in Postgres' write-ahead log: unsigned 64-bit, written `16/B374D848` by Postgres and as
 * a decimal by the protocol (section 6). They exceed 2^53, so they are bigints and never numbers.
 */

import type { Brand } from "./ids.ts";

export type Lsn = Brand<bigint, "Lsn">;

export const LSN_ZERO = 0n as Lsn;

/**
 * Reads Postgres' own notation, two hexadecimal halves.
 *
 * @throws {RangeError} when the text is not of that form.
 */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`an LSN looks like 16/B374D848, got ${text}`);
  return ((BigInt(`0x${match[1]!}`) << 32n) | BigInt(`0x${match[2]!}`)) as Lsn;
}

/** Writes Postgres' own notation. */
export function formatLsn(lsn: Lsn): string {
  const halves = [lsn >> 32n, lsn & 0xffff_ffffn];
  return halves.map((half) => half.toString(16).toUpperCase()).join("/");
}

/** An LSN from the two halves in which it crosses the boundary to the core. */
export function lsnOf(high: number, low: number): Lsn {
  return ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) as Lsn;
}

export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
