/**
 * What operators ask over HTTP: which shapes there are and of what class, and what becomes of a
 * WHERE.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { eventually } from "../support/eventually.ts";
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
  const misspelt = await explain({ table: "items", row: { idd: "1" } });
  assert.equal(misspelt.status, 400);
  assert.match(JSON.stringify(misspelt.body), /has no column \\"idd\\"/);
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

test("subqueries are explained: what is kept of them, who shares it, what they say of a row", async () => {
  await database.query(`
    CREATE TABLE tenants (id int PRIMARY KEY, plan text);
    INSERT INTO tenants VALUES (1, 'free'), (2, 'free'), (3, 'paid')`);
  const free = "SELECT id FROM tenants WHERE plan = 'free'";
  const ask = async (where: string, row: object) => {
    const { status, body } = await explain({ table: "items", where, row });
    assert.equal(status, 200, JSON.stringify(body));
    return body as {
      row: { matches: boolean | null; parts: { result: string }[] };
      subqueries: { dependencies: { select: string; view: object | null }[] };
    };
  };
  const where = `tenant IN (${free}) AND price > 5`;
  const before = await ask(where, { tenant: 2, price: 6 });
  assert.equal(before.subqueries.dependencies[0]!.view, null);
  assert.equal(before.row.matches, null);

  await create(where);
  await create(`id = 7 OR tenant IN (${free})`);
  const { subqueries, row } = await ask(where, { tenant: 2, price: 6 });
  assert.deepEqual(subqueries.dependencies[0]!.view, {
    ...{ valueCount: 2, hasNull: false, userCount: 2, isReady: true },
  });
  assert.match(subqueries.dependencies[0]!.select, /^SELECT "id" FROM "public"."tenants" WHERE/);
  assert.equal(row.matches, true);
  assert.equal((await ask(where, { tenant: 3, price: 6 })).row.matches, false);
  assert.equal((await ask(where, { tenant: null, price: 6 })).row.matches, false);
  const cheap = await ask(where, { tenant: 2, price: 4 });
  assert.deepEqual(cheap.row, {
    matches: false,
    parts: cheap.row.parts.map((part, index) => ({ ...part, result: String(index === 0) })),
  });

  await database.query("UPDATE tenants SET plan = 'free' WHERE id = 3");
  await eventually(async () => {
    assert.equal((await ask(where, { tenant: 3, price: 6 })).row.matches, true);
  });
  // Under NOT IN it is the same view, and rows are not looked up in it.
  const handle = await create(`tenant NOT IN (${free})`);
  const { subqueries: negated } = await ask(`tenant NOT IN (${free})`, {});
  assert.deepEqual(negated.dependencies[0]!.view, {
    ...{ valueCount: 3, hasNull: false, userCount: 3, isReady: true },
  });
  const { shapes } = (await get("/admin/shapes?class=scan")).body as {
    shapes: { handle: string; bytes: number }[];
  };
  assert.ok(shapes.find((shape) => shape.handle === handle)!.bytes > 28);
});

test("what is kept of subqueries is in the memory report, once for all who share it", async () => {
  await database.query("CREATE TABLE groups (id int PRIMARY KEY, kind int)");
  await database.query("INSERT INTO groups SELECT n, n % 2 FROM generate_series(1, 100) n");
  const report = async () => {
    const { body } = await get("/admin/memory");
    return (body as { subqueries: Record<string, number> }).subqueries;
  };
  const before = await eventually(async () => {
    const quiet = await report();
    assert.equal(quiet["shapesBehind"], 0);
    return quiet;
  });
  for (let n = 1; n <= 5; n += 1) {
    await create(`id > ${n} AND tenant IN (SELECT id FROM groups WHERE kind = 0)`);
  }
  const after = await report();
  const difference = Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - before[name]!]),
  );
  assert.deepEqual(difference, {
    ...{ views: 1, viewUses: 5, dependentShapes: 5, distinctValues: 50 },
    // Nobody is behind: nothing is kept of what was.
    ...{ historyTransitions: 0, shapesBehind: 0, movesUnderWay: 0, moveQueries: 0, tapeBytes: 0 },
  });

  // While a table is locked rows cannot move in: its shapes are behind, and history is kept.
  const locker = await database.connect();
  await locker.query("BEGIN; LOCK items IN ACCESS EXCLUSIVE MODE");
  await database.query("UPDATE groups SET kind = 0 WHERE id IN (1, 3, 5)");
  await eventually(async () => {
    const { shapesBehind, movesUnderWay, historyTransitions } = await report();
    assert.deepEqual([shapesBehind, movesUnderWay, historyTransitions], [5, 1, 3]);
  });
  await locker.query("COMMIT");
  await eventually(async () => {
    const { distinctValues, movesUnderWay, shapesBehind } = await report();
    assert.equal(distinctValues, after["distinctValues"]! + 3);
    assert.deepEqual([shapesBehind, movesUnderWay], [0, 0]);
  });
});
