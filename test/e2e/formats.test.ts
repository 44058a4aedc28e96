/**
 * Values and keys of every type (protocol 7.1, 7.4, 7.7, 8).
 *
 * Goal: a row reads the same wherever it comes from: the snapshot, the log, and Postgres' own
 * output; and its key is the same text in all of them.
 *
 * Method: a table of every type with its extremes, one value per row and column. The snapshot is
 * taken; then every row is updated, so that the same values come once more through replication, and
 * inserted again, so that they come as inserts; all are compared with what Postgres sends a client
 * under the settings of protocol 8.2.
 */

import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VALUE_SETTINGS } from "../../src/postgres/connection-options.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import type { Message } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

type Text = string | null;
type TextRow = Record<string, Text>;

/** A type and literals of it. Some are longer than a page, which stores them out of line. */
const VALUES: readonly (readonly [type: string, ...literals: readonly string[]])[] = [
  ["bool", "true", "false"],
  ["int2", "-32768", "32767"],
  ["int4", "-2147483648", "2147483647"],
  ["int8", "-9223372036854775808", "9223372036854775807", "9007199254740993"],
  ["float4", "NaN", "Infinity", "-Infinity", "1.17549435e-38", "3.4028235e38", "0.1", "-0"],
  ["float8", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1", "1e15"],
  ["numeric", "NaN", "Infinity", "-Infinity", "1.10", "-0.000000000000000000000000001", "1e100"],
  ["numeric(10,-2)", "12345"],
  ["money", "12.5", "-92233720368547758.08"],
  ["text", "", " ", "E'\\x01\\b\\f\\n\\r\\t\"\\\\/ é日😀\u2028\\x7f'", "null", "_", "a//b/", "<&>"],
  ["varchar(20)", "v  ", "é日"],
  ["char(6)", "pad", ""],
  ['"char"', "q", ""],
  ["name", "a name"],
  ["bytea", "\\x", "\\x0001fffe5c22"],
  ["uuid", "8A1F6D3E-3C0E-4A52-9BD8-6F6C3F1FD111"],
  ["date", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", "2024-02-29"],
  ["time", "00:00", "24:00", "12:34:56.789012"],
  ["timetz", "12:34:56+02", "23:59:59.999999-15:59"],
  ["timestamp", "4713-01-01 00:00 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity"],
  ["timestamptz", "2024-06-01 12:00+02", "0044-03-15 BC 12:00+00", "infinity", "-infinity"],
  ["timestamp(0)", "2024-01-01 00:00:00.5"],
  ["interval", "1 year 2 months 3 days 4:05:06.789", "-1 day", "0", "1 mon -1 day", "178000000 y"],
  ["json", '{"b": 1,  "a":[null, "\\u00e9\\n"]}', "null", '"x"'],
  ["jsonb", '{"b": 1,  "a":[null, "\\u00e9\\n"]}', "null", "1e2"],
  ["jsonpath", "$.a[*] ? (@ > 1)"],
  ["xml", '<a b="c">"&amp;</a>'],
  ["inet", "1.2.3.4", "1.2.3.0/24", "::1"],
  ["cidr", "10.0.0.0/8"],
  ["macaddr", "08:00:2b:01:02:03"],
  ["macaddr8", "08:00:2b:01:02:03:04:05"],
  ["bit(4)", "1010"],
  ["varbit", "", "101"],
  ["point", "(1.5,-2)"],
  ["line", "{1,2,3}"],
  ["lseg", "[(1,2),(3,4)]"],
  ["box", "(3,4),(1,2)"],
  ["path", "((1,2),(3,4))", "[(1,2)]"],
  ["polygon", "((1,2),(3,4),(5,6))"],
  ["circle", "<(1,2),3>"],
  ["tsvector", "'fat':1A 'c''at':2"],
  ["tsquery", "'fat' & !'cat'"],
  ["pg_lsn", "16/B374D848"],
  ["oid", "4294967295"],
  ["regclass", "pg_class"],
  ["xid8", "18446744073709551615"],
  ["pg_snapshot", "10:20:10,14,15"],
  ["int4range", "empty", "[1,5)", "(,5]", "(,)"],
  ["tstzrange", '["2024-01-01 00:00+00",infinity)'],
  ["numrange", "[1.10,2)"],
  ["int4multirange", "{}", "{[1,3),[5,8)}"],
  ["floatrange", "[0.1,0.3]"],
  ["mood", "sad", 'o"k, {}'],
  ["pair", '(1,"x,y ""q"" \\\\")', "(,)", '(2,"")', "(3,)"],
  ["nested", '("(1,a)","{t,f}",ok)'],
  ["posint", "7"],
  ["padded", "ab"],
  ["flag", "true"],
  ["tags", '{a,"b,c"}'],
  ["int4[]", "{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={7,8}", "{{{1}},{{2}}}"],
  ["bool[]", "{t,f,NULL}"],
  ["text[]", '{"a,b","c\\"d","e\\\\f","NULL",NULL,"","{}"," x "}'],
  ["float8[]", "{Infinity,-Infinity,NaN,0.1}"],
  ["char(3)[]", "{a,bb}"],
  ["timestamptz[]", '{"2024-01-01 00:00+01"}'],
  ["bytea[]", '{"\\\\x00ff"}'],
  ["jsonb[]", '{"{\\"a\\": 1}"}'],
  ["mood[][]", "{{sad},{ok}}"],
  ["pair[]", '{"(1,x)","(2,\\"y z\\")"}'],
  ["posint[]", "{1,2}"],
  ["flag[]", "{t,f}"],
  ["int4range[]", '{"[1,2)"}'],
];

const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'o"k, {}');
  CREATE TYPE pair AS (a int, b text);
  CREATE TYPE nested AS (p pair, flags bool[], m mood);
  CREATE TYPE floatrange AS RANGE (subtype = float8);
  CREATE DOMAIN posint AS int;
  CREATE DOMAIN padded AS char(5);
  CREATE DOMAIN flag AS bool;
  CREATE DOMAIN tags AS text[];`;

const HEIGHT = Math.max(...VALUES.map(([, ...literals]) => literals.length));
const columnOf = (index: number) => `"c${index}"`;
/** A domain over bool is not among them: it is a type of its own. */
const BOOLS = new Set(VALUES.flatMap(([type], index) => (type === "bool" ? [`c${index}`] : [])));
const COLUMNS = VALUES.map((_, index) => columnOf(index));

let database: TestDatabase;
let server: LiveServer;
/** Sends and receives text under the settings of protocol 8.2, whatever the types. */
let reader: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  // What every connection has to overrule.
  for (const [name, value] of [
    ["DateStyle", "SQL, MDY"],
    ["bytea_output", "escape"],
    ["TimeZone", "Asia/Tokyo"],
    ["extra_float_digits", "0"],
    ["IntervalStyle", "postgres_verbose"],
  ] as const) {
    await database.query(`ALTER DATABASE ${database.name} SET ${name} = '${value}'`);
  }
  reader = await database.connect();
  for (const [name, value] of Object.entries(VALUE_SETTINGS)) {
    await reader.query(`SET ${name} = '${value}'`);
  }
  await database.query(TYPES);
  server = await startServer(database);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

/** Rows as Postgres itself writes them, but for scalar bools (protocol 8.2). */
async function select(sql: string): Promise<TextRow[]> {
  const result = await reader.query<TextRow>({
    text: sql,
    types: { getTypeParser: () => (text: string) => text },
  } as unknown as string);
  const bools = result.fields.filter(({ name }) => BOOLS.has(name));
  return result.rows.map((row) => ({
    ...row,
    ...Object.fromEntries(bools.map(({ name }) => [name, spelled(row[name]!)])),
  }));
}

function spelled(bool: Text): Text {
  return bool === null ? null : { t: "true", f: "false" }[bool]!;
}

/** Everything that the shape says, from its beginning to its end. */
async function readAll(query: string): Promise<Message[]> {
  const messages: Message[] = [];
  let position = "offset=-1";
  while (messages.at(-1)?.headers.control !== "up-to-date") {
    const response = await fetch(`${server.shapeUrl}?${query}&${position}`);
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    messages.push(...((await response.json()) as Message[]));
    const header = (name: string) => response.headers.get(`electric-${name}`)!;
    position = `offset=${header("offset")}&handle=${header("handle")}`;
  }
  return messages.filter(({ key }) => key !== undefined);
}

async function readUntil(query: string, count: number): Promise<Message[]> {
  return eventually(async () => {
    const messages = await readAll(query);
    expect(messages).toHaveLength(count);
    return messages;
  });
}

function without(row: Record<string, Text>, ...names: readonly string[]): TextRow {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));
}

const byId = (a: TextRow, b: TextRow) => Number(a["id"]) - Number(b["id"]);

async function fillWithEveryType(table: string, constraint: string, length: number): Promise<void> {
  const definitions = VALUES.map(([type], index) => `${columnOf(index)} ${type}`).join(", ");
  await database.query(
    `CREATE TABLE ${table} (id int, touched int, long text, ${definitions}${constraint})`,
  );
  for (let row = 0; row <= HEIGHT; row++) {
    const literals = VALUES.map(([type, ...texts]) => {
      const text = texts[row];
      if (text === undefined) return "NULL";
      return `${text.startsWith("E'") ? text : pg.escapeLiteral(text)}::${type}`;
    });
    // Random, so that it does not compress and has to lie out of line.
    await reader.query(
      `INSERT INTO ${table} SELECT ${row}, 0, string_agg(md5(random()::text), ''), ` +
        `${literals.join(", ")} FROM generate_series(1, ${length})`,
    );
  }
}

test("every type reads the same in the snapshot, in the log and in Postgres", async () => {
  await fillWithEveryType("every", ", PRIMARY KEY (id)", 500);
  const expected = await select("SELECT * FROM every ORDER BY id");
  const query = "table=every&replica=full";
  const snapshot = await readAll(query);
  expect(snapshot.map(({ value }) => value!).sort(byId)).toEqual(expected);

  await database.query("UPDATE every SET touched = 1");
  const updates = (await readUntil(query, 2 * expected.length)).slice(expected.length);
  expect(updates.map(({ headers }) => headers.operation)).toEqual(expected.map(() => "update"));
  expect(updates.map(({ value }) => without(value!, "touched")).sort(byId)).toEqual(
    expected.map((row) => without(row, "touched")),
  );
  expect(updates.map(({ key }) => key).sort()).toEqual(snapshot.map(({ key }) => key).sort());

  const columns = ["touched", "long", ...COLUMNS].join(", ");
  await database.query(`INSERT INTO every SELECT id + 1000, ${columns} FROM every`);
  const inserts = (await readUntil(query, 3 * expected.length)).slice(2 * expected.length);
  expect(inserts.map(({ value }) => value!).sort(byId)).toEqual(
    await select("SELECT * FROM every WHERE id >= 1000 ORDER BY id"),
  );
});

test("a table without a primary key has all columns in its keys, the same everywhere", async () => {
  await fillWithEveryType("keyless", "", 1);
  const expected = await select("SELECT * FROM keyless ORDER BY id");
  const query = "table=keyless";
  const snapshot = await readAll(query);
  expect(snapshot.map(({ key }) => key).sort()).toEqual(expected.map(keyOf).sort());

  await database.query("UPDATE keyless SET touched = 1");
  const log = (await readUntil(query, 3 * expected.length)).slice(expected.length);
  const deletes = log.filter(({ headers }) => headers.operation === "delete");
  const inserts = log.filter(({ headers }) => headers.operation === "insert");
  expect(deletes.map(({ key }) => key).sort()).toEqual(expected.map(keyOf).sort());
  expect(deletes.map(({ value }) => value!).sort(byId)).toEqual(expected);
  const moved = await select("SELECT * FROM keyless ORDER BY id");
  expect(inserts.map(({ key }) => key).sort()).toEqual(moved.map(keyOf).sort());
});

/** Protocol 8.1, of a table whose every column is part of the key. */
function keyOf(row: TextRow): string {
  const parts = Object.values(row).map((text) =>
    text === null ? "_" : `"${text.replaceAll("/", "//")}"`,
  );
  return ['"public"."keyless"', ...parts].join("/");
}

test("types that can be keys are the same text in every key", async () => {
  const types = [
    ["bool", "true"],
    ["char(4)", "a"],
    ["numeric(6,2)", "1.5"],
    ["timestamptz", "2024-06-01 12:00+02"],
    ["bytea", "\\x2f5c22"],
    ["text", 'a/b//"c"'],
    ["text[]", '{a/b,"c d"}'],
    ["mood", "sad"],
    ["flag", "true"],
    ["float8", "0.1"],
    ["jsonb", '{"a/b": 1}'],
    ["inet", "1.2.3.4"],
  ] as const;
  const columns = types.map(([type], index) => `${columnOf(index)} ${type}`).join(", ");
  const names = types.map((_, index) => columnOf(index)).join(", ");
  const literals = types.map(([type, text]) => `${pg.escapeLiteral(text)}::${type}`).join(", ");
  await reader.query(`
    CREATE TABLE keyed (${columns}, n int, PRIMARY KEY (${names}));
    INSERT INTO keyed VALUES (${literals}, 0)`);
  const [inserted] = await readAll("table=keyed");
  await database.query("UPDATE keyed SET n = 1");
  const [, updated] = await readUntil("table=keyed", 2);
  expect(updated!.key).toBe(inserted!.key);
  expect(inserted!.key).toBe(
    '"public"."keyed"/"true"/"a   "/"1.50"/"2024-06-01 10:00:00+00"/"\\x2f5c22"/"a//b////"c""' +
      '/"{a//b,"c d"}"/"sad"/"t"/"0.1"/"{"a//b": 1}"/"1.2.3.4"',
  );
  expect(updated!.value).toEqual(inserted!.value && { ...inserted!.value, n: "1" });
});

test("names that have to be quoted arrive as they are", async () => {
  const names = ["has,comma", 'has"quote', "has space", "日本", "a.b", "a/b", "\\", "1", "Upper"];
  const quoted = names.map((name) => pg.escapeIdentifier(name));
  const table = `"odd ""schema"."a.b/c ""d"" 日"`;
  await database.query(`
    CREATE SCHEMA "odd ""schema";
    CREATE TABLE ${table} (${quoted.map((name) => `${name} text`).join(", ")},
                           PRIMARY KEY (${quoted[0]}, ${quoted[4]}));
    INSERT INTO ${table} VALUES (${names.map((_, n) => `'${n}'`).join(", ")})`);
  const query = `table=${encodeURIComponent(table)}`;
  const [snapshot] = await readAll(query);
  const value = Object.fromEntries(names.map((name, n) => [name, String(n)]));
  const relation = ['odd "schema', 'a.b/c "d" 日'];
  const key = `${table}/"0"/"4"`;
  expect(snapshot).toEqual({ key, value, headers: { operation: "insert", relation } });

  await database.query(`UPDATE ${table} SET "Upper" = 'x', "1" = NULL`);
  const [, update] = await readUntil(query, 2);
  expect(update).toMatchObject({ key, headers: { operation: "update", relation } });
  expect(update!.value).toEqual({ "has,comma": "0", "a.b": "4", Upper: "x", 1: null });

  const some = names
    .slice(0, 5)
    .map((_, n) => quoted[n])
    .join(",");
  const [selected] = await readAll(`${query}&columns=${encodeURIComponent(some)}`);
  expect(Object.keys(selected!.value!).sort()).toEqual(names.slice(0, 5).sort());
});
