/**
 * Definitions that were asked for before.
 *
 * Goal: a definition that comes from the cache is the one that the analysis would make, whatever
 * the values of the parameters. Method: generated clauses, and traps, each asked for with several
 * lists of parameters on one table, and on a copy of the table that nothing is known of. And that
 * the cache is bounded, by number and by size.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { ASCII_CASE_MAPPING } from "../../src/model/case-mapping.ts";
import type { ShapeTemplate } from "../../src/model/shape-definition.ts";
import type { Table } from "../../src/model/table.ts";
import { DefinitionCache } from "../../src/where/definition-cache.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { ClauseGenerator } from "./clause-generator.ts";
import { things } from "./sample-table.ts";
import { SAMPLES } from "./value-samples.ts";

const facts = { publishesGeneratedColumns: false, caseMapping: ASCII_CASE_MAPPING };
function define(of: Table, where: string, parameters: readonly string[]): unknown {
  const params = Object.fromEntries(parameters.map((text, index) => [String(index + 1), text]));
  const request = { where, params, columns: undefined, replica: "default", log: "full" } as const;
  try {
    const { template, constants } = defineShape(of, request, facts);
    return { text: template.text, constants };
  } catch (error) {
    assert.ok(error instanceof InvalidParameter);
    return error.message;
  }
}

function compare(where: string, lists: readonly (readonly string[])[]): void {
  for (const parameters of lists) {
    const remembered = define(things, where, parameters);
    const fresh = define({ ...things }, where, parameters);
    assert.deepEqual(remembered, fresh, `${where} with ${JSON.stringify(parameters)}`);
  }
}

test.each([
  ["c_int4 = $1", [["1"], ["2"], ["x"], ["003"]]],
  ["c_text LIKE $1", [["a%"], ["%a"], ["abcdefghij%"], ["b"]]],
  [
    "c_int4 = $1 AND c_int4 = $2",
    [
      ["1", "2"],
      ["2", "1"],
      ["1", "1"],
    ],
  ],
  ["c_bool = $1", [["t"], ["f"]]],
  ["$1", [["t"], ["f"]]],
  [
    "$1 = $2",
    [
      ["a", "a"],
      ["a", "b"],
    ],
  ],
  ["c_int4 = ANY ($1)", [["{2,1}"], ["{}"], ["{NULL}"]]],
  [
    "c_int4 IN ($1, $2)",
    [
      ["1", "2"],
      ["2", "1"],
      ["1", "1"],
    ],
  ],
  ["c_texts @> $1", [["{a}"], ["{a,b}"], ["{}"], ["{NULL}"]]],
  [
    "c_jsonb ->> $1 = $2",
    [
      ["a", "x"],
      ["b", "x"],
    ],
  ],
  [`c_jsonb @> $1`, [['{"a": "x"}'], ['{"b": "x"}'], ['{"a": 1}']]],
  [
    "c_timestamp AT TIME ZONE $1 > $2",
    [
      ["UTC", "epoch"],
      ["Europe/Berlin", "epoch"],
    ],
  ],
  ["c_int8 = $1::int4", [["1"], ["2"]]],
  ["c_int4 = 1 + $1", [["1"], ["2"]]],
  // Of one read become a constant and a comparison that is carried out.
  ["$1 IN (c_int4, 5)", [["3"], ["5"]]],
  ["$1 NOT IN (c_int4, 5)", [["3"], ["5"]]],
  // Two constants of one read make up for none of another.
  [
    "$1 IN (c_text, c_varchar) AND c_text LIKE $2",
    [
      ["a", "b%"],
      ["a", "zzz%"],
    ],
  ],
])("%s", (where, lists) => compare(where, lists));

test("literals that are used more than once", () => {
  const clause = (n: number) =>
    `${n} BETWEEN $1 AND c_int4 AND 7 IN (c_int4, c_int8) AND $1 IN (c_int4, c_int8)`;
  const table = { ...things };
  for (const n of [5, 0, 5]) {
    assert.deepEqual(define(table, clause(n), ["1"]), define({ ...things }, clause(n), ["1"]));
  }
});

test("a clause that is written like a form is none", () => {
  const table = { ...things };
  define(table, "c_text = 'secret' AND c_int4 = $1", ["4"]);
  define(table, "c_int4 = 42", []);
  for (const [where, parameters] of [
    ["c_text = \u0004 AND c_int4 = $1", ["4"]],
    ["c_int4 = \u0001", []],
  ] as const) {
    const answer = define(table, where, parameters);
    assert.ok(typeof answer === "string" && answer.includes("syntax error"), String(answer));
  }
});

test("generated clauses", () => {
  const random = seededRandom("definition cache");
  const generator = new ClauseGenerator(random);
  const values = Object.values(SAMPLES).flat();
  for (let done = 0; done < runsOf(500); done += 1) {
    const { text, parameters } = generator.next();
    if (parameters.length === 0) continue;
    const shuffled = () => parameters.map(() => values[Math.floor(random() * values.length)]!);
    compare(text, [parameters, parameters, shuffled(), [...parameters].reverse(), shuffled()]);
  }
});

/** Which of the definitions that were added are still found. */
function keptOf(texts: readonly string[], used: (index: number) => number | undefined): number[] {
  const cache = new DefinitionCache();
  for (const [index, text] of texts.entries()) {
    const template = { ...templateOfEvery, text };
    cache.add(things, `${index}`, { template, constants: [] }, []);
    const again = used(index);
    if (again !== undefined) cache.find(things, `${again}`, []);
  }
  const found = texts.map((text, index) => {
    const definition = cache.find(things, `${index}`, []);
    if (definition !== undefined) assert.equal(definition.template.text, text);
    return definition === undefined ? [] : [index];
  });
  return found.flat();
}

const templateOfEvery: ShapeTemplate = {
  ...{ text: "", table: things, where: undefined, columns: [0], hasExplicitColumns: false },
  ...{ replica: "default", log: "full" },
};

test("five hundred are kept, and those that are used go last", () => {
  const texts = Array.from({ length: 600 }, (_, index) => `template ${index}`);
  const kept = keptOf(texts, () => 0);
  assert.deepEqual(kept, [0, ...[...texts.keys()].slice(-499)]);
});

test("fewer are kept of those that are long, and none that is longer than all may be", () => {
  const texts = Array.from({ length: 20 }, (_, index) => `${index}`.padStart(100_000));
  assert.deepEqual(
    keptOf(texts, () => undefined),
    [...texts.keys()].slice(-10),
  );
  assert.deepEqual(
    keptOf(["x".repeat(2_000_000), "short"], () => undefined),
    [1],
  );
});
