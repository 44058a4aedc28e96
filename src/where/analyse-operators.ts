/** Operators, and what the grammar writes like one: LIKE, BETWEEN, IN, ANY, IS DISTINCT FROM. */

import type { A_Expr, A_Expr_Kind, Node } from "@pgsql/types";
import type { Expression, OperationName } from "../model/expression.ts";
import { derive, foldsAsC, refusal, type CollationState } from "./collation.ts";
import { arrayTypeOver, commonType } from "./conversions.ts";
import { namesOf } from "./expression-names.ts";
import { isUnknown, type Operand } from "./operand.ts";
import type { Operation } from "./operations/operation.ts";
import { refersToColumn } from "./references.ts";
import { isKnown, resolve, type Resolution } from "./resolve.ts";
import type { Scope } from "./scope.ts";
import {
  arrayOf,
  elementOf,
  isArray,
  isUntyped,
  UNKNOWN,
  valueTypeOf,
  type SqlType,
} from "./sql-types.ts";
import { typeNamed } from "./type-table.ts";

export function analyseOperator(scope: Scope, node: A_Expr): Operand {
  const kind = node.kind!;
  const symbol = symbolOf(scope, node);
  const { location } = node;
  switch (kind) {
    case "AEXPR_OP":
    case "AEXPR_LIKE":
    case "AEXPR_ILIKE":
      return node.lexpr === undefined
        ? prefixCall(scope, symbol, scope.analyse(node.rexpr!), location)
        : binaryCall(scope, symbol, pairOf(scope, node), location);
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT":
      return distinct(scope, node, kind === "AEXPR_NOT_DISTINCT");
    case "AEXPR_OP_ANY":
    case "AEXPR_OP_ALL":
      return quantified(scope, node, symbol, kind === "AEXPR_OP_ANY" ? "any" : "all");
    case "AEXPR_IN":
      return membership(scope, node, symbol);
    case "AEXPR_BETWEEN":
    case "AEXPR_NOT_BETWEEN":
    case "AEXPR_BETWEEN_SYM":
    case "AEXPR_NOT_BETWEEN_SYM":
      return scope.analyse(between(node, kind));
    default: {
      const message = `expression ${symbol} of :${kind} is not currently supported`;
      throw scope.errorAt(location, message);
    }
  }
}

type Pair = readonly [Operand, Operand];

function pairOf(scope: Scope, { lexpr, rexpr }: A_Expr): Pair {
  return [scope.analyse(lexpr!), scope.analyse(rexpr!)];
}

/** `OPERATOR(other.=)` is not the `=` that we know. */
function symbolOf(scope: Scope, { name = [], location }: A_Expr): string {
  const names = namesOf(name);
  if (names.length === 1 || names[0] === "pg_catalog") return names.at(-1)!;
  throw scope.errorAt(location, `unknown binary operator ${JSON.stringify(names.join("."))}`);
}

// --- Plain operators -----------------------------------------------------------------------------

function binaryCall(
  scope: Scope,
  symbol: string,
  pair: Pair,
  location: number | undefined,
): Operand {
  const resolution = resolveBinary(scope, symbol, pair, location);
  return applyOperation(scope, resolution, pair, location, `operator ${symbol}`);
}

function resolveBinary(
  scope: Scope,
  symbol: string,
  pair: Pair,
  location: number | undefined,
): Resolution {
  if (!isKnown("binary", symbol)) {
    const why = symbol.includes("~") ? ": regular expressions are not supported" : "";
    throw scope.errorAt(location, `unknown binary operator ${JSON.stringify(symbol)}${why}`);
  }
  refuseUntyped(scope, pair);
  const types = pair.map(({ type }) => type);
  const resolution = resolve("binary", symbol, types);
  if (resolution !== undefined) return implemented(scope, resolution, location, symbol);
  const parameter = pair.find((operand) => operand.parameter !== undefined && !isUnknown(operand));
  if (parameter !== undefined) {
    const other = pair.find((operand) => operand !== parameter)!;
    const types = `${parameter.type} and ${other.type}`;
    const message = `type conflict for $${parameter.parameter!}: ${types}`;
    throw scope.errorAt(location, message);
  }
  const what = `${pair[0].type} ${symbol} ${pair[1].type}`;
  throw scope.errorAt(location, `Could not select an operator overload for ${what}`);
}

function prefixCall(
  scope: Scope,
  symbol: string,
  operand: Operand,
  location: number | undefined,
): Operand {
  if (!isKnown("prefix", symbol)) {
    throw scope.errorAt(location, `unknown unary operator ${JSON.stringify(symbol)}`);
  }
  refuseUntyped(scope, [operand]);
  const resolution = resolve("prefix", symbol, [operand.type]);
  if (resolution === undefined) {
    const what = `${symbol} ${operand.type}`;
    throw scope.errorAt(location, `Could not select an operator overload for ${what}`);
  }
  const found = implemented(scope, resolution, location, symbol);
  return applyOperation(scope, found, [operand], location, `operator ${symbol}`);
}

/** @throws {InvalidParameter} Postgres has the operation, we do not. */
export function implemented(
  scope: Scope,
  resolution: Resolution,
  location: number | undefined,
  symbol: string,
): Resolution {
  const { operation, types } = resolution;
  const why = operation.refusal ?? missingOrder(operation, types);
  if (why === undefined || scope.facts.isForPostgres === true) return resolution;
  throw scope.errorAt(location, `${symbol} is not supported: ${why}`);
}

/** Arrays are compared by their elements. */
function missingOrder({ name, args }: Operation, types: readonly string[]): string | undefined {
  if (args[0] !== "anyarray" || args[1] !== "anyarray") return undefined;
  const type = typeNamed(valueTypeOf(types[0]!));
  const isOrdering = /^[<>]=?$/.test(name);
  return isOrdering && type.compare === undefined
    ? `the order of ${types[0]!} is not known here`
    : undefined;
}

export function refuseUntyped(scope: Scope, operands: readonly Operand[]): void {
  for (const { type, name, location } of operands) {
    if (!isUntyped(type)) continue;
    const why = `its type ${type.slice(1, -1)} is not supported`;
    const message = `${name} cannot be computed with: ${why}`;
    throw scope.errorAt(location, message);
  }
}

/** The call of an operation; the arguments are converted to what it takes. */
export function applyOperation(
  scope: Scope,
  { operation, types, result }: Resolution,
  operands: readonly Operand[],
  location: number | undefined,
  name: string,
): Operand {
  const collation = checkCollation(scope, operation, operands, location, name);
  const args = operands.map((operand, index) => {
    return scope.convert(operand, types[index]!, "implicit")!.expression;
  });
  scope.checkConstants(operation, args, location);
  const call: Expression = {
    node: "call",
    operation: nameOf(operation),
    args,
    type: valueTypeOf(result),
    ...collated(operation, collation),
  };
  const derived = collation === undefined ? {} : { collation };
  return { type: result, expression: scope.compute(call, location), location, name, ...derived };
}

function nameOf({ kind, name, args }: Operation): OperationName {
  return { kind, name, args };
}

/** What has to be said of a collation: that it was asked for, or by which letters are folded. */
function collated(
  { collation: need }: Operation,
  state: CollationState | undefined,
): { readonly collation?: "C" } {
  const isAsked = state?.is === "explicit" || state?.is === "name";
  const isSaid = isAsked || (need === "case" && foldsAsC(state));
  return need !== undefined && isSaid ? { collation: "C" } : {};
}

function checkCollation(
  scope: Scope,
  { collation: need }: Operation,
  operands: readonly Operand[],
  location: number | undefined,
  name: string,
): CollationState | undefined {
  const collation = derive(operands.map((operand) => operand.collation));
  if (need === undefined || scope.facts.isForPostgres === true) return collation;
  const why = refusal(need, collation, scope.table);
  if (why !== undefined) throw scope.errorAt(location, `${name} is not supported here: ${why}`);
  if (need === "case" && !foldsAsC(collation) && scope.facts.caseMapping === undefined) {
    const message = `${name} is not supported here: how the database folds case is not known`;
    throw scope.errorAt(location, message);
  }
  return collation;
}

// --- What is made of operators -------------------------------------------------------------------

function distinct(scope: Scope, node: A_Expr, isNegated: boolean): Operand {
  const { location } = node;
  const pair = pairOf(scope, node);
  const { operation, types } = resolveBinary(scope, "=", pair, location);
  checkCollation(scope, operation, pair, location, "IS DISTINCT FROM");
  const [left, right] = pair.map((operand, index) => {
    return scope.convert(operand, types[index]!, "implicit")!.expression;
  }) as [Expression, Expression];
  const expression: Expression = {
    node: "distinct",
    operation: nameOf(operation),
    left,
    right,
    isNegated,
  };
  return boolean(scope.compute(expression, location), location, "IS DISTINCT FROM");
}

function quantified(scope: Scope, node: A_Expr, symbol: string, which: "any" | "all"): Operand {
  const [left, array] = pairOf(scope, node);
  return overArray(scope, symbol, which, left, array, node.location, false);
}

function overArray(
  scope: Scope,
  symbol: string,
  which: "any" | "all",
  left: Operand,
  array: Operand,
  location: number | undefined,
  isList: boolean,
): Operand {
  refuseUntyped(scope, [left, array]);
  const name = which.toUpperCase();
  if (!isUnknown(array) && !isArray(array.type)) {
    throw scope.errorAt(location, `argument of ${name} must be an array`);
  }
  const member: Operand = {
    ...array,
    type: isUnknown(array) ? UNKNOWN : elementOf(array.type),
  };
  const { operation, types, result } = resolveBinary(scope, symbol, [left, member], location);
  if (result !== "bool") {
    throw scope.errorAt(location, "ANY/ALL requires operator that returns bool");
  }
  if (isArray(types[1]!)) {
    // Whatever its dimensions, the elements of an array are no arrays.
    throw scope.errorAt(location, `there is no array of ${types[1]!}`);
  }
  const collation = checkCollation(scope, operation, [left, array], location, name);
  const convertedArray = scope.convert(array, arrayOf(types[1]!), "implicit");
  const convertedLeft = scope.convert(left, types[0]!, "implicit");
  if (convertedArray === undefined || convertedLeft === undefined) {
    const what = `${left.type} ${symbol} ${member.type}`;
    throw scope.errorAt(location, `Could not select an operator overload for ${what}`);
  }
  const expression: Expression = {
    node: which,
    operation: nameOf(operation),
    left: convertedLeft.expression,
    array: convertedArray.expression,
    ...(isList ? { isList } : {}),
    ...collated(operation, collation),
  };
  return boolean(scope.compute(expression, location), location, name);
}

/**
 * `x IN (...)`: constants become one array, so that lists of all lengths share a template; anything
 * else is compared one by one (`transformAExprIn` in `parse_expr.c`). To Postgres a single constant
 * is anything else, and may meet another operator there than in an array.
 */
function membership(scope: Scope, node: A_Expr, symbol: string): Operand {
  const { lexpr, rexpr, location } = node;
  const isNegated = symbol === "<>";
  const readBefore = scope.reads.length;
  const left = scope.analyse(lexpr!);
  const readOfLeft = scope.reads.slice(readBefore);
  const items = itemsOf(rexpr!);
  const members = items.map((item) => scope.analyse(item));
  const constants = members.filter(({ expression }, index) => {
    return expression.node === "value" && !refersToColumn(items[index]);
  });
  const common = commonType([left.type, ...constants.map(({ type }) => type)]);
  const asArray =
    constants.length > 0 &&
    typeof common === "string" &&
    !isArray(common) &&
    (constants.length > 1 || isComparedAs(symbol, left.type, constants[0]!.type, common));

  const tests: Expression[] = [];
  if (asArray) {
    const array = listOf(scope, constants, common, location);
    const which = isNegated ? "all" : "any";
    tests.push(overArray(scope, symbol, which, left, array, location, true).expression);
  }
  for (const member of members) {
    if (asArray && constants.includes(member)) continue;
    tests.push(binaryCall(scope, symbol, [left, member], location).expression);
  }
  // Of the left side something is made for each test, and it need not be a constant every time.
  if (tests.length > 1) scope.reads.push(...readOfLeft.map((read) => ({ ...read })));
  const expression: Expression =
    tests.length === 1 ? tests[0]! : { node: isNegated ? "and" : "or", args: tests };
  return boolean(expression, location, "IN");
}

/** Whether a value of one type is compared by the operator that is for the other. */
function isComparedAs(symbol: string, left: SqlType, type: SqlType, other: SqlType): boolean {
  const plain = resolve("binary", symbol, [left, type]);
  const common = resolve("binary", symbol, [left, other]);
  return plain?.operation === common?.operation && plain?.types[1] === common?.types[1];
}

function itemsOf(list: Node): readonly Node[] {
  return "List" in list ? (list.List.items ?? []) : [list];
}

function listOf(
  scope: Scope,
  operands: readonly Operand[],
  type: string,
  location: number | undefined,
): Operand {
  const array = arrayTypeOver(type);
  const args = operands.map((operand) => {
    const converted = scope.convert(operand, type, "implicit");
    if (converted !== undefined) return converted.expression;
    throw scope.errorAt(operand.location, `${operand.type} cannot be matched to ${type}`);
  });
  const expression: Expression = { node: "array", type: valueTypeOf(array), args, isNested: false };
  return { type: array, expression: scope.compute(expression, location), location, name: "IN" };
}

/** As the grammar says: two comparisons, and either of two pairs if SYMMETRIC. */
function between(node: A_Expr, kind: A_Expr_Kind): Node {
  const { lexpr, rexpr, location } = node;
  const [low, high] = itemsOf(rexpr!);
  const compare = (symbol: string, bound: Node): Node => ({
    A_Expr: {
      kind: "AEXPR_OP",
      name: [{ String: { sval: symbol } }],
      lexpr: lexpr!,
      rexpr: bound,
      ...(location === undefined ? {} : { location }),
    },
  });
  const join = (boolop: "AND_EXPR" | "OR_EXPR", ...args: Node[]): Node => ({
    BoolExpr: { boolop, args },
  });
  const within = (a: Node, b: Node) => join("AND_EXPR", compare(">=", a), compare("<=", b));
  const without = (a: Node, b: Node) => join("OR_EXPR", compare("<", a), compare(">", b));
  switch (kind) {
    case "AEXPR_BETWEEN":
      return within(low!, high!);
    case "AEXPR_NOT_BETWEEN":
      return without(low!, high!);
    case "AEXPR_BETWEEN_SYM":
      return join("OR_EXPR", within(low!, high!), within(high!, low!));
    default:
      return join("AND_EXPR", without(low!, high!), without(high!, low!));
  }
}

function boolean(expression: Expression, location: number | undefined, name: string): Operand {
  return { type: "bool", expression, location, name };
}
