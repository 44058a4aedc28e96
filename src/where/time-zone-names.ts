/** Where the names of time zones stand in a WHERE, and which they are. */

import { childrenOf, type Expression, type OperationName } from "../model/expression.ts";
import { isKnownToAll } from "./values/time-zone.ts";

/** Whether the child of this index is the name of a time zone. */
export function isTimeZoneName(parent: Expression, index: number): boolean {
  return parent.node === "call" && indexOfName(parent.operation) === index;
}

function indexOfName({ kind, name, args }: OperationName): number | undefined {
  if (kind !== "function") return undefined;
  if (name === "timezone" && args[0] === "text") return 0;
  return name === "date_trunc" && args.length === 3 ? 2 : undefined;
}

/** Those that the server has to be asked for, each once. Those of folded constants are gone. */
export function timeZoneNamesOf(expression: Expression): readonly string[] {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    childrenOf(node).forEach((child, index) => {
      const name = child.node === "value" && isTimeZoneName(node, index) ? child.text : null;
      if (name !== null && !isKnownToAll(name)) names.add(name);
      visit(child);
    });
  };
  visit(expression);
  return [...names];
}
