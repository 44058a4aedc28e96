/**
 * The repository keeps the rules.
 *
 * Goal: what ARCHITECTURE.md and CONTRIBUTING.md promise about the form of the code is true of
 * every file. Method: each rule reads the whole tree and lists what breaks it. That the rules would
 * notice is the business of the other files here, which plant violations.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import * as architecture from "./architecture.ts";
import * as documents from "./documents.ts";
import { readTree, type Rule } from "./source.ts";
import * as style from "./style.ts";

const files = readTree();
const rules = Object.entries({ ...architecture, ...style, ...documents }).filter(
  (entry): entry is [string, Rule] => typeof entry[1] === "function",
);

test("there is a tree to read", () => {
  assert.ok(files.length > 20);
  assert.ok(files.some(({ path }) => path === "src/model/ids.ts"));
  assert.ok(!files.some(({ path }) => path.startsWith("node_modules/")));
});

for (const [name, rule] of rules) {
  test(sentenceOf(name), () => {
    const violations = rule(files);
    assert.equal(violations.length, 0, `\n${violations.join("\n")}`);
  });
}

/** noCycles -> no cycles */
function sentenceOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
