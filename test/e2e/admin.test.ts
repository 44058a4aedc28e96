/**
 * What operators ask over HTTP: which shapes there are and of what class, and what becomes of a
 * WHERE.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(
    "CREATE TABLE items (id int PRIMARY KEY, tenant int, price numeric, title text, tags text[])",
  );
  server = await startServer(database);
});
afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function get(path: string): Promise<{ status: number; body: never }> {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, body: (await response.json()) as never };
}

async function explain(body: unknown): Promise<{ status: number; body: never }> {
  const response = await fetch(`${server.url}/admin/explain`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as never };
}

async function create(where?: string): Promise<string> {
  const query = new URLSearchParams({ table: "items", offset: "-1" });
  if (where !== undefined) query.set("where", where);
  const response = await fetch(`${server.url}/v1/shape?${query}`);
  assert.equal(response.status, 200, await response.text());
  return response.headers.get("electric-handle")!;
}

test("a WHERE is explained: index, residual, bytes, and why a row belongs", async () => {
  const { status, body } = await explain({
    table: "items",
    where: "tenant = $1 AND title ILIKE $2",
    params: { 1: "7", 2: "%new%" },
    row: { id: 1, tenant: 7, title: "old" },
  });
  assert.equal(status, 200);
  const {
    class: shapeClass,
    handle,
    indexes,
    isExact,
    residual,
    cost,
    row,
  } = body as {
    class: string;
    handle: string | null;
    indexes: { index: string; entryCount: number }[];
    isExact: boolean;
    residual: string;
    cost: { totalBytes: number };
    row: { matches: boolean; parts: { sql: string; result: string }[] };
  };
  assert.equal(shapeClass, "equality");
  assert.equal(handle, null, "explaining creates nothing");
  assert.deepEqual(indexes, [{ index: 'equality of "tenant"', entryCount: 1 }]);
  assert.equal(isExact, false);
  assert.match(residual, /"tenant" = .*~~\*|ILIKE/);
  assert.ok(cost.totalBytes > 28 && cost.totalBytes < 200);
  assert.equal(row.matches, false);
  assert.deepEqual(
    row.parts.map(({ result }) => result),
    ["true", "false"],
  );
});

test("what is wrong with a WHERE or a row is said", async () => {
  const wrong = await explain({ table: "items", where: "nope = 1" });
  assert.equal(wrong.status, 400);
  assert.deepEqual((wrong.body as { errors: object }).errors, {
    where: ["At location 0: unknown reference nope"],
  });
  const noTable = await explain({ where: "id = 1" });
  assert.deepEqual((noTable.body as { errors: object }).errors, { table: ["can't be blank"] });
  const badRow = await explain({ table: "items", row: { id: {} } });
  assert.match(JSON.stringify(badRow.body), /the value of id must be a text/);
});

test("shapes are listed by class, a page at a time", async () => {
  const handles = new Set<string>();
  for (let tenant = 1; tenant <= 7; tenant += 1) handles.add(await create(`tenant = ${tenant}`));
  const scan = await create("title || 'x' = 'yx'");
  await create("price BETWEEN 1 AND 2");
  await create();

  const seen = new Set<string>();
  for (let after: string | null = "", pages = 0; after !== null; pages += 1) {
    assert.ok(pages < 10);
    const { body } = await get(`/admin/shapes?limit=3${after === "" ? "" : `&after=${after}`}`);
    const page = body as { shapes: { handle: string }[]; next: string | null };
    assert.ok(page.shapes.length <= 3);
    for (const { handle } of page.shapes) seen.add(handle);
    after = page.next;
  }
  assert.equal(seen.size, 10);
  for (const handle of [...handles, scan]) assert.ok(seen.has(handle));

  const { body } = await get("/admin/shapes?class=scan");
  const { shapes } = body as { shapes: { handle: string; constants: string[] }[] };
  assert.deepEqual(
    shapes.map(({ handle }) => handle),
    [scan],
  );
  assert.deepEqual(shapes[0]!.constants, ["x", "yx"]);

  const { templates } = (await get("/admin/templates")).body as {
    templates: { class: string; shapes: number }[];
  };
  assert.equal(templates[0]!.shapes, 7);
  assert.deepEqual(templates.map((template) => template.class).sort(), [
    ...["equality", "everything", "range", "scan"],
  ]);
});

test("a page cannot begin behind a shape that is not there", async () => {
  assert.equal((await get("/admin/shapes?after=1-2")).status, 400);
  assert.equal((await get("/admin/shapes?after=x")).status, 400);
  assert.equal((await get("/admin/shapes?limit=0")).status, 400);
  assert.equal((await get("/admin/shapes?class=slow")).status, 400);
});
