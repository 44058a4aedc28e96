/**
 * How long a LIKE pattern may be. To match one takes as many steps as text and pattern multiplied,
 * at worst, for every row of the table: one whose parts are long and have wildcards in them would
 * keep everybody else waiting. Plain text and a prefix take one pass over the text, at any length.
 *
 *     'https://example.org/...%'     any length
 *     '%__________...__%'            256 characters
 */

import { childrenOf, type Expression, type OperationName } from "../model/expression.ts";
import type { Constants, WhereTemplate } from "../model/shape-definition.ts";
import { typeNamed } from "./type-table.ts";
import type { ArrayValue } from "./values/scalar-type.ts";

/** Characters of a pattern with wildcards before its end. Postgres has no such limit. */
export const PATTERN_LENGTH_MAX = 256;

const PATTERN_OPERATORS: ReadonlySet<string> = new Set([
  ...["~~", "!~~", "~~*", "!~~*"],
  ...["like", "notlike", "ilike", "notilike"],
]);

/** No wildcards, or nothing behind them. */
const PREFIX = /^(?:[^%_\\]|\\.)*%*$/s;

/** A constant that a pattern is made of. */
interface PatternPart {
  readonly index: number;
  readonly type: string;
}

/** By the template, which a million requests share. */
const known = new WeakMap<WhereTemplate, readonly PatternPart[]>();

/** Whether a pattern in the clause, or in one of its subselects, is longer than it may be. */
export function hasLongPattern(where: WhereTemplate, constants: Constants): boolean {
  let parts = known.get(where);
  if (parts === undefined) {
    parts = partsOf(where.expression);
    known.set(where, parts);
  }
  const { dependencies = [] } = where.subqueries ?? {};
  return (
    parts.some(({ index, type }) => isLong(constants[index]!, type)) ||
    dependencies.some(({ template, firstConstant, constantCount }) => {
      const inner = constants.slice(firstConstant, firstConstant + constantCount);
      return template.where !== undefined && hasLongPattern(template.where, inner);
    })
  );
}

function isLong(text: string, type: string): boolean {
  if (text.length <= PATTERN_LENGTH_MAX) return false;
  if (!type.endsWith("[]")) return !PREFIX.test(text);
  const { elements } = typeNamed(type).parse(text) as ArrayValue;
  const { format } = typeNamed(type.slice(0, -2));
  return elements.some((each) => each !== null && isLong(format(each), type.slice(0, -2)));
}

function partsOf(expression: Expression): readonly PatternPart[] {
  const parts: PatternPart[] = [];
  const visit = (node: Expression, isPattern: boolean): void => {
    if (node.node === "constant") {
      if (isPattern) parts.push(node);
      return;
    }
    const operation = operationOf(node);
    const isMatch = operation !== undefined && PATTERN_OPERATORS.has(operation.name);
    childrenOf(node).forEach((child, index) => visit(child, isPattern || (isMatch && index === 1)));
  };
  visit(expression, false);
  return parts;
}

function operationOf(node: Expression): OperationName | undefined {
  switch (node.node) {
    case "call":
    case "any":
    case "all":
      return node.operation;
    default:
      return undefined;
  }
}
