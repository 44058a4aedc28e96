/**
 * Whether a table still is the one that a template was defined on: its oid, its columns, those of
 * them that make up the primary key. Asked in every snapshot, for nobody tells us of a table that
 * was changed and not yet written to.
 *
 * Three plain statements: one that puts the same into JSON takes Postgres 0.5 ms, most of it to
 * plan, which is more than twice as long.
 */

import { LitzError } from "../lib/errors.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import { keyColumnsOf, quoteTable, type Table } from "../model/table.ts";
import { usedColumnsOf } from "../model/template-columns.ts";
import type { TextRow } from "./pool.ts";

/** So many results `checkTableForm` wants. */
export const FORM_STATEMENTS = 3;

/** Of what has the table's name now, and of what has its oid. */
export function formStatements(table: Table): readonly string[] {
  const name = quoteTable(table).replaceAll("'", "''").replaceAll("\\", "\\\\");
  return [
    `SELECT to_regclass(E'${name}')::oid`,
    `SELECT attnum, attname, atttypid, atttypmod FROM pg_attribute
     WHERE attrelid = ${table.oid} AND attnum > 0 AND NOT attisdropped`,
    // Filtered here: there are few indexes on a table, and most of the time goes to planning.
    `SELECT indisprimary, indnkeyatts, indkey FROM pg_index WHERE indrelid = ${table.oid}`,
  ];
}

/**
 * The answers stay true as long as the table is locked.
 *
 * @param results of `formStatements`.
 * @throws {LitzError} SCHEMA_CHANGED.
 */
export function checkTableForm(template: ShapeTemplate, results: readonly TextRow[][]): void {
  if (isUnchanged(template, results)) return;
  throw new LitzError(`${quoteTable(template.table)} is not the table any more that it was`, {
    code: "SCHEMA_CHANGED",
    httpStatus: 409,
    retriable: true,
  });
}

function isUnchanged(template: ShapeTemplate, results: readonly TextRow[][]): boolean {
  const { table, columns, hasExplicitColumns } = template;
  const [[named], attributes, indexes] = results as [TextRow[], TextRow[], TextRow[]];
  if (named?.[0] !== `${table.oid}`) return false;
  if (!hasExplicitColumns && attributes.length !== columns.length) return false;
  const byNumber = new Map(attributes.map((attribute) => [attribute[0], attribute]));
  const isSame = (index: number): boolean => {
    const { name, typeOid, typeModifier } = table.columns[index]!;
    const now = byNumber.get(`${index + 1}`);
    return now?.[1] === name && now[2] === `${typeOid}` && now[3] === `${typeModifier}`;
  };
  return usedColumnsOf(template).every(isSame) && keyNumbersOf(table) === keyNumbersIn(indexes);
}

/** Empty where the table has no primary key, although all of its columns serve as one then. */
function keyNumbersOf(table: Table): string {
  const hasKey = table.columns.some(({ keyIndex }) => keyIndex !== undefined);
  return hasKey
    ? keyColumnsOf(table)
        .map((index) => index + 1)
        .join(" ")
    : "";
}

/** Without the columns that an index merely includes. */
function keyNumbersIn(indexes: readonly TextRow[]): string {
  const primary = indexes.find(([isPrimary]) => isPrimary === "t");
  return primary === undefined ? "" : primary[2]!.split(" ").slice(0, Number(primary[1])).join(" ");
}
