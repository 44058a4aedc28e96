/**
 * The ORDER BY of a subset (protocol 12): column names with ASC or DESC and NULLS FIRST or LAST,
 * and constants, which mean nothing and are left out.
 *
 * It is read by Postgres' own parser and written anew, so nothing of the client's text reaches the
 * database. Columns are written with their table: a bare name would be that of an output column
 * first (Postgres manual, SELECT, "ORDER BY Clause").
 */

import type { Node, SelectStmt, SortBy } from "@pgsql/types";
import { InvalidParameter } from "../lib/errors.ts";
import { quoteIdentifier, type Table } from "../model/table.ts";
import { isStorable } from "./parser.ts";
import { pgQuery, StatementTooComplex, type PgQuery, type Statement } from "./pg-query.ts";

const WRAPPER = "SELECT 1 ORDER BY ";

/** A hundred of the longest names. */
const CLAUSE_SIZE_MAX = 8_192;
/** See `parser.ts`: beyond some thousands the parser breaks, and takes a moment to be replaced. */
const TOKEN_COUNT_MAX = 2_000;
const OPENING_COUNT_MAX = 200;

/**
 * The clause as SQL, undefined when it orders nothing.
 *
 * @param columns which may be named, a part of those of the table.
 * @throws {InvalidParameter} naming `order_by`. @throws {LitzError} PARSER_RESTARTING (503).
 */
export function parseOrderBy(
  text: string,
  table: Table,
  columns: Table["columns"],
  parser: PgQuery = pgQuery,
): string | undefined {
  const items = sortItemsOf(text, parser).map((item) => sortSql(item, text, table, columns));
  const wanted = items.filter((item) => item !== undefined);
  return wanted.length === 0 ? undefined : wanted.join(", ");
}

function sortItemsOf(text: string, parser: PgQuery): readonly SortBy[] {
  if (Buffer.byteLength(text) > CLAUSE_SIZE_MAX) {
    throw invalid(`ORDER BY clause is bigger than maximum size of ${CLAUSE_SIZE_MAX} bytes`);
  }
  if (!isStorable(text)) throw invalid('invalid byte sequence for encoding "UTF8"');
  try {
    refuseTooComplex(text, parser);
    const outcome = parser.parse(WRAPPER + text);
    if ("message" in outcome) throw invalidAt(outcome.location, outcome.message);
    return onlyOrderOf(outcome.statements);
  } catch (error) {
    if (error instanceof StatementTooComplex) throw invalid("ORDER BY clause is too complex");
    throw error;
  }
}

/** Brackets have no business here, so those in names may count. */
function refuseTooComplex(text: string, parser: PgQuery): void {
  const openings = text.match(/[([]/g)?.length ?? 0;
  const isLong = text.length > TOKEN_COUNT_MAX;
  const tokenCount = isLong ? (parser.scan(WRAPPER + text)?.length ?? 0) : 0;
  if (openings > OPENING_COUNT_MAX || tokenCount > TOKEN_COUNT_MAX) {
    throw invalid("ORDER BY clause is too complex");
  }
}

/** What the wrapper itself makes of a statement. Every further clause adds a member. */
const EXPECTED_MEMBERS = new Set(["targetList", "sortClause", "limitOption", "op"]);

function onlyOrderOf(statements: readonly Statement[]): readonly SortBy[] {
  if (statements.length !== 1) throw invalid("Unexpected `;` in order by");
  const { SelectStmt: select } = statements[0]!.stmt as { SelectStmt: SelectStmt };
  const isOnlyOrder = Object.keys(select).every((member) => EXPECTED_MEMBERS.has(member));
  if (!isOnlyOrder || select.sortClause === undefined) {
    throw invalid("malformed query ending with SQL clauses");
  }
  return select.sortClause.map((node) => (node as { SortBy: SortBy }).SortBy);
}

const DIRECTIONS: Readonly<Record<string, string>> = {
  SORTBY_DEFAULT: "",
  SORTBY_ASC: " ASC",
  SORTBY_DESC: " DESC",
};

const NULLS: Readonly<Record<string, string>> = {
  SORTBY_NULLS_DEFAULT: "",
  SORTBY_NULLS_FIRST: " NULLS FIRST",
  SORTBY_NULLS_LAST: " NULLS LAST",
};

/** Undefined for a constant. */
function sortSql(
  { node, sortby_dir: direction, sortby_nulls: nulls, location }: SortBy,
  text: string,
  table: Table,
  columns: Table["columns"],
): string | undefined {
  const column = columnOf(node!, text, columns);
  const directionSql = DIRECTIONS[direction ?? "SORTBY_DEFAULT"];
  if (directionSql === undefined) {
    throw invalidIn(text, location, "USING is not allowed in ORDER BY clauses");
  }
  if (column === undefined) return undefined;
  const nullsSql = NULLS[nulls ?? "SORTBY_NULLS_DEFAULT"];
  return `${quoteIdentifier(table.name)}.${quoteIdentifier(column)}${directionSql}${nullsSql}`;
}

function columnOf(node: Node, text: string, columns: Table["columns"]): string | undefined {
  const [type, { location }] = Object.entries(node)[0] as [string, { location?: number }];
  if ("A_Const" in node) return undefined;
  if ("ParamRef" in node) {
    const parameter = `parameter $${node.ParamRef.number ?? 0}`;
    throw invalidIn(text, location, `${parameter} is not supported in ORDER BY clauses`);
  }
  if (!("ColumnRef" in node)) {
    throw invalidIn(text, location, `${type} expressions are not allowed in ORDER BY clauses`);
  }
  const names = (node.ColumnRef.fields ?? []).map((field) =>
    "String" in field ? (field.String.sval ?? "") : "*",
  );
  // Names are bare, as in a WHERE (protocol 13.2).
  if (names.length === 1 && columns.some(({ name }) => name === names[0])) return names[0]!;
  throw invalidIn(text, location, `unknown reference ${names.join(".")}`);
}

/** @param location in bytes of the wrapped text; clients count characters. */
function invalidIn(text: string, location: number | undefined, message: string): InvalidParameter {
  const before = Buffer.from(WRAPPER + text).subarray(0, Math.max(0, location ?? 0));
  return invalidAt(Array.from(before.toString()).length, message);
}

function invalidAt(location: number, message: string): InvalidParameter {
  return invalid(`At location ${location}: ${message}`);
}

function invalid(message: string): InvalidParameter {
  return new InvalidParameter("order_by", message);
}
