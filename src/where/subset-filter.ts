/**
 * The WHERE of a subset (protocol 12) as a condition for Postgres, which evaluates it alone:
 * nothing of it is kept, routed or compared with the stream. So text may be ordered by any
 * collation, and whether a text is the label of an enum is for Postgres to say.
 */

import { InvalidParameter } from "../lib/errors.ts";
import { DROPPED_COLUMN, type Table } from "../model/table.ts";
import { analyseWhere } from "./analyse.ts";
import { lift } from "./lift.ts";
import { readParameters } from "./parameters.ts";
import { parseWhere } from "./parser.ts";
import { toSql } from "./to-sql.ts";

export interface SubsetCondition {
  /** Over the columns of the table, with `$1`, `$2`, ... for the parameters. */
  readonly sql: string;
  readonly parameters: readonly string[];
}

export interface SubsetWhereOptions {
  /** Indexes of the columns that may be spoken of; any other is unknown. */
  readonly queryableColumns: readonly number[];
}

/**
 * @throws {InvalidParameter} naming `where` (protocol 3.3).
 * @throws {LitzError} PARSER_RESTARTING (503).
 */
export function compileSubsetWhere(
  table: Table,
  text: string,
  params: Readonly<Record<string, string>>,
  options: SubsetWhereOptions,
): SubsetCondition {
  const clause = parseWhere(text);
  if (hasSubquery(clause.expression)) {
    throw new InvalidParameter("where", "Subqueries are not allowed in subsets");
  }
  const parameters = readSubsetParameters(params);
  const visible = new Set(options.queryableColumns);
  const columns = table.columns.map((column, index) =>
    visible.has(index) ? column : DROPPED_COLUMN,
  );
  const seen = { ...table, columns };
  const facts = { publishesGeneratedColumns: true, isForPostgres: true };
  const analysis = analyseWhere(clause, seen, parameters, facts);
  const { expression, constants } = lift(analysis.expression);
  const pieces = toSql(expression, seen);
  const sql = pieces.map((piece) => (typeof piece === "string" ? piece : `$${piece + 1}`)).join("");
  return { sql, parameters: constants };
}

/** Upstream names the condition for what is wrong with its parameters, too. */
function readSubsetParameters(params: Readonly<Record<string, string>>): readonly string[] {
  try {
    return readParameters(params);
  } catch (error) {
    throw error instanceof InvalidParameter ? new InvalidParameter("where", error.message) : error;
  }
}

function hasSubquery(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "SubLink" in value || Object.values(value).some(hasSubquery);
}
