/**
 * Tables that change under their shapes (protocol 7.9).
 *
 * Goal: a shape that the change touches is ended with a 409, when the first row in the new form
 * comes or, without one, when the catalog is compared; every other shape goes on under its handle;
 * and at no time is a row wrong. Method: a follower of each kind of shape, an ALTER TABLE, rows,
 * and the rows that it holds against the same query in Postgres.
 */

import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE t (id int PRIMARY KEY, a text, b text, n int NOT NULL DEFAULT 0);
    INSERT INTO t VALUES (1, 'a1', 'b1', 1), (2, 'a2', 'b2', 2)`);
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

async function start(periodMs = 600_000): Promise<void> {
  server = await startServer(database, {
    ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: `${periodMs}ms`,
  });
}

async function follow(query: string): Promise<LogFollower> {
  const follower = new LogFollower(query);
  await follower.catchUp(server.url);
  return follower;
}

/** Catches up until the follower holds what the query finds. */
async function expectRows(follower: LogFollower, sql: string): Promise<void> {
  const expected = await database.query(`SELECT to_jsonb(q) AS row FROM (${sql}) q`);
  const texts = expected.map(({ row }) =>
    Object.fromEntries(
      Object.entries(row as object).map(([name, value]) => [
        name,
        value === null ? null : String(value),
      ]),
    ),
  );
  await eventually(async () => {
    await follower.catchUp(server.url);
    const rows = [...follower.rows.values()];
    const byId = (x: Record<string, unknown>, y: Record<string, unknown>) =>
      Number(x["id"]) - Number(y["id"]);
    expect(rows.sort(byId)).toEqual(texts.sort(byId));
  });
  expect(follower.faults).toEqual([]);
}

async function statusOf(query: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`${server.shapeUrl}?${query}&offset=-1`);
  return { status: response.status, body: await response.text() };
}

async function schemaOf(query: string): Promise<Record<string, Record<string, unknown>>> {
  const response = await fetch(`${server.shapeUrl}?${query}&offset=-1`);
  await response.text();
  return JSON.parse(response.headers.get("electric-schema")!) as Record<string, never>;
}

interface Kept {
  readonly all: boolean;
  /** columns=id,a */
  readonly some: boolean;
  /** columns=id,a where b */
  readonly compared: boolean;
}

test.each<[ddl: string, kept: Kept, columns?: string]>([
  ["ALTER TABLE t ADD COLUMN c text DEFAULT 'c'", { all: false, some: true, compared: true }],
  ["ALTER TABLE t DROP COLUMN b", { all: false, some: true, compared: false }],
  ["ALTER TABLE t DROP COLUMN n", { all: false, some: true, compared: true }],
  ["ALTER TABLE t RENAME COLUMN b TO c", { all: false, some: true, compared: false }],
  ["ALTER TABLE t ALTER COLUMN a TYPE varchar(9)", { all: false, some: false, compared: false }],
  ["ALTER TABLE t ALTER COLUMN n TYPE int8", { all: false, some: true, compared: true }],
  [
    `ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b`,
    { all: false, some: false, compared: false },
  ],
  [
    "ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a text",
    { all: false, some: false, compared: false },
  ],
  [
    "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id, n)",
    { all: false, some: false, compared: false },
  ],
  ["ALTER TABLE t ALTER COLUMN n DROP NOT NULL", { all: true, some: true, compared: true }],
  ["ALTER TABLE t ALTER COLUMN a SET NOT NULL", { all: true, some: true, compared: true }],
  ["CREATE INDEX ON t (a)", { all: true, some: true, compared: true }],
])("%s, then rows", async (ddl, kept) => {
  await start();
  const all = await follow("table=t");
  const some = await follow("table=t&columns=id,a");
  const compared = await follow("table=t&columns=id,a&where=b%3D%27b1%27");
  await database.query("INSERT INTO t (id, a, b, n) VALUES (3, 'a3', 'b1', 3)");
  await database.query(ddl);
  await database.query("INSERT INTO t (id, a) VALUES (4, 'a4')");
  await database.query("UPDATE t SET a = 'new' WHERE id = 1");

  await expectRows(all, "SELECT * FROM t");
  expect(all.refetchCount).toBe(kept.all ? 0 : 1);
  // The composite key asks for a column more.
  if (!ddl.includes("PRIMARY KEY")) {
    await expectRows(some, "SELECT id, a FROM t");
    expect(some.refetchCount).toBe(kept.some ? 0 : 1);
  }
  if (kept.compared) {
    await expectRows(compared, "SELECT id, a FROM t WHERE b = 'b1'");
    expect(compared.refetchCount).toBe(0);
  } else {
    const handle = compared.handle!;
    const query = "table=t&columns=id,a&where=b%3D%27b1%27";
    const old = await fetch(
      `${server.shapeUrl}?${query}&offset=${compared.offset}&handle=${handle}`,
    );
    expect([400, 409]).toContain(old.status);
  }
});

test("a shape that was kept follows what is added to it, and has a log without a gap", async () => {
  await start();
  const some = await follow("table=t&columns=id,b");
  for (let round = 1; round <= 3; round++) {
    await database.query(`ALTER TABLE t ADD COLUMN extra${round} text DEFAULT 'x'`);
    await database.query(`INSERT INTO t (id, a, b, n) VALUES (${10 + round}, 'a', 'b', 0)`);
    await database.query(`UPDATE t SET b = 'b${round}' WHERE id = 1`);
    await expectRows(some, "SELECT id, b FROM t");
    await expectRows(await follow("table=t"), "SELECT * FROM t");
  }
  await database.query("ALTER TABLE t DROP COLUMN a");
  await database.query("UPDATE t SET b = 'last' WHERE id = 2");
  await expectRows(some, "SELECT id, b FROM t");
  expect(some.refetchCount).toBe(0);
});

test("shapes survive a restart as they would have without, whatever happened meanwhile", async () => {
  const directory = makeTemporaryDirectory();
  // After the server has let go of it.
  onTestFinished(() => directory.remove());
  const settings = { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "200ms" };
  server = await startServer(database, settings, directory.path);
  const some = await follow("table=t&columns=id,b");
  const all = await follow("table=t");
  await server.stop();
  await database.query(`
    UPDATE t SET b = 'before' WHERE id = 1;
    ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN z int;
    UPDATE t SET b = 'after' WHERE id = 2`);
  server = await startServer(database, settings, directory.path);
  await expectRows(some, "SELECT id, b FROM t");
  await expectRows(all, "SELECT * FROM t");
  expect([some.refetchCount, all.refetchCount]).toEqual([0, 1]);
  await database.query("UPDATE t SET z = 1, b = 'last' WHERE id = 2");
  await expectRows(some, "SELECT id, b FROM t");
  await expectRows(all, "SELECT * FROM t");
  expect(some.refetchCount).toBe(0);
});

test("what changes without a row is found in the catalog", async () => {
  await start(200);
  const all = await follow("table=t");
  const some = await follow("table=t&columns=id,a");
  await database.query("ALTER TABLE t ADD COLUMN c int");
  await eventually(async () => {
    await all.catchUp(server.url);
    expect(all.refetchCount).toBe(1);
  });
  await some.catchUp(server.url);
  expect(some.refetchCount).toBe(0);

  await database.query("ALTER TABLE t RENAME TO u");
  await eventually(async () => expect(await statusOf("table=t")).toMatchObject({ status: 400 }));
  expect((await follow("table=u")).rows.size).toBe(2);
  await database.query("DROP TABLE u");
  await eventually(async () => expect((await statusOf("table=u")).status).toBe(400));
  expect((await statusOf("table=u")).body).toContain('Table \\"public\\".\\"u\\" does not exist');
});

test("a table that is dropped and made again serves its own rows and no others", async () => {
  await start(200);
  const all = await follow("table=t");
  await database.query("DROP TABLE t");
  await database.query("CREATE TABLE t (id int PRIMARY KEY, a text, b text, n int NOT NULL)");
  await database.query("INSERT INTO t VALUES (7, 'a7', 'b7', 7)");
  await expectRows(all, "SELECT * FROM t");
  expect(all.refetchCount).toBe(1);
});

test("a table that is taken out of the publication, or stops sending old rows", async () => {
  await start(200);
  const all = await follow("table=t");
  await database.query(`ALTER PUBLICATION electric_publication_${database.streamId} DROP TABLE t`);
  await database.query("INSERT INTO t VALUES (3, 'lost', 'b', 3)");
  await expectRows(all, "SELECT * FROM t");
  await database.query("ALTER TABLE t REPLICA IDENTITY DEFAULT");
  await database.query("UPDATE t SET a = 'unsent' WHERE id = 1; DELETE FROM t WHERE id = 2");
  await expectRows(all, "SELECT * FROM t");
});

test("a publication that is dropped under the server is made again, and nothing is lost", async () => {
  await start();
  await database.query("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)");
  const old = await follow("table=t");
  await database.query(`DROP PUBLICATION electric_publication_${database.streamId}`);
  await database.query("INSERT INTO t VALUES (3, 'lost', 'b', 3)");
  const other = await follow("table=u");
  await database.query("INSERT INTO u VALUES (2)");
  await expectRows(other, "SELECT * FROM u");
  // Of this table Postgres sends again from now on, but what was lost is lost.
  await follow("table=t&columns=id,a");
  await expectRows(old, "SELECT * FROM t");
  expect(old.refetchCount).toBe(1);
  await database.query("INSERT INTO t VALUES (4, 'sent', 'b', 4)");
  await expectRows(old, "SELECT * FROM t");
  expect(old.refetchCount).toBe(1);
});

test("what is not published any more after a restart is seen at once", async () => {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => directory.remove());
  const settings = { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "60min" };
  server = await startServer(database, settings, directory.path);
  const all = await follow("table=t");
  await server.stop();
  await database.query(`ALTER PUBLICATION electric_publication_${database.streamId} DROP TABLE t`);
  await database.query("INSERT INTO t VALUES (3, 'lost', 'b', 3)");
  server = await startServer(database, settings, directory.path);
  await expectRows(all, "SELECT * FROM t");
  expect(all.refetchCount).toBe(1);
});

test("NOT NULL is what held for all of a shape's log", async () => {
  await start();
  await database.query("UPDATE t SET a = NULL WHERE id = 1");
  const query = "table=t";
  await follow(query);
  expect((await schemaOf(query))["n"]).toEqual({ type: "int4", not_null: true });
  await database.query("UPDATE t SET a = 'x' WHERE a IS NULL");
  await database.query(`
    ALTER TABLE t ALTER COLUMN n DROP NOT NULL; ALTER TABLE t ALTER COLUMN a SET NOT NULL;
    INSERT INTO t VALUES (3, 'a', 'b', NULL)`);
  await eventually(async () => {
    // The log has a row without it.
    expect(await schemaOf(query)).toMatchObject({ a: { type: "text" }, n: { type: "int4" } });
    expect(Object.keys((await schemaOf(query))["n"]!)).toEqual(["type"]);
  });
  expect(Object.keys((await schemaOf(query))["a"]!)).toEqual(["type"]);
  expect((await schemaOf("table=t&columns=id,a"))["a"]).toEqual({ type: "text", not_null: true });
});

test.each<[ddl: string, status: number]>([
  ["DROP TABLE u; CREATE TABLE u (id int, x int); INSERT INTO u VALUES (2, 1)", 200],
  ["ALTER TABLE u ALTER id TYPE bigint", 400],
  ["ALTER TABLE u ADD y int", 200],
  ["ALTER TABLE u DROP x", 400],
  ["DROP TABLE u", 400],
])("the table of a subquery, while no shape uses it: %s", async (ddl, status) => {
  await start();
  await database.query("CREATE TABLE u (id int PRIMARY KEY, x int); INSERT INTO u VALUES (1, 1)");
  const query = "table=t&where=id IN (SELECT id FROM u WHERE x = 1)";
  const { handle } = await follow(query);
  await fetch(`${server.shapeUrl}?handle=${handle}`, { method: "DELETE" });
  await database.query(ddl);
  await eventually(async () => expect(await statusOf(query)).toMatchObject({ status }));
  if (status !== 200) return;
  await expectRows(await follow(query), "SELECT * FROM t WHERE id IN (SELECT id FROM u)");
});
