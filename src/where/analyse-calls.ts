/** Functions, and what looks like one: COALESCE, GREATEST, LEAST. */

import type { FuncCall, Node } from "@pgsql/types";
import type { Expression } from "../model/expression.ts";
import { convertTo } from "./analyse-casts.ts";
import { applyOperation, implemented, refuseUntyped } from "./analyse-operators.ts";
import { derive, refusal } from "./collation.ts";
import { commonType, pathway } from "./conversions.ts";
import { namesOf } from "./expression-names.ts";
import { isUnknown, listTypes, type Operand } from "./operand.ts";
import { isKnown, resolve } from "./resolve.ts";
import type { Scope } from "./scope.ts";
import { isArray, isScalarName, isString, valueTypeOf } from "./sql-types.ts";
import { typeNamed } from "./type-table.ts";

export function analyseFunction(scope: Scope, call: FuncCall): Operand {
  const { args = [], location } = call;
  const names = namesOf(call.funcname ?? []);
  const name = (names.length === 2 && names[0] === "pg_catalog" ? names.slice(1) : names).join(".");
  refuseForms(scope, call);
  const operands = args.map((arg) => scope.analyse(arg));
  refuseUntyped(scope, operands);

  const resolution = resolve(
    "function",
    name,
    operands.map(({ type }) => type),
  );
  const isExact = resolution?.types.every((type, index) => type === operands[index]!.type);
  if (isExact !== true && operands.length === 1 && isScalarName(name)) {
    const [operand] = operands as [Operand];
    // `int4(x)` is a cast wherever one is to be had that goes not through text.
    const way = isUnknown(operand) ? { how: "input" } : pathway(operand.type, name, "explicit");
    if (way !== undefined && (isUnknown(operand) || way.how !== "input")) {
      return convertTo(scope, operand, name, location);
    }
  }
  if (resolution === undefined) throw noFunction(scope, name, operands, location);
  const found = implemented(scope, resolution, location, `function ${name}`);
  return applyOperation(scope, found, operands, location, `function ${name}`);
}

function refuseForms(scope: Scope, call: FuncCall): void {
  const { location } = call;
  const isAggregate =
    call.agg_star === true ||
    call.agg_distinct === true ||
    call.agg_within_group === true ||
    call.agg_order !== undefined ||
    call.agg_filter !== undefined ||
    call.over !== undefined;
  if (isAggregate) throw scope.errorAt(location, "aggregation is not supported in this context");
  if (call.func_variadic === true) {
    const message = "explicit VARIADIC function calls are not currently supported";
    throw scope.errorAt(location, message);
  }
}

function noFunction(
  scope: Scope,
  name: string,
  operands: readonly Operand[],
  location: number | undefined,
): Error {
  const message = isKnown("function", name, operands.length)
    ? `Could not select a function overload for ${name}(${listTypes(operands)})`
    : `unknown or unsupported function ${name}/${operands.length}`;
  const why = CHANGING.has(name) ? ": its result is not always the same" : "";
  return scope.errorAt(location, message + why);
}

/** Functions of which one might think that they work. */
const CHANGING: ReadonlySet<string> = new Set([
  "now",
  "clock_timestamp",
  "statement_timestamp",
  "transaction_timestamp",
  "timeofday",
  "random",
  "gen_random_uuid",
  "uuidv7",
  "nextval",
  "current_setting",
]);

type Choice = "coalesce" | "greatest" | "least";

export function analyseChoice(
  scope: Scope,
  which: Choice,
  nodes: readonly Node[],
  location: number | undefined,
): Operand {
  const operands = nodes.map((node) => scope.analyse(node));
  refuseUntyped(scope, operands);
  const name = which.toUpperCase();
  const type = commonType(operands.map((operand) => operand.type));
  if (typeof type !== "string") {
    throw scope.errorAt(location, `${name} types ${type[0]} and ${type[1]} cannot be matched`);
  }
  const collation = derive(operands.map((operand) => operand.collation));
  if (which !== "coalesce" && scope.facts.isForPostgres !== true) {
    if (typeNamed(valueTypeOf(type)).compare === undefined) {
      throw scope.errorAt(location, `${name} is not supported for type ${type}`);
    }
    const why =
      isString(type) || isArray(type) ? refusal("order", collation, scope.table) : undefined;
    if (why !== undefined) throw scope.errorAt(location, `${name} is not supported here: ${why}`);
  }
  const args = operands.map((operand) => scope.convert(operand, type, "implicit")!.expression);
  const expression: Expression = {
    node: which,
    args,
    type: valueTypeOf(type),
    ...(which !== "coalesce" && isString(type) && collation?.is === "explicit"
      ? { collation: "C" }
      : {}),
  };
  const derived = collation === undefined ? {} : { collation };
  return { type, expression: scope.compute(expression, location), location, name, ...derived };
}
