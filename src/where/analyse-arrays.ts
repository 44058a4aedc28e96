/** ARRAY constructors, subscripts and slices. */

import type { A_ArrayExpr, A_Indirection, Node } from "@pgsql/types";
import type { Expression, Subscript } from "../model/expression.ts";
import { refuseUntyped } from "./analyse-operators.ts";
import { derive } from "./collation.ts";
import { arrayTypeOver, commonType } from "./conversions.ts";
import { nodeName } from "./expression-names.ts";
import type { Operand } from "./operand.ts";
import type { Scope } from "./scope.ts";
import { elementOf, isArray, valueTypeOf } from "./sql-types.ts";

export function analyseArray(scope: Scope, { elements = [], location }: A_ArrayExpr): Operand {
  if (elements.length === 0) {
    throw scope.errorAt(location, "cannot determine the type of an empty array: cast it");
  }
  const operands = elements.map((element) => scope.analyse(element));
  refuseUntyped(scope, operands);
  const type = commonType(operands.map((operand) => operand.type));
  if (typeof type !== "string") {
    throw scope.errorAt(location, `ARRAY types ${type[0]} and ${type[1]} cannot be matched`);
  }
  const args = operands.map((operand) => {
    const converted = scope.convert(operand, type, "implicit");
    if (converted !== undefined) return converted.expression;
    throw scope.errorAt(operand.location, `${operand.type} cannot be matched to ${type}`);
  });
  const array = arrayTypeOver(type);
  const expression: Expression = {
    node: "array",
    type: valueTypeOf(array),
    args,
    isNested: isArray(type),
  };
  const collation = derive(operands.map((operand) => operand.collation));
  return {
    type: array,
    expression: scope.compute(expression, location),
    location,
    name: "array",
    ...(collation === undefined ? {} : { collation }),
  };
}

/** `a[1]`, `a[2:3]`: the result of a slice is an array again, and so is that of an empty one. */
export function analyseSubscripts(scope: Scope, { arg, indirection = [] }: A_Indirection): Operand {
  const array = scope.analyse(arg!);
  refuseUntyped(scope, [array]);
  if (!isArray(array.type)) {
    const message = `cannot subscript type ${array.type} because it is not an array`;
    throw scope.errorAt(array.location, message);
  }
  const bounds = indirection.map((node) => boundsOf(scope, node, array));
  const isSlice = bounds.some((bound) => bound.isSlice);
  const one: Expression = { node: "value", type: "int4", text: "1" };
  const subscripts = bounds.map((bound): Subscript => {
    const isPlain = isSlice && !bound.isSlice;
    return {
      ...(isPlain ? { lower: one } : bound.lower === undefined ? {} : { lower: bound.lower }),
      ...(bound.upper === undefined ? {} : { upper: bound.upper }),
    };
  });
  const type = isSlice ? array.type : elementOf(array.type);
  const expression: Expression = {
    node: "subscript",
    array: array.expression,
    type: valueTypeOf(type),
    subscripts,
    isSlice,
  };
  const computed = scope.compute(expression, array.location);
  const { collation } = array;
  const derived = collation === undefined ? {} : { collation };
  return {
    type,
    expression: computed,
    location: array.location,
    name: "array element",
    ...derived,
  };
}

interface Bounds {
  readonly lower?: Expression;
  readonly upper?: Expression;
  readonly isSlice: boolean;
}

function boundsOf(scope: Scope, node: Node, array: Operand): Bounds {
  if (!("A_Indices" in node)) {
    const message = `${nodeName(node)} is not supported in this context`;
    throw scope.errorAt(array.location, message);
  }
  const { is_slice, lidx, uidx } = node.A_Indices;
  const bound = (index: Node): Expression => {
    const operand = scope.analyse(index);
    const converted = scope.convert(operand, "int4", "assignment");
    if (converted !== undefined) return converted.expression;
    throw scope.errorAt(operand.location, "array subscript must have type integer");
  };
  return {
    ...(lidx === undefined ? {} : { lower: bound(lidx) }),
    ...(uidx === undefined ? {} : { upper: bound(uidx) }),
    isSlice: is_slice === true,
  };
}
