/** What the parts of a parse tree are called. */

import type { Node } from "@pgsql/types";

/** Of a qualified name, its parts. */
export function namesOf(nodes: readonly Node[]): string[] {
  return nodes.map((node) => ("String" in node ? (node.String.sval ?? "") : ""));
}

/** The name of libpg_query, as messages have it: `CaseExpr`. */
export function nodeName(node: Node): string {
  return Object.keys(node)[0]!;
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
