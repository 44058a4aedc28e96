/** `(a, b) IN (SELECT x, y FROM ...)`: both sides. The subselect is analysed by itself. */

import type { ColumnRef, SubLink } from "@pgsql/types";
import { quoteTable, type Table, type TableColumn } from "../model/table.ts";
import { memberKindOf } from "./access-of.ts";
import { derive, refusal, type CollationState } from "./collation.ts";
import { noSuchTable } from "./identifiers.ts";
import type { Operand } from "./operand.ts";
import { columnIndexOf } from "./references.ts";
import type { Scope } from "./scope.ts";
import { isUntyped, typeOfColumn, type SqlType } from "./sql-types.ts";
import { isMembership, readSubselect } from "./subselect.ts";

/** @throws {InvalidParameter} naming `where`, with the texts of protocol 14.1; or `table`. */
export function analyseMembership(scope: Scope, link: SubLink): Operand {
  const { location } = link;
  if (!isMembership(link)) {
    const message = "only `value IN (SELECT ...)` sublinks are supported right now";
    throw scope.errorAt(location, message);
  }
  const { from, columns: targets, where } = readSubselect(scope.text, link);
  const left = leftSide(scope, link);
  const table = scope.facts.innerTables?.find(({ schema, name }) => {
    return schema === from.schema && name === from.name;
  });
  if (table === undefined) throw noSuchTable(from);
  const projection = targets.map((target) => projected(scope, table, target));
  checkTypes(scope, left, table, projection, location);
  const dependency = scope.subselects.push({ table, projection, where, location }) - 1;
  const columns = left.map(({ index }) => index);
  return {
    type: "bool",
    expression: { node: "membership", dependency, columns, isNegated: false },
    location,
    name: "IN (SELECT ...)",
  };
}

interface LeftColumn {
  readonly index: number;
  readonly column: TableColumn;
  readonly type: SqlType;
}

function leftSide(scope: Scope, { testexpr, location }: SubLink): readonly LeftColumn[] {
  const nodes = "RowExpr" in testexpr! ? (testexpr.RowExpr.args ?? []) : [testexpr!];
  return nodes.map((node) => {
    const operand = "ColumnRef" in node ? scope.analyse(node) : undefined;
    if (operand?.expression.node === "column") {
      const index = operand.expression.column;
      return { index, column: scope.table.columns[index]!, type: operand.type };
    }
    const message =
      "currently, left side of `IN (SELECT ...)` can only be a column reference or a list of " +
      "column references";
    throw scope.errorAt(location, message);
  });
}

function projected(scope: Scope, table: Table, target: ColumnRef): number {
  const index = columnIndexOf(table, target);
  if (index >= 0) {
    scope.checkReplicated(table.columns[index]!, target.location);
    return index;
  }
  const name = (target.fields?.[0] as { String: { sval?: string } }).String.sval ?? "";
  throw scope.errorAt(target.location, `unknown reference ${name} in ${quoteTable(table)}`);
}

/** Types must be equal: what is looked up are the texts that Postgres sends. */
function checkTypes(
  scope: Scope,
  left: readonly LeftColumn[],
  table: Table,
  projection: readonly number[],
  location: number | undefined,
): void {
  const right = projection.map((index) => table.columns[index]!);
  const isSame =
    left.length === right.length &&
    left.every(({ column, type }, place) => {
      const other = right[place]!;
      return type === typeOfColumn(other) && column.typeOid === other.typeOid;
    });
  if (!isSame) {
    const types = [left.map(({ type }) => type), right.map(typeOfColumn)].map(rowType);
    const what = `type ${types[0]!} but subquery returns ${types[1]!}[]`;
    throw scope.errorAt(location, `left side of \`IN (SELECT ...)\` has ${what}`);
  }
  for (const [place, { column, type }] of left.entries()) {
    const why =
      memberKindOf(type) === undefined
        ? `its type ${isUntyped(type) ? type.slice(1, -1) : type} is not supported there`
        : refusal("equality", collationOf(column, right[place]!), scope.table);
    if (why === undefined) continue;
    const message = `reference ${column.name} cannot be compared with a subquery: ${why}`;
    throw scope.errorAt(location, message);
  }
}

function rowType(types: readonly SqlType[]): string {
  return types.length === 1 ? types[0]! : `row of (${types.join(", ")})`;
}

/** Of two columns: that of both, or a conflict. */
function collationOf(...columns: readonly TableColumn[]): CollationState | undefined {
  return derive(
    columns.map((column) => {
      const isText = column.collation !== undefined || !column.hasByteEquality;
      return isText ? { is: "implicit" as const, column } : undefined;
    }),
  );
}
