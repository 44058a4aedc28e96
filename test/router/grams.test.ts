/**
 * Grams that repeat. Goal: a shape is found in every text that has its gram, however often it is
 * there and whichever texts came before, though a gram is looked up once in a text
 * (`assembly/gram-text.ts`).
 */

import assert from "node:assert/strict";
import { describe, test } from "vitest";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness } from "../support/routing-harness.ts";
import type { ModelTemplate } from "../support/routing-model.ts";

const NOTES: RelationDescription = {
  oid: 16_384,
  schema: "public",
  name: "notes",
  columns: [
    { name: "id", isBool: false },
    { name: "text", isBool: false },
  ],
  key: [0],
};

/** `text LIKE '%' || $1 || '%'`, of three bytes. */
const CONTAINS: ModelTemplate = {
  relation: NOTES,
  terms: [],
  columns: [0, 1],
  replica: "default",
  planned: {
    name: "contains",
    plan: {
      branches: [{ type: "grams", column: 1, size: 3, ignoresCase: false }],
      isExact: false,
    },
    entriesOf: ([gram]) => [{ branch: 0, values: [gram!] }],
    matches: (row, [gram]) => row[1]!.includes(gram!),
  },
};

/** After so many texts their serials are the same again. */
const SERIALS = 65_535;

describe.each(BUILDS)("%s", (build) => {
  test("a text has its grams, be they repeated or in the text before", () => {
    const harness = harnessOf(build);
    const the = harness.addShape(CONTAINS, ["the"])!;
    const fox = harness.addShape(CONTAINS, ["fox"])!;
    const texts = ["the fox", "the other the", "foxfoxfoxthe", "th e", "fox", "thefox".repeat(999)];
    assert.deepEqual(shapesOf(harness, texts), [
      [the, fox],
      [the],
      [the, fox],
      [],
      [fox],
      [the, fox],
    ]);
    assert.equal(harness.residualCount, 8);
  });

  test("serials of texts go round", () => {
    const harness = harnessOf(build);
    const the = harness.addShape(CONTAINS, ["the"])!;
    assert.deepEqual(shapesOf(harness, ["the"]), [[the]]);
    shapesOf(harness, Array<string>(SERIALS - 1).fill("---"));
    assert.deepEqual(shapesOf(harness, ["the"]), [[the]]);
  });
});

function harnessOf(build: string): RoutingHarness {
  const harness = new RoutingHarness(build);
  harness.addTemplate(harness.addRelation(NOTES), CONTAINS);
  return harness;
}

/** Of each text in turn, in a transaction of them all. */
function shapesOf(harness: RoutingHarness, texts: readonly string[]): number[][] {
  const inserts = texts.map((text, index) => pgoutput.insert(NOTES.oid, [String(index), text]));
  const bodies = harness.route(pgoutput.transaction(8n, 700, inserts));
  return texts.map((_, index) => {
    return bodies.filter(({ op }) => op === index * 2).flatMap(({ ids }) => ids);
  });
}
