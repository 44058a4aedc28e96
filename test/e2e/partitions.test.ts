/**
 * Partitioned tables (protocol 7.11).
 *
 * Goal: a shape of the root has the rows of all partitions, under the root's key and relation, and
 * a shape of a partition its own; partitions that are made, attached, detached, dropped and emptied
 * leave no follower with a row too many or too few, be it that nobody looks on: shapes outlive the
 * process where nothing was attached or detached meanwhile. Method: followers of the root, of a
 * partition that is partitioned itself and of leaves, compared with the same query in Postgres.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower, type Message } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const SETTINGS = { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "200ms" };

let database: TestDatabase;
let server: LiveServer;
let directory: TemporaryDirectory;

beforeEach(async () => {
  database = await createTestDatabase();
  // One leaf has its columns in another order, and a dropped one among them.
  await database.query(`
    CREATE TABLE root (id int, t text, n int DEFAULT 0, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10);
    CREATE TABLE mid PARTITION OF root FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
    CREATE TABLE mid1 PARTITION OF mid FOR VALUES FROM (10) TO (20);
    CREATE TABLE mid2 (n int DEFAULT 0, gone text, t text, id int NOT NULL PRIMARY KEY);
    ALTER TABLE mid2 DROP COLUMN gone;
    ALTER TABLE mid ATTACH PARTITION mid2 FOR VALUES FROM (20) TO (30);
    INSERT INTO root VALUES (1, 'one'), (11, 'eleven'), (21, 'twenty-one')`);
  directory = makeTemporaryDirectory();
  server = await startServer(database, SETTINGS, directory.path);
});

afterEach(async () => {
  await server.stop();
  directory.remove();
  await database.dispose();
});

async function follow(query: string): Promise<LogFollower> {
  const follower = new LogFollower(query);
  await follower.catchUp(server.url);
  return follower;
}

async function expectRows(follower: LogFollower, table: string): Promise<void> {
  await eventually(async () => {
    const rows = await database.query(
      `SELECT id::text, t, n::text FROM ${table} ORDER BY ${table}.id`,
    );
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].sort((a, b) => Number(a["id"]) - Number(b["id"]));
    expect(held).toEqual(rows);
  });
  expect(follower.faults).toEqual([]);
}

test("rows come under the root's name, and under the partition's to its own shape", async () => {
  const tables = ["root", "mid", "mid2", "low"];
  const followers = await Promise.all(tables.map((table) => follow(`table=${table}`)));
  const narrow = await follow("table=root&where=n%3D7&columns=id,n");
  for (const sql of [
    "INSERT INTO root VALUES (2, 'two', 0), (12, 'twelve', 7), (22, 'twenty-two', 7)",
    "INSERT INTO mid2 (id, t) VALUES (23, 'direct')",
    "UPDATE root SET t = t || '!' WHERE id IN (1, 11, 21)",
    "UPDATE root SET n = 7 WHERE id IN (2, 23)",
    "UPDATE root SET id = 3 WHERE id = 22",
    "UPDATE root SET id = 24 WHERE id = 23",
    "DELETE FROM root WHERE id IN (1, 11)",
    "BEGIN; INSERT INTO low VALUES (4, 'a'); INSERT INTO mid1 VALUES (14, 'b'); COMMIT",
  ]) {
    await database.query(sql);
    for (const [n, table] of tables.entries()) await expectRows(followers[n]!, table);
  }
  await narrow.catchUp(server.url);
  const rows = await database.query(
    "SELECT id::text, n::text FROM root WHERE n = 7 ORDER BY root.id",
  );
  expect([...narrow.rows.values()].sort((a, b) => Number(a["id"]) - Number(b["id"]))).toEqual(rows);
  for (const follower of followers) expect(follower.refetchCount).toBe(0);
  expect([...followers[0]!.rows.keys()].every((key) => key.startsWith('"public"."root"/'))).toBe(
    true,
  );
  expect([...followers[2]!.rows.keys()]).toEqual(['"public"."mid2"/"21"', '"public"."mid2"/"24"']);

  const response = await fetch(
    `${server.shapeUrl}?table=root&offset=0_inf&handle=${followers[0]!.handle}`,
  );
  const messages = (await response.json()) as (Message & { headers: { relation?: string[] } })[];
  const changes = messages.filter(({ key }) => key !== undefined);
  expect(changes.length).toBeGreaterThan(10);
  for (const { headers } of changes) expect(headers.relation).toEqual(["public", "root"]);
});

test("a partition that is made later is followed without starting again", async () => {
  const root = await follow("table=root");
  const low = await follow("table=low");
  await database.query("CREATE TABLE high PARTITION OF root FOR VALUES FROM (100) TO (200)");
  await database.query("INSERT INTO root VALUES (100, 'hundred')");
  await expectRows(root, "root");
  expect(root.refetchCount).toBe(0);
  await eventually(async () => {
    const [row] = await database.query("SELECT relreplident FROM pg_class WHERE relname = 'high'");
    expect(row!["relreplident"]).toBe("f");
  });
  await database.query("UPDATE root SET t = 'new' WHERE id = 100; DELETE FROM root WHERE id = 1");
  await expectRows(root, "root");
  await expectRows(low, "low");
  expect([root.refetchCount, low.refetchCount]).toEqual([0, 0]);
});

test("an update of a new partition before it sends old rows makes clients start again", async () => {
  const root = await follow("table=root");
  await database.query(`
    CREATE TABLE high PARTITION OF root FOR VALUES FROM (100) TO (200);
    INSERT INTO root VALUES (100, 'hundred'), (101, 'more');
    UPDATE root SET t = 'new' WHERE id = 100; DELETE FROM root WHERE id = 101`);
  await expectRows(root, "root");
});

test("a table with rows is attached, and detached again", async () => {
  const root = await follow("table=root");
  const low = await follow("table=low");
  await database.query("CREATE TABLE extra (LIKE root INCLUDING ALL)");
  await database.query("INSERT INTO extra VALUES (50, 'brought along')");
  await database.query("ALTER TABLE root ATTACH PARTITION extra FOR VALUES FROM (50) TO (60)");
  await expectRows(root, "root");
  await database.query(
    "INSERT INTO root VALUES (51, 'later'); UPDATE root SET n = 1 WHERE id = 50",
  );
  await expectRows(root, "root");
  await database.query(
    "ALTER TABLE root DETACH PARTITION extra; INSERT INTO extra VALUES (52, 'x')",
  );
  await expectRows(root, "root");
  await database.query("DROP TABLE mid1");
  await expectRows(root, "root");
  await expectRows(low, "low");
  expect(low.refetchCount).toBe(0);
});

test("made, filled and attached in one transaction", async () => {
  const root = await follow("table=root");
  await database.query(`
    BEGIN;
    CREATE TABLE extra (id int NOT NULL, t text, n int);
    INSERT INTO extra VALUES (50, 'brought along');
    ALTER TABLE root ATTACH PARTITION extra FOR VALUES FROM (50) TO (60);
    COMMIT`);
  await database.query("INSERT INTO root VALUES (51, 'later')");
  await expectRows(root, "root");
});

test("TRUNCATE of a partition ends the shapes of its root, that of the root all of them", async () => {
  const [root, low, mid1] = [
    await follow("table=root"),
    await follow("table=low"),
    await follow("table=mid1"),
  ];
  await database.query("TRUNCATE low");
  await expectRows(root, "root");
  await expectRows(low, "low");
  await expectRows(mid1, "mid1");
  expect([root.refetchCount, low.refetchCount, mid1.refetchCount]).toEqual([1, 1, 0]);
  await database.query("TRUNCATE root");
  await expectRows(root, "root");
  await expectRows(low, "low");
  await expectRows(mid1, "mid1");
  expect([root.refetchCount, mid1.refetchCount]).toEqual([2, 1]);
});

test("detached, written to and attached again", async () => {
  const root = await follow("table=root");
  await database.query(`
    INSERT INTO root VALUES (2, 'two');
    BEGIN;
    ALTER TABLE root DETACH PARTITION low;
    INSERT INTO low VALUES (3, 'three'); DELETE FROM low WHERE id = 1;
    ALTER TABLE root ATTACH PARTITION low FOR VALUES FROM (0) TO (10);
    COMMIT;
    INSERT INTO root VALUES (4, 'four')`);
  await expectRows(root, "root");
  expect(root.refetchCount).toBe(1);
});

test.each<[meanwhile: string, sql: string, isKept: boolean]>([
  ["nothing happened", "SELECT", true],
  [
    "rows were written",
    `INSERT INTO root VALUES (2, 'two'), (22, 'more'); UPDATE root SET t = 'new' WHERE id = 21;
     DELETE FROM root WHERE id = 1`,
    true,
  ],
  [
    "a partition was made and filled",
    `CREATE TABLE high PARTITION OF root FOR VALUES FROM (100) TO (200);
     INSERT INTO root VALUES (100, 'hundred')`,
    true,
  ],
  [
    "a partition was made, filled and dropped",
    `CREATE TABLE high PARTITION OF root FOR VALUES FROM (100) TO (200);
     INSERT INTO root VALUES (100, 'hundred'); DROP TABLE high; INSERT INTO root VALUES (2, 'two')`,
    true,
  ],
  [
    "a table with rows was attached",
    `CREATE TABLE extra (LIKE root INCLUDING ALL); INSERT INTO extra VALUES (50, 'brought along');
     ALTER TABLE root ATTACH PARTITION extra FOR VALUES FROM (50) TO (60)`,
    false,
  ],
  ["one was detached", "ALTER TABLE mid DETACH PARTITION mid1", false],
  ["one was dropped", "DROP TABLE low", false],
  ["a whole branch was detached", "ALTER TABLE root DETACH PARTITION mid", false],
  [
    "one was detached, written to and attached again",
    `ALTER TABLE root DETACH PARTITION low; INSERT INTO low VALUES (3, 'three');
     ALTER TABLE root ATTACH PARTITION low FOR VALUES FROM (0) TO (10)`,
    false,
  ],
])("a restart during which %s", async (_, sql, isKept) => {
  const root = await follow("table=root");
  const some = await follow("table=root&columns=id,t,n&where=id%3E0");
  const mid2 = await follow("table=mid2");
  await database.query("INSERT INTO root VALUES (5, 'five'), (25, 'twenty-five')");
  await expectRows(root, "root");
  await server.stop();
  await database.query(sql);
  server = await startServer(database, SETTINGS, directory.path);
  for (const follower of [root, some]) {
    await expectRows(follower, "root");
    expect(follower.refetchCount).toBe(isKept ? 0 : 1);
  }
  await expectRows(mid2, "mid2");
  expect(mid2.refetchCount).toBe(0);
  if (!isKept) return;

  // And once more, with what this process has learnt.
  await database.query(
    "INSERT INTO mid2 VALUES (1, 'last', 26); UPDATE mid2 SET n = 8 WHERE n = 0",
  );
  await server.stop();
  server = await startServer(database, SETTINGS, directory.path);
  await expectRows(root, "root");
  await expectRows(mid2, "mid2");
  expect([root.refetchCount, mid2.refetchCount]).toEqual([0, 0]);
});
