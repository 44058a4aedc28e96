/**
 * What a clause means: names become columns, every operator and function one operation of the
 * catalogue, every implicit cast is spelled out (chapter 10 of the Postgres manual). The result is
 * a condition; constants still stand in it.
 *
 * This file knows the conditions; what has other types is told in `analyse-operators.ts`,
 * `analyse-calls.ts` and `analyse-arrays.ts`.
 */

import type { A_Const, BooleanTest, BoolExpr, ColumnRef, Node, NullTest } from "@pgsql/types";
import type { Expression, ValueSource } from "../model/expression.ts";
import type { Table } from "../model/table.ts";
import { analyseArray, analyseSubscripts } from "./analyse-arrays.ts";
import { analyseChoice, analyseFunction } from "./analyse-calls.ts";
import { analyseCast, analyseCollate } from "./analyse-casts.ts";
import { analyseMembership } from "./analyse-membership.ts";
import { analyseOperator } from "./analyse-operators.ts";
import { invalidWhere } from "./clause-error.ts";
import { nodeName } from "./expression-names.ts";
import type { Literal } from "./literals.ts";
import { isUnknown, type Operand } from "./operand.ts";
import type { WhereClause } from "./parser.ts";
import { checkReferences, columnIndexOf } from "./references.ts";
import { Scope, type WhereFacts } from "./scope.ts";
import { refuseBuriedMemberships, type FoundSubselect } from "./subselect.ts";
import { isUntyped, typeOfColumn, UNKNOWN, valueTypeOf } from "./sql-types.ts";

/**
 * REQUIRES: `parameters` are those of `readParameters`.
 * @param literals of the clause, to be traced to the constants that they become.
 * @throws {InvalidParameter} naming `where`, with the texts of protocol 3.3 and 13.7.
 */
export function analyseWhere(
  clause: WhereClause,
  table: Table,
  parameters: readonly string[],
  facts: WhereFacts,
  literals: readonly Literal[] = [],
): Analysis {
  checkReferences(clause, table, parameters.length);
  refuseBuriedMemberships(clause);
  const scope = new Scope(clause.text, table, { parameters, literals }, facts, analyse);
  const { expression } = condition(scope, clause.expression, "WHERE");
  const { reads, subselects } = scope;
  return { expression, subselects, reads };
}

export interface Analysis {
  readonly expression: Expression;
  /** Of the memberships in it, by their `dependency`. */
  readonly subselects: readonly FoundSubselect[];
  /** The parameters and literals whose values it asked for: see `Scope`. */
  readonly reads: readonly ValueSource[];
}

/** Where a condition stands, which decides what is said when it is no boolean. */
type Place = "WHERE" | "AND" | "OR" | "NOT" | "IS TRUE" | "IS FALSE" | "IS UNKNOWN";

function condition(scope: Scope, node: Node, place: Place): Operand {
  const operand = scope.analyse(node);
  if (operand.type === "bool") return operand;
  if (isUnknown(operand)) return scope.adopt(operand, "bool");
  if (place === "WHERE") throw invalidWhere("WHERE clause must return a boolean");
  const { name, type, location } = operand;
  const message = place.startsWith("IS")
    ? `argument of ${place} must be bool, not ${type}`
    : `${name}${name.startsWith("function") ? " returning" : " of type"} ${type} ` +
      "is not castable to bool";
  throw scope.errorAt(location, message);
}

function analyse(scope: Scope, node: Node): Operand {
  if ("A_Const" in node) return literal(scope, node.A_Const);
  if ("ParamRef" in node) return scope.parameter(node.ParamRef.number ?? 0, node.ParamRef.location);
  if ("ColumnRef" in node) return reference(scope, node.ColumnRef);
  if ("A_Expr" in node) return analyseOperator(scope, node.A_Expr);
  if ("BoolExpr" in node) return logic(scope, node.BoolExpr);
  if ("NullTest" in node) return nullTest(scope, node.NullTest);
  if ("BooleanTest" in node) return booleanTest(scope, node.BooleanTest);
  if ("TypeCast" in node) return analyseCast(scope, node.TypeCast);
  if ("FuncCall" in node) return analyseFunction(scope, node.FuncCall);
  if ("CoalesceExpr" in node) {
    const { args = [], location } = node.CoalesceExpr;
    return analyseChoice(scope, "coalesce", args, location);
  }
  if ("MinMaxExpr" in node) {
    const { op, args = [], location } = node.MinMaxExpr;
    return analyseChoice(scope, op === "IS_GREATEST" ? "greatest" : "least", args, location);
  }
  if ("A_ArrayExpr" in node) return analyseArray(scope, node.A_ArrayExpr);
  if ("A_Indirection" in node) return analyseSubscripts(scope, node.A_Indirection);
  if ("CollateClause" in node) return analyseCollate(scope, node.CollateClause);
  if ("SubLink" in node) return analyseMembership(scope, node.SubLink);
  throw refused(scope, node);
}

function refused(scope: Scope, node: Node): Error {
  const { location } = Object.values(node)[0] as { location?: number };
  return scope.errorAt(location, `${nodeName(node)} is not supported in this context`);
}

// --- Leaves --------------------------------------------------------------------------------------

function literal(scope: Scope, constant: A_Const): Operand {
  const { location } = constant;
  // The parser leaves out members that are zero or false.
  if (constant.isnull === true) return scope.literal(null, UNKNOWN, location);
  if (constant.sval) return scope.literal(constant.sval.sval ?? "", UNKNOWN, location);
  if (constant.ival) return scope.literal(String(constant.ival.ival ?? 0), "int4", location);
  if (constant.boolval) {
    return scope.literal(constant.boolval.boolval === true ? "t" : "f", "bool", location);
  }
  if (constant.bsval) throw scope.errorAt(location, "BitString values are not supported");
  // What does not fit in int4 comes as text, like fractions.
  const text = constant.fval?.fval ?? "";
  return scope.adopt(scope.literal(text, UNKNOWN, location), typeOfNumber(text));
}

/** As `make_const` in `parse_node.c`: the smallest of int4, int8 and numeric that holds it. */
function typeOfNumber(text: string): string {
  const [, sign, digits] = /^(-?)([0-9_]+|0[xob][0-9a-f_]+)$/i.exec(text) ?? [];
  if (digits === undefined) return "numeric";
  const magnitude = BigInt(digits.replaceAll("_", ""));
  const value = sign === "-" ? -magnitude : magnitude;
  if (value === BigInt.asIntN(32, value)) return "int4";
  return value === BigInt.asIntN(64, value) ? "int8" : "numeric";
}

function reference(scope: Scope, node: ColumnRef): Operand {
  const index = columnIndexOf(scope.table, node);
  const column = scope.table.columns[index]!;
  const { location } = node;
  scope.checkReplicated(column, location);
  const type = typeOfColumn(column);
  const valueType = isUntyped(type) ? null : valueTypeOf(type);
  const expression: Expression = { node: "column", column: index, type: valueType };
  const hasCollation = column.collation !== undefined || !column.hasByteEquality;
  const collation = hasCollation ? { collation: { is: "implicit" as const, column } } : {};
  return { type, expression, location, name: `reference ${column.name}`, ...collation };
}

// --- Conditions ----------------------------------------------------------------------------------

function logic(scope: Scope, { boolop, args = [], location }: BoolExpr): Operand {
  const place = boolop === "NOT_EXPR" ? "NOT" : boolop === "OR_EXPR" ? "OR" : "AND";
  const conditions = args.map((arg) => condition(scope, arg, place).expression);
  if (place === "NOT") return truth({ node: "not", arg: conditions[0]! }, location, "NOT");
  return truth({ node: place === "OR" ? "or" : "and", args: conditions }, location, place);
}

function nullTest(scope: Scope, { arg, nulltesttype, location }: NullTest): Operand {
  const operand = scope.analyse(arg!);
  const { expression } = isUnknown(operand) ? scope.adopt(operand, "text") : operand;
  refuseRow(scope, operand);
  const isNegated = nulltesttype === "IS_NOT_NULL";
  const test: Expression = { node: "isNull", arg: expression, isNegated };
  return truth(scope.compute(test, location), location, isNegated ? "IS NOT NULL" : "IS NULL");
}

/** A row is NULL if all its fields are, and not NULL if none is (manual, 9.2). */
function refuseRow(scope: Scope, { expression, location, name }: Operand): void {
  if (expression.node !== "column" || scope.facts.isForPostgres === true) return;
  const { typeKind, dimensionCount } = scope.table.columns[expression.column]!;
  if (typeKind !== "c" || dimensionCount > 0) return;
  throw scope.errorAt(location, `${name} cannot be tested for NULL: its type is composite`);
}

const TESTS = {
  IS_TRUE: ["isTrue", false],
  IS_NOT_TRUE: ["isTrue", true],
  IS_FALSE: ["isFalse", false],
  IS_NOT_FALSE: ["isFalse", true],
  IS_UNKNOWN: ["isUnknown", false],
  IS_NOT_UNKNOWN: ["isUnknown", true],
} as const;

function booleanTest(scope: Scope, { arg, booltesttype, location }: BooleanTest): Operand {
  const [node, isNegated] = TESTS[booltesttype!];
  const place = booltesttype!.replace("NOT_", "").replaceAll("_", " ") as Place;
  const { expression } = condition(scope, arg!, place);
  const test: Expression = { node, arg: expression, isNegated };
  return truth(scope.compute(test, location), location, place);
}

function truth(expression: Expression, location: number | undefined, name: string): Operand {
  return { type: "bool", expression, location, name };
}
