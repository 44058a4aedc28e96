/**
 * What becomes of a shape's WHERE, for people: how its rows are found, what is evaluated for them,
 * and why a row belongs to it or not.
 */

import type { Access } from "../model/access-plan.ts";
import type {
  Explanation,
  IndexUse,
  PartResult,
  RowExplanation,
  ShapeClass,
} from "../model/explanation.ts";
import type { Expression } from "../model/expression.ts";
import type { RowReader } from "../model/row-filter.ts";
import {
  whereSql,
  type Constants,
  type ShapeDefinition,
  type WhereTemplate,
} from "../model/shape-definition.ts";
import { quoteIdentifier, type Table } from "../model/table.ts";
import { accessEntries } from "./access-entries.ts";
import { compile, emptyFrame, type EvaluationFacts } from "./evaluate.ts";
import { toSql } from "./to-sql.ts";
import { EvaluationError } from "./values/errors.ts";

/** @param row values by the names of columns, as Postgres writes them; a missing one is NULL. */
export function explainShape(
  { template, constants }: ShapeDefinition,
  facts: EvaluationFacts,
  row?: Readonly<Record<string, string | null>>,
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
    ...(row === undefined ? {} : { row: explainRow(where, constants, table, facts, row) }),
  };
}

/** By what the shapes of a template are found. */
export function classOf(where: WhereTemplate | undefined): ShapeClass {
  if (where === undefined) return "everything";
  const [first, ...others] = where.plan.branches;
  if (first === undefined) return "nothing";
  if (first.type === "all") return "scan";
  if (others.length > 0) return "union";
  return "pattern" in where.entries[0]! ? "prefix" : first.type;
}

function indexesOf(where: WhereTemplate, constants: Constants, table: Table): IndexUse[] {
  const entries = accessEntries(where, constants);
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
    case "all":
      return "none: every row of the table is looked at";
  }
}

function explainRow(
  where: WhereTemplate,
  constants: Constants,
  table: Table,
  facts: EvaluationFacts,
  row: Readonly<Record<string, string | null>>,
): RowExplanation {
  const reader: RowReader = { text: (column) => row[table.columns[column]!.name] ?? null };
  const { expression } = where;
  const parts = expression.node === "and" ? expression.args : [expression];
  const explained = parts.map((part) => ({
    sql: partSql(part, table, constants),
    result: evaluate(part, reader, constants, facts),
  }));
  return { matches: explained.every(({ result }) => result === "true"), parts: explained };
}

/** With the constants in place, for reading. */
function partSql(part: Expression, table: Table, constants: Constants): string {
  return toSql(part, table)
    .map((piece) => {
      return typeof piece === "string" ? piece : `'${constants[piece]!.replaceAll("'", "''")}'`;
    })
    .join("");
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
