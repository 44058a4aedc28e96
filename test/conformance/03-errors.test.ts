/** Protocol section 3: the order of checks, and what each of them says. */

import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import {
  errorsIn,
  JSON_TYPE,
  listenBeforeStart,
  serveLitz,
  type Answer,
  type Parameters,
} from "./subject.ts";

const schema = `
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE TABLE items (id int PRIMARY KEY, title text, n int, secret_token text, mood mood);
  INSERT INTO items VALUES (1, 'a', 0);
  CREATE TABLE pairs (a int, b int, c text, PRIMARY KEY (a, b));
  CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL);
  CREATE TABLE private (id int PRIMARY KEY);`;
const subject = serveLitz({ schema });

/** Known before there is a database; slots are the whole Postgres' and want a name of their own. */
const STREAM_ID = randomUUID().replaceAll("-", "_");
const ITEMS = { table: "items", offset: "-1" };

const UNKNOWN = "The following columns are not found on the table: ";

describe("§3.1 the order of checks", () => {
  test.each<[string, Parameters, string[]]>([
    [
      "casts and the missing offset together",
      { replica: "foo", log: "x" },
      ["log", "offset", "replica"],
    ],
    ["casts before the format of the offset", { replica: "foo", offset: "x" }, ["replica"]],
    ["the offset before the handle", { offset: "x_y" }, ["offset"]],
    ["the handle before live", { offset: "0_0", live_sse: "true" }, ["handle"]],
    ["live before live_sse", { offset: "-1", live: "true", live_sse: "true" }, ["live"]],
    ["live_sse before the table", { offset: "-1", live_sse: "true" }, ["live_sse"]],
    ["the table before its definition", { offset: "-1", columns: "nope", where: "1 x" }, ["table"]],
    ["columns before where", { ...ITEMS, columns: "nope", where: "1 x 1" }, ["columns"]],
    ["the shape before its subset", { ...ITEMS, where: "1 x 1", subset__limit: "0" }, ["where"]],
    ["the subset last", { ...ITEMS, subset__limit: "0" }, ["subset"]],
  ])("§3.1 %s", async (_name, parameters, fields) => {
    const errors = errorsIn(await subject.get(parameters)) as object;
    expect(Object.keys(errors).sort()).toEqual(fields);
  });

  test("§3.1 a body is read before parameters are checked", async () => {
    expect((await subject.post({ offset: "x" }, "{")).json).toMatchObject({
      error: "Invalid JSON in request body",
    });
  });

  test("§3.1 an error is JSON that nobody keeps", async () => {
    const got = await subject.get({ offset: "x" });
    expect(got.header("content-type")).toBe(JSON_TYPE);
    expect(got.header("cache-control")).toBe("no-store");
    expect(got.header("surrogate-control")).toBe("no-store");
    const posted = await subject.post({ offset: "x" }, {});
    expect(posted.header("content-type")).toBe(JSON_TYPE);
    expect(posted.header("cache-control")).toBe("no-cache");
    for (const { headers } of [got, posted]) {
      for (const name of ["electric-handle", "electric-offset", "electric-schema", "etag"]) {
        expect(headers.get(name), name).toBeNull();
      }
    }
  });
});

describe("§3.3 parameters", () => {
  test.each<[Parameters, unknown]>([
    [{ table: "items" }, { offset: ["can't be blank"] }],
    [{ ...ITEMS, offset: "x" }, { offset: ["has invalid format"] }],
    [{ ...ITEMS, offset: "0_0" }, { handle: ["can't be blank when offset != -1"] }],
    [{ ...ITEMS, live: "true" }, { live: ["can't be true when offset == -1"] }],
    [{ ...ITEMS, offset: "now", live: "" }, { live: ["can't be true when offset is 'now'"] }],
    [{ ...ITEMS, live_sse: "1" }, { live_sse: ["can't be true unless live is also true"] }],
    [{ offset: "-1" }, { table: ["can't be blank"] }],
    [{ ...ITEMS, replica: "foo" }, { replica: ["is invalid"] }],
    [{ ...ITEMS, log: "x" }, { log: ["is invalid"] }],
    [{ ...ITEMS, params: "notamap" }, { params: ["is invalid"] }],
    [{ ...ITEMS, experimental_compaction: "x" }, { experimental_compaction: ["is invalid"] }],
    [{ ...ITEMS, "table[]": "x" }, { table: ["is invalid"] }],
    [{ ...ITEMS, columns: "nope,id,nada" }, { columns: [`${UNKNOWN}nope, nada`] }],
    [
      { ...ITEMS, columns: "id,secret_token", queryable_columns: "id,n" },
      { columns: [`${UNKNOWN}secret_token`] },
    ],
    [
      { table: "pairs", offset: "-1", columns: "c" },
      { columns: ["The list of columns must include all primary key columns, missing: a, b"] },
    ],
    [
      { table: "pairs", offset: "-1", queryable_columns: "a,c" },
      {
        queryable_columns: [
          "The list of queryable columns must include all primary key columns, missing: b",
        ],
      },
    ],
    [
      { ...ITEMS, queryable_columns: "id,nope" },
      { queryable_columns: ["The following queryable columns are not found on the table: nope"] },
    ],
  ])("§3.3 %j", async (parameters, errors) => {
    expect(errorsIn(await subject.get(parameters))).toEqual(errors);
  });

  test("§3.3 columns that have to be left out", async () => {
    const said = "The following columns are generated and cannot be included in the shape: twice";
    const listed = await subject.get({ table: "made", offset: "-1", columns: "id,twice" });
    expect(errorsIn(listed)).toEqual({ columns: [said] });
    const all = await subject.get({ table: "made", offset: "-1" });
    const hint =
      ". You can exclude them from the shape by explicitly listing which columns to fetch in " +
      "the 'columns' query param";
    expect(errorsIn(all)).toEqual({ columns: [said + hint] });
    expect((await subject.get({ table: "made", offset: "-1", columns: "id" })).status).toBe(200);
  });
});

describe("§3.3 where", () => {
  test.each([
    ["1 x 1", 'At location 17: syntax error at or near "x"'],
    ["id =", "At location 19: syntax error at end of input"],
    ["title", "WHERE clause must return a boolean"],
    ["id", "WHERE clause must return a boolean"],
    ["id = 1 ORDER BY id", "malformed query ending with SQL clauses"],
    ["id = 1 GROUP BY id", "malformed query ending with SQL clauses"],
    ["id = 1 FOR UPDATE", "malformed query ending with SQL clauses"],
    ["id = 1; SELECT 1", 'unescaped ";" causing statement split'],
    ["id = $1", "At location 5: parameter $1 was not provided"],
    ["nope = 1", "At location 0: unknown reference nope"],
  ])("§3.3 %s", async (where, message) => {
    expect(errorsIn(await subject.get({ ...ITEMS, where }))).toEqual({ where: [message] });
  });

  test("§3.3 the body of the error that clients compare", async () => {
    const { text } = await subject.get({ ...ITEMS, where: "1 x 1" });
    expect(JSON.parse(text)).toEqual({
      message: "Invalid request",
      errors: { where: ['At location 17: syntax error at or near "x"'] },
    });
  });

  test("§3.3 a clause of more than 65,536 bytes", async () => {
    const where = (size: number) => `title = '${"x".repeat(size - 10)}'`;
    expect((await subject.get({ ...ITEMS, where: where(65_536) })).status).toBe(200);
    const { where: messages } = errorsIn(await subject.get({ ...ITEMS, where: where(65_537) })) as {
      where: string[];
    };
    expect(messages).toEqual([expect.stringContaining("bigger than maximum size")]);
  });

  test.each<[Parameters, string]>([
    [{ "params[a]": "1" }, "Parameters can only use numbers as keys"],
    [{ "params[2]": "1" }, "Parameters must be numbered sequentially, starting from 1"],
    [
      { "params[1]": "1", "params[3]": "1" },
      "Parameters must be numbered sequentially, starting from 1",
    ],
  ])("§3.3 %j with a where", async (parameters, message) => {
    const answer = await subject.get({ ...ITEMS, where: "id = $1", ...parameters });
    expect(errorsIn(answer)).toEqual({ params: [message] });
  });
});

describe("§3.3 subsets", () => {
  test.each<[Parameters, unknown]>([
    [{ subset__limit: "0", subset__order_by: "id" }, { limit: ["must be greater than 0"] }],
    [
      { subset__offset: "-1", subset__order_by: "id" },
      { offset: ["must be greater than or equal to 0"] },
    ],
    [
      { subset__limit: "1" },
      { order_by: ["order_by is required when limit or offset is present"] },
    ],
    [
      { subset__offset: "1" },
      { order_by: ["order_by is required when limit or offset is present"] },
    ],
    [{ subset__limit: "abc" }, { limit: ["is invalid"] }],
    [{ subset__params: "[1]" }, { params: ["params must be a JSON object"] }],
    [{ subset__params: "{" }, { params: ["params must be valid JSON"] }],
    [{ subset__where: "1 x 1" }, { where: ['At location 17: syntax error at or near "x"'] }],
    [{ subset__where: "nope = 1" }, { where: ["At location 0: unknown reference nope"] }],
    [
      { subset__where: "id IN (SELECT id FROM pairs)" },
      { where: ["Subqueries are not allowed in subsets"] },
    ],
    [{ subset__order_by: "id; SELECT 1" }, { order_by: ["Unexpected `;` in order by"] }],
    [{ subset__order_by: "id LIMIT 1" }, { order_by: ["malformed query ending with SQL clauses"] }],
    [{ subset__order_by: "nope" }, { order_by: ["At location 18: unknown reference nope"] }],
    [
      { subset__order_by: "lower(title)" },
      { order_by: ["At location 18: FuncCall expressions are not allowed in ORDER BY clauses"] },
    ],
    [
      { subset__order_by: "id, n::text" },
      { order_by: [expect.stringContaining("TypeCast expressions are not allowed in ORDER BY")] },
    ],
    [
      { subset__order_by: "(SELECT 1)" },
      { order_by: [expect.stringContaining("SubLink expressions are not allowed in ORDER BY")] },
    ],
    [
      { subset__order_by: "n + 1" },
      { order_by: [expect.stringContaining("A_Expr expressions are not allowed in ORDER BY")] },
    ],
    [
      { subset__order_by: "CASE WHEN true THEN 1 END" },
      { order_by: [expect.stringContaining("CaseExpr expressions are not allowed in ORDER BY")] },
    ],
    [
      { subset__order_by: "$1" },
      { order_by: ["At location 18: parameter $1 is not supported in ORDER BY clauses"] },
    ],
  ])("§3.3 %j", async (parameters, errors) => {
    expect(errorsIn(await subject.get({ ...ITEMS, ...parameters }))).toEqual({ subset: errors });
  });

  test("§3.3 what only Postgres can tell is a text alone", async () => {
    const answer = await subject.get({ ...ITEMS, subset__where: "mood = 'merry'" });
    expect(errorsIn(answer)).toEqual({
      subset: {
        where: expect.stringContaining('invalid input value for enum mood: "merry"') as string,
      },
    });
  });
});

describe("§3.2 503", () => {
  const known = (answer: Answer) => ({
    status: answer.status,
    json: answer.json,
    retryAfter: answer.header("retry-after"),
    isKnown: answer.header("electric-internal-known-error"),
    cacheControl: answer.header("cache-control"),
  });
  const limited = serveLitz({
    schema,
    settings: { ELECTRIC_MAX_CONCURRENT_REQUESTS: '{"initial":1,"existing":1}' },
  });
  const publication = `electric_publication_${STREAM_ID}`;
  const manual = serveLitz({
    schema: `${schema} CREATE PUBLICATION ${publication};`,
    settings: {
      ELECTRIC_MANUAL_TABLE_PUBLISHING: "true",
      ELECTRIC_REPLICATION_STREAM_ID: STREAM_ID,
    },
  });

  test("§3.2 a server that is not ready", async () => {
    const early = await listenBeforeStart(subject.database, { LITZ_READY_TIMEOUT: "100ms" });
    try {
      const answer = await early.get(ITEMS);
      expect(answer.status).toBe(503);
      expect(answer.text).toMatch(/^\{"message":"Timeout waiting for [^"]+"\}$/);
      expect(answer.header("retry-after")).toBe("5");
      expect((await early.get({ offset: "x" })).status).toBe(503);
    } finally {
      await early.dispose();
    }
  });

  test("§3.2 too many requests for shapes that there are", async () => {
    const { handle, offset } = await limited.read({ table: "items" });
    const live = { table: "items", handle, offset, live: "true" };
    const answers = await Promise.all([limited.get(live), limited.get(live)]);
    const refused = answers.find(({ status }) => status !== 200)!;
    expect(known(refused)).toEqual({
      status: 503,
      json: {
        code: "concurrent_request_limit_exceeded",
        message: "Concurrent existing request limit exceeded (limit: 1), please retry",
      },
      retryAfter: expect.stringMatching(/^(?:6|7|8|9|10)$/) as string,
      isKnown: "true",
      cacheControl: "no-store",
    });
  });

  test("§3.2 too many requests that may create one", async () => {
    const lock = await limited.database.connect();
    await limited.sql("CREATE TABLE locked (id int PRIMARY KEY)");
    await lock.query("BEGIN; LOCK TABLE locked");
    const first = limited.get({ table: "locked", offset: "-1" });
    await eventually(async () => {
      const waiting = await limited.sql(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(waiting).toHaveLength(1);
    });
    expect((await limited.get({ table: "pairs", offset: "-1" })).json).toEqual({
      code: "concurrent_request_limit_exceeded",
      message: "Concurrent initial request limit exceeded (limit: 1), please retry",
    });
    await lock.query("COMMIT");
    expect((await first).status).toBe(200);
  });

  test("§3.2 a snapshot that Postgres does not permit", async () => {
    await manual.sql("ALTER TABLE items REPLICA IDENTITY FULL");
    const missing = await manual.get(ITEMS);
    expect(known(missing)).toEqual({
      status: 503,
      json: {
        message:
          `Database table "public.items" is missing from the publication "${publication}" and ` +
          "the ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from adding it",
      },
      retryAfter: "10",
      isKnown: "true",
      cacheControl: "no-store",
    });
    await manual.sql(`ALTER PUBLICATION ${publication} ADD TABLE items, pairs`);
    expect((await manual.get(ITEMS)).status).toBe(200);
    const identity = await manual.get({ table: "pairs", offset: "-1" });
    expect(known(identity)).toMatchObject({
      status: 503,
      json: {
        message: 'Database table "public.pairs" does not have its replica identity set to FULL',
      },
      retryAfter: "10",
      isKnown: "true",
    });
  });

  test("§3.2 a snapshot that fails is a 500 that says so, and the next request tries anew", async () => {
    const failing = { ...ITEMS, where: "10 / n = 5" };
    const answer = await subject.get(failing);
    expect(answer.status, answer.text).toBe(500);
    expect(answer.json).toEqual({
      message: "Unexpected error while creating snapshot: division by zero",
    });
    const all = await subject.read({ table: "items" });
    await subject.sql("UPDATE items SET n = 2 WHERE id = 1");
    // The row that cannot be evaluated is gone from the stream, too.
    await all.changes(1);
    expect((await subject.get(failing)).status).toBe(200);
  });
});
