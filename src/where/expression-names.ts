/** What an expression is called when it has to be refused, and where it stands. */

import type { A_Expr, A_Expr_Kind, Node } from "@pgsql/types";

/** Undefined for what is written with an operator and is something else: `IN`, `LIKE`, `ANY`. */
export function operatorOf({ kind, name = [], lexpr }: A_Expr): string | undefined {
  if (kind !== "AEXPR_OP" || lexpr === undefined) return undefined;
  const names = namesOf(name);
  // `OPERATOR(other.=)` is not the `=` that we know.
  return names.length === 1 || names[0] === "pg_catalog" ? names.at(-1) : names.join(".");
}

export function expressionName(node: Node): string {
  if ("A_Expr" in node)
    return KINDS[node.A_Expr.kind!] ?? `the operator ${operatorName(node.A_Expr)}`;
  if ("FuncCall" in node) return `the function ${namesOf(node.FuncCall.funcname ?? []).join(".")}`;
  if ("NullTest" in node) {
    return node.NullTest.nulltesttype === "IS_NOT_NULL" ? "IS NOT NULL" : "IS NULL";
  }
  const type = typeOfNode(node);
  return NAMES.get(type) ?? `the expression ${type}`;
}

/**
 * In bytes of the wrapped text. Undefined where neither the node nor its first part has a place.
 */
export function locationOf(node: Node): number | undefined {
  const { location, arg, typeName } = Object.values(node)[0] as {
    location?: number;
    arg?: Node;
    typeName?: { location?: number };
  };
  if (location !== undefined && location >= 0) return location;
  // `int4 '1'` has a place for each part and none for the whole.
  return typeName?.location ?? (arg === undefined ? undefined : locationOf(arg));
}

const KINDS: Partial<Record<A_Expr_Kind, string>> = {
  AEXPR_OP_ANY: "ANY",
  AEXPR_OP_ALL: "ALL",
  AEXPR_DISTINCT: "IS DISTINCT FROM",
  AEXPR_NOT_DISTINCT: "IS NOT DISTINCT FROM",
  AEXPR_NULLIF: "NULLIF",
  AEXPR_IN: "IN",
  AEXPR_LIKE: "LIKE",
  AEXPR_ILIKE: "ILIKE",
  AEXPR_SIMILAR: "SIMILAR TO",
  AEXPR_BETWEEN: "BETWEEN",
  AEXPR_NOT_BETWEEN: "NOT BETWEEN",
  AEXPR_BETWEEN_SYM: "BETWEEN SYMMETRIC",
  AEXPR_NOT_BETWEEN_SYM: "NOT BETWEEN SYMMETRIC",
};

const NAMES: ReadonlyMap<string, string> = new Map([
  ["SubLink", "a subquery"],
  ["BoolExpr", "a condition as an operand"],
  ["BooleanTest", "a condition as an operand"],
  ["TypeCast", "a cast of anything but a constant"],
  ["RowExpr", "a row"],
  ["A_ArrayExpr", "an array"],
  ["A_Indirection", "a subscript"],
  ["CollateClause", "COLLATE"],
  ["CaseExpr", "CASE"],
  ["CoalesceExpr", "COALESCE"],
]);

function operatorName({ name = [] }: A_Expr): string {
  return namesOf(name).join(".");
}

function namesOf(nodes: readonly Node[]): string[] {
  return nodes.map((node) => ("String" in node ? (node.String.sval ?? "") : ""));
}

function typeOfNode(node: Node): string {
  return Object.keys(node)[0]!;
}
