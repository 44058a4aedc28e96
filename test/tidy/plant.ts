/** Plants files for a rule to find fault with. */

import assert from "node:assert/strict";
import type { Rule } from "./source.ts";

/** Runs a rule over files given as path and text, and expects exactly these findings. */
export function assertFinds(
  rule: Rule,
  tree: Readonly<Record<string, string>>,
  findings: readonly string[],
): void {
  const files = Object.entries(tree).map(([path, text]) => ({ path, text }));
  assert.deepEqual(rule(files), findings);
}
