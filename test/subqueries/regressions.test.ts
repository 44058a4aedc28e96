/**
 * What the oracle (`oracle.test.ts`) has found, each in the fewest steps: a live server, clients
 * that forgive nothing.
 */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MoveReader } from "../../src/postgres/move-query.ts";
import { SnapshotBatcher } from "../../src/postgres/snapshot-batch.ts";
import { eventually } from "../support/eventually.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const SCHEMA = `
  CREATE TABLE teams (id int PRIMARY KEY, is_active bool);
  CREATE TABLE projects (id int PRIMARY KEY, owner text, parent int);
  CREATE TABLE issues (id int PRIMARY KEY, project int, title text, level int);
  INSERT INTO teams VALUES (1, true), (2, false);
  INSERT INTO projects VALUES (1, 'ann', NULL), (2, 'bob', NULL), (3, 'cyd', 1);
  INSERT INTO issues VALUES (1, 1, 'one', 1), (2, 2, 'two', 2), (3, 3, 'three', 3)`;

let server: RestartableServer;

beforeEach(async () => {
  server = await RestartableServer.start(SCHEMA);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server.dispose();
});

async function happens(...statements: readonly string[]): Promise<void> {
  await server.database.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
}

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

/** Without a fault, and without having begun anew. */
async function expectRows(
  follower: TaggedFollower,
  ids: readonly string[],
  counts: Partial<TaggedFollower["counts"]> = {},
): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value }) => value["id"]);
    expect(follower.counts).toMatchObject(counts);
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
  await server.restart();
  await happens("UPDATE projects SET owner = 'ann' WHERE id = 3");
  await expectRows(follower, ["1", "3"]);
  await happens("UPDATE projects SET owner = 'bob' WHERE id = 1");
  await expectRows(narrow, ["1", "2"]);
});

test("a value that enters a subquery with a NULL moves nothing out of NOT IN", async () => {
  const follower = await follow("level = 1 OR project NOT IN (SELECT parent FROM projects)");
  await expectRows(follower, ["1"]);
  await happens("UPDATE projects SET parent = 3 WHERE id = 3");
  await happens("UPDATE issues SET title = 'last' WHERE id = 1");
  await expectTitle(follower, "last");
  expect(follower.counts.moveOuts).toBe(0);
  await expectRows(follower, ["1"]);
});

test("a row that leaves by one subquery and enters by another in one step is given again", async () => {
  const follower = await follow(`
    project IN (SELECT id FROM projects WHERE owner = 'ann')
    OR level IN (SELECT id FROM projects WHERE owner = 'dan')`);
  await expectRows(follower, ["1"]);
  await happens("UPDATE projects SET owner = 'dan' WHERE id = 1");
  await expectRows(follower, ["1"], { moveOuts: 1, moveIns: 1, movedRows: 1 });
});

test("after a restart, commits count from the first on", async () => {
  const follower = await follow("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  await server.restart(async () => {
    // Neither reaches a shape by itself; which came first decides what the client is told.
    await happens("UPDATE issues SET title = 'new' WHERE id = 2");
    await happens("UPDATE projects SET owner = 'ann' WHERE id = 2");
    await happens("UPDATE issues SET title = 'newer' WHERE id = 2");
    await happens("UPDATE projects SET owner = 'bob' WHERE id = 1");
  });
  await expectRows(follower, ["2"], { moveOuts: 1, moveIns: 1, movedRows: 1 });
});

test("after a restart, more values may have left a nested subquery than a call has room for", async () => {
  await happens("INSERT INTO projects SELECT n, 'many', 1 FROM generate_series(10, 130000) n");
  const follower = await follow(
    "project IN (SELECT id FROM projects WHERE parent IN (SELECT id FROM teams WHERE is_active))",
  );
  await expectRows(follower, ["3"]);
  await server.restart(() => happens("UPDATE teams SET is_active = false WHERE id = 1"));
  await expectRows(follower, []);
});

test("a shape is not placed where a view that it stands on lags behind Postgres", async () => {
  // Makes reading the rows that move into the middle view take its time.
  await happens("INSERT INTO projects SELECT n, 'many', 9 FROM generate_series(10, 300000) n");
  const ofActive =
    "project IN (SELECT id FROM projects WHERE parent IN (SELECT id FROM teams WHERE is_active))";
  const first = await follow(ofActive);
  for (let round = 1; round <= 3; round++) {
    await happens("UPDATE teams SET is_active = false WHERE id = 1");
    await expectRows(first, []);
    await happens("UPDATE teams SET is_active = true WHERE id = 1");
    // Its first rows show what the view has yet to learn.
    const follower = await follow(`level > ${-round} AND ${ofActive}`);
    await expectRows(first, ["3"]);
    await happens(`UPDATE issues SET title = 'round ${round}' WHERE id = 3`);
    await expectTitle(follower, `round ${round}`);
    await expectRows(follower, ["3"], { moveIns: 0 });
  }
});

test("nor where one lagged that has caught up by the time that the stream gets there", async () => {
  const ofActive =
    "project IN (SELECT id FROM projects WHERE parent IN (SELECT id FROM teams WHERE is_active))";
  const first = await follow(ofActive);
  const witness = await follow("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  await happens("UPDATE teams SET is_active = false WHERE id = 1");
  await expectRows(first, []);
  const release = withholdRows();
  await happens("UPDATE teams SET is_active = true WHERE id = 1");
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its batcher
  const { read } = SnapshotBatcher.prototype;
  const spy = vi.spyOn(SnapshotBatcher.prototype, "read");
  spy.mockImplementation(function (this: SnapshotBatcher, definition, placed, ...rest) {
    const late: typeof placed = async (bounds) => {
      spy.mockRestore();
      await happens("UPDATE issues SET title = 'behind it' WHERE id = 1");
      await expectTitle(witness, "behind it");
      release();
      await expectRows(first, ["3"]);
      await placed(bounds);
    };
    return read.call(this, definition, late, ...rest);
  });
  const follower = await follow(`level > 0 AND ${ofActive}`);
  await happens("UPDATE issues SET title = 'last' WHERE id = 3");
  await expectTitle(follower, "last");
  await expectRows(follower, ["3"], { moveIns: 0 });
});

test("a shape that falls behind with one view may go with another in the same step", async () => {
  const ofActive =
    "project IN (SELECT id FROM projects WHERE parent IN (SELECT id FROM teams WHERE is_active))";
  const first = await follow(ofActive);
  // The NULL that comes cannot be said of this subquery's own subquery.
  const gone = await follow(`${ofActive} OR level IN (SELECT id FROM projects
    WHERE id NOT IN (SELECT parent FROM projects WHERE id > 2))`);
  await happens(
    "UPDATE teams SET is_active = true WHERE id = 2",
    "INSERT INTO projects VALUES (4, 'dan', NULL)",
  );
  await happens(
    "INSERT INTO projects VALUES (5, 'eve', 2)",
    "INSERT INTO issues VALUES (5, 5, 'five', 5)",
  );
  await expectRows(first, ["3", "5"]);
  // Nothing was counted twice.
  await happens("UPDATE teams SET is_active = false WHERE id = 2");
  await expectRows(first, ["3"]);
  await eventually(async () => {
    await gone.catchUp(server.url);
    expect([...gone.rows.values()].map(({ value }) => value["id"])).toEqual(["3"]);
  });
  expect(gone.lostHandles).toHaveLength(1);
});

/** No rows of moves are read until what it returns is called. */
function withholdRows(): () => void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its reader
  const { read } = MoveReader.prototype;
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  vi.spyOn(MoveReader.prototype, "read").mockImplementation(async function (
    this: MoveReader,
    ...request
  ) {
    await released;
    return read.apply(this, request);
  });
  return release;
}

/** Of the one row that there is. */
async function expectTitle(follower: TaggedFollower, title: string): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(server.url);
    expect([...follower.rows.values()].map(({ value }) => value["title"])).toEqual([title]);
  });
}
