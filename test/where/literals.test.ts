/**
 * Clauses that are known by their form.
 *
 * Goal: a clause that differs from one that was analysed in its literals alone becomes the same
 * definition, or the same error in the same place, as if nothing were known. Method: generated
 * clauses and traps, each asked for again and again with other literals, on a table and on copies
 * of it of which nothing is known. What is found without a parser is compared with the parser's
 * own tokens.
 */

import assert from "node:assert/strict";
import { describe, test, vi } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { ASCII_CASE_MAPPING } from "../../src/model/case-mapping.ts";
import type { Table } from "../../src/model/table.ts";
import { DefinitionCache } from "../../src/where/definition-cache.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { liftLiterals } from "../../src/where/literals.ts";
import { pgQuery } from "../../src/where/pg-query.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { ClauseGenerator } from "./clause-generator.ts";
import { things } from "./sample-table.ts";
import { SAMPLES } from "./value-samples.ts";

const facts = { publishesGeneratedColumns: false, caseMapping: ASCII_CASE_MAPPING };

function define(of: Table, where: string, parameters: readonly string[] = []): unknown {
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

function compare(where: string, parameters: readonly string[] = []): unknown {
  const fresh = define({ ...things }, where, parameters);
  const remembered = define(things, where, parameters);
  assert.deepEqual(remembered, fresh, `${where} with ${JSON.stringify(parameters)}`);
  return fresh;
}

/** The clause with other literals in the places of its own. */
function vary(clause: string, next: (old: string) => string): string {
  const lifted = liftLiterals(clause);
  if (lifted === undefined) return clause;
  let varied = "";
  let end = 0;
  for (const { start, text } of lifted.literals) {
    const isString = clause[start] === "'";
    const size = isString ? text.replaceAll("'", "''").length + 2 : text.length;
    varied += clause.slice(end, start) + next(clause.slice(start, start + size));
    end = start + size;
  }
  return varied + clause.slice(end);
}

describe("a definition that is known by its form is the one that the analysis would make", () => {
  test.each<[string, string[]]>([
    ["c_int4 = ?", ["1", "2", "007", "0", "2147483647", "2147483648", "99999999999999999999"]],
    ["c_int4 = -?", ["1", "2", "0", "2147483647", "2147483648", "2147483649", "1.5"]],
    ["c_int4 = - ?", ["1", "2"]],
    ["c_int8 = ?", ["1", "2", "2147483648", "9223372036854775807", "9223372036854775808"]],
    ["c_int8 = -?", ["1", "3000000000", "4000000000", "9223372036854775808"]],
    ["c_int2 = ?", ["1", "2", "40000"]],
    ["c_numeric = ?", ["1", "2", "1.5", "1.50", "2.25", "1e5", "1e-5", "4000000000", "5000000000"]],
    ["c_float8 > ?", ["1", "2", "1.5", "2.5", "1e400", "0.1", "16777217", "9007199254740993"]],
    ["c_float8 > -?", ["0", "0.0", "1.5", "2.5", "1e400"]],
    ["c_float4 > ?", ["1", "1.5", "2.5", "16777217", "1e39", "0.1"]],
    ["c_int4 = 3-?", ["1", "2"]],
    ["c_int4 - ? = ?", ["1", "2"]],
    ["c_int4 BETWEEN ? AND ?", ["1", "2", "3"]],
    ["? BETWEEN c_int4 AND c_int8", ["1", "2", "3000000000"]],
    ["c_int4 IN (?, ?)", ["1", "2", "3000000000"]],
    ["c_int4 IN (?)", ["1", "2"]],
    ["c_int4 = ? AND c_int4 = ?", ["1", "2"]],
    ["c_int4 = ? OR c_int4 = ?", ["1", "2"]],
    ["c_int4 = ?::int8", ["1", "2", "3000000000", "1.5", "'x'", "'4'"]],
    ["c_text = ?", ["'a'", "'b'", "'it''s'", "''", "1", "'é'", "'\n'", "'a\\b'"]],
    ["c_text = ? AND c_int4 = ?", ["'é'", "'日本'", "1", "2", "'3'"]],
    ["c_text LIKE ?", ["'a%'", "'%a'", "'abcdefghij%'", "'b'"]],
    ["c_text = E?", ["'a'", "'\\n'"]],
    ["c_text = ?\n?", ["'a'", "'b'"]],
    ["c_text = ? ?", ["'a'", "'b'"]],
    ["c_text = ? -- ?", ["'a'", "'b'"]],
    ["c_text = U&?", ["'a'", "'\\0041'"]],
    ["c_text = N?", ["'a'", "'b'"]],
    ["c_text = $$?$$", ["'a'", "1"]],
    ["c_text = ?::varchar(?)", ["'a'", "'b'", "1", "2"]],
    ["c_date > ?", ["'2020-01-01'", "'2021-02-03'", "'2021-02-30'", "'epoch'", "'today'"]],
    ["c_date > date ?", ["'2020-01-01'", "'2021-02-03'", "'x'"]],
    ["c_timestamptz > ?", ["'2020-01-01 00:00:00Z'", "'2020-01-01 00:00:00+02'", "'now'"]],
    ["c_bool = ?", ["'t'", "'f'", "'yes'", "1"]],
    ["?", ["'t'", "'f'", "1"]],
    ["? = ?", ["'a'", "'b'", "1", "2"]],
    ["c_jsonb ->> ? = ?", ["'a'", "'b'", "1"]],
    ["c_jsonb -> ? -> ? = ?", ["'a'", "1", "'1'"]],
    ["c_jsonb @> ?", [`'{"a": "x"}'`, `'{"b": "x"}'`, `'{"a": 1}'`]],
    ["c_texts @> ?", ["'{a}'", "'{a,b}'", "'{}'", "'{NULL}'"]],
    ["c_texts[?] = ?", ["1", "2", "'a'", "'b'"]],
    ["c_timestamp AT TIME ZONE ? > ?", ["'UTC'", "'epoch'", "'infinity'"]],
    ["substring(c_text, ?) = ?", ["1", "2", "'a'"]],
    ["c_int4 = ?e", ["1", "2"]],
    ["c_int4 = ?abc", ["1", "2"]],
    ["c_int4 = 0x?", ["1", "2"]],
    ["c_int4 = 1_?", ["1", "2"]],
    ["c_int4 = ?.", ["1", "2"]],
    ["c_int4 = .?", ["1", "2"]],
    ["no_such = ?", ["1", "'a'"]],
    ["'é' = ? AND no_such = ?", ["1", "'ü'"]],
    ["c_int4 = ? AND c_text = ? AND c_mood = ?", ["1", "'sad'", "'happy'"]],
    ["coalesce(c_int4, ?) = ?", ["1", "2", "'3'"]],
    ["CASE WHEN c_int4 = ? THEN ? END", ["1", "'t'"]],
    ["c_int4 = ANY (ARRAY[?, ?])", ["1", "2"]],
    ["c_int4 / ? = ?", ["0", "1", "2"]],
    ["c_text ~ ?", ["'a'", "'('"]],
    ["c_text LIKE ? ESCAPE ?", ["'a%'", "'a'", "'!'", "'ab'"]],
  ])("%s", (form, literals) => {
    const random = seededRandom(`literals in ${form}`);
    const pick = () => literals[Math.floor(random() * literals.length)]!;
    for (const literal of literals) compare(form.replaceAll("?", () => literal));
    for (let n = 0; n < 20; n++) compare(form.replaceAll("?", pick));
  });

  test("generated clauses", () => {
    const random = seededRandom("literals");
    const generator = new ClauseGenerator(random);
    const values = Object.values(SAMPLES).flat();
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const numbers = ["0", "1", "7", "32768", "2147483648", "3000000000", "1.5", "0.001", "1e3"];
    const other = (old: string): string => {
      if (random() < 0.2) return pick([...numbers, "'a'"]);
      if (old.startsWith("'")) return `'${pick(values).replaceAll("'", "''")}'`;
      const same = (one: string) => liftLiterals(one)!.form === liftLiterals(old)!.form;
      return pick(numbers.filter((one) => liftLiterals(one) !== undefined && same(one)));
    };
    for (let done = 0; done < runsOf(400); done += 1) {
      const { text, parameters } = generator.next();
      compare(text, parameters);
      for (let n = 0; n < 4; n++) compare(vary(text, other), parameters);
    }
  });
});

test("clauses of equalities and comparisons are known by their forms", () => {
  const forms = [
    "c_int4 = 1",
    "c_int8 = -1",
    "c_numeric >= 1.5",
    "c_float8 < 2",
    "c_text = 'it''s' AND c_int4 = 7",
    "c_date >= '2020-01-01' AND c_date < '2021-01-01'",
    "c_text LIKE 'a' OR c_mood = 'sad'",
  ];
  // LIKE depends on its pattern, so that the last one is not.
  const known = forms.map((where) => {
    const table = { ...things };
    define(table, where);
    const find = vi.spyOn(DefinitionCache.prototype, "find");
    define(
      table,
      vary(where, (old) => old.replace(/\d(?=\D*$)/, "3").replace("a", "o")),
    );
    const isFound = find.mock.results.some(({ value }) => value !== undefined);
    find.mockRestore();
    return isFound;
  });
  assert.deepEqual(known, [true, true, true, true, true, true, false]);
});

test("literals begin where tokens of the parser do", () => {
  const random = seededRandom("literal places");
  const pieces = [
    "a",
    "1",
    "'b'",
    "''",
    "-",
    "--",
    "/*",
    "*/",
    "*",
    "$1",
    "$$",
    "e",
    "E",
    "U&",
    '"',
  ];
  const more = [
    ".",
    "0x",
    "_",
    " ",
    "\n",
    "(",
    ")",
    "=",
    "<",
    "::",
    "é",
    "1.5",
    "1e5",
    "'",
    "\\",
    ",",
  ];
  const all = [...pieces, ...more];
  for (let done = 0; done < runsOf(3_000); done += 1) {
    const size = 1 + Math.floor(random() * 8);
    const text = Array.from({ length: size }, () => all[Math.floor(random() * all.length)]).join(
      "",
    );
    const lifted = liftLiterals(text);
    const tokens = pgQuery.scan(text);
    if (lifted === undefined || tokens === undefined) continue;
    const found = lifted.literals.map(({ start }) => Buffer.byteLength(text.slice(0, start)));
    const starts = new Set(
      (tokens as unknown as readonly { start?: number }[]).map(({ start }) => start ?? 0),
    );
    assert.ok(
      found.every((start) => starts.has(start)),
      JSON.stringify(text),
    );
  }
});
