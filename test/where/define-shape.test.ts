/**
 * Definitions of shapes.
 *
 * Goal: requests that mean the same are equal, others are not, and what is wrong is said in the
 * words of the protocol (3.3, 13.7). Method: examples of every form of clause, accepted and
 * refused.
 */

import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { whereSql } from "../../src/model/shape-definition.ts";
import { defineShape, type ShapeRequest } from "../../src/where/define-shape.ts";
import { parseTemplate } from "../../src/where/template-text.ts";
import { column, items, table } from "./tables.ts";

const everything: ShapeRequest = {
  where: undefined,
  params: {},
  columns: undefined,
  replica: "default",
  log: "full",
};
const UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

const define = (where: string | undefined, ...params: readonly string[]) => {
  return defineShape(items, { ...everything, where, params: numbered(params) });
};
const numbered = (params: readonly string[]) => {
  return Object.fromEntries(params.map((text, index) => [String(index + 1), text]));
};
const invalid = (field: string, message: string) => new InvalidParameter(field, message);

/** Column names with constants, of a clause that is a conjunction of equalities. */
const equalitiesOf = (where: string | undefined, ...params: readonly string[]) => {
  const { template, constants } = define(where, ...params);
  assert.deepEqual(parseTemplate(template.text), template);
  if (template.where === undefined) return [];
  const { branches, isConjunction } = template.where.plan;
  const [access] = branches;
  assert.ok(isConjunction === true && access?.type === "equality");
  return access.terms.map(({ column }, at) => `${items.columns[column]!.name}=${constants[at]!}`);
};

describe("clauses", () => {
  test("a definition in full", () => {
    const { template, constants } = define("token = $2 AND flag AND id = $1", " +007", `{${UUID}}`);
    assert.deepEqual(template.where!.plan, {
      branches: [
        {
          type: "equality",
          terms: [
            { column: 0, kind: "int" },
            { column: 3, kind: "text" },
            { column: 6, kind: "uuid" },
          ],
        },
      ],
      isExact: true,
      isConjunction: true,
    });
    assert.equal(
      whereSql(template.where!, 1),
      '(("id" = $1::int4) AND ("flag" = $2::bool) AND ("token" = $3::uuid))',
    );
    assert.deepEqual(constants, ["7", "t", UUID]);
    assert.equal(template.table, items);
    assert.deepEqual(template.columns, [...items.columns.keys()]);
    assert.equal(template.hasExplicitColumns, false);
  });

  test.each<[string, string[], string[]?]>([
    ["id = 1", ["id=1"]],
    ["1=id", ["id=1"]],
    ["((id) = (1))", ["id=1"]],
    ['"id" = 1', ["id=1"]],
    ["ID = 1", ["id=1"]],
    ['"Odd ""name" = 1', ['Odd "name=1']],
    ["id OPERATOR(pg_catalog.=) 1", ["id=1"]],
    ["id = -1", ["id=-1"]],
    ["id = 0", ["id=0"]],
    ["id = 0x1F", ["id=31"]],
    ["id = ' 01 '", ["id=1"]],
    ["id = '5'::int8", ["id=5"]],
    ["id = '5'::text::int2", ["id=5"]],
    ["id = int4 '5'", ["id=5"]],
    ["id = CAST('5' AS integer)", ["id=5"]],
    ["id = true::int4", ["id=1"]],
    ["small = 32767", ["small=32767"]],
    ["big = 9223372036854775807", ["big=9223372036854775807"]],
    ["big = -9223372036854775808", ["big=-9223372036854775808"]],
    ["name = ''", ["name="]],
    ["name = 'it''s' AND short = $$ x $$", ["name=it's", "short= x "]],
    ["name = 5::text", ["name=5"]],
    ["name = true::varchar", ["name=true"]],
    ["short = 'longer than eight'", ["short=longer than eight"]],
    ["short = 'x'::text AND name = 'x'::varchar", ["name=x", "short=x"]],
    [`token = '${UUID.toUpperCase()}'`, [`token=${UUID}`]],
    ["flag", ["flag=t"]],
    ["NOT flag", ["flag=f"]],
    ["NOT NOT flag", ["flag=t"]],
    ["flag = true", ["flag=t"]],
    ["flag = 'off'", ["flag=f"]],
    ["flag = 1::bool", ["flag=t"]],
    ["flag IS TRUE", ["flag=t"]],
    ["flag IS FALSE", ["flag=f"]],
    ["(NOT flag) IS TRUE", ["flag=f"]],
    ["(id = 1 AND flag IS TRUE) IS TRUE", ["id=1", "flag=t"]],
    ["true", []],
    ["1=1", []],
    ["true = true", []],
    ["'a' = 'a'", []],
    ["1 = '01'", []],
    ["1 = 1::int8", []],
    ["'t'", []],
    ["NOT false", []],
    ["NOT (1 = 2)", []],
    ["false IS FALSE", []],
    ["1 = 1 AND true", []],
    ["true AND id = 1 AND 'x' = 'x'", ["id=1"]],
    ["id = $1", ["id=1"], ["1"]],
    ["id = $1", ["id=1"], ["1", "unused"]],
    ["id = $1::int4 AND big = $1", ["id=7", "big=7"], ["7"]],
    ["id = $1 AND big = $1", ["id=7", "big=7"], ["7"]],
    ["name = $1 AND short = $1", ["name=x", "short=x"], ["x"]],
    ["name = $1", ["name="], [""]],
    ["flag = $1", ["flag=t"], ["true"]],
    ["$1", [], ["true"]],
    ["$1 = $1 AND $2 = 5", [], ["x", "05"]],
    ["id = 1 AND id = 1", ["id=1"]],
    ["id = 1 AND id = '01'::int8", ["id=1"]],
    ["id = 2 AND id = 1", ["id=1", "id=2"]],
    ["name = 'a' AND (flag AND (id = 1 AND big = 2))", ["id=1", "big=2", "flag=t", "name=a"]],
    ["id = 1; ", ["id=1"]],
  ])("%s", (where, expected, params = []) => {
    assert.deepEqual(equalitiesOf(where, ...params), expected);
  });

  test("without a clause every row belongs, and params are not even looked at", () => {
    const request = { ...everything, params: { x: "1", 7: "2" } };
    assert.deepEqual(defineShape(items, request).constants, []);
  });

  test("sixty-four comparisons are one key, more are evaluated", () => {
    const planOf = (count: number) => {
      const clause = Array.from({ length: count }, (_, n) => `id = ${n}`).join(" AND ");
      return define(clause).template.where!.plan;
    };
    assert.equal(planOf(64).isConjunction, true);
    assert.equal(planOf(65).isExact, false);
  });

  test("constants have a size, however they come", () => {
    assert.equal(define("name = $1", "é".repeat(32_768)).constants[0]!.length, 32_768);
    assert.throws(() => define("name = $1", "é".repeat(32_769)), /bigger than maximum size/);
  });

  test("a LIKE pattern has a length, unless it is a prefix", () => {
    const long = "a_".repeat(129);
    const refusal = /a LIKE pattern has more than 256 characters, and wildcards before its end/;
    for (const pattern of [long.slice(2), `${"x".repeat(1000)}%%`, `${"\\_".repeat(1000)}%`]) {
      assert.deepEqual(define("name LIKE $1", pattern).constants, [pattern]);
    }
    for (const [clause, text] of [
      ["name LIKE $1", long],
      ["name NOT LIKE $1", long],
      ["id = 1 OR NOT name LIKE $1", long],
      ["name LIKE concat($1, name)", long],
      ["name LIKE ANY ($1)", `{a,"${long}"}`],
      ["name LIKE $1", `%${"x".repeat(256)}`],
    ] as const) {
      assert.throws(() => define(clause, text), refusal, clause);
    }
    define("name LIKE ANY ($1)", `{${"a_b,".repeat(100)}c}`);
    define("name = $1", long);
  });
});

const MUST_BE_BOOLEAN = "WHERE clause must return a boolean";
const SUBLINK = "only `value IN (SELECT ...)` sublinks are supported right now";

test.each<[string, string, string[]?]>([
  ["1 x 1", 'At location 17: syntax error at or near "x"'],
  ["nope = 1", "At location 0: unknown reference nope"],
  ["id = 1 AND x.y.z > 2", "At location 11: unknown reference x.y.z"],
  ["id.x = 1", "At location 0: unknown reference id.x"],
  ["items.id = 1", "At location 0: unknown reference items.id"],
  ["items.* IS NULL", "At location 0: unknown reference items.*"],
  ['"ID" = 1', "At location 0: unknown reference ID"],
  ["lower(nope) LIKE 'x'", "At location 6: unknown reference nope"],
  ["id = $1", "At location 5: parameter $1 was not provided"],
  ["id > $2", "At location 5: parameter $2 was not provided", ["1"]],
  ["id = $0", "At location 5: parameter $0 was not provided", ["1"]],
  ["id = 'abc'", "At location 5: invalid syntax for type int4: abc"],
  ["id = $1", "At location 5: invalid syntax for type int4: abc", ["abc"]],
  ["small = '32768'", "At location 8: invalid syntax for type int2: 32768"],
  ["id = 'x'::int8", "At location 5: invalid syntax for type int8: x"],
  ["'x'", "At location 0: invalid syntax for type bool: x"],
  ["name = $1", "At location 7: invalid syntax for type text: \0", ["\0"]],
  ["token = '1'", "At location 8: invalid syntax for type uuid: 1"],
  ["name = 'é' AND id = ''", "At location 20: invalid syntax for type int4: "],
  ["id IN (1, 'x')", "At location 10: invalid syntax for type int4: x"],
  ["id = ANY($1)", "At location 9: invalid syntax for type int4[]: 1", ["1"]],
  ["id = '1'::int4[]", "At location 5: invalid syntax for type int4[]: 1"],
  ["id = 'x'::text::int4", 'At location 5: could not cast value "x" from text to int4'],
  ["token = 5::uuid", "At location 8: unknown cast from type int4 to type uuid"],
  ["big = true::int8", "At location 6: unknown cast from type bool to type int8"],
  ["name = 'x'::varchar(3)", "At location 10: unsupported type varchar with a length"],
  ["name = 'x'::other.text", "At location 10: unsupported type other.text"],
  ["id = '1'::money", "At location 8: unsupported type money"],
  ["id = B'1'", "At location 5: BitString values are not supported"],
  ["id = name", "At location 3: Could not select an operator overload for int4 = text"],
  ["name = 5", "At location 5: Could not select an operator overload for text = int4"],
  ["id = true", "At location 3: Could not select an operator overload for int4 = bool"],
  ["1 = true", "At location 2: Could not select an operator overload for int4 = bool"],
  ["id = $1 AND name = $1", "At location 17: type conflict for $1: int4 and text", ["1"]],
  ["$1 = CAST($1 AS varchar)", "At location 0: type conflict for $1: varchar and text", ["1"]],
  ["id", MUST_BE_BOOLEAN],
  ["1", MUST_BE_BOOLEAN],
  ["tags", MUST_BE_BOOLEAN],
  ["'x'::text", MUST_BE_BOOLEAN],
  ["NOT id", "At location 4: reference id of type int4 is not castable to bool"],
  ["flag AND tags", "At location 9: reference tags of type text[] is not castable to bool"],
  ["flag AND 1", "At location 9: constant of type int4 is not castable to bool"],
  ["flag OR length(name)", "At location 8: function length returning int4 is not castable to bool"],
  ["id IS TRUE", "At location 0: argument of IS TRUE must be bool, not int4"],
  ["id IS NOT UNKNOWN", "At location 0: argument of IS UNKNOWN must be bool, not int4"],
  ["id = ANY(5)", "At location 3: argument of ANY must be an array"],
  ["id + ANY($1)", "At location 3: ANY/ALL requires operator that returns bool", ["{1}"]],
  ["tags = ARRAY[1, 'x'::text]", "At location 7: ARRAY types int4 and text cannot be matched"],
  ["id ! 1", 'At location 3: unknown binary operator "!"'],
  ["id OPERATOR(x.=) 1", 'At location 3: unknown binary operator "x.="'],
  ["!! id > 1", 'At location 0: unknown unary operator "!!"'],
  ["foo(id)", "At location 0: unknown or unsupported function foo/1"],
  [
    "now() > '2024-01-01'",
    "At location 0: unknown or unsupported function now/0: its result is not always the same",
  ],
  ["lower(id) = 'x'", "At location 0: Could not select a function overload for lower(int4)"],
  ["count(*) > 1", "At location 0: aggregation is not supported in this context"],
  ["sum(id) OVER () > 1", "At location 0: aggregation is not supported in this context"],
  [
    "concat(VARIADIC tags) = 'x'",
    "At location 0: explicit VARIADIC function calls are not currently supported",
  ],
  [
    "name SIMILAR TO 'a'",
    "At location 5: expression ~ of :AEXPR_SIMILAR is not currently supported",
  ],
  ["id IN (SELECT 1)", "Expected a single table reference"],
  ["id = (SELECT other FROM t)", `At location 5: ${SUBLINK}`],
  ["id = ANY (SELECT other FROM t)", `At location 3: ${SUBLINK}`],
  ["EXISTS (SELECT 1)", `At location 0: ${SUBLINK}`],
  ["(id, id) = (1, 2)", "At location 0: RowExpr is not supported in this context"],
  ["CASE WHEN flag THEN flag END", "At location 0: CaseExpr is not supported in this context"],
  ["day = CURRENT_DATE", "At location 6: SQLValueFunction is not supported in this context"],
  ["1 / 0 = 1", "At location 2: Failed to apply function to constant arguments: division by zero"],
  [
    "loose = 'x'",
    'At location 6: operator = is not supported here: the column "loose" cannot be compared: its ' +
      "collation is nondeterministic, so that different texts may be equal; " +
      'write COLLATE "C" behind the operand to compare bytes',
  ],
  [
    "name COLLATE german = 'x'",
    'At location 5: COLLATE "german" is not supported, only COLLATE "C" is',
  ],
  [
    "odd = 1",
    "At location 0: reference odd cannot be computed with: its type money is not supported",
  ],
  ["id = 1 ORDER BY id", "malformed query ending with SQL clauses"],
])("%s is refused", (where, message, params = []) => {
  assert.throws(() => define(where, ...params), invalid("where", message));
});

test.each([
  [{ x: "1" }, "Parameters can only use numbers as keys"],
  [{ "1": "1", "2x": "1" }, "Parameters can only use numbers as keys"],
  [{ "": "1" }, "Parameters can only use numbers as keys"],
  [{ 2: "1" }, "Parameters must be numbered sequentially, starting from 1"],
  [{ 1: "1", 3: "1" }, "Parameters must be numbered sequentially, starting from 1"],
  [{ 0: "1", 1: "1" }, "Parameters must be numbered sequentially, starting from 1"],
  [{ "-1": "1" }, "Parameters must be numbered sequentially, starting from 1"],
  [{ 1: "1", "01": "2" }, "Parameters must be numbered sequentially, starting from 1"],
])("parameters %j are refused", (params, message) => {
  const request = { ...everything, where: "flag", params: params as Record<string, string> };
  assert.throws(() => defineShape(items, request), invalid("params", message));
});

test("a generated column is not replicated", () => {
  const generated = table(column("id", "int4"), column("sum", "int4", { generated: "stored" }));
  const message =
    "At location 0: the column sum cannot be filtered by: generated columns are not replicated";
  const request = { ...everything, columns: "id", where: "sum = 1" };
  assert.throws(() => defineShape(generated, request), invalid("where", message));
});

describe("columns", () => {
  const pair = table(
    column("b", "int4", { keyIndex: 1 }),
    column("a", "int4", { keyIndex: 0 }),
    column("c", "text"),
    column("s", "int4", { generated: "stored" }),
    column("v", "int4", { generated: "virtual" }),
  );
  const columnsOf = (columns: string | readonly string[] | undefined, of = pair) => {
    return defineShape(of, { ...everything, columns }).template.columns;
  };

  test("neither order nor repetition matters, but naming them all does", () => {
    assert.deepEqual(columnsOf("a,b"), [0, 1]);
    const plain = table(column("id", "int4"), column("x", "text"));
    const texts = [undefined, "id,x", '"x",ID,x', ["x", "id"]].map((columns) => {
      return defineShape(plain, { ...everything, columns }).template.text;
    });
    assert.equal(new Set(texts.slice(1)).size, 1);
    assert.notEqual(texts[0], texts[1]);
  });

  test("a table without a key can be cut to any column", () => {
    const [id, ...others] = items.columns;
    const keyless = { ...items, columns: [column(id!.name, id!.typeName), ...others] };
    assert.deepEqual(columnsOf("day", keyless), [7]);
  });

  const generated = "The following columns are generated and cannot be included in the shape: ";
  test.each([
    [[], "The list of columns must not be empty"],
    ["c", "The list of columns must include all primary key columns, missing: b, a"],
    ["a,c,nope", "The list of columns must include all primary key columns, missing: b"],
    ["x,a,b,Y,x", "The following columns are not found on the table: x, y"],
    ["a,b,s", `${generated}s`],
    ["a,b,v,s", `${generated}s, v`],
    [
      undefined,
      `${generated}s, v. You can exclude them from the shape by explicitly listing which columns ` +
        "to fetch in the 'columns' query param",
    ],
    ["a b", "Invalid unquoted identifier contains special characters: a b"],
  ])("%j is refused", (columns, message) => {
    assert.throws(() => columnsOf(columns), invalid("columns", message));
  });
});

test("every part of a definition tells it from others", () => {
  const requests: ShapeRequest[] = [
    everything,
    { ...everything, replica: "full" },
    { ...everything, log: "changes_only" },
    { ...everything, columns: "id" },
    { ...everything, where: "id = 1" },
    { ...everything, where: "big = 1" },
    { ...everything, where: "id = 1 AND big = 1" },
  ];
  const texts = requests.map((request) => defineShape(items, request).template.text);
  assert.equal(new Set(texts).size, requests.length);
  const other = defineShape(items, { ...everything, where: "2 = id" });
  assert.equal(other.template.text, texts[4]);
  assert.deepEqual(other.constants, ["2"]);
});
