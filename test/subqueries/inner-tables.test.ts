/**
 * What befalls the table of a subquery, or befalls the one around it in a transaction that changes
 * both: the shapes begin anew and are right again, the stream goes on, and nothing is left behind.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { TestDatabase } from "../support/postgres.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const OF_OTHERS = "project IN (SELECT id FROM projects WHERE owner <> 'bob')";

let server: RestartableServer;
let database: TestDatabase;

beforeEach(async () => {
  server = await RestartableServer.start(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text, parent int);
    CREATE TABLE issues (id int PRIMARY KEY, project int, title text, level int);
    INSERT INTO projects VALUES (1, 'ann', NULL), (2, 'bob', NULL), (3, 'cyd', 1);
    INSERT INTO issues VALUES (1, 1, 'one', 1), (2, 2, 'two', 2), (3, 3, 'three', 3)`);
  database = server.database;
});

afterEach(async () => {
  await server.dispose();
});

async function idsInPostgres(where: string): Promise<readonly unknown[]> {
  const rows = await database.query(`SELECT id::text FROM issues WHERE ${where} ORDER BY 1`);
  return rows.map(({ id }) => id);
}

test.each([
  ["TRUNCATE of it", "TRUNCATE projects"],
  [
    "rows before and after a TRUNCATE of it",
    `INSERT INTO projects VALUES (9, 'x'); TRUNCATE projects;
     INSERT INTO projects VALUES (2, 'ann')`,
  ],
  [
    "TRUNCATE of both tables",
    `TRUNCATE projects, issues; INSERT INTO projects VALUES (2, 'ann');
     INSERT INTO issues VALUES (7, 2, 'x', 1)`,
  ],
  [
    "rows of it, then TRUNCATE of the table around it",
    `INSERT INTO projects VALUES (9, 'x'); TRUNCATE issues;
     INSERT INTO issues VALUES (7, 9, 'x', 1)`,
  ],
  [
    "another column under the name of one that it compares",
    `ALTER TABLE projects RENAME owner TO boss; ALTER TABLE projects ADD owner text DEFAULT 'bob';
     UPDATE projects SET parent = 7`,
  ],
  [
    "rows of it, and one on which the WHERE around it fails",
    `INSERT INTO projects VALUES (9, 'x'); INSERT INTO issues VALUES (7, 1, 'x', 0);
     DELETE FROM issues WHERE id = 7`,
    `1 / level > -5 AND ${OF_OTHERS}`,
  ],
])("%s", async (_, statements, where = OF_OTHERS) => {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  await database.query(`BEGIN; ${statements}; COMMIT`);
  await database.query("INSERT INTO issues VALUES (8, 2, 'y', 1)");
  await eventually(async () => {
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value }) => value["id"]);
    expect(held.sort()).toEqual(await idsInPostgres(where));
    expect(follower.lostHandles).toHaveLength(1);
  });
  expect(follower.faults).toEqual([]);
});

test("what a transaction gave to a view that went in its middle is not kept", async () => {
  const keep = new TaggedFollower({
    table: "projects",
    where: "parent IN (SELECT id FROM projects WHERE owner = 'cyd')",
  });
  await keep.catchUp(server.url);
  for (let round = 0; round < 3; round++) {
    await new TaggedFollower({ table: "issues", where: OF_OTHERS }).catchUp(server.url);
    await database.query(`BEGIN; INSERT INTO projects SELECT n, 'x' FROM generate_series(10, 40) n;
      DELETE FROM projects WHERE id > 9; TRUNCATE issues; COMMIT`);
    await eventually(() => expect(server.pipeline.registry.count).toBe(1));
  }
  // 3 is the one value of the view that is left; those of the others are swept in time.
  await eventually(() => expect(server.pipeline.views.valueCount).toBe(1));
  await keep.catchUp(server.url);
  expect(keep.lostHandles).toEqual([]);
});

test("views are no shapes: no limit, figure or listing counts them", async () => {
  const follower = new TaggedFollower({ table: "issues", where: OF_OTHERS });
  await follower.catchUp(server.url);
  expect(server.pipeline.registry.count).toBe(1);
  const status = (await (await fetch(`${server.url}/admin/status`)).json()) as {
    readonly engine: { readonly shapes: { readonly total: number; readonly views: number } };
  };
  expect(status.engine.shapes).toMatchObject({ total: 1, views: 1 });
  const { templates } = (await (await fetch(`${server.url}/admin/templates`)).json()) as {
    readonly templates: readonly { readonly table: string; readonly isView: boolean }[];
  };
  expect(templates.map(({ table, isView }) => [table, isView])).toEqual(
    expect.arrayContaining([
      ['"public"."issues"', false],
      ['"public"."projects"', true],
    ]),
  );
  await server.pipeline.eviction.enforce();
  expect(server.pipeline.registry.count).toBe(1);
});
