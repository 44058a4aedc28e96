/**
 * Takes the constants out of a condition. What stays is the template, which a million clauses that
 * differ in their constants share.
 *
 * NULL, TRUE and FALSE stay, as they decide what a clause means; a boolean that a column is
 * compared with goes, like any other value. The keys of JSON paths stay, because a path is part of
 * how shapes are found; so do the names of time zones, which have to be read from the server before
 * the first row is evaluated (`time-zone-names.ts`).
 */

import {
  childrenOf,
  withChildren,
  type Expression,
  type ValueSource,
} from "../model/expression.ts";
import { isTimeZoneName } from "./time-zone-names.ts";

export interface Lifted {
  readonly expression: Expression;
  /** Canonical texts, in the order of the tree. */
  readonly constants: readonly string[];
  /** Where each of them comes from. */
  readonly sources: readonly ConstantSource[];
}

export interface ConstantSource {
  /** Undefined: it is the same whatever the request's values. */
  readonly value: ValueSource | undefined;
  readonly type: string;
}

export function lift(expression: Expression): Lifted {
  const constants: string[] = [];
  const sources: ConstantSource[] = [];
  const visit = (node: Expression, isKept: boolean): Expression => {
    if (node.node === "value") {
      const { type, text, source } = node;
      if (text === null || isKept) return { node: "value", type, text };
      constants.push(text);
      sources.push({ value: source, type });
      return { node: "constant", type: node.type, index: constants.length - 1 };
    }
    const children = childrenOf(node).map((child, index) =>
      visit(child, keeps(node, child, index)),
    );
    return withChildren(node, children);
  };
  return { expression: visit(expression, expression.node === "value"), constants, sources };
}

const PATH_OPERATORS: ReadonlySet<string> = new Set(["->", "->>", "#>", "#>>"]);

function keeps(parent: Expression, child: Expression, index: number): boolean {
  if (child.node !== "value") return false;
  if (parent.node === "call" && PATH_OPERATORS.has(parent.operation.name)) return index === 1;
  if (isTimeZoneName(parent, index)) return true;
  return child.type === "bool" && !isColumnEquality(parent);
}

function isColumnEquality(node: Expression): boolean {
  return node.node === "call" && node.args[0]!.node === "column";
}
