/**
 * Hostile clauses.
 *
 * Goal: whatever a client sends, the answer is a shape or an `InvalidParameter`; never another
 * error, never a broken parser: a good clause is understood afterwards. Method: clauses that are
 * random, malformed, huge, deeply nested, or good ones that are damaged.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { ASCII_CASE_MAPPING } from "../../src/model/case-mapping.ts";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { seededRandom } from "../support/random.ts";
import { patienceFactor } from "../support/runs.ts";
import { ClauseGenerator } from "./clause-generator.ts";
import { items } from "./tables.ts";

const CLAUSES = 10_000 * patienceFactor();
const facts = { publishesGeneratedColumns: false, caseMapping: ASCII_CASE_MAPPING };

function define(where: string, params: readonly string[]) {
  const numbered = Object.fromEntries(params.map((text, index) => [String(index + 1), text]));
  const request = { where, params: numbered, columns: undefined, replica: "default" } as const;
  return defineShape(items, { ...request, log: "full" }, facts);
}

const TOKENS = [
  ...["id", "name", "flag", "tags", "day", "token", "nope", '"Odd ""name"', "items.id", "*"],
  ...["1", "'x'", "$1", "$2", "$0", "NULL", "TRUE", "1.5", "B'1'", "E'\\x'", "'unended", "$$q$$"],
  ...[
    "=",
    "<>",
    "<",
    "+",
    "||",
    "->>",
    "@>",
    "~",
    "!~*",
    "::",
    "::int4",
    "::text[]",
    "OPERATOR(x.=)",
  ],
  ...["AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "IS", "ANY", "ALL", "SIMILAR TO"],
  ...[
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    "--",
    "/*",
    "CASE",
    "WHEN",
    "END",
    "SELECT 1",
    "FROM",
    "ROW",
  ],
  ...[
    "lower(",
    "count(",
    "now()",
    "random()",
    "ARRAY[",
    "interval",
    "COLLATE",
    '"C"',
    "AT TIME ZONE",
  ],
  ...["ORDER BY id", "UNION", "\u0000", "\ud800", "é", "😀", "\n", "\\", "%", "0x", "1e999999999"],
  ...["repeat('x', 1000000000)", "'1'::interval", "lpad('x', 2147483647)", "9".repeat(400)],
] as const;

type Draw = <T>(items: readonly T[]) => T;

function hostile(pick: Draw, random: () => number, generator: ClauseGenerator): string {
  const count = (most: number) => 1 + Math.floor(random() * most);
  const kind = random();
  if (kind < 0.4) return Array.from({ length: count(12) }, () => pick(TOKENS)).join(" ");
  if (kind < 0.7) return damage(generator.next().text, pick, random);
  if (kind < 0.8)
    return String.fromCharCode(...Array.from({ length: count(60) }, () => random() * 300));
  if (kind < 0.85) {
    const depth = pick([10, 199, 200, 201, 1_000, 5_000]);
    return pick([
      "(".repeat(depth) + "id = 1" + ")".repeat(depth),
      "NOT ".repeat(depth) + "flag",
      "- ".repeat(depth) + "id > 0",
      "id" + "[1]".repeat(depth) + " = 1",
      "name" + "::text".repeat(depth) + " = 'x'",
      "ARRAY[".repeat(depth) + "1" + "]".repeat(depth) + " = tags",
      Array.from({ length: depth }, (_, n) => `id = ${n}`).join(pick([" AND ", " OR "])),
      `id IN (${Array.from({ length: depth }, (_, n) => n).join(", ")})`,
      Array(depth).fill("id").join(" + ") + " > 1",
      Array(depth).fill("name").join(" || ") + " = 'x'",
    ]);
  }
  if (kind < 0.87) return `name = '${"x".repeat(pick([1_000, 65_000, 66_000, 200_000]))}'`;
  return `${pick(TOKENS)} ${pick(["=", "<", "LIKE", "IN", "IS"])} ${pick(TOKENS)}`;
}

/** Cuts something out, doubles something, or puts something strange in. */
function damage(text: string, pick: Draw, random: () => number): string {
  const at = Math.floor(random() * text.length);
  const end = at + Math.floor(random() * 8);
  return (
    text.slice(0, at) + pick(["", text.slice(at, end).repeat(3), pick(TOKENS)]) + text.slice(end)
  );
}

test(
  "ten thousand hostile clauses do no harm",
  () => {
    const random = seededRandom("hostile");
    const pick: Draw = (choices) => choices[Math.floor(random() * choices.length)]!;
    const generator = new ClauseGenerator(random);
    let refused = 0;
    for (let done = 0; done < CLAUSES; done += 1) {
      const where = hostile(pick, random, generator);
      try {
        define(where, ["1", "x"]);
      } catch (error) {
        const context = `${where.slice(0, 300)}: ${String(error)}`;
        assert.ok(error instanceof InvalidParameter && error.field === "where", context);
        refused += 1;
      }
      if (done % 1_000 === 0) assert.equal(define("id = $1", ["7"]).constants[0], "7");
    }
    assert.ok(refused > CLAUSES / 2, `${refused} of ${CLAUSES} were refused`);
    assert.deepEqual(define("id = 1 AND name = $2", ["1", "x"]).constants, ["1", "x"]);
  },
  Math.max(120_000, CLAUSES * 20),
);
