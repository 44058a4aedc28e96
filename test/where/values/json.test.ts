/**
 * json and jsonb against Postgres.
 *
 * Goal: what we take for JSON Postgres takes for the same JSON, and every operation gives what
 * Postgres gives, or both raise an error.
 *
 * Method: `differential.ts`, over texts of few keys and words, with spaces, escapes and repeated
 * keys wherever they may be, and now and then something that is no JSON.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { JSON_OPERATIONS } from "../../../src/where/operations/json.ts";
import { typeNamed } from "../../../src/where/type-table.ts";
import { EvaluationError, InvalidText, SQL_STATE } from "../../../src/where/values/errors.ts";
import { contains, jsonbType } from "../../../src/where/values/jsonb.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { sample } from "../../support/property.ts";
import { calling, reading } from "./calls.ts";
import { compare, type Case } from "./differential.ts";
import { indexText, jsonText, keyText, pathText } from "./json-values.ts";

const texts: Readonly<Record<string, fc.Arbitrary<string>>> = {
  int4: indexText,
  json: jsonText,
  jsonb: jsonText,
  text: keyText,
  "text[]": pathText,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.dispose());

async function compareAll(cases: readonly Case[]): Promise<number> {
  const rest = cases.values();
  return compare(database, cases.length, () => rest.next().value!);
}

describe("input", () => {
  for (const type of ["json", "jsonb"] as const) {
    test(`what is read as ${type} is what Postgres reads`, async () => {
      const cases = sample(type, jsonText, 2000).map((text) => reading(type, text));
      assert.equal(await compareAll(cases), 0);
    });
  }

  test("JSON nested too deeply is refused, and not by running out of stack", () => {
    for (const depth of [1001, 1_000_000]) {
      const text = "[".repeat(depth) + "]".repeat(depth);
      assert.throws(() => jsonbType.parse(text), {
        name: "EvaluationError",
        sqlState: SQL_STATE.programLimitExceeded,
      });
    }
    const text = "[".repeat(1000) + "]".repeat(1000);
    assert.equal(jsonbType.format(jsonbType.parse(text)), text);
    assert.ok(contains(jsonbType.parse(text), jsonbType.parse(text)));
  });

  test("a text is read in time that is linear in its length, whatever is wrong with it", () => {
    const size = 200_000;
    for (const text of ['"' + "\\".repeat(size), "1".repeat(size) + "x", "[" + "1,".repeat(size)]) {
      assert.throws(() => typeNamed("jsonb").parse(text), InvalidText);
    }
    assert.throws(() => typeNamed("jsonb").parse("1e999999"), EvaluationError);
  });
});

describe("operations", () => {
  for (const operation of JSON_OPERATIONS) {
    const { kind, name, args } = operation;
    test(`${kind} ${name}(${args.join(", ")}) is Postgres'`, async () => {
      const values = fc.tuple(...args.map((type) => texts[type]!));
      const cases = sample(name, fc.oneof(values, nearbyValues(args)), 400);
      await compareAll(cases.map((texts) => ({ ...calling(operation, texts), isAnyError: true })));
    });
  }
});

test("differences that were found stay away", async () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    // A scalar is the one item of an array.
    ["->", ["jsonb", "int4"], ["true", "0"]],
    ["->>", ["jsonb", "int4"], ['"b"', "-1"]],
    ["->", ["json", "int4"], ["true", "0"]],
    ["#>", ["jsonb", "text[]"], ["true", "{0}"]],
    ["@>", ["jsonb", "jsonb"], ["[1]", "1"]],
    ["@>", ["jsonb", "jsonb"], ["1", "[1]"]],
    ["@>", ["jsonb", "jsonb"], ["[[1]]", "[1]"]],
    // Each repeated key is followed, and a path that ends nowhere finds nothing.
    ["#>>", ["json", "text[]"], ['{"a": {"b": 1}, "a": 2}', "{a,b}"]],
    ["#>>", ["json", "text[]"], ['{"a": {"b": 1}, "a": {"b": 2}}', "{a,b}"]],
    // An index from the end is resolved where an array of its level is met first.
    ["#>>", ["json", "text[]"], ['{"x": [1], "a": [1, 2, 3]}', "{a,-1}"]],
    ["#>>", ["json", "text[]"], ['{"x": [1], "a": [1, 2, 3]}', "{a,-2}"]],
    ["#>>", ["jsonb", "text[]"], ['{"x": [1], "a": [1, 2, 3]}', "{a,-1}"]],
    // The empty path gives a scalar with the spaces before it.
    ["#>", ["json", "text[]"], [" 1 ", "{}"]],
    ["#>", ["json", "text[]"], [" [1] ", "{}"]],
    ["#>>", ["json", "text[]"], [' "a" ', "{}"]],
    ["#>>", ["json", "text[]"], [" null ", "{}"]],
    // A NULL in the path is an answer before the text is looked at.
    ["#>", ["json", "text[]"], ['{"a": "\\u0000"}', "{NULL}"]],
    ["->", ["json", "text"], ['{"a": "\\u0000", "b": 1}', "b"]],
    ["json_typeof", ["json"], ['{"a": "\\u0000"}']],
    ["json_array_length", ["json"], ['["\\u0000"]']],
  ];
  const calls = cases.map(([name, types, args]) => {
    const operation = JSON_OPERATIONS.find(
      (other) => other.name === name && types.join() === other.args.join(),
    );
    assert.ok(operation, name);
    return calling(operation, args);
  });
  assert.equal(await compareAll(calls), 0);
});

/** Two jsonb that are alike, or of which one is likely to contain the other. */
function nearbyValues(args: readonly string[]): fc.Arbitrary<string[]> {
  const wrap = fc.constantFrom(
    ...["?", "[?]", "[?, 1]", '{"a": ?}', '{"a": ?, "b": [1, "a"]}', '[{"a": [?]}]', "[[?]]"],
  );
  return fc.tuple(texts[args[0]!]!, ...args.map(() => wrap)).map(([text, ...wraps]) => {
    return args.map((type, index) => {
      return type.startsWith("json")
        ? wraps[index]!.replace("?", () => text)
        : type === "int4"
          ? "0"
          : '{a,0,"1"}';
    });
  });
}
