/**
 * LIKE against Postgres, on texts and patterns of few different characters, so that most patterns
 * nearly match; and a pattern that would take a naive matcher for ever.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { matchesLike } from "../../../src/where/values/like.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { seededRandom } from "../../support/random.ts";
import { runsOf } from "../../support/runs.ts";
import { compare, quoteLiteral } from "./differential.ts";
import { integerBetween, pick, type Random } from "./value-texts.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.dispose());

test("a pattern matches where it does in Postgres", async () => {
  const random = seededRandom("LIKE");
  await compare(database, runsOf(6_000), () => {
    const text = wordOf(Array.from("aaab😀é\n\\%_"), 8, random);
    const pattern = wordOf(Array.from("aaab%%%__\\😀é\n"), 8, random);
    return {
      sql: `${quoteLiteral(text)}::text LIKE ${quoteLiteral(pattern)}::text`,
      evaluate: () => (matchesLike(text, pattern) ? "t" : "f"),
    };
  });
});

test("many wildcards neither overflow the stack nor multiply the work", () => {
  const text = "a".repeat(20_000);
  assert.equal(matchesLike(text, "%a".repeat(20_000)), true);
  assert.equal(matchesLike(text, `${"%a".repeat(100)}b`), false);
  assert.equal(matchesLike(text, `${"%a_".repeat(6_000)}%`), true);
});

function wordOf(characters: readonly string[], lengthMax: number, random: Random): string {
  const length = integerBetween(random, 0, lengthMax);
  return Array.from({ length }, () => pick(random, characters)).join("");
}
