/**
 * What becomes of a shape's WHERE, for people: how its rows are found, what is evaluated for them,
 * and why a row belongs to it or not.
 */

import type { Access } from "../model/access-plan.ts";
import type {
  ExplainedLiteral,
  ExplainedSubqueries,
  ExplainedView,
  Explanation,
  IndexUse,
  PartResult,
  RowExplanation,
  ShapeClass,
} from "../model/explanation.ts";
import { membershipsOf, type Expression } from "../model/expression.ts";
import { MembershipBit, type RowReader } from "../model/row-filter.ts";
import {
  sqlOf,
  whereSql,
  type Constants,
  type Dependency,
  type ShapeDefinition,
  type WhereTemplate,
} from "../model/shape-definition.ts";
import type { Literal } from "../model/subquery.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import { accessEntries, withUnknownViews } from "./access-entries.ts";
import { compileDependentFilter } from "./dependent-filter.ts";
import { compile, emptyFrame, type EvaluationFacts } from "./evaluate.ts";
import { toSql } from "./to-sql.ts";
import { EvaluationError } from "./values/errors.ts";

/** What the server keeps of a subselect. */
export interface KnownView {
  readonly summary: ExplainedView;
  /** `MembershipBit`s of a left side, as of now. */
  bitsOf(tuple: readonly (string | null)[]): number;
}

/** By dependency; undefined: nothing is kept of it. */
export type KnownViews = readonly (KnownView | undefined)[];

/**
 * @param row values by the names of columns, as Postgres writes them; a missing one is NULL.
 * @param views of the definition's subselects.
 */
export function explainShape(
  { template, constants }: ShapeDefinition,
  facts: EvaluationFacts,
  row?: Readonly<Record<string, string | null>>,
  views: KnownViews = [],
): Explanation {
  const { table, where } = template;
  if (where === undefined) {
    const always = row === undefined ? {} : { row: { matches: true, parts: [] } };
    const nothing = { where: null, constants, indexes: [], isExact: true, residual: null };
    return { class: "everything", ...nothing, ...always };
  }
  const sql = whereSql(where, 1);
  const { isExact } = where.plan;
  return {
    class: classOf(where),
    where: sql,
    constants,
    indexes: indexesOf(where, constants, table),
    isExact,
    residual: isExact ? null : sql,
    ...explainSubqueries(where, constants, table, views),
    ...(row === undefined
      ? {}
      : { row: explainRow({ where, constants, table, facts, views }, row) }),
  };
}

/** By what the shapes of a template are found. */
export function classOf(where: WhereTemplate | undefined): ShapeClass {
  if (where === undefined) return "everything";
  const [first, ...others] = where.plan.branches;
  if (first === undefined) return "nothing";
  if (first.type === "all") return "scan";
  if (others.some(({ type }) => type !== first.type && type !== "all")) return "union";
  if (others.length > 0) return first.type === "grams" ? "grams" : "union";
  return "pattern" in where.entries[0]! ? "prefix" : first.type;
}

function indexesOf(where: WhereTemplate, constants: Constants, table: Table): IndexUse[] {
  const entries = accessEntries(where, withUnknownViews(where, constants));
  return where.plan.branches.map((access, branch) => ({
    index: describe(access, table),
    entryCount: entries.filter((entry) => entry.branch === branch).length,
  }));
}

function describe(access: Access, table: Table): string {
  const name = (column: number) => quoteIdentifier(table.columns[column]!.name);
  switch (access.type) {
    case "equality":
      return `equality of ${access.terms.map(({ column }) => name(column)).join(", ")}`;
    case "range":
      return `range of ${name(access.column)}`;
    case "null":
      return `NULL or not of ${name(access.column)}`;
    case "elements":
      return `elements of ${name(access.column)}`;
    case "path":
      return (
        `path ${access.path.map((key) => JSON.stringify(key)).join(".")} of ` + name(access.column)
      );
    case "subquery":
      return `subqueries over ${access.terms.map(({ column }) => name(column)).join(", ")}`;
    case "grams":
      return `runs of ${access.size} bytes of ${name(access.column)}`;
    case "all":
      return "none: every row of the table is looked at";
  }
}

// --- Subqueries ----------------------------------------------------------------------------------

function explainSubqueries(
  where: WhereTemplate,
  constants: Constants,
  table: Table,
  views: KnownViews,
): { readonly subqueries?: ExplainedSubqueries } {
  if (where.subqueries === undefined) return {};
  const { dependencies, literals, disjuncts } = where.subqueries;
  const explained = literals.map((literal): ExplainedLiteral => {
    const isMembership = literal.is === "membership";
    return {
      sql: partSql(expressionOf(literal), where, table, constants),
      dependency: isMembership ? literal.dependency : null,
      isProbed: isMembership && isProbed(where, literal.dependency, literal.columns),
    };
  });
  const kept = dependencies.map((dependency, index) => ({
    select: selectSql(dependency, constants),
    view: views[index]?.summary ?? null,
  }));
  return { subqueries: { dependencies: kept, literals: explained, disjuncts } };
}

function expressionOf(literal: Literal): Expression {
  if (literal.is === "condition") return literal.condition;
  const { dependency, columns, isNegated } = literal;
  return { node: "membership", dependency, columns, isNegated };
}

function isProbed({ plan }: WhereTemplate, dependency: number, columns: readonly number[]) {
  return plan.branches.some((access) => {
    if (access.type !== "subquery" || access.dependency !== dependency) return false;
    return access.terms.every(({ column }, place) => column === columns[place]);
  });
}

function selectSql(
  { template: { table, where, projection }, firstConstant }: Dependency,
  constants: Constants,
): string {
  const names = projection.map((index) => quoteIdentifier(table.columns[index]!.name));
  const condition =
    where === undefined
      ? ""
      : ` WHERE ${sqlOf(where.sql, (index) => quoted(constants[firstConstant + index]!))}`;
  return `SELECT ${names.join(", ")} FROM ${quoteTable(table)}${condition}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

// --- Rows ----------------------------------------------------------------------------------------

interface Asked {
  readonly where: WhereTemplate;
  readonly constants: Constants;
  readonly table: Table;
  readonly facts: EvaluationFacts;
  readonly views: KnownViews;
}

function explainRow(asked: Asked, row: Readonly<Record<string, string | null>>): RowExplanation {
  const { where, constants, table, facts } = asked;
  const reader: RowReader = { text: (column) => row[table.columns[column]!.name] ?? null };
  const { expression } = where;
  const known = explainByViews(asked, reader);
  if (known !== undefined) return known;
  const parts = expression.node === "and" ? expression.args : [expression];
  const explained = parts.map((part) => ({
    sql: partSql(part, where, table, constants),
    result: membershipsOf(part).length === 0 ? evaluate(part, reader, constants, facts) : UNKNOWN,
  }));
  return { matches: outcomeOf(explained.map(({ result }) => result)), parts: explained };
}

/** Undefined: there is no subselect, not all of them can be asked, or the row makes an error. */
function explainByViews(
  { where, constants, table, facts, views }: Asked,
  row: RowReader,
): RowExplanation | undefined {
  const { subqueries } = where;
  if (subqueries === undefined) return undefined;
  const { dependencies, literals } = subqueries;
  if (!dependencies.every((_, index) => views[index]?.summary.isReady === true)) return undefined;
  const bitsOf = (index: number): number => {
    const literal = literals[index]!;
    if (literal.is === "condition") return 0;
    const tuple = literal.columns.map((column) => row.text(column));
    return leftBits(tuple) | views[literal.dependency]!.bitsOf(tuple);
  };
  const active = new Uint8Array(literals.length);
  try {
    const filter = compileDependentFilter(where, facts);
    const matches = filter.judge(row, constants, bitsOf, active);
    const parts = literals.map((literal, index) => ({
      sql: partSql(expressionOf(literal), where, table, constants),
      result: active[index] === 1 ? ("true" as const) : ("false" as const),
    }));
    return { matches, parts };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return undefined;
  }
}

function leftBits(tuple: readonly (string | null)[]): number {
  return tuple.includes(null) ? MembershipBit.LEFT_HAS_NULL : 0;
}

const UNKNOWN = "unknown";

function outcomeOf(results: readonly PartResult[]): boolean | null {
  const left = results.filter((result) => result !== "true");
  if (left.length === 0) return true;
  return left.every((result) => result === UNKNOWN) ? null : false;
}

/** With the constants in place, for reading. */
function partSql(
  part: Expression,
  { subqueries }: WhereTemplate,
  table: Table,
  constants: Constants,
): string {
  const pieces = toSql(part, table, subqueries?.dependencies);
  return sqlOf(pieces, (index) => quoted(constants[index]!));
}

function evaluate(
  part: Expression,
  row: RowReader,
  constants: Constants,
  facts: EvaluationFacts,
): PartResult {
  try {
    const value = compile(part, facts)({ ...emptyFrame(), row, constants });
    return value === null ? "null" : value === true ? "true" : "false";
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return `error: ${error.message}`;
  }
}
