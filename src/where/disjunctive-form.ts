/**
 * A condition as a union of conjunctions (protocol 14.2), which is how clients are told why a row
 * belongs to a shape:
 *
 *     a IN (S) AND (b IN (T) OR c > 1)   ──>   a IN (S), b IN (T)  │  a IN (S), c > 1
 *
 * What stands between AND and OR is a literal, and stays whole. AND is multiplied out from left to
 * right, so literals keep the order of the clause.
 */

import { invalidWhere } from "./clause-error.ts";
import { typeNamed } from "./type-table.ts";
import type { Expression, QuantifiedNode } from "../model/expression.ts";
import type { ArrayValue } from "./values/scalar-type.ts";

/** Protocol 3.3. */
const DISJUNCT_COUNT_MAX = 100;
/** Every tag has a place for each literal, and there is a tag for each disjunct. */
const LITERAL_COUNT_MAX = 1024;

/**
 * The literals of each disjunct. A literal that is in several is the same object in each.
 *
 * REQUIRES: NOT is pushed down, `checkSize` was content.
 */
export function disjunctsOf(expression: Expression): readonly (readonly Expression[])[] {
  if (expression.node === "or") return expression.args.flatMap(disjunctsOf);
  if (expression.node !== "and") return [[expression]];
  let product: readonly (readonly Expression[])[] = [[]];
  for (const arg of expression.args) {
    const disjuncts = disjunctsOf(arg);
    product = product.flatMap((before) => disjuncts.map((after) => [...before, ...after]));
  }
  return product;
}

/** @throws {InvalidParameter} naming `where`: multiplied out, the condition is too large. */
export function checkSize(expression: Expression): void {
  const { disjuncts, literals } = sizeOf(expression);
  if (disjuncts > DISJUNCT_COUNT_MAX) throw tooComplex(disjuncts, "disjuncts", DISJUNCT_COUNT_MAX);
  if (literals > LITERAL_COUNT_MAX) throw tooComplex(literals, "conditions", LITERAL_COUNT_MAX);
}

function tooComplex(count: bigint, what: string, limit: number): Error {
  const size = `${count} ${what} exceeds limit of ${limit}`;
  return invalidWhere(`WHERE clause too complex for DNF decomposition (${size})`);
}

interface Size {
  readonly disjuncts: bigint;
  readonly literals: bigint;
}

/** Without multiplying out: a clause of some hundred tokens may have more than there are atoms. */
function sizeOf(expression: Expression): Size {
  if (expression.node !== "and" && expression.node !== "or") return { disjuncts: 1n, literals: 1n };
  return expression.args.map(sizeOf).reduce((one, other) => {
    return expression.node === "or"
      ? {
          disjuncts: one.disjuncts + other.disjuncts,
          literals: one.literals + other.literals,
        }
      : {
          disjuncts: one.disjuncts * other.disjuncts,
          literals: one.literals * other.disjuncts + other.literals * one.disjuncts,
        };
  });
}

/**
 * `x IN (1, 2)` as `x = 1 OR x = 2`, and `x NOT IN (1, 2)` as `x <> 1 AND x <> 2`: the protocol
 * takes each for a literal. Lists in the middle of a condition stay.
 */
export function expandLists(expression: Expression): Expression {
  switch (expression.node) {
    case "and":
    case "or":
      return { ...expression, args: expression.args.map(expandLists) };
    case "not":
      return { ...expression, arg: expandLists(expression.arg) };
    case "any":
    case "all":
      return expression.isList === true ? expanded(expression) : expression;
    default:
      return expression;
  }
}

function expanded(list: QuantifiedNode): Expression {
  const { node, operation, left, array, collation } = list;
  if (array.node !== "value" || array.text === null) return list;
  const elementType = array.type.slice(0, -2);
  const { format } = typeNamed(elementType);
  const { elements } = typeNamed(array.type).parse(array.text) as ArrayValue;
  const tests = elements.map((element): Expression => {
    // Whatever is compared with NULL, the result is NULL.
    if (element === null) return { node: "value", type: "bool", text: null };
    const member: Expression = { node: "value", type: elementType, text: format(element) };
    const collated = collation === undefined ? {} : { collation };
    return { node: "call", operation, args: [left, member], type: "bool", ...collated };
  });
  return tests.length === 1 ? tests[0]! : { node: node === "any" ? "or" : "and", args: tests };
}
