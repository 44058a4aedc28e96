/**
 * Protocol section 13: the language of WHERE. Every clause below is evaluated twice, by Postgres
 * for the snapshot and by the server for changes, and both have to give what Postgres alone gives.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { errorsIn, serveLitz, type Parameters } from "./subject.ts";

const COLUMNS = `id int PRIMARY KEY, flag bool, small int2, n int4, big int8, f float8, num numeric,
  t text, v varchar(20), uid uuid, d date, tm time, ts timestamp, tz timestamptz, span interval,
  ints int[], tags text[], doc jsonb, mood mood, "Camel" text`;

const ROWS = [
  `1, true, 1, 1, 9007199254740993, 0.5, 1.10, 'foo', 'foo', '00000000-0000-0000-0000-000000000001',
   '2024-01-01', '08:00', '2024-01-01 10:00', '2024-01-01 10:00+00', '1 day', '{1,2,3}', '{a,b}',
   '{"k":"v"}', 'ok', 'x'`,
  `2, false, -2, 20, -1, 'NaN', -3, E'foo\\nbar', 'Bar', '00000000-0000-0000-0000-000000000002',
   '2025-06-30', '23:59:59', '2025-06-30 00:00', '2025-06-30 00:00+02', '2 mons', '{}', '{}',
   '[1]', 'sad', 'Y'`,
  `3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL`,
  `4, true, 7, 7, 7, 'Infinity', 7.000, '100% a_b\\c', '', '00000000-0000-0000-0000-000000000004',
   '2024-02-29', '00:00', '2024-02-29 12:00', '2024-02-29 12:00+00', '24:00:00', '{7,NULL}',
   '{"a,b",NULL}', 'null', 'ok', ''`,
];

/** With an offset for the ids, so that the same rows can come once more. */
const insertRows = (offset: number) =>
  ROWS.map((row) => {
    const [id, rest] = [/^\d+/.exec(row)![0], row.slice(1)];
    return `INSERT INTO everything VALUES (${Number(id) + offset}${rest});`;
  }).join("\n");

const subject = serveLitz({
  schema: `
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE everything (${COLUMNS});`,
});

const TABLE = { table: "everything" };

/** By section of the language: clauses that have to work. */
const CLAUSES: Readonly<Record<string, readonly string[]>> = {
  "§13.1 types": [
    "flag",
    "flag = true",
    "flag = 't'",
    "small = 1",
    "n = 20",
    "big = 9007199254740993",
    "f = 'NaN'",
    "f > 1",
    "num = 1.1",
    "num < 0",
    "t = 'foo'",
    "v = 'Bar'",
    "uid = '00000000-0000-0000-0000-000000000002'",
    "d = '2024-02-29'",
    "d > '2024-01-01'",
    "tm >= '08:00'",
    "ts < '2025-01-01'",
    "ts = '2024-01-01T10:00:00'",
    "tz = '2024-01-01 12:00+02'",
    "span = '24 hours'",
    "ints = '{1,2,3}'",
    "mood::text = 'ok'",
    "doc IS NOT NULL",
    "n = 2147483648",
  ],
  "§13.2 constructs": [
    "true",
    "false",
    "NULL",
    "n = 1 AND flag",
    "n = 1 OR n = 20",
    "NOT flag",
    "NOT (n = 1 OR flag)",
    "\"Camel\" = 'Y'",
    "n <> 1",
    "n != 1",
    "n IS NULL",
    "n IS NOT NULL",
    "flag IS TRUE",
    "flag IS NOT TRUE",
    "flag IS FALSE",
    "flag IS UNKNOWN",
    "(n = 1) IS NOT FALSE",
    "n IS DISTINCT FROM 1",
    "n IS NOT DISTINCT FROM NULL",
    "n IN (1, 7)",
    "n NOT IN (1, 7)",
    "n IN (1, NULL)",
    "n NOT IN (1, NULL)",
    "n BETWEEN 1 AND 10",
    "n NOT BETWEEN 1 AND 10",
    "n BETWEEN SYMMETRIC 10 AND 1",
    "n = ANY('{1,20}')",
    "n > ALL('{1,2}')",
    "1 = ANY(ints)",
    "n = ANY(ARRAY[1, 7])",
    "n <> ALL(ints)",
    "t LIKE 'foo%'",
    "t ILIKE 'FOO'",
    "t NOT LIKE 'f%'",
    "v NOT ILIKE 'b%'",
    "ints = ARRAY[1,2,3]",
    "ints[1] = 7",
    "ints[2:3] = '{2,3}'",
    "ints[:1] = '{1}'",
    "ints[2:] = '{2,3}'",
    "CAST(t AS text) = 'foo'",
    "'1'::int = n",
    "int4 '7' = n",
    "d = date '2024-02-29'",
    "coalesce(n, 0) = 0",
    "greatest(n, 5) = 7",
    "least(n, 5) = 5",
    "ts AT TIME ZONE 'UTC' = '2024-01-01 10:00+00'",
    "n = 1 -- comment",
    "n /* x */ =\n\n 1",
  ],
  "§13.3 operators": [
    "n + 1 = 2",
    "n - 1 = 0",
    "n * 2 = 40",
    "n / 2 = 10",
    "-n = -1",
    "+n = 1",
    "@ small = 2",
    "|/ (@ num::float8) > 2",
    "n & 1 = 1",
    "n | 1 = 21",
    "n # 1 = 0",
    "~ n = -2",
    "t || 'x' = 'foox'",
    "tags || 'c'::text = '{a,b,c}'",
    "ints || ints = '{1,2,3,1,2,3}'",
    "ints @> '{1}'",
    "ints <@ '{1,2,3,4}'",
    "ints && '{3,7}'",
    "t ~~ 'foo'",
    "v ~~* 'BAR'",
    "t !~~ 'foo'",
    "d + 1 = '2024-01-02'",
    "d - 1 = '2023-12-31'",
    "d - date '2024-01-01' = 0",
    "d + tm = '2024-01-01 08:00'",
    "span + span = '2 days'",
    "ts + span = '2024-01-02 10:00'",
    "tz - interval '1 hour' = '2024-01-01 09:00+00'",
    "ts - timestamp '2024-01-01' = '10:00'",
    "span * 2 = '2 days'",
    "span <> '1 day'",
    "tm + interval '1 hour' = '09:00'",
  ],
  "§13.4 functions": [
    "lower(v) = 'bar'",
    "upper(t) = 'FOO'",
    "concat(t, v) = 'foofoo'",
    "like(t, 'f%')",
    "array_append(ints, 4) = '{1,2,3,4}'",
    "array_prepend(0, ints) = '{0,1,2,3}'",
    "array_cat(ints, ints) = '{1,2,3,1,2,3}'",
    "array_ndims(ints) = 1",
    "justify_hours(span) = '1 day'",
    "justify_days(span) = '2 mons'",
    "timezone('UTC', tz) = ts",
    "length(t) = 3",
  ],
  "§13.5 casts": [
    "flag::int4 = 1",
    "n::bool",
    "n::text = '7'",
    "t::varchar = 'foo'",
    "'2024-01-01'::date = d",
    "small = n",
    "n = big",
    "n = f",
    "n = num",
    "d = ts",
    "v = t",
    "mood::text IN ('ok')",
    "'{1,2,3}'::int[] = ints",
  ],
  "§13.6 LIKE": [
    "t LIKE 'foo%bar'",
    "t LIKE 'foo_bar'",
    "t LIKE 'foo'",
    "t LIKE '100\\% %'",
    "t LIKE '%a\\_b%'",
    "t LIKE '%\\\\c'",
    "t ILIKE 'FOO_BAR'",
    "v LIKE ''",
    "t LIKE '%'",
  ],
};

const PARAMETERS: readonly (readonly [where: string, ...values: string[]])[] = [
  ["n = $1", "7"],
  ["n = $1 OR n = $2", "1", "20"],
  ["n > $1 AND n < $1 + $2", "0", "10"],
  ["n = $1::int4", "1"],
  ["t = $1", "foo"],
  ["v = $1", ""],
  ["flag = $1", "true"],
  ["big > $1", "9007199254740992"],
  ["n = ANY($1)", "{1,7}"],
  ["t = ANY($1)", '{"foo","x,y"}'],
  ["n = ANY($1)", "{}"],
  ["n = ANY($1)", "{NULL}"],
  ["ts = $1", "2024-01-01T10:00:00.000Z"],
  ["tz = $1", "2024-01-01T10:00:00.000Z"],
  ["d = $1", "2024-02-29T00:00:00.000Z"],
  ["uid = $1", "00000000-0000-0000-0000-000000000004"],
  ['("n" > $1) AND ("flag" = $2)', "0", "true"],
  ['NOT ("n" = $1)', "1"],
  ["true = true"],
  ['UPPER("t") = $1', "FOO"],
  ['COALESCE("v", $1) = $1', "none"],
  ['CONCAT("t", "v") = $1', "foofoo"],
];

/** Ids that Postgres itself gives, beyond the offset. */
async function idsFromPostgres(where: string, values: readonly string[]): Promise<number[]> {
  const sql = `SELECT id FROM everything WHERE ${where}\n ORDER BY id`;
  return (await subject.database.query(sql, values)).map(({ id }) => id as number);
}

describe("accepted, in the snapshot and in the stream", () => {
  const cases = [
    ...Object.entries(CLAUSES).flatMap(([section, clauses]) =>
      clauses.map((where) => ({ section, where, values: [] as string[] })),
    ),
    ...PARAMETERS.map(([where, ...values]) => ({ section: "§13.8 parameters", where, values })),
  ];
  const found: { name: string; snapshot: number[]; expected: number[] }[] = [];
  const streamed = new Map<string, number[]>();
  const nameOf = ({ section, where, values }: (typeof cases)[number]) =>
    `${section}: ${where} ${values.length === 0 ? "" : JSON.stringify(values)}`.trim();

  beforeAll(async () => {
    await subject.sql(insertRows(0));
    const readers = [];
    for (const item of cases) {
      const { where, values } = item;
      const params = Object.fromEntries(values.map((text, n) => [`params[${n + 1}]`, text]));
      const definition: Parameters = { ...TABLE, where, ...params, columns: "id" };
      const answer = await subject.get({ ...definition, offset: "-1" });
      if (answer.status !== 200) {
        found.push({ name: `${nameOf(item)}: ${answer.text}`, snapshot: [-1], expected: [] });
        continue;
      }
      const snapshot = answer.messages.flatMap(({ value }) => (value ? [Number(value["id"])] : []));
      const expected = await idsFromPostgres(where, values);
      found.push({ name: nameOf(item), snapshot: snapshot.sort((a, b) => a - b), expected });
      readers.push({ item, definition, position: answer.position });
    }
    const all = await subject.read({ ...TABLE, columns: "id" });
    await subject.sql(`BEGIN; ${insertRows(100)} COMMIT`);
    await all.changes(ROWS.length);
    for (const { item, definition, position } of readers) {
      const answer = await subject.get({ ...definition, ...position, offset: "0_inf" });
      const ids = answer.messages.flatMap(({ value }) => (value ? [Number(value["id"])] : []));
      streamed.set(nameOf(item), ids);
    }
  });

  test.each(cases.map((item) => [nameOf(item)] as const))("%s", (name) => {
    const result = found.find((one) => one.name.startsWith(name))!;
    expect(result.snapshot, result.name).toEqual(result.expected);
    expect(streamed.get(name)).toEqual(result.expected.map((id) => id + 100));
  });
});

describe("refused, with a reason", () => {
  test.each<[string, string]>([
    ["nope = 1", "At location 0: unknown reference nope"],
    ["n = 1 AND nope = 1", "At location 10: unknown reference nope"],
    ["n = $1", "At location 4: parameter $1 was not provided"],
    ["n = 'abc'", "At location 4: invalid syntax for type int4: abc"],
    ["n = 'abc'::int", "At location 4: invalid syntax for type int4: abc"],
    ["n = 'abc'::text::int", 'At location 4: could not cast value "abc" from text to int4'],
    ["n", "WHERE clause must return a boolean"],
    ["n = B'101'", "At location 4: BitString values are not supported"],
    ["count(*) = 1", "aggregation is not supported in this context"],
    ["n IS TRUE", "At location 0: argument of IS TRUE must be bool, not int4"],
    ["1 = ANY(n)", "argument of ANY must be an array"],
    [
      "n + 1 = ANY('{1}') AND ARRAY[1,'x'::text] IS NULL",
      "ARRAY types int4 and text cannot be matched",
    ],
    ["nosuch(n)", "unknown or unsupported function nosuch/1"],
    ["n <-> 1 = 1", 'unknown binary operator "<->"'],
    [
      "concat(VARIADIC tags) = 'ab'",
      "explicit VARIADIC function calls are not currently supported",
    ],
    ["CASE WHEN flag THEN true END", "CaseExpr is not supported in this context"],
    ["flag = 'maybe'", "At location 7: invalid syntax for type bool: maybe"],
    ["doc::xml IS NULL", "unsupported type xml"],
  ])("§13.7 %s: %s", async (where, message) => {
    const errors = errorsIn(await subject.get({ ...TABLE, offset: "-1", where }));
    expect(errors).toEqual({ where: [expect.stringContaining(message)] });
    expect((errors as { where: string[] }).where[0]).toMatch(/^(?:At location \d+: |WHERE clause)/);
  });

  test("§13.7 a parameter of two types", async () => {
    const answer = await subject.get({
      ...TABLE,
      offset: "-1",
      where: "n = $1 AND t = $1",
      "params[1]": "1",
    });
    expect(errorsIn(answer)).toEqual({
      where: [expect.stringMatching(/^At location \d+: type conflict for \$1: int4 and text$/)],
    });
  });

  test.each([
    "random() > 0.5",
    "now() > ts",
    "current_date = d",
    "t ~ 'f.*'",
    "t SIMILAR TO 'f%'",
    "ROW(n, 1) = ROW(1, 1)",
    "(n, id) IN ((1, 1))",
    "sum(n) OVER () = 1",
    "everything.n = 1 AND x.n = 1",
  ])("§13.2 %s", async (where) => {
    expect(errorsIn(await subject.get({ ...TABLE, offset: "-1", where }))).toHaveProperty("where");
  });
});
