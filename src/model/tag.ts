/**
 * What stands for a row's left side in tags and in the patterns of move events (protocol 14.4):
 *
 *     org IN (SELECT ...)                  v:7                        NULL
 *     (user_id, team_id) IN (SELECT ...)   user_id:v:2team_id:v:2     user_id:v:2team_id:NULL
 *
 * A tag is the MD5 of the stack id, the handle and this. Rows and events meet by it, so equal
 * values must have equal text: *canonical* text, which is that of Postgres but for
 *
 *     bool             true, false       t, f
 *     numeric          1.5   0           1.50   0.00
 *     float4, float8   0                 -0
 *     char(n)          'a'               'a   '
 *
 * The same is said three times: here, in `where/subquery-sql.ts` for snapshots, and in the core
 * for the stream, whose views hold canonical text.
 */

import type { EqualityKind } from "./access-plan.ts";
import type { Table } from "./table.ts";

/** Of `bool`, by which it is told from the other kinds of text. */
const BOOL_OID = 16;

/**
 * In a body that many shapes share, what is to be hashed stands between these, escaped as JSON. So
 * they occur nowhere else in it.
 */
export const HASH_OPEN = "\u0001";
export const HASH_CLOSE = "\u0002";

/**
 * What is hashed, without stack id and handle.
 *
 * @param columns the left side, indexes into `table.columns`.
 * @param values canonical, one for each of them; null if all are NULL.
 */
export function hashInput(
  { columns: all }: Pick<Table, "columns">,
  columns: readonly number[],
  values: readonly (string | null)[] | null,
): string {
  const parts = columns.map((_, place) => {
    const value = values?.[place] ?? null;
    return value === null ? "NULL" : `v:${value}`;
  });
  if (columns.length === 1) return parts[0]!;
  return columns.map((column, place) => `${all[column]!.name}:${parts[place]!}`).join("");
}

/** @param text as Postgres sends it. */
export function canonicalText(text: string, kind: EqualityKind, typeOid: number): string {
  if (typeOid === BOOL_OID) return text === "t" || text === "true" ? "true" : "false";
  if (kind === "padded") return text.replace(/ +$/, "");
  if (kind !== "decimal") return text;
  const plain = /^-?[0-9]+\.[0-9]*$/.test(text) ? text.replace(/\.?0+$/, "") : text;
  return plain === "-0" ? "0" : plain;
}
