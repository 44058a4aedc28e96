import { afterEach, beforeEach, expect, test } from "vitest";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE a (id int PRIMARY KEY, t text);
    CREATE TABLE b (id int PRIMARY KEY, t text);
    INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 'x');`);
  server = await startServer(database);
});
afterEach(async () => {
  await Promise.race([server.stop(), sleep(8000)]);
  await database.dispose();
});
const get = async (q: string) => {
  const r = await fetch(`${server.url}/v1/shape?${q}`, { signal: AbortSignal.timeout(8000) });
  return { status: r.status, text: await r.text() };
};

test("truncate in the middle of a transaction", async () => {
  const a = new LogFollower("table=a");
  const b = new LogFollower("table=b");
  await a.catchUp(server.url);
  await b.catchUp(server.url);
  await database.query("BEGIN; INSERT INTO a VALUES (2, 'y'); TRUNCATE b; COMMIT");
  await sleep(2500);
  await a.catchUp(server.url);
  expect(a.rows.size).toBe(2);
});

test("drop and create", async () => {
  const b = new LogFollower("table=b");
  await b.catchUp(server.url);
  await database.query("DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY, t text); INSERT INTO b VALUES (7, 'new')");
  await sleep(500);
  await database.query("INSERT INTO b VALUES (8, 'new')");
  await sleep(1000);
  const first = [];
  for (let i = 0; i < 4; i++) { first.push((await get("table=b&where=id%3D7&offset=-1")).status); await sleep(200); }
  const old = await get(`table=b&offset=-1`);
  expect({ first, old: old.text.includes('"8"') }).toEqual({ first: [409, 200, 200, 200], old: true });
});

test("column added while no shape is there", async () => {
  const b = new LogFollower("table=b");
  await b.catchUp(server.url);
  await fetch(`${server.url}/v1/shape?table=b&handle=${b.handle}`, { method: "DELETE" });
  await database.query("ALTER TABLE b ADD COLUMN extra text; INSERT INTO b VALUES (9, 'n', 'e')");
  await sleep(1000);
  const again = await get("table=b&offset=-1");
  expect(again.text).toContain("extra");
});

test("column dropped, no traffic", async () => {
  const b = new LogFollower("table=b");
  await b.catchUp(server.url);
  await database.query("ALTER TABLE b DROP COLUMN t");
  const out = [];
  for (let i = 0; i < 3; i++) { const r = await get("table=b&where=id%3D7&offset=-1"); out.push(`${r.status} ${r.text.slice(0, 120)}`); await sleep(100); }
  expect(out).toEqual(["200"]);
});

test("gates on an idle database", async () => {
  for (let i = 0; i < 10; i++) await get(`table=b&where=id%3D${i}&offset=-1`);
  await sleep(12000);
  expect(server.service.pipeline!.writer.gateCount).toBe(0);
});
