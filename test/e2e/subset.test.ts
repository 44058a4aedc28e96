/**
 * Subsets, queryable columns and POST on the whole server.
 *
 * Goal: what a client gets of a subset equals the query in Postgres, is encoded as the shape's own
 * rows are, and joins the log without a gap; what is wrong is told in the words of the protocol.
 * Method: a real Postgres, plain requests as curl makes them, and the unmodified client.
 */

import assert from "node:assert/strict";
import { ShapeStream } from "@electric-sql/client";
import { afterAll, beforeAll, test } from "vitest";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { OpenApi, type OpenApiDocument } from "../support/openapi.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;
let openApi: OpenApi;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE items (
      id int PRIMARY KEY, tenant int, name text, mood mood, at timestamptz, "Odd ""name" bytea);
    INSERT INTO items
      SELECT n, n % 3, 'na"me/' || n, 'sad', '2024-01-01 12:00+02', '\\x00ff'
      FROM generate_series(1, 30) n;
    CREATE TABLE users (id int PRIMARY KEY, name text, secret_token text);
    INSERT INTO users VALUES (1, 'ann', 'x'), (2, 'bob', 'y');
    CREATE TABLE computed (
      id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO computed VALUES (1);
    CREATE TABLE virtual (
      id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL);`);
  server = await startServer(database);
  openApi = new OpenApi(
    (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument,
  );
});
afterAll(async () => {
  await server.stop();
  await database.dispose();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Every answer is also held against the server's own description. */
async function send(
  method: "GET" | "POST",
  parameters: Record<string, string>,
  body?: object,
): Promise<Answer> {
  const query = new URLSearchParams({ offset: "-1", ...parameters });
  const response = await fetch(`${server.shapeUrl}?${query.toString()}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const headers = Object.fromEntries(response.headers) as Record<string, string>;
  const answer = { status: response.status, headers, body: await response.text() };
  openApi.assertDescribes(method, "/v1/shape", answer);
  return answer;
}

interface Message {
  readonly key: string;
  readonly value: Readonly<Record<string, string | null>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

interface SubsetBody {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly data: readonly Message[];
}

function dataOf(answer: Answer): readonly Message[] {
  assert.equal(answer.status, 200, answer.body);
  return (JSON.parse(answer.body) as SubsetBody).data;
}
const idsOf = (answer: Answer) => dataOf(answer).map(({ value }) => Number(value["id"]));
const errorsOf = (answer: Answer): unknown => {
  assert.equal(answer.status, 400, answer.body);
  return (JSON.parse(answer.body) as { errors: unknown }).errors;
};

test("12: pages of a shape, in order, by GET and POST", async () => {
  const get = await send("GET", {
    table: "items",
    where: "tenant = 1",
    subset__order_by: "id DESC NULLS LAST",
    subset__limit: "3",
    subset__offset: "1",
  });
  assert.deepEqual(idsOf(get), [25, 22, 19]);
  const page = { order_by: '"id" DESC', limit: 3, offset: 1 };
  const post = await send("POST", { table: "items", where: "tenant = 1" }, page);
  assert.deepEqual(idsOf(post), [25, 22, 19]);
  assert.equal(post.headers["electric-handle"], get.headers["electric-handle"]);
  const filtered = { where: '"id" = $1', params: { 1: 4 } };
  assert.deepEqual(idsOf(await send("POST", { table: "items" }, filtered)), [4]);
  assert.deepEqual(idsOf(await send("POST", { table: "items", where: "id = 5" }, filtered)), []);
});

test("12: rows are those of the shape's own snapshot, but for the mark", async () => {
  const shape = await send("GET", { table: "items" });
  const rows = (JSON.parse(shape.body) as Message[]).filter((message) => "key" in message);
  const subset = await send("GET", { table: "items", subset__order_by: "id" });
  const unmarked = dataOf(subset).map(({ headers, ...message }) => {
    const { snapshot_mark: mark, ...rest } = headers;
    assert.equal(typeof mark, "number");
    return { ...message, headers: rest };
  });
  assert.deepEqual(unmarked, rows);
  assert.equal(subset.headers["electric-schema"], shape.headers["electric-schema"]);
});

test("12: the metadata places the rows in time", async () => {
  const [before] = await database.query("SELECT pg_current_wal_lsn() - '0/0' AS lsn");
  const answer = await send("GET", { table: "items", log: "changes_only", subset__where: "" });
  const { metadata } = JSON.parse(answer.body) as SubsetBody;
  const lsn = BigInt(metadata["database_lsn"] as string);
  assert.ok(lsn >= BigInt(before!["lsn"] as string));
  assert.match(metadata["xmin"] as string, /^[0-9]+$/);
  assert.deepEqual(metadata["xip_list"], []);
});

test("12: nothing is lost between a subset and the log", async () => {
  const shape = { table: "users", log: "changes_only" };
  const first = await send("GET", { ...shape, offset: "now", subset__where: "" });
  await database.query("UPDATE users SET name = 'eve' WHERE id = 1");
  const { "electric-handle": handle, "electric-offset": offset } = first.headers;
  const log = await send("GET", { ...shape, handle: handle!, offset: offset!, live: "true" });
  assert.match(log.body, /"name":"eve"/);
});

test("3.3: enum values are Postgres' to check, and it says so itself", async () => {
  const answer = await send("GET", { table: "items", subset__where: "mood = 'bored'" });
  assert.deepEqual(errorsOf(answer), {
    subset: { where: 'invalid input value for enum mood: "bored"' },
  });
  const happy = { where: "mood = $1", params: { 1: "happy" } };
  assert.deepEqual(idsOf(await send("POST", { table: "items" }, happy)), []);
});

test("3.3: errors of a subset, by member", async () => {
  const items = { table: "items" };
  for (const [members, errors] of [
    [
      { subset__order_by: "random()" },
      { order_by: ["At location 18: FuncCall expressions are not allowed in ORDER BY clauses"] },
    ],
    [{ subset__where: "1 x 1" }, { where: ['At location 17: syntax error at or near "x"'] }],
    [{ subset__where: "nope = 1" }, { where: ["At location 0: unknown reference nope"] }],
    [{ subset__where: "id = $1" }, { where: ["At location 5: parameter $1 was not provided"] }],
    [
      { subset__where: "id IN (SELECT id FROM users)" },
      { where: ["Subqueries are not allowed in subsets"] },
    ],
    [
      { subset__limit: "5" },
      { order_by: ["order_by is required when limit or offset is present"] },
    ],
  ] as const) {
    assert.deepEqual(errorsOf(await send("GET", { ...items, ...members })), { subset: errors });
  }
});

test("2.1: queryable columns are the default, and the limit of what can be asked", async () => {
  const users = { table: "users", queryable_columns: "id,name" };
  const shape = await send("GET", users);
  assert.doesNotMatch(shape.body, /secret_token/);
  assert.deepEqual(Object.keys(JSON.parse(shape.headers["electric-schema"]!) as object), [
    "id",
    "name",
  ]);
  assert.deepEqual(errorsOf(await send("GET", { ...users, columns: "id,secret_token" })), {
    columns: ["The following columns are not found on the table: secret_token"],
  });
  assert.deepEqual(errorsOf(await send("GET", { ...users, queryable_columns: "name" })), {
    queryable_columns: [
      "The list of queryable columns must include all primary key columns, missing: id",
    ],
  });
  for (const members of [{ where: "secret_token = 'x'" }, { order_by: "secret_token" }]) {
    const location = "where" in members ? 0 : 18;
    const [name] = Object.keys(members);
    assert.deepEqual(errorsOf(await send("POST", users, members)), {
      subset: { [name!]: [`At location ${location}: unknown reference secret_token`] },
    });
  }
  // The condition of the shape itself may use any column.
  const narrow = await send("GET", { ...users, where: "secret_token = 'y'" });
  assert.match(narrow.body, /"id":"2"/);
  assert.doesNotMatch(narrow.body, /"id":"1"/);
});

test("7.10: stored generated columns are synced where Postgres publishes them", async () => {
  const answer = await send("GET", { table: "computed" });
  assert.match(answer.body, /"twice":"2"/);
  assert.deepEqual(errorsOf(await send("GET", { table: "virtual" })), {
    columns: [
      "The following columns are generated and cannot be included in the shape: twice. You can " +
        "exclude them from the shape by explicitly listing which columns to fetch in the " +
        "'columns' query param",
    ],
  });
  assert.equal((await send("GET", { table: "virtual", columns: "id" })).status, 200);
});

test("16: the client asks for subsets, by GET and by POST", async () => {
  const abort = new AbortController();
  const stream = new ShapeStream({
    url: server.shapeUrl,
    params: { table: "items" },
    log: "changes_only",
    signal: abort.signal,
  });
  for (const subsetMethod of ["GET", "POST"] as const) {
    const { data } = await stream.fetchSnapshot({
      where: "tenant = $1",
      params: { "1": "2" },
      orderBy: "id DESC",
      limit: 2,
      method: subsetMethod,
    });
    assert.deepEqual(
      data.map(({ value }) => value["id"]),
      [29, 26],
    );
  }
  abort.abort();
});
