/** Protocol section 2: what requests may say, and how it is read. */

import { describe, expect, test } from "vitest";
import {
  errorsIn,
  JSON_TYPE,
  serveLitz,
  shapeTarget,
  told,
  type Answer,
  type Parameters,
} from "./subject.ts";

const ODD_TABLE = '"electric_test"."issues for abc_0.1234"';
const LONG_NAME = "n".repeat(63);

const subject = serveLitz({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, title text, n int);
    INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30);
    CREATE SCHEMA electric_test;
    CREATE TABLE ${ODD_TABLE} (
      id int PRIMARY KEY, "has,comma" text, "has""quote" text, "has space" text);
    INSERT INTO ${ODD_TABLE} VALUES (1, 'c', 'q', 's');
    CREATE TABLE "Mixed" (id int PRIMARY KEY);
    CREATE TABLE "straße$1" (id int PRIMARY KEY);
    CREATE TABLE ${LONG_NAME} (id int PRIMARY KEY);
    CREATE TABLE measured (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE VIEW seen AS SELECT * FROM items;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM items;`,
});

const ITEMS = { table: "items", offset: "-1" };
const tableError = (name: string) =>
  `Table ${name} does not exist. If the table name contains capitals or special characters you ` +
  `must quote it.`;

/** GET with a query string as it stands. */
function getRaw(query: string): Promise<Answer> {
  return subject.send("GET", `/v1/shape?${query}`);
}

async function handleOf(parameters: Parameters): Promise<string> {
  const answer = await subject.get({ offset: "-1", ...parameters });
  expect(answer.status, answer.text).toBe(200);
  return answer.header("electric-handle")!;
}

describe("§2 the query string", () => {
  test("§2 unknown parameters are ignored and are no part of a shape", async () => {
    const known = await handleOf(ITEMS);
    const unknown = {
      cursor: "1",
      expired_handle: "1-2",
      "cache-buster": "x",
      cache_buster: "y",
      foo: "bar",
      database_id: "d",
      source_id: "s",
      source_secret: "t",
      "a[b]": "c",
      "l[]": "m",
      __proto: "p",
    };
    expect(await handleOf({ ...ITEMS, ...unknown })).toBe(known);
    expect((await getRaw("table=items&offset=-1&%zz=1&x=%ff&&=&[]=1&a[b][c]=1")).status).toBe(200);
  });

  test("§2 of a scalar that is given twice the last one counts", async () => {
    expect((await getRaw("table=nope&offset=now&table=items&offset=-1")).status).toBe(200);
    expect(errorsIn(await getRaw("table=items&offset=-1&offset=x"))).toHaveProperty("offset");
  });

  test("§2 lists and maps are in brackets", async () => {
    const list = await getRaw("table=items&offset=-1&columns[]=id&columns[]=n");
    expect(list.header("electric-handle")).toBe(await handleOf({ ...ITEMS, columns: "id,n" }));
    const map = await getRaw("table=items&offset=-1&where=id=$1+OR+id=$2&params[1]=1&params[2]=3");
    expect(told(map.messages).sort()).toEqual(["insert 1", "insert 3"]);
    const subset = await getRaw("table=items&offset=-1&subset[where]=id=2");
    expect(subset.json).toMatchObject({ data: [{ value: { id: "2" } }] });
  });
});

describe("§2.1 main parameters", () => {
  test("§2.1 the schema is public unless it is said", async () => {
    const known = await handleOf(ITEMS);
    for (const table of ["public.items", '"public"."items"', '"items"', "ITEMS", "Public.Items"]) {
      expect(await handleOf({ table }), table).toBe(known);
    }
  });

  test("§2.1 blank is absent", async () => {
    const known = await handleOf(ITEMS);
    for (const name of ["where", "columns", "replica", "log", "queryable_columns", "handle"]) {
      for (const blank of ["", " \t"]) {
        expect(await handleOf({ ...ITEMS, [name]: blank }), name).toBe(known);
      }
    }
    expect(errorsIn(await subject.get({ table: " ", offset: "-1" }))).toEqual({
      table: ["can't be blank"],
    });
    expect(errorsIn(await subject.get({ ...ITEMS, offset: "0_0", handle: " " }))).toEqual({
      handle: ["can't be blank when offset != -1"],
    });
  });

  test("§2.1 a blank subset__where makes it a subset without a filter", async () => {
    const answer = await subject.get({ ...ITEMS, subset__where: "" });
    expect((answer.json as { data: unknown[] }).data).toHaveLength(3);
  });

  test.each(["live", "live=", "live=true", "live=1", "live=0", "live=banana", "live=%20"])(
    "§2.1 ?%s is live",
    async (live) => {
      const errors = errorsIn(await getRaw(`table=items&offset=-1&${live}`));
      expect(errors).toEqual({ live: ["can't be true when offset == -1"] });
    },
  );

  test.each([
    ["live_sse=", { live_sse: ["can't be true unless live is also true"] }],
    ["live_sse=banana", { live_sse: ["can't be true unless live is also true"] }],
    ["experimental_live_sse=true", { live_sse: ["can't be true unless live is also true"] }],
    ["experimental_live_sse=1", { live_sse: ["can't be true unless live is also true"] }],
    ["experimental_live_sse=banana", { live_sse: ["is invalid"] }],
  ])("§2.1 ?%s without live is refused", async (parameter, errors) => {
    expect(errorsIn(await getRaw(`table=items&offset=-1&${parameter}`))).toEqual(errors);
  });

  test.each([
    "live=false",
    "live_sse=false",
    "experimental_live_sse=0",
    "live_sse=false&experimental_live_sse=true",
    "experimental_compaction=true",
    "replica=default&log=full",
    "params[1]=ignored&params[x]=without+a+where",
  ])("§2.1 ?%s changes nothing", async (parameters) => {
    const answer = await getRaw(`table=items&offset=-1&${parameters}`);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.header("electric-handle")).toBe(await handleOf(ITEMS));
  });

  test("§2.1 the handle is discarded with the offsets -1 and now", async () => {
    const known = await handleOf(ITEMS);
    for (const offset of ["-1", "now"]) {
      const answer = await subject.get({ ...ITEMS, offset, handle: "1-1" });
      expect(answer.status).toBe(200);
      expect(answer.header("electric-handle")).toBe(known);
    }
  });

  test("§2.1 columns are a projection", async () => {
    const answer = await subject.get({ ...ITEMS, columns: "id,n" });
    expect(answer.messages[0]!.value).toEqual({ id: "1", n: "10" });
  });

  test("§2.1 queryable_columns are the columns by default, and no limit of the main where", async () => {
    const parameters = { ...ITEMS, queryable_columns: "id,title", where: "n > 10" };
    const answer = await subject.get(parameters);
    expect(answer.messages[0]!.value).toEqual({ id: "2", title: "b" });
  });

  test("§2.1 log=changes_only has no initial rows", async () => {
    const reader = await subject.read({ table: "items", log: "changes_only", where: "n >= 10" });
    expect(reader.rows).toEqual([]);
    await subject.sql("UPDATE items SET title = 'd' WHERE id = 3");
    expect(told(await reader.changes(1))).toEqual(["update 3"]);
  });
});

describe("§2.2 offsets", () => {
  test.each(["-1", "-1_0", "now", "0_0", "0_inf", "0_00", "00_0"])(
    "§2.2 %s is one",
    async (offset) => {
      const handle = await handleOf(ITEMS);
      expect((await subject.get({ ...ITEMS, handle, offset })).status).toBe(200);
    },
  );

  test("§2.2 18446744073709551615_0 is one, though out of bounds", async () => {
    const handle = await handleOf(ITEMS);
    const answer = await subject.get({ ...ITEMS, handle, offset: "18446744073709551615_0" });
    expect(errorsIn(answer)).toEqual({ offset: ["out of bounds for this shape"] });
  });

  test.each([
    "10",
    "1_2_3",
    "1_2 ",
    " 1_2",
    "10_32.1",
    "-1_-2",
    "invalid",
    "-2",
    "-1_1",
    "+1_0",
    "1_+0",
    "_",
    "1_",
    "_1",
    "1_infinity",
    "inf_0",
    "0x1_0",
    "99999999999999999999_0",
    "NOW",
    "1-2",
    "-0_0",
  ])("§2.2 %j is none", async (offset) => {
    const answer = await subject.get({ ...ITEMS, handle: "1-1", offset });
    expect(errorsIn(answer)).toEqual({ offset: ["has invalid format"] });
  });
});

describe("§2.3 identifiers", () => {
  test.each([
    [ODD_TABLE, [ODD_TABLE]],
    ['electric_test."issues for abc_0.1234"', [ODD_TABLE]],
    ['"Mixed"', ['"public"."Mixed"']],
    ["straße$1", ['"public"."straße$1"']],
    ["STRAßE$1", ['"public"."straße$1"']],
    [LONG_NAME, [`"public"."${LONG_NAME}"`]],
    ["measured", ['"public"."measured"']],
  ])("§2.3 %s is a table", async (table) => {
    expect((await subject.get({ table, offset: "-1" })).status).toBe(200);
  });

  test.each([
    ["a.b.c", "Invalid relation identifier, too many delimiters: a.b.c"],
    ['""', "Invalid zero-length delimited identifier"],
    ['"a"b"', 'Invalid identifier with unescaped quote: a"b'],
    ["has space", "Invalid unquoted identifier contains special characters: has space"],
    ["1abc", "Invalid unquoted identifier contains special characters: 1abc"],
    ["a-b", "Invalid unquoted identifier contains special characters: a-b"],
    [`${LONG_NAME}n`, "Identifier is too long (max length is 63)"],
    ["é".repeat(32), "Identifier is too long (max length is 63)"],
    ["Mixed", tableError('"public"."mixed"')],
    ["STRASSE", tableError('"public"."strasse"')],
    ["nope.items", tableError('"nope"."items"')],
    ["seen", tableError('"public"."seen"')],
    ["kept", tableError('"public"."kept"')],
  ])("§2.3 %s is none: %s", async (table, message) => {
    expect(errorsIn(await subject.get({ table, offset: "-1" }))).toEqual({ table: [message] });
  });

  test("§2.3 columns with commas, quotes and spaces in their names", async () => {
    const columns = '"id","has,comma","has""quote","has space"';
    const answer = await subject.get({ table: ODD_TABLE, offset: "-1", columns });
    expect(answer.messages[0]!.value).toEqual({
      id: "1",
      "has,comma": "c",
      'has"quote': "q",
      "has space": "s",
    });
  });

  test.each([
    ["columns=id,%22%22", "Invalid zero-length delimited identifier"],
    ["columns[]=id&columns[]=", "Invalid zero-length identifier"],
    ["columns=id,a+b", "Invalid unquoted identifier contains special characters: a b"],
  ])("§2.3 ?%s is refused", async (columns, message) => {
    const answer = await getRaw(`table=items&offset=-1&${columns}`);
    expect(errorsIn(answer)).toEqual({ columns: [message] });
  });
});

describe("§2.4 bodies", () => {
  const HANDLE_AND_OFFSET = { electric: ["electric-handle", "electric-offset"] };

  test.each(["", "{}"])("§2.4 the body %j makes a POST a GET that nobody keeps", async (body) => {
    const answer = await subject.post(ITEMS, body);
    expect(answer.status).toBe(200);
    expect(answer.header("cache-control")).toBe("no-cache");
    expect(answer.messages).toEqual((await subject.get(ITEMS)).messages);
    for (const name of HANDLE_AND_OFFSET.electric) expect(answer.header(name)).not.toBeNull();
  });

  test.each([
    ["[1]", 400, { error: "Request body must be a JSON object" }],
    ["null", 400, { error: "Request body must be a JSON object" }],
    ['"x"', 400, { error: "Request body must be a JSON object" }],
    ["{", 400, { error: "Invalid JSON in request body", details: expect.any(String) as string }],
  ])("§2.4 the body %j is refused", async (body, status, json) => {
    const answer = await subject.post(ITEMS, body);
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual(json);
    expect(answer.header("content-type")).toBe(JSON_TYPE);
  });

  test("§2.4 more than 8,000,000 bytes are refused", async () => {
    const body = (size: number) => `{"x":"${"x".repeat(size - 8)}"}`;
    expect((await subject.post(ITEMS, body(8_000_000))).status).toBe(200);
    const answer = await subject.post(ITEMS, body(8_000_001));
    expect(answer.status).toBe(413);
    expect(answer.json).toEqual({ error: "Request body too large" });
  });

  test("§2.4 the content type is not looked at", async () => {
    const init = { headers: { "content-type": "text/plain" }, body: '{"where":"id = 2"}' };
    const answer = await subject.send("POST", shapeTarget(ITEMS), init);
    expect(answer.json).toMatchObject({ data: [{ value: { id: "2" } }] });
  });

  test.each<[string, Parameters, object, string[]]>([
    ["members at the top", ITEMS, { where: "id > $1", params: { 1: "1" } }, ["2", "3"]],
    ["members under subset", ITEMS, { subset: { where: "id < 3" } }, ["1", "2"]],
    ["order, limit and offset", ITEMS, { order_by: "id desc", limit: 1, offset: 1 }, ["2"]],
    ["numbers as texts", ITEMS, { order_by: "id", limit: "1" }, ["1"]],
    ["over those of the URL", { ...ITEMS, subset__where: "id = 1" }, { where: "id = 3" }, ["3"]],
    [
      "beside those of the URL",
      { ...ITEMS, subset__where: "id > 1" },
      { limit: 1, order_by: "id" },
      ["2"],
    ],
    [
      "under subset, over the URL",
      { ...ITEMS, subset__where: "id = 1" },
      { subset: { where: "id = 2" } },
      ["2"],
    ],
    ["never the shape's own where", { ...ITEMS, where: "id > 1" }, { where: "id < 3" }, ["2"]],
    ["expressions of newer clients", ITEMS, { where: "id = 1", where_expr: { a: [1] } }, ["1"]],
  ])("§2.4 %s", async (_name, parameters, body, ids) => {
    const answer = await subject.post(parameters, body);
    expect(answer.status, answer.text).toBe(200);
    const { data } = answer.json as { data: { value: { id: string } }[] };
    expect(data.map(({ value }) => value.id).sort()).toEqual(ids);
  });

  test("§2.4 other keys override the parameters of the URL", async () => {
    const answer = await subject.post({ table: "nope", offset: "-1" }, { table: "items" });
    expect(answer.status, answer.text).toBe(200);
    const both = { subset: { where: "id = 1" }, columns: "id" };
    expect((await subject.post(ITEMS, both)).json).toMatchObject({
      data: [{ value: { id: "1" } }],
    });
    const shape = { subset: { where: "true" }, where: "id = 3" };
    expect((await subject.post(ITEMS, shape)).json).toMatchObject({
      data: [{ value: { id: "3" } }],
    });
  });
});
