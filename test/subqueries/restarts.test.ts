/**
 * Goal: a start goes on where the process before it was, wherever that was when it was killed: no
 * client begins anew, and each has in the end what its query gives (protocol 14.6).
 *
 * Method: rows of moves are withheld, so that shapes are behind for as long as a test wants. A kill
 * is a copy of the directory in which the next server goes on, while nothing more is confirmed to
 * Postgres. What the oracle's kills meet now and then is met each time.
 */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MoveReader } from "../../src/postgres/move-query.ts";
import { SnapshotBatcher } from "../../src/postgres/snapshot-batch.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { everythingRead } from "../support/everything-read.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const OF_ANN = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
const OF_THE_ACTIVE =
  "project IN (SELECT id FROM projects WHERE owner IN (SELECT name FROM owners WHERE is_active))";
const OF_ACTIVE_TEAMS = `project IN (SELECT id FROM projects WHERE owner IN
  (SELECT name FROM owners WHERE team IN (SELECT id FROM teams WHERE is_active)))`;
/** Of views of different layers: each of its positions must be one place in time. */
const OF_ANN_OR_ACTIVE = `${OF_ANN} OR ${OF_THE_ACTIVE}`;
const OF_NOT_ACTIVE = OF_THE_ACTIVE.replace("project IN", "project NOT IN");

let database: TestDatabase;
let parent: TemporaryDirectory;
let directory: string;
let server: LiveServer;
let kills = 0;

beforeEach(async () => {
  database = await createTestDatabase();
  parent = makeTemporaryDirectory();
  directory = join(parent.path, "0");
  await database.query(`
    CREATE TABLE teams (id int PRIMARY KEY, is_active bool);
    CREATE TABLE owners (name text PRIMARY KEY, team int, is_active bool);
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int PRIMARY KEY, project int, title text);
    INSERT INTO teams VALUES (1, true), (2, false);
    INSERT INTO owners VALUES ('ann', 1, true), ('bob', 2, false), ('cyd', 2, false);
    INSERT INTO projects VALUES (1, 'ann'), (2, 'bob'), (3, 'cyd');
    INSERT INTO issues VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three')`);
  server = await startServer(database, {}, directory);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server.stop();
  parent.remove();
  await database.dispose();
});

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

/** From now on no rows of moves are read; resolves what was asked for when it is called. */
function withholdRows(): () => void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its reader
  const { read } = MoveReader.prototype;
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  vi.spyOn(MoveReader.prototype, "read").mockImplementation(async function (
    this: MoveReader,
    wanted,
    placed,
    row,
    signal,
  ) {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
    await Promise.race([released, aborted]);
    return read.call(this, wanted, placed, row, signal);
  });
  return release;
}

/** From now on Postgres is told nothing: it will send everything again. */
function confirmNothing(): void {
  server.service.pipeline!.collector.acknowledge = () => undefined;
}

/** The next server goes on from what a kill would leave. */
async function kill(whileDown = ""): Promise<void> {
  await server.service.pipeline!.store.flushed();
  confirmNothing();
  kills += 1;
  const next = join(parent.path, String(kills));
  cpSync(directory, next, { recursive: true });
  await server.stop();
  vi.restoreAllMocks();
  directory = next;
  if (whileDown !== "") await database.query(whileDown);
}

async function expectAsInPostgres(follower: TaggedFollower): Promise<void> {
  const { where } = follower.request;
  const sql = `SELECT id::text, title FROM issues WHERE ${where}`;
  await eventually(async () => {
    const rows = (await database.query(sql)).map(({ id, title }) => [id, title].join(": "));
    await follower.catchUp(server.url);
    const values = [...follower.rows.values()].map(({ value }) => value);
    expect(values.map(({ id, title }) => [id, title].join(": ")).sort()).toEqual(rows.sort());
  });
  expect(follower.faults).toEqual([]);
  expect(follower.lostHandles).toEqual([]);
}

const SHAPES = [OF_ANN, OF_THE_ACTIVE, OF_ACTIVE_TEAMS, OF_ANN_OR_ACTIVE, OF_NOT_ACTIVE];
/** Moves rows into each of the shapes, and out of some. */
const MOVES = `
  UPDATE teams SET is_active = NOT is_active; UPDATE owners SET is_active = name <> 'ann';
  UPDATE projects SET owner = 'ann' WHERE id = 2; UPDATE issues SET title = 'first' WHERE id = 2;
  INSERT INTO issues VALUES (4, 1, 'four'), (5, 2, 'five'), (6, 3, 'six')`;
const MOVES_BACK = `
  UPDATE teams SET is_active = id = 1; UPDATE owners SET is_active = name = 'cyd';
  UPDATE projects SET owner = 'bob' WHERE id = 1; UPDATE issues SET title = 'second' WHERE id < 4;
  DELETE FROM issues WHERE id > 3`;

async function followAll(): Promise<readonly TaggedFollower[]> {
  return Promise.all(SHAPES.map(follow));
}

async function expectAllAsInPostgres(followers: readonly TaggedFollower[]): Promise<void> {
  for (const follower of followers) await expectAsInPostgres(follower);
}

test("killed while rows are moving", async () => {
  const followers = await followAll();
  withholdRows();
  await database.query(MOVES);
  await everythingRead(database, server);
  for (const follower of followers) await follower.catchUp(server.url);
  await kill();
  server = await startServer(database, {}, directory);
  await expectAllAsInPostgres(followers);
  await database.query(MOVES_BACK);
  await expectAllAsInPostgres(followers);
});

test("killed, and all has changed when it starts again", async () => {
  const followers = await followAll();
  await database.query(MOVES);
  await everythingRead(database, server);
  await server.service.pipeline!.moves.settled();
  for (const follower of followers) await follower.catchUp(server.url);
  await kill(MOVES_BACK);
  server = await startServer(database, {}, directory);
  await expectAllAsInPostgres(followers);
  await database.query(MOVES);
  await expectAllAsInPostgres(followers);
});

test("killed again before it has caught up", async () => {
  const followers = await followAll();
  await kill(MOVES);
  const release = withholdRows();
  server = await startServer(database, {}, directory);
  // The journal goes on without the shapes that are behind.
  const plain = new TaggedFollower({ table: "owners", where: "name > ''" });
  await plain.catchUp(server.url);
  await database.query("INSERT INTO owners VALUES ('dan', 1, false)");
  await everythingRead(database, server);
  await kill(MOVES_BACK);
  release();
  server = await startServer(database, {}, directory);
  await expectAllAsInPostgres(followers);
});

test("what moved in behind a commit before a kill does not have its offsets used again", async () => {
  const follower = await follow(OF_ANN);
  const release = withholdRows();
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
  await everythingRead(database, server);
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 3");
  await everythingRead(database, server);
  const again = withholdRows();
  release();
  await eventually(async () => {
    await follower.catchUp(server.url);
    expect(follower.rows.size).toBe(2);
  });
  await kill();
  again();
  server = await startServer(database, {}, directory);
  await expectAsInPostgres(follower);
});

test("what a move went past is not played again", async () => {
  const follower = await follow(OF_ANN);
  confirmNothing();
  const release = withholdRows();
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
  await everythingRead(database, server);
  // Nobody but the shape that waits has to do with these.
  await database.query("UPDATE issues SET project = 3 WHERE id = 1");
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 3");
  await database.query("UPDATE projects SET owner = 'bob' WHERE id = 1");
  await everythingRead(database, server);
  release();
  await server.service.pipeline!.moves.settled();
  await server.service.pipeline!.store.flushed();
  await expectAsInPostgres(follower);
  const { offset } = follower;
  await kill();
  server = await startServer(database, {}, directory);
  await eventually(() => {
    expect(server.service.pipeline!.moves.figures.gated).toBe(0);
  });
  await expectAsInPostgres(follower);
  expect(follower.offset).toBe(offset);
});

test("a shape that cannot be kept takes no other along when it is brought up", async () => {
  const follower = await follow(OF_ANN);
  const ending = await follow("title NOT IN (SELECT owner FROM projects)");
  await kill("INSERT INTO projects VALUES (9, NULL)");
  server = await startServer(database, {}, directory);
  await expectAsInPostgres(follower);
  await eventually(async () => {
    await ending.catchUp(server.url);
    expect(ending.lostHandles).toHaveLength(1);
  });
  expect(ending.rows.size).toBe(0);
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 3");
  await expectAsInPostgres(follower);
});

test("what committed while a snapshot was being placed is not confirmed before it is kept", async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its batcher
  const { read } = SnapshotBatcher.prototype;
  const spy = vi.spyOn(SnapshotBatcher.prototype, "read");
  spy.mockImplementation(function (this: SnapshotBatcher, definition, placed, ...rest) {
    const late: typeof placed = async (bounds) => {
      spy.mockRestore();
      await database.query(`
        BEGIN; INSERT INTO projects VALUES (7, 'ann'); INSERT INTO issues VALUES (20, 1, 'new');
        UPDATE issues SET title = 'changed', project = 7 WHERE id = 2; COMMIT`);
      await everythingRead(database, server);
      await placed(bounds);
    };
    return read.call(this, definition, late, ...rest);
  });
  withholdRows();
  const follower = await follow(OF_ANN);
  await everythingRead(database, server);
  await server.stop();
  vi.restoreAllMocks();
  server = await startServer(database, {}, directory);
  await expectAsInPostgres(follower);
});
