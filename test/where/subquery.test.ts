/**
 * Clauses with `IN (SELECT ...)`.
 *
 * Goal: what is not allowed is refused in the protocol's words, at the right place; what is allowed
 * becomes literals and disjuncts as protocol 14.2 numbers them; equal subselects are one dependency
 * and different ones are not; a template comes back from its text. Method: examples.
 */

import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import {
  constantCountOf,
  routedConstants,
  tablesOf,
  templatesOf,
  whereSql,
  type ShapeDefinition,
  type WhereTemplate,
} from "../../src/model/shape-definition.ts";
import { accessEntries } from "../../src/where/access-entries.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { explainShape } from "../../src/where/explain.ts";
import { subselectTables } from "../../src/where/subselect.ts";
import { parseTemplate } from "../../src/where/template-text.ts";
import { column, items, table } from "./tables.ts";

const required = { isNotNull: true } as const;
const orgs = {
  ...table(
    column("id", "int4"),
    column("parent", "int4"),
    column("plan", "text"),
    column("open", "bool"),
    column("token", "uuid"),
    column("wide", "int8"),
    column("span", "interval"),
    column("loose", "text", { hasByteEquality: false }),
    column("odd", "money"),
    column("doubled", "int4", { generated: "stored" }),
  ),
  oid: 20_000,
  name: "orgs",
};
const members = {
  ...table(
    column("org", "int4", { keyIndex: 0, ...required }),
    column("member", "int4", { keyIndex: 1, ...required }),
    column("role", "text"),
  ),
  oid: 20_001,
  schema: "app",
  name: "members",
};
const tasks = {
  ...table(
    column("id", "int4", { keyIndex: 0, ...required }),
    column("org", "int4", required),
    column("owner", "int4", required),
    column("other", "int4"),
    column("title", "text"),
    column("loose", "text", { hasByteEquality: false }),
    column("tags", "text", { typeOid: 1009, dimensionCount: 1 }),
    column("doc", "jsonb"),
    column("span", "interval"),
    column("odd", "money"),
    column("token", "uuid"),
    column("done", "bool"),
  ),
  oid: 20_002,
  name: "tasks",
};
const facts = { publishesGeneratedColumns: false, innerTables: [orgs, members, items, tasks] };

function define(where: string, ...params: string[]): ShapeDefinition {
  const numbered = Object.fromEntries(params.map((text, index) => [String(index + 1), text]));
  const rest = { columns: undefined, replica: "default", log: "full" } as const;
  const definition = defineShape(tasks, { where, params: numbered, ...rest }, facts);
  const { text, where: read } = parseTemplate(definition.template.text);
  assert.equal(text, definition.template.text);
  assert.deepEqual(comparable(read), comparable(definition.template.where));
  return definition;
}

/** Tables that come from a text know less. */
function comparable(where: WhereTemplate | undefined): unknown {
  const { subqueries, ...rest } = where ?? {};
  const dependencies = subqueries?.dependencies.map(({ template, ...each }) => {
    return { ...each, text: template.text, where: comparable(template.where) };
  });
  return { ...rest, subqueries: { ...subqueries, dependencies } };
}

const LEFT =
  "currently, left side of `IN (SELECT ...)` can only be a column reference or a list of column " +
  "references";
const SUBLINK = "only `value IN (SELECT ...)` sublinks are supported right now";
const CLAUSES = "SELECT statement must not contain any clauses";
const FROM = "Expected a single table reference";
const PLAIN = "Expected a plain column reference";
const BURIED = "`IN (SELECT ...)` can only be combined with AND, OR and NOT";
const POLARITY =
  "a subquery dependency cannot be used with both positive and negative polarity " +
  "in the same filter";

test.each([
  ["org + 1 IN (SELECT id FROM orgs)", `At location 8: ${LEFT}`],
  ["1 IN (SELECT id FROM orgs)", `At location 2: ${LEFT}`],
  ["(org, 1) IN (SELECT id, parent FROM orgs)", `At location 9: ${LEFT}`],
  ["org::int8 IN (SELECT wide FROM orgs)", `At location 10: ${LEFT}`],
  [
    "org IN (SELECT wide FROM orgs)",
    "At location 4: left side of `IN (SELECT ...)` has type int4 but subquery returns int8[]",
  ],
  [
    "(org, owner) IN (SELECT id FROM orgs)",
    "At location 13: left side of `IN (SELECT ...)` has type row of (int4, int4) but subquery " +
      "returns int4[]",
  ],
  [
    "(org, title) IN (SELECT org, member FROM app.members)",
    "At location 13: left side of `IN (SELECT ...)` has type row of (int4, text) but subquery " +
      "returns row of (int4, int4)[]",
  ],
  ["org IN (SELECT DISTINCT id FROM orgs)", CLAUSES],
  ["org IN (SELECT id FROM orgs GROUP BY id)", CLAUSES],
  ["org IN (SELECT id FROM orgs HAVING true)", CLAUSES],
  ["org IN (SELECT id FROM orgs WINDOW w AS ())", CLAUSES],
  ["org IN (SELECT id FROM orgs ORDER BY id)", CLAUSES],
  ["org IN (SELECT id FROM orgs LIMIT 5)", CLAUSES],
  ["org IN (SELECT id FROM orgs OFFSET 5)", CLAUSES],
  ["org IN (SELECT id FROM orgs FOR UPDATE)", CLAUSES],
  ["org IN (WITH x AS (SELECT 1) SELECT id FROM orgs)", CLAUSES],
  ["org IN (SELECT id FROM orgs UNION SELECT 1)", CLAUSES],
  ["org IN (VALUES (1))", CLAUSES],
  ["org IN (SELECT org FROM orgs JOIN tasks ON true)", FROM],
  ["org IN (SELECT org FROM orgs, tasks)", FROM],
  ["org IN (SELECT 1)", FROM],
  ["org IN (SELECT x FROM (SELECT id AS x FROM orgs) AS o)", FROM],
  ["org IN (SELECT id FROM ONLY orgs)", FROM],
  ["org IN (SELECT x FROM orgs AS o (x))", FROM],
  ["org IN (SELECT id FROM a.b.orgs)", FROM],
  ["org IN (SELECT id + 1 FROM orgs)", `At location 15: ${PLAIN}`],
  ["org IN (SELECT 5 FROM orgs)", `At location 15: ${PLAIN}`],
  ["org IN (SELECT * FROM orgs)", `At location 15: ${PLAIN}`],
  ["org IN (SELECT orgs.id FROM orgs)", `At location 15: ${PLAIN}`],
  ["org IN (SELECT max(id) FROM orgs)", `At location 15: ${PLAIN}`],
  ["org IN (SELECT FROM orgs)", PLAIN],
  ["EXISTS (SELECT 1 FROM orgs)", `At location 0: ${SUBLINK}`],
  ["org = ANY (SELECT id FROM orgs)", `At location 4: ${SUBLINK}`],
  ["org <> ALL (SELECT id FROM orgs)", `At location 4: ${SUBLINK}`],
  ["org = (SELECT id FROM orgs)", `At location 6: ${SUBLINK}`],
  ["(org IN (SELECT id FROM orgs)) IS TRUE", `At location 5: ${BURIED}`],
  ["done = (org IN (SELECT id FROM orgs))", `At location 12: ${BURIED}`],
  ["(NOT org IN (SELECT id FROM orgs)) IS NULL", `At location 9: ${BURIED}`],
  ["nope IN (SELECT id FROM orgs)", "At location 0: unknown reference nope"],
  ["org IN (SELECT nope FROM orgs)", 'At location 15: unknown reference nope in "public"."orgs"'],
  ["org IN (SELECT id FROM orgs WHERE owner = 1)", "At location 34: unknown reference owner"],
  ["org IN (SELECT id FROM orgs WHERE orgs.id = 1)", "At location 34: unknown reference orgs.id"],
  ["org IN (SELECT id FROM orgs WHERE plan)", "WHERE clause must return a boolean"],
  ["org IN (SELECT id FROM orgs WHERE id = $1)", "At location 39: parameter $1 was not provided"],
  [
    "org IN (SELECT id FROM orgs WHERE id = 'x')",
    "At location 39: invalid syntax for type int4: x",
  ],
  [
    "org IN (SELECT doubled FROM orgs)",
    "At location 15: the column doubled cannot be filtered by: " +
      "generated columns are not replicated",
  ],
  ["org IN (SELECT id FROM orgs) OR org NOT IN (SELECT id FROM orgs)", POLARITY],
  ["org IN (SELECT id FROM orgs) OR NOT (other IN (SELECT id FROM public.orgs o))", POLARITY],
  [
    "(org, other) NOT IN (SELECT org, member FROM app.members)",
    "At location 13: NOT IN (SELECT ...) of several columns needs columns that are NOT NULL on " +
      "both sides; other may be NULL",
  ],
  [
    "NOT (org, owner) IN (SELECT id, parent FROM orgs)",
    "At location 17: NOT IN (SELECT ...) of several columns needs columns that are NOT NULL on " +
      "both sides; parent may be NULL",
  ],
  ...(
    [
      ["span", "span", "its type interval is not supported there"],
      ["odd", "odd", "its type money is not supported there"],
    ] as const
  ).map(([left, right, why]): [string, string] => [
    `${left} IN (SELECT ${right} FROM orgs)`,
    `At location ${left.length + 1}: reference ${left} cannot be compared with a subquery: ${why}`,
  ]),
  [
    "doc IN (SELECT doc FROM tasks)",
    "At location 4: reference doc cannot be compared with a subquery: its type jsonb is not " +
      "supported there",
  ],
  [
    "tags IN (SELECT tags FROM tasks)",
    "At location 5: reference tags cannot be compared with a subquery: its type text[] is not " +
      "supported there",
  ],
])("%s is refused", (where, message) => {
  assert.throws(() => define(where), new InvalidParameter("where", message));
});

test("a column whose equality is not of bytes is refused", () => {
  assert.throws(() => define("loose IN (SELECT loose FROM orgs)"), /nondeterministic/);
  assert.throws(() => define("title IN (SELECT loose FROM orgs)"), /nondeterministic/);
});

test("an unknown table is refused like any other", () => {
  const message =
    'Table "public"."none" does not exist. If the table name contains capitals or special ' +
    "characters you must quote it.";
  const refusal = new InvalidParameter("table", message);
  assert.throws(() => define("org IN (SELECT id FROM none)"), refusal);
});

test("a clause that is too large when it is multiplied out says how large", () => {
  const any = (count: number) => `(${Array(count).fill("owner = 1").join(" OR ")})`;
  const inside = "org IN (SELECT id FROM orgs)";
  assert.equal(
    define(`${inside} AND ${any(100)}`).template.where!.subqueries!.disjuncts.length,
    100,
  );
  const refusal = (what: string) => {
    return new InvalidParameter(
      "where",
      `WHERE clause too complex for DNF decomposition (${what})`,
    );
  };
  const disjuncts = `${inside} AND ${any(10)} AND ${any(11)}`;
  assert.throws(() => define(disjuncts), refusal("110 disjuncts exceeds limit of 100"));
  const all = Array(20).fill("owner = 1").join(" AND ");
  const literals = `${inside} AND ${any(60)} AND ${all}`;
  assert.throws(() => define(literals), refusal("1320 conditions exceeds limit of 1024"));
  const huge = Array(60).fill(any(9)).join(" AND ");
  assert.throws(() => define(`${inside} AND ${huge}`), /too complex/);
});

test("subselects may be nested five levels deep", () => {
  const nested = (depth: number): string => {
    return depth === 0 ? "id = 1" : `parent IN (SELECT id FROM orgs WHERE ${nested(depth - 1)})`;
  };
  const clause = (depth: number) => `org IN (SELECT id FROM orgs WHERE ${nested(depth - 1)})`;
  assert.equal(templatesOf(define(clause(5)).template).length, 6);
  assert.throws(() => define(clause(6)), /subqueries may be nested 5 levels deep/);
});

// --- Disjuncts -----------------------------------------------------------------------------------

const S = "(SELECT id FROM orgs)";
const T = "(SELECT parent FROM orgs)";

test.each([
  [`org IN ${S}`, ["org IN 0"], [[0]]],
  [`org NOT IN ${S}`, ["org NOT IN 0"], [[0]]],
  [`NOT NOT org IN ${S}`, ["org IN 0"], [[0]]],
  [`org IN ${S} AND owner >= 1`, ["org IN 0", "owner >="], [[0, 1]]],
  [`org IN ${S} OR owner = 1`, ["org IN 0", "owner ="], [[0], [1]]],
  [`owner = 1 OR org IN ${S}`, ["owner =", "org IN 0"], [[0], [1]]],
  [`org IN ${S} AND owner IN ${T}`, ["org IN 0", "owner IN 1"], [[0, 1]]],
  [`owner IN ${T} AND org IN ${S}`, ["owner IN 0", "org IN 1"], [[0, 1]]],
  [
    `(org IN ${S} AND other > 1) OR (owner IN ${T} AND other > 1)`,
    ["org IN 0", "other >", "owner IN 1", "other >"],
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [
    `org IN ${S} AND (owner = 1 OR other = 2)`,
    ["org IN 0", "owner =", "org IN 0", "other ="],
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [`NOT (org IN ${S} OR owner = 1)`, ["org NOT IN 0", "owner <>"], [[0, 1]]],
  [`NOT (org IN ${S} AND owner = 1)`, ["org NOT IN 0", "owner <>"], [[0], [1]]],
  [
    `org IN ${S} AND owner IN (3, 1)`,
    ["org IN 0", "owner =", "org IN 0", "owner ="],
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [`org IN ${S} AND owner NOT IN (3, 1)`, ["org IN 0", "owner <>", "owner <>"], [[0, 1, 2]]],
  [`org IN ${S} AND other BETWEEN 1 AND 2`, ["org IN 0", "other >=", "other <="], [[0, 1, 2]]],
  [`org IN ${S} AND other = ANY ('{1,2}')`, ["org IN 0", "other = ANY"], [[0, 1]]],
  [
    `org IN ${S} OR (owner, org) IN (SELECT org, member FROM app.members)`,
    ["org IN 0", "(owner, org) IN 1"],
    [[0], [1]],
  ],
  [`true = true AND org IN ${S}`, ["org IN 0"], [[0]]],
  [`org IN ${S} OR owner IN ${S}`, ["org IN 0", "owner IN 0"], [[0], [1]]],
])("%s", (where, literals, disjuncts) => {
  const { subqueries } = define(where).template.where!;
  const told = subqueries!.literals.map((literal) => {
    if (literal.is === "membership") {
      const names = literal.columns.map((index) => tasks.columns[index]!.name);
      const left = names.length === 1 ? names[0]! : `(${names.join(", ")})`;
      return `${left} ${literal.isNegated ? "NOT IN" : "IN"} ${literal.dependency}`;
    }
    const { condition } = literal;
    if (condition.node !== "call" && condition.node !== "any") return condition.node;
    const left = condition.node === "call" ? condition.args[0]! : condition.left;
    const name = left.node === "column" ? tasks.columns[left.column]!.name : left.node;
    return `${name} ${condition.operation.name}${condition.node === "any" ? " ANY" : ""}`;
  });
  expect([told, subqueries!.disjuncts]).toEqual([literals, disjuncts]);
});

test.each([
  "false AND org IN (SELECT id FROM orgs)",
  "owner = 1 AND (true OR org IN (SELECT id FROM orgs))",
])("%s has no subselect", (where) => {
  assert.equal(define(where).template.where?.subqueries, undefined);
});

// --- Dependencies --------------------------------------------------------------------------------

describe("dependencies", () => {
  const dependencies = (where: string, ...params: string[]) => {
    return define(where, ...params).template.where!.subqueries!.dependencies;
  };

  test("equal subselects are one, whatever they are written like", () => {
    const where = "org IN (SELECT id FROM orgs WHERE plan = 'a' AND id = 1)";
    const other = "other IN (SELECT \"id\" FROM public.orgs AS o WHERE 1 = id AND plan = 'a')";
    assert.equal(dependencies(`${where} OR ${other}`).length, 1);
  });

  test.each([
    ["org IN (SELECT id FROM orgs) OR org IN (SELECT parent FROM orgs)", 2],
    ["org IN (SELECT org FROM app.members) OR org IN (SELECT member FROM app.members)", 2],
    ["org IN (SELECT id FROM orgs WHERE id = 1) OR org IN (SELECT id FROM orgs WHERE id = 2)", 2],
    ["org IN (SELECT id FROM orgs WHERE id = $1) OR org IN (SELECT id FROM orgs WHERE id = $2)", 2],
    ["org IN (SELECT id FROM orgs WHERE id = $1) OR org IN (SELECT id FROM orgs WHERE id = $1)", 1],
    ["org IN (SELECT id FROM orgs WHERE id = $1) OR org IN (SELECT id FROM orgs WHERE id = 1)", 1],
  ])("%s has %i", (where, count) => {
    assert.equal(dependencies(where, "1", "2").length, count);
    // And again, from what is remembered.
    assert.equal(dependencies(where, "1", "2").length, count);
  });

  test("the same parameters make one dependency, others two", () => {
    const where =
      "org IN (SELECT id FROM orgs WHERE id = $1) OR org IN (SELECT id FROM orgs WHERE id = $2)";
    assert.deepEqual(
      [
        ["1", "2"],
        ["1", "1"],
        ["3", "4"],
      ].map((params) => dependencies(where, ...params).length),
      [2, 1, 2],
    );
  });

  test("a template has the columns that are selected and the key", () => {
    const [first] = dependencies("org IN (SELECT parent FROM orgs WHERE plan = 'a')");
    const { columns, projection, where, hasExplicitColumns, log } = first!.template;
    assert.deepEqual([columns, projection, where!.columns], [[0, 1], [1], [2]]);
    assert.deepEqual([hasExplicitColumns, log, first!.kinds], [true, "full", ["int"]]);
  });

  test("constants of subselects follow those of the clause", () => {
    const where =
      "org IN (SELECT id FROM orgs WHERE plan = $2 AND parent IN " +
      "(SELECT org FROM app.members WHERE member = 7)) AND owner > $1 " +
      "AND other IN (SELECT parent FROM orgs WHERE id > $1)";
    const { template, constants } = define(where, "5", "x");
    const [one, two] = template.where!.subqueries!.dependencies;
    assert.deepEqual(constants, ["5", "x", "7", "5"]);
    assert.deepEqual([one!.firstConstant, one!.constantCount], [1, 2]);
    assert.deepEqual([two!.firstConstant, two!.constantCount], [3, 1]);
    assert.equal(constantCountOf(template.where), 4);
    assert.deepEqual(routedConstants(template.where!, constants, ["8", "9"]), ["5", "8", "9"]);
    assert.deepEqual(
      tablesOf(template).map(({ name }) => name),
      ["tasks", "orgs", "members"],
    );
    assert.equal(
      whereSql(template.where!, 1),
      '(("org" IN (SELECT "id" FROM "public"."orgs" WHERE (("plan" = $2::text) AND ' +
        '("parent" IN (SELECT "org" FROM "app"."members" WHERE ("member" = $3::int4)))))) AND ' +
        '("owner" > $1::int4) AND ' +
        '("other" IN (SELECT "parent" FROM "public"."orgs" WHERE ("id" > $4::int4))))',
    );
  });

  test("clauses that differ in constants share a template", () => {
    const text = (plan: string, owner: number) => {
      return define(`org IN (SELECT id FROM orgs WHERE plan = '${plan}') AND owner = ${owner}`);
    };
    const [one, other] = [text("a", 1), text("b", 2)];
    assert.equal(one.template.text, other.template.text);
    assert.deepEqual(
      [one.constants, other.constants],
      [
        ["1", "a"],
        ["2", "b"],
      ],
    );
  });

  test("a table that is another by now is not taken from what is remembered", () => {
    const where = "org IN (SELECT id FROM orgs)";
    define(where);
    const moved = { ...orgs, oid: 30_000 };
    const rest = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
    const request = { where, ...rest };
    const now = { ...facts, innerTables: [moved] };
    const { template } = defineShape(tasks, request, now);
    assert.equal(template.where!.subqueries!.dependencies[0]!.template.table.oid, 30_000);
  });
});

test("tables of subselects are found before anything else is known", () => {
  const where =
    "a IN (SELECT x FROM s.t WHERE y NOT IN (SELECT z FROM u)) OR (b IN (SELECT x FROM u))";
  const [t, u] = [
    { schema: "s", name: "t" },
    { schema: "public", name: "u" },
  ];
  assert.deepEqual(subselectTables(where), [t, u]);
  assert.deepEqual(subselectTables("selected = 'x' AND"), []);
  assert.deepEqual(subselectTables("a IN (SELECT"), []);
  assert.deepEqual(subselectTables(undefined), []);
});

// --- How shapes are found ------------------------------------------------------------------------

test.each([
  [`org IN ${S}`, ['subqueries over "org"'], true],
  [`org IN ${S} AND owner IN ${T}`, ['subqueries over "org"'], false],
  [`org IN ${S} OR owner IN ${T}`, ['subqueries over "org"', 'subqueries over "owner"'], true],
  [`org IN ${S} AND owner = 1`, ['equality of "owner"'], false],
  [`org NOT IN ${S} AND owner > 1`, ['range of "owner"'], false],
  [`org NOT IN ${S}`, ["none: every row of the table is looked at"], false],
])("%s is found by %s", (where, indexes, isExact) => {
  const definition = define(where);
  const explanation = explainShape(definition, {});
  assert.deepEqual(
    explanation.indexes.map(({ index }) => index),
    indexes,
  );
  assert.equal(explanation.isExact, isExact);
  const { plan, subqueries } = definition.template.where!;
  // Every membership has an entry with its view, probed or not.
  const views = subqueries!.dependencies.map((_, index) => String(100 + index));
  const routed = routedConstants(definition.template.where!, definition.constants, views);
  const accesses = [...plan.branches, ...(plan.listed ?? [])];
  const filed = accessEntries(definition.template.where!, routed).flatMap((entry) => {
    const access = accesses[entry.branch]!;
    if (access.type !== "subquery") return [];
    assert.ok("values" in entry);
    assert.deepEqual(entry.values, [views[access.dependency]]);
    return [access.dependency];
  });
  assert.deepEqual(
    filed.sort(),
    subqueries!.dependencies.map((_, index) => index),
  );
});

test("what becomes of subselects is explained", () => {
  const where = "org IN (SELECT id FROM orgs WHERE plan = 'it''s') AND (owner = 3 OR done)";
  const row = { org: "1", owner: "3" };
  const { subqueries, class: shapeClass, row: told } = explainShape(define(where), {}, row);
  assert.deepEqual(subqueries, {
    dependencies: [
      { select: `SELECT "id" FROM "public"."orgs" WHERE ("plan" = 'it''s'::text)`, view: null },
    ],
    literals: [
      { sql: told!.parts[0]!.sql, dependency: 0, isProbed: true },
      { sql: `("owner" = '3'::int4)`, dependency: null, isProbed: false },
      { sql: told!.parts[0]!.sql, dependency: 0, isProbed: true },
      { sql: `("done" = 't'::bool)`, dependency: null, isProbed: false },
    ],
    disjuncts: [
      [0, 1],
      [2, 3],
    ],
  });
  assert.equal(shapeClass, "subquery");
  assert.deepEqual(
    [told!.matches, told!.parts.map(({ result }) => result)],
    [null, ["unknown", "true"]],
  );
});
