/**
 * Goal: shapes that are too many, or that another version defined, go without harm to those who
 * read them (protocol 11.3); a request is never refused for what the catalog said a while ago
 * (21.2), and generated columns are synced as soon as they can be (7.10). Method: a live server,
 * its shapes followed, and tables altered behind its back.
 */

import Database from "better-sqlite3";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Logger } from "../../src/lib/logger.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer, type Settings } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let directory: TemporaryDirectory;
let server: LiveServer;
let warnings: { readonly details: object; readonly message: string }[];

beforeEach(async () => {
  database = await createTestDatabase();
  directory = makeTemporaryDirectory();
  warnings = [];
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, a text);
    INSERT INTO items SELECT n, 'a' || n FROM generate_series(1, 9) n`);
});

afterEach(async () => {
  await server.stop();
  directory.remove();
  await database.dispose();
});

async function start(settings?: Settings): Promise<void> {
  const nothing = () => undefined;
  const warn: Logger["warn"] = (details, message) => warnings.push({ details, message });
  const logger = { debug: nothing, info: nothing, warn, error: warn };
  server = await startServer(database, settings, directory.path, logger);
}

async function follow(query: string): Promise<LogFollower> {
  const follower = new LogFollower(query);
  await follower.catchUp(server.url);
  return follower;
}

/** Until the rows are as they should be. */
async function catchUp(follower: LogFollower, check: () => void): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(server.url);
    check();
  });
  expect(follower.faults).toEqual([]);
}

/** What a follower of a shape with an `id` holds, in its order. */
function rowsOf({ rows }: LogFollower): Record<string, string | null>[] {
  return [...rows.values()].sort((one, other) => Number(one["id"]) - Number(other["id"]));
}

async function get(query: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.shapeUrl}?${query}&offset=-1`);
  return { status: response.status, text: await response.text() };
}

test("shapes over the limit go, but none that somebody waits for", async () => {
  await start({ ELECTRIC_MAX_SHAPES: "3", ELECTRIC_LONG_POLL_TIMEOUT: "10000" });
  const { eviction, registry } = server.service.pipeline!;
  const followers = await Promise.all(
    [1, 2, 3, 4, 5].map((id) => follow(`table=items&where=id%3D${id}`)),
  );
  const ask = async (index: number, live: string) => {
    const { handle, offset } = followers[index]!;
    const query = `table=items&where=id%3D${index + 1}${live}&handle=${handle}&offset=${offset}`;
    const response = await fetch(`${server.shapeUrl}?${query}`);
    await response.text();
    return response.status;
  };
  const waiting = [0, 1, 3].map((index) => ask(index, "&live=true"));
  // Until all of them wait.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await eviction.enforce();
  expect(registry.count).toBe(3);
  expect(await Promise.all([2, 4].map((index) => ask(index, "")))).toEqual([409, 409]);
  await database.query("UPDATE items SET a = 'new'");
  expect(await Promise.all(waiting)).toEqual([200, 200, 200]);

  for (const follower of followers) {
    await catchUp(follower, () => expect(rowsOf(follower).map(({ a }) => a)).toEqual(["new"]));
  }
  expect(followers.reduce((sum, { refetchCount }) => sum + refetchCount, 0)).toBe(2);
});

test("shapes that another version defined are removed at the start", async () => {
  await start();
  warnings = [];
  const old = await follow("table=items&columns=id,a");
  const more = await follow("table=items&columns=id,a&where=id%3D1");
  const kept = await follow("table=items");
  await server.stop();
  const catalog = new Database(join(directory.path, "litz.db"));
  const { changes } = catalog
    .prepare(`UPDATE template SET text = '{"v":0,"other":' || id || '}' WHERE text LIKE ?`)
    .run('%"explicit":1%');
  catalog.close();
  expect(changes).toBe(2);

  await database.query("UPDATE items SET a = 'meanwhile' WHERE id = 1");
  await start();
  expect(warnings).toEqual([
    {
      message: "stored shapes cannot be used and are removed",
      details: {
        shapes: 2,
        reason: expect.stringMatching(
          /^a stored shape template has version 0, expected \d+$/,
        ) as string,
      },
    },
  ]);
  for (const follower of [old, more, kept]) {
    await catchUp(follower, () => {
      expect(follower.rows.get('"public"."items"/"1"')!["a"]).toBe("meanwhile");
    });
  }
  expect([old, more, kept].map(({ refetchCount }) => refetchCount)).toEqual([1, 1, 0]);

  // They are gone for good.
  await server.stop();
  warnings = [];
  await start();
  expect(warnings).toEqual([]);
  await old.catchUp(server.url);
  expect(old.refetchCount).toBe(1);
});

test("settings that litz accepts and does nothing for are named", async () => {
  const randomName = "ELECTRIC_TEMPORARY_REPLICATION_SLOT_USE_RANDOM_NAME";
  await start({ [randomName]: "true", ELECTRIC_REPLICATION_IDLE_TIMEOUT: "1min" });
  expect(warnings.map(({ details }) => details)).toEqual(
    expect.arrayContaining([
      { setting: "ELECTRIC_REPLICATION_IDLE_TIMEOUT" },
      { setting: randomName },
    ]),
  );
});

test("a request is refused by what the catalog says now", async () => {
  await start();
  await follow("table=items");
  expect((await get("table=items&columns=id,b")).status).toBe(400);
  await database.query("ALTER TABLE items ADD COLUMN b text DEFAULT 'b'");
  expect(await get("table=items&columns=id,b&where=id%3D1")).toMatchObject({
    status: 200,
    text: expect.stringContaining('"value":{"id":"1","b":"b"}') as string,
  });
  await database.query("ALTER TABLE items ADD COLUMN c text DEFAULT 'c'");
  const byNew = await follow("table=items&columns=id,a&where=c%3D%27c%27");
  expect(byNew.rows.size).toBe(9);
  await database.query("ALTER TABLE items ADD COLUMN d text DEFAULT 'd'");
  expect((await get("table=items&queryable_columns=id,d")).text).toContain('"d":"d"');
  await database.query("UPDATE items SET c = 'x' WHERE id = 1");
  await catchUp(byNew, () => expect(byNew.rows.size).toBe(8));
  expect(byNew.refetchCount).toBe(0);
});

test("a table that is just made, dropped and made again", async () => {
  await start();
  expect((await get("table=fresh")).text).toContain("does not exist");
  await database.query("CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1)");
  const all = await follow("table=fresh");
  expect(all.rows.size).toBe(1);
  await database.query("DROP TABLE fresh");
  await database.query("CREATE TABLE fresh (id int PRIMARY KEY, a text)");
  await database.query("INSERT INTO fresh VALUES (2, 'two')");
  const some = await follow("table=fresh&columns=id,a");
  expect([...some.rows.values()]).toEqual([{ id: "2", a: "two" }]);
  // The old table's shapes went with that.
  await all.catchUp(server.url);
  expect([...all.rows.values()]).toEqual([{ id: "2", a: "two" }]);
  expect(all.refetchCount).toBe(1);
  await database.query("DROP TABLE fresh");
  expect((await get("table=fresh&columns=id,zzz")).text).toContain("does not exist");
});

const IMPLICITLY =
  ". You can exclude them from the shape by explicitly listing which columns to fetch in the " +
  "'columns' query param";

test("stored generated columns, in the snapshot and in the log, until they are none", async () => {
  await database.query(`
    CREATE TABLE made (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
    INSERT INTO made VALUES (1, 1), (2, 2)`);
  await start();
  const all = await follow("table=made");
  const some = await follow("table=made&columns=id,twice&where=twice%3E3");
  expect([...all.rows.values()].map(({ twice }) => twice)).toEqual(["2", "4"]);
  await database.query("INSERT INTO made VALUES (3, 3); UPDATE made SET n = 5 WHERE id = 1");
  await database.query("DELETE FROM made WHERE id = 2");
  const sql = "SELECT id::text, n::text, twice::text FROM made ORDER BY id";
  const before = await database.query(sql);
  await catchUp(all, () => expect(rowsOf(all)).toEqual(before));
  await catchUp(some, () => {
    expect(rowsOf(some)).toEqual([
      { id: "1", twice: "10" },
      { id: "3", twice: "6" },
    ]);
  });

  await database.query(`
    ALTER TABLE made ALTER COLUMN twice DROP EXPRESSION;
    INSERT INTO made VALUES (4, 4, 1000); UPDATE made SET twice = 7 WHERE id = 3`);
  const after = await database.query(sql);
  await catchUp(all, () => expect(rowsOf(all)).toEqual(after));
  await catchUp(some, () =>
    expect(rowsOf(some).map(({ twice }) => twice)).toEqual(["10", "7", "1000"]),
  );
});

test("generated columns that are not replicated are refused, until they are none", async () => {
  await database.query(`
    CREATE PUBLICATION electric_publication_${database.streamId};
    CREATE TABLE stored (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE virtual (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) VIRTUAL);
    INSERT INTO stored VALUES (1); INSERT INTO virtual VALUES (1)`);
  await start();
  const refusal = "The following columns are generated and cannot be included in the shape: g";
  const errorsOf = async (query: string): Promise<unknown> => {
    const { status, text } = await get(query);
    expect(status).toBe(400);
    return (JSON.parse(text) as { errors: unknown }).errors;
  };
  for (const table of ["stored", "virtual"]) {
    expect(await errorsOf(`table=${table}`)).toEqual({ columns: [refusal + IMPLICITLY] });
    expect(await errorsOf(`table=${table}&columns=id,g`)).toEqual({ columns: [refusal] });
    expect((await get(`table=${table}&columns=id`)).status).toBe(200);
  }
  await database.query("ALTER TABLE stored ALTER COLUMN g DROP EXPRESSION");
  const { text } = await get("table=stored");
  expect(text).toContain('"value":{"id":"1","g":"2"}');

  // Published from now on; what is virtual never is.
  await database.query(`
    CREATE TABLE later (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED)`);
  expect(await errorsOf("table=later")).toEqual({ columns: [refusal + IMPLICITLY] });
  await database.query(`
    ALTER PUBLICATION electric_publication_${database.streamId}
    SET (publish_generated_columns = stored)`);
  const later = await follow("table=later");
  await database.query("INSERT INTO later VALUES (8)");
  await catchUp(later, () => expect(rowsOf(later)).toEqual([{ id: "8", g: "16" }]));
  expect(await errorsOf("table=virtual&columns=id,g")).toEqual({ columns: [refusal] });
});
