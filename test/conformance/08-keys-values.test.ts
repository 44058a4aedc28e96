/**
 * Protocol section 8: keys and values. Every value of the table below is read three times: from the
 * snapshot, from the log and from a subset.
 */

import { describe, expect, test } from "vitest";
import { serveLitz } from "./subject.ts";

/** Type, literal and text. */
const VALUES: readonly (readonly [type: string, literal: string, text: string])[] = [
  ["bool", "true", "true"],
  ["bool", "false", "false"],
  ["bool[]", "{true,false,NULL}", "{t,f,NULL}"],
  ["int2", "-32768", "-32768"],
  ["int4", "2147483647", "2147483647"],
  ["int8", "9223372036854775807", "9223372036854775807"],
  ["float4", "0.1", "0.1"],
  ["float8", "4.5", "4.5"],
  ["float8", "Infinity", "Infinity"],
  ["float8", "-Infinity", "-Infinity"],
  ["float8", "NaN", "NaN"],
  ["float8", "0.1", "0.1"],
  ["numeric", "1.10", "1.10"],
  ["text", ' "quoted" \\ é 😀 ', ' "quoted" \\ é 😀 '],
  ["text", "", ""],
  ["varchar(8)", "v  ", "v  "],
  ["name", "n", "n"],
  ["char(6)", "pad", "pad   "],
  ["bytea", "\\x0001fffe", "\\x0001fffe"],
  ["uuid", "8A1F6D3E-3C0E-4A52-9BD8-6F6C3F1FD111", "8a1f6d3e-3c0e-4a52-9bd8-6f6c3f1fd111"],
  ["date", "2024-01-01", "2024-01-01"],
  ["time", "12:34:56.789", "12:34:56.789"],
  ["timestamp", "2024-01-01 00:00", "2024-01-01 00:00:00"],
  ["timestamptz", "2024-01-01 02:00+02", "2024-01-01 00:00:00+00"],
  ["interval", "1 year 2 months 3 days 4:05:06", "P1Y2M3DT4H5M6S"],
  ["json", '{"foo":"bar"}', '{"foo":"bar"}'],
  ["json", '{ "a":  1 }', '{ "a":  1 }'],
  ["jsonb", '{"foo":"bar"}', '{"foo": "bar"}'],
  ["int4[]", "{1,2,3}", "{1,2,3}"],
  ["int8[][]", "{{1,2},{3,4}}", "{{1,2},{3,4}}"],
  ["text[]", '{NULL,a,"b,c","NULL"}', '{NULL,a,"b,c","NULL"}'],
  ["float8[]", "{Infinity,-Infinity,NaN}", "{Infinity,-Infinity,NaN}"],
  ["complex[]", '{"(1.1,2.2)","(3.3,4.4)"}', '{"(1.1,2.2)","(3.3,4.4)"}'],
  ["complex", "(1.1,2.2)", "(1.1,2.2)"],
  ["mood", "sad", "sad"],
  ["mood[]", "{sad,ok}", "{sad,ok}"],
  ["posint", "7", "7"],
  ["jsonb[]", '{"{\\"a\\":1}"}', '{"{\\"a\\": 1}"}'],
];

const columns = VALUES.map(([type], index) => `c${index} ${type}`).join(", ");
const literals = VALUES.map(([type, literal]) => `'${literal}'::${type}`).join(", ");

const subject = serveLitz({
  schema: `
    CREATE TYPE complex AS (r float8, i float8);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN posint AS int CHECK (VALUE > 0);
    CREATE TABLE multitype (id int PRIMARY KEY, ${columns});
    INSERT INTO multitype VALUES (1, ${literals});
    CREATE TABLE nulls (id int PRIMARY KEY, ${columns});
    INSERT INTO nulls (id) VALUES (1);
    CREATE TABLE large (id int PRIMARY KEY, b bytea);
    CREATE TABLE letters (id int PRIMARY KEY, t text);`,
});

const EXPECTED = Object.fromEntries(VALUES.map(([, , text], index) => [`c${index}`, text]));

describe("§8.1 keys", () => {
  test.each([
    ["one column", "int4", "1", '"1"'],
    ["slashes are doubled", "text", "a/b//c", '"a//b////c"'],
    ["quotes are left alone", "text", 'say "x"', '"say "x""'],
    ["an empty text", "text", "", '""'],
    ["bool is spelled out", "bool", "t", '"true"'],
    ["char is padded", "char(4)", "a", '"a   "'],
    ["timestamptz is UTC", "timestamptz", "2024-06-01 12:00+02", '"2024-06-01 10:00:00+00"'],
    ["numeric keeps its scale", "numeric(6,2)", "1.5", '"1.50"'],
    ["bytea is hexadecimal", "bytea", "\\x2f22", '"\\x2f22"'],
  ])("§8.1 %s: the same in snapshot, log and subset", async (name, type, literal, text) => {
    const table = `keyed_${name.toLowerCase().replaceAll(" ", "_")}`;
    await subject.sql(`CREATE TABLE ${table} (k ${type} PRIMARY KEY, n int);
                       INSERT INTO ${table} VALUES ('${literal}', 0)`);
    const reader = await subject.read({ table });
    await subject.sql(`UPDATE ${table} SET n = 1`);
    await subject.sql(`DELETE FROM ${table}`);
    await subject.sql(`INSERT INTO ${table} VALUES ('${literal}', 2)`);
    await reader.changes(3);
    const subset = await subject.get({ table, ...reader.position, subset__where: "true" });
    const keys = [...reader.rows, ...subset.subset.data].map(({ key }) => key);
    expect(keys).toEqual(Array(5).fill(`"public"."${table}"/${text}`));
  });

  test("§8.1 columns in the order of the key, whatever the projection", async () => {
    await subject.sql(`CREATE TABLE pairs (a int, b text, c int, PRIMARY KEY (b, a));
                       INSERT INTO pairs VALUES (1, 'x', 2)`);
    const expected = '"public"."pairs"/"x"/"1"';
    for (const selected of ["a,b,c", "c,b,a", "a,b"]) {
      const reader = await subject.read({ table: "pairs", columns: selected });
      await subject.sql("UPDATE pairs SET c = c + 1; DELETE FROM pairs");
      await subject.sql("INSERT INTO pairs VALUES (1, 'x', 2)");
      const changes = await reader.changes(selected === "a,b" ? 2 : 3);
      expect(new Set([...reader.rows, ...changes].map(({ key }) => key))).toEqual(
        new Set([expected]),
      );
    }
  });

  test("§8.1 names are in double quotes, theirs doubled, the same everywhere", async () => {
    const table = '"odd ""schema"."issues. for/abc"';
    await subject.sql(`CREATE SCHEMA "odd ""schema"; CREATE TABLE ${table} (id int PRIMARY KEY);
                       INSERT INTO ${table} VALUES (1)`);
    const reader = await subject.read({ table });
    await subject.sql(`INSERT INTO ${table} VALUES (2)`);
    await reader.changes(1);
    expect(reader.rows.map(({ key }) => key)).toEqual([`${table}/"1"`, `${table}/"2"`]);
    expect(reader.rows[1]!.headers["relation"]).toEqual(['odd "schema', "issues. for/abc"]);
  });
});

describe("§8.2 values", () => {
  test("§8.2 every type: the same text from snapshot, log and subset, whatever the session's settings", async () => {
    const { name } = subject.database;
    await subject.sql(`ALTER DATABASE ${name} SET DateStyle = 'SQL, MDY';
                       ALTER DATABASE ${name} SET TimeZone = 'Asia/Tokyo';
                       ALTER DATABASE ${name} SET bytea_output = 'escape';
                       ALTER DATABASE ${name} SET IntervalStyle = 'postgres_verbose'`);
    await subject.restart();
    const reader = await subject.read({ table: "multitype", replica: "full" });
    expect(reader.rows[0]!.value).toEqual({ id: "1", ...EXPECTED });
    await subject.sql(`INSERT INTO multitype VALUES (2, ${literals})`);
    expect((await reader.changes(1))[0]!.value).toEqual({ id: "2", ...EXPECTED });
    await subject.sql("UPDATE multitype SET id = 3 WHERE id = 2");
    expect((await reader.changes(2))[0]!.value).toEqual({ id: "2", ...EXPECTED });
    const answer = await subject.get({
      table: "multitype",
      replica: "full",
      ...reader.position,
      subset__where: "id = 3",
    });
    expect(answer.subset.data[0]!.value).toEqual({ id: "3", ...EXPECTED });
  });

  test("§8.2 NULL is null", async () => {
    const reader = await subject.read({ table: "nulls" });
    const expected = Object.fromEntries(Object.keys(EXPECTED).map((name) => [name, null]));
    expect(reader.rows[0]!.value).toEqual({ id: "1", ...expected });
    await subject.sql("INSERT INTO nulls (id) VALUES (2)");
    expect((await reader.changes(1))[0]!.value).toEqual({ id: "2", ...expected });
  });

  test("§8.2 control characters are escaped, in snapshot and log", async () => {
    const text = String.fromCharCode(...Array.from({ length: 31 }, (_, n) => n + 1), 127, 0x2028);
    const insert = (id: number) => `INSERT INTO letters VALUES (${id}, '${text}')`;
    await subject.sql(insert(1));
    const reader = await subject.read({ table: "letters" });
    await subject.sql(insert(2));
    await reader.changes(1);
    expect(reader.rows.map(({ value }) => value!["t"])).toEqual([text, text]);
  });

  test("§8.2 rows of tens of megabytes", async () => {
    const bytes = 12_000_000;
    const reader = await subject.read({ table: "large" });
    await subject.sql(`INSERT INTO large VALUES (1, decode(repeat('00ff', ${bytes / 2}), 'hex'))`);
    const [change] = await reader.changes(1);
    const text = `\\x${"00ff".repeat(bytes / 2)}`;
    expect(change!.value!["b"] === text).toBe(true);
    const fresh = await subject.read({ table: "large", columns: "id,b" });
    expect(fresh.rows[0]!.value!["b"] === text).toBe(true);
  });
});
