/**
 * Mistakes in a WHERE, and where they are. Postgres' parser sees the clause as the end of
 * `SELECT 1 WHERE `; the nodes of its tree are located in that.
 */

import { InvalidParameter } from "../lib/errors.ts";

/** What a clause is wrapped in for the parser. ASCII. */
export const WRAPPER = "SELECT 1 WHERE ";

export function invalidWhere(message: string): InvalidParameter {
  return new InvalidParameter("where", message);
}

/**
 * An error in the meaning of the clause, located in the client's text.
 *
 * @param location of a node, in bytes of the wrapped text. Absent or negative where it has none.
 */
export function errorAt(text: string, location: number | undefined, message: string): Error {
  const size = Math.max(0, (location ?? 0) - WRAPPER.length);
  const before = Buffer.from(text).subarray(0, size).toString();
  return invalidWhere(`At location ${Array.from(before).length}: ${message}`);
}

/** Where the parser says something is that begins at `index` of a clause. */
export function locationIn(text: string, index: number): number {
  return WRAPPER.length + Buffer.byteLength(text.slice(0, index));
}
