/**
 * The statement in `IN (SELECT ...)` (protocol 14.1): one table, plain columns of it, perhaps a
 * WHERE. Nothing else is allowed, so that a subselect is a shape.
 */

import type { ColumnRef, Node, RangeVar, SelectStmt, SubLink } from "@pgsql/types";
import { InvalidParameter } from "../lib/errors.ts";
import type { Table } from "../model/table.ts";
import { errorAt, invalidWhere } from "./clause-error.ts";
import type { RelationName } from "./identifiers.ts";
import { parseWhere, type WhereClause } from "./parser.ts";

export interface Subselect {
  readonly from: RelationName;
  readonly columns: readonly ColumnRef[];
  readonly where: Node | undefined;
}

/** One whose table is known, while its WHERE has still to be read. */
export interface FoundSubselect {
  readonly table: Table;
  /** Indexes into `table.columns`. */
  readonly projection: readonly number[];
  readonly where: Node | undefined;
  /** Of the membership, in bytes of the wrapped text. */
  readonly location: number | undefined;
}

const SCHEMA_DEFAULT = "public";

/** What the grammar makes of the statement we know. Every further clause adds a member. */
const EXPECTED_MEMBERS = new Set([
  ...["targetList", "fromClause", "whereClause"],
  ...["limitOption", "op"],
]);

/** @throws {InvalidParameter} naming `where`, with the texts of protocol 14.1. */
export function readSubselect(text: string, { subselect }: SubLink): Subselect {
  const { SelectStmt: select } = subselect as { SelectStmt: SelectStmt };
  const members = Object.keys(select);
  if (select.op !== "SETOP_NONE" || !members.every((member) => EXPECTED_MEMBERS.has(member))) {
    throw invalidWhere("SELECT statement must not contain any clauses");
  }
  const from = readFrom(select.fromClause ?? []);
  return { from, columns: readTargets(text, select.targetList ?? []), where: select.whereClause };
}

function readFrom(items: readonly Node[]): RelationName {
  const [item] = items;
  const range = items.length === 1 && "RangeVar" in item! ? item.RangeVar : undefined;
  if (range === undefined || !isPlain(range)) {
    throw invalidWhere("Expected a single table reference");
  }
  return { schema: range.schemaname ?? SCHEMA_DEFAULT, name: range.relname! };
}

/** ONLY would leave out partitions, and `t (a, b)` gives columns other names. */
function isPlain({ catalogname, inh, alias }: RangeVar): boolean {
  return catalogname === undefined && inh === true && alias?.colnames === undefined;
}

function readTargets(text: string, targets: readonly Node[]): readonly ColumnRef[] {
  if (targets.length === 0) throw invalidWhere("Expected a plain column reference");
  return targets.map((target) => {
    const { val, location } = (target as { ResTarget: { val: Node; location?: number } }).ResTarget;
    const fields = "ColumnRef" in val ? (val.ColumnRef.fields ?? []) : [];
    if ("ColumnRef" in val && fields.length === 1 && "String" in fields[0]!) return val.ColumnRef;
    throw errorAt(text, location, "Expected a plain column reference");
  });
}

/** Whether it is `IN (SELECT ...)`, and not EXISTS, `= ANY (SELECT ...)` or a value. */
export function isMembership({ subLinkType, operName }: SubLink): boolean {
  return subLinkType === "ANY_SUBLINK" && operName === undefined;
}

/**
 * A membership is a part of the clause by itself: what it says of a row changes without the row,
 * which is followed through AND, OR and NOT only.
 *
 * @throws {InvalidParameter} naming `where`.
 */
export function refuseBuriedMemberships({ text, expression }: WhereClause): void {
  const visit = (value: unknown, isConnected: boolean): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, member] of Object.entries(value as Record<string, unknown>)) {
      if (name !== "SubLink") {
        const isConnective = Array.isArray(value) || name === "BoolExpr" || name === "args";
        visit(member, isConnected && isConnective);
        continue;
      }
      const link = member as SubLink;
      if (!isConnected && isMembership(link)) throw buried(text, link);
    }
  };
  visit(expression, true);
}

function buried(text: string, { location }: SubLink): Error {
  const message = "`IN (SELECT ...)` can only be combined with AND, OR and NOT";
  return errorAt(text, location, message);
}

// --- Tables --------------------------------------------------------------------------------------

/**
 * The tables of all subselects in a clause, each once: what has to be known before the clause can
 * be analysed. Of a clause that is wrong perhaps not all: the analysis says what is.
 *
 * @throws {LitzError} PARSER_RESTARTING (503).
 */
export function subselectTables(where: string | undefined): readonly RelationName[] {
  if (where === undefined || !/\bselect\b/i.test(where)) return [];
  const known = remembered.get(where);
  if (known !== undefined) return known;
  const tables = new Map<string, RelationName>();
  try {
    const clause = parseWhere(where);
    collectTables(clause.text, clause.expression, tables);
  } catch (error) {
    if (!(error instanceof InvalidParameter)) throw error;
  }
  const found = [...tables.values()];
  remember(where, found);
  return found;
}

function collectTables(text: string, value: unknown, tables: Map<string, RelationName>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value as Record<string, unknown>)) {
    if (name !== "SubLink" || !isMembership(member as SubLink)) {
      collectTables(text, member, tables);
      continue;
    }
    const { from, where } = readSubselect(text, member as SubLink);
    tables.set(JSON.stringify([from.schema, from.name]), from);
    collectTables(text, where, tables);
  }
}

/** Requests come again and again with the same clause, and parsing takes longer than the rest. */
const remembered = new Map<string, readonly RelationName[]>();
const REMEMBERED_MAX = 500;
const REMEMBERED_LENGTH_MAX = 4_096;

function remember(where: string, tables: readonly RelationName[]): void {
  if (where.length > REMEMBERED_LENGTH_MAX) return;
  if (remembered.size === REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(where, tables);
}
