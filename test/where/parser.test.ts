/**
 * Clauses as text.
 *
 * Goal: errors are those of the protocol, word and place; no text, however hostile, crashes the
 * parser or harms a later clause. Method: examples of each error; the constructs that nest, as deep
 * as they may; arbitrary text; and a module that breaks on purpose.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { InvalidParameter, LitzError } from "../../src/lib/errors.ts";
import { errorAt } from "../../src/where/clause-error.ts";
import { parseWhere } from "../../src/where/parser.ts";
import { createModule, PgQuery, StatementTooComplex } from "../../src/where/pg-query.ts";
import { check } from "../support/property.ts";

const invalid = (message: string) => new InvalidParameter("where", message);

test.each([
  ["1 x 1", 'At location 17: syntax error at or near "x"'],
  ["a =", "At location 18: syntax error at end of input"],
  ["-- nothing", "At location 25: syntax error at end of input"],
  ["é x 1 1", 'At location 17: syntax error at or near "x"'],
  ["\u{1f600} = 1 x 1", 'At location 21: syntax error at or near "x"'],
  ["'abc", `At location 15: unterminated quoted string at or near "'abc"`],
  ["a = 1) OR (b = 2", 'At location 20: syntax error at or near ")"'],
  ["a = E'\\x00'", 'At location 0: invalid byte sequence for encoding "UTF8": 0x00'],
  ["é = 1\0 OR true", 'At location 20: invalid byte sequence for encoding "UTF8"'],
  ["a = '\ud800'", 'At location 20: invalid byte sequence for encoding "UTF8"'],
  ["a = 1 ORDER BY a", "malformed query ending with SQL clauses"],
  ["a = 1 GROUP BY a", "malformed query ending with SQL clauses"],
  ["a = 1 FOR UPDATE", "malformed query ending with SQL clauses"],
  ["a = 1 LIMIT 1", "malformed query ending with SQL clauses"],
  ["a = 1 LIMIT ALL", "malformed query ending with SQL clauses"],
  ["a = 1 UNION SELECT 2", "malformed query ending with SQL clauses"],
  ["a = 1 WINDOW w AS ()", "malformed query ending with SQL clauses"],
  ["a = 1; DROP TABLE x", 'unescaped ";" causing statement split'],
  ["a = 1; SELECT 2", 'unescaped ";" causing statement split'],
])("%j is refused", (text, message) => {
  assert.throws(() => parseWhere(text), invalid(message));
});

test("white space, comments and a last semicolon mean nothing", () => {
  for (const text of ["\n a\t=1 ", "a/* b */ = 1 -- c", "(((a = 1)))", "a = 1;"]) {
    assert.ok("A_Expr" in parseWhere(text).expression);
  }
});

test("places in the meaning of a clause are counted in its characters", () => {
  const text = "é = '\u{1f600}' AND b";
  const byte = Buffer.byteLength("SELECT 1 WHERE é = '\u{1f600}' AND ");
  assert.deepEqual(errorAt(text, byte, "m"), invalid("At location 12: m"));
  assert.deepEqual(errorAt(text, undefined, "m"), invalid("At location 0: m"));
  assert.deepEqual(errorAt(text, -1, "m"), invalid("At location 0: m"));
});

test("a clause may have 65,536 bytes", () => {
  const literal = (size: number) => `a = '${"é".repeat(size / 2 - 3)}'`;
  assert.equal(Buffer.byteLength(literal(65_536)), 65_536);
  parseWhere(literal(65_536));
  assert.throws(() => parseWhere(literal(65_538)), /bigger than maximum size/);
});

const NESTED: Record<string, (count: number) => string> = {
  parentheses: (n) => "(".repeat(n) + "a" + ")".repeat(n),
  negations: (n) => "NOT ".repeat(n) + "a",
  signs: (n) => "- ".repeat(n) + "a",
  sums: (n) => "a" + "+a".repeat(n),
  alternatives: (n) => "a" + " OR (b AND (a".repeat(n) + "))".repeat(n),
  casts: (n) => "a" + "::t".repeat(n),
  collations: (n) => "a" + " COLLATE b".repeat(n),
  tests: (n) => "a" + " IS TRUE".repeat(n),
  arrays: (n) => "ARRAY[".repeat(n) + "1" + "]".repeat(n),
  subscripts: (n) => "a[".repeat(n) + "a" + "]".repeat(n),
  selects: (n) => "(SELECT ".repeat(n) + "a" + ")".repeat(n),
  cases: (n) => "CASE WHEN a THEN ".repeat(n) + "a" + " END".repeat(n),
  conjunctions: (n) => "a" + " AND a".repeat(n),
  list: (n) => `a IN (1${",1".repeat(n)})`,
};

test.each(Object.entries(NESTED))("%s may be many, not too many", (_, make) => {
  let largest = 0;
  for (const count of [50, 190, 210, 390, 490, 950, 1_990, 2_100, 10_000, 30_000]) {
    const text = make(count);
    const started = performance.now();
    try {
      parseWhere(text);
      largest = count;
    } catch (error) {
      assert.ok(error instanceof InvalidParameter);
      assert.match(error.message, /too complex: it may|bigger than maximum size/, `${count}`);
    }
    assert.ok(performance.now() - started < 2_000);
  }
  assert.ok(largest >= 50 && largest < 2_100);
  parseWhere("a = 1");
});

test("brackets in a string are none", () => {
  parseWhere(`a = '${"(".repeat(1_000)}'`);
  parseWhere(`a = '${"(".repeat(9_000)}'`);
});

const PIECES = [
  ...Array.from("()[]'\"$;:,=<>+-*/\\eE.\0\n "),
  ...[
    "a",
    "1",
    "$1",
    "$$",
    "::",
    "/*",
    "*/",
    "--",
    "AND",
    "OR",
    "NOT",
    "IN",
    "SELECT",
    "U&'",
    "E'",
  ],
  ...["NULL", "é", "\u{1f600}", "\ud800", "LIKE", "BETWEEN", "ARRAY", "CASE", "WHEN", "1e", "0x"],
  ...["IS", "FROM", "ORDER BY", "LIMIT", "COLLATE", "INTERVAL", "a = 1", "'x'", "OPERATOR("],
];
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(...PIECES), maxLength: 40 }),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join(" ")),
  fc.tuple(fc.constantFrom(...PIECES), fc.nat(5_000)).map(([piece, n]) => `${piece} `.repeat(n)),
);

test("any text is parsed or an invalid parameter, and the next clause is well", () => {
  check(
    fc.property(hostile, (text) => {
      try {
        parseWhere(text);
      } catch (error) {
        assert.ok(error instanceof InvalidParameter, String(error));
        assert.notEqual(error.message, "WHERE clause is too complex");
      }
      const { expression } = parseWhere("a = 'x'");
      assert.deepEqual(expression, parsed);
    }),
    500,
  );
});

const parsed = {
  A_Expr: {
    kind: "AEXPR_OP",
    name: [{ String: { sval: "=" } }],
    lexpr: { ColumnRef: { fields: [{ String: { sval: "a" } }], location: 15 } },
    rexpr: { A_Const: { sval: { sval: "x" }, location: 19 } },
    location: 17,
  },
};

test("strings come back as they are, whatever is in them", () => {
  const text = fc.string({ unit: "binary" }).filter((it) => !it.includes("\0"));
  check(
    fc.property(text, (value) => {
      const { expression } = parseWhere(`a = '${value.replaceAll("'", "''")}'`);
      const { sval } = (expression as typeof parsed).A_Expr.rexpr.A_Const;
      assert.deepEqual(sval, { sval: value });
    }),
  );
});

test("a module that broke is replaced, and clients are told to retry until then", async () => {
  let count = 0;
  let isFailing = false;
  const pgQuery = await PgQuery.load(() => {
    count += 1;
    return isFailing ? Promise.reject(new Error("no memory")) : createModule();
  });
  // Deeper than `parseWhere` lets through: the stack of the real module overflows.
  const bomb = `SELECT 1 WHERE ${NESTED["casts"]!(20_000)}`;
  const isWell = () => {
    try {
      assert.deepEqual(parseWhere("a = 'x'", pgQuery).expression, parsed);
      return true;
    } catch (error) {
      assert.ok(error instanceof LitzError && error.httpStatus === 503 && error.retriable);
      return false;
    }
  };

  assert.throws(() => pgQuery.parse(bomb), StatementTooComplex);
  assert.ok(!isWell());
  assert.equal(count, 2);
  await until(isWell);

  isFailing = true;
  assert.throws(() => pgQuery.parse(bomb), StatementTooComplex);
  await until(() => !isWell() && count >= 5);
  isFailing = false;
  await until(isWell);
});

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("it never came about");
}

test("a clause that broke the module all the same is an invalid parameter", async () => {
  const module = await createModule();
  const trap = () => {
    throw new WebAssembly.RuntimeError("memory access out of bounds");
  };
  const pgQuery = await PgQuery.load(() =>
    Promise.resolve({ ...module, _wasm_parse_query_raw: trap }),
  );
  assert.throws(() => parseWhere("a = 1", pgQuery), invalid("WHERE clause is too complex"));
});
