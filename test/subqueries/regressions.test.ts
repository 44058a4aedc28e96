/**
 * What the oracle (`oracle.test.ts`) has found, each in the fewest steps: a live server, clients
 * that forgive nothing.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TaggedFollower } from "./tagged-follower.ts";

let database: TestDatabase;
let directory: TemporaryDirectory;
let server: LiveServer;

beforeEach(async () => {
  database = await createTestDatabase();
  directory = makeTemporaryDirectory();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text, parent int);
    CREATE TABLE issues (id int PRIMARY KEY, project int, title text, level int);
    INSERT INTO projects VALUES (1, 'ann', NULL), (2, 'bob', NULL), (3, 'cyd', 1);
    INSERT INTO issues VALUES (1, 1, 'one', 1), (2, 2, 'two', 2), (3, 3, 'three', 3)`);
  server = await startServer(database, {}, directory.path);
});

afterEach(async () => {
  await server.stop();
  directory.remove();
  await database.dispose();
});

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

/** Without a fault, and without having begun anew. */
async function expectRows(follower: TaggedFollower, ids: readonly string[]): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value }) => value["id"]);
    expect(held.sort()).toEqual(ids);
  });
  expect(follower.faults).toEqual([]);
  expect(follower.lostHandles).toEqual([]);
}

test("rows move in after a restart though other shapes know more columns of the table", async () => {
  const follower = await follow("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  const narrow = new TaggedFollower({
    table: "issues",
    where: "project IN (SELECT id FROM projects WHERE owner = 'bob')",
    columns: "id,project",
  });
  await narrow.catchUp(server.url);
  await server.stop();
  server = await startServer(database, {}, directory.path);
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 3");
  await expectRows(follower, ["1", "3"]);
  await database.query("UPDATE projects SET owner = 'bob' WHERE id = 1");
  await expectRows(narrow, ["1", "2"]);
});

test("a value that enters a subquery with a NULL moves nothing out of NOT IN", async () => {
  const follower = await follow("level = 1 OR project NOT IN (SELECT parent FROM projects)");
  await expectRows(follower, ["1"]);
  await database.query("UPDATE projects SET parent = 3 WHERE id = 3");
  await database.query("UPDATE issues SET title = 'last' WHERE id = 1");
  await eventually(async () => {
    await follower.catchUp(server.url);
    expect([...follower.rows.values()][0]?.value["title"]).toBe("last");
  });
  expect(follower.counts.moveOuts).toBe(0);
  await expectRows(follower, ["1"]);
});
