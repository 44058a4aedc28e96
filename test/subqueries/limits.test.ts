/**
 * Goal: what is kept for shapes that are behind has a limit (protocol 14.6). The shape for which it
 * would be too much begins anew, and is right then; others know nothing of it.
 * Method: the limit is small, and a table is locked for as long as shapes are to be behind.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { everythingRead } from "../support/everything-read.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const OF_ANN = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
const OF_BOB = "project IN (SELECT id FROM projects WHERE owner = 'bob')";

let server: LiveServer;
let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int, half int, project int, title text, PRIMARY KEY (id, half))
      PARTITION BY LIST (half);
    CREATE TABLE issues_1 PARTITION OF issues FOR VALUES IN (1);
    CREATE TABLE issues_2 PARTITION OF issues FOR VALUES IN (2);
    INSERT INTO projects VALUES (1, 'ann'), (2, 'cyd'), (3, 'bob');
    INSERT INTO issues VALUES (1, 1, 1, 'one'), (2, 2, 2, 'two'), (3, 1, 3, 'three')`);
  server = await startServer(database, { LITZ_MOVE_BUFFER_MAX: "1MiB" });
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

async function expectAsInPostgres(follower: TaggedFollower, lostCount: number): Promise<void> {
  const { where } = follower.request;
  await eventually(async () => {
    const rows = await database.query(`SELECT id::text, title FROM issues WHERE ${where}`);
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value: { id, title } }) => ({ id, title }));
    expect(new Set(held)).toEqual(new Set(rows));
    expect(follower.lostHandles).toHaveLength(lostCount);
  });
  expect(follower.faults).toEqual([]);
}

/** One half of the rows can be written, and so nobody can read all of them. */
async function whileBehind(act: () => Promise<unknown>): Promise<void> {
  const client = await database.connect();
  await client.query("BEGIN; LOCK TABLE issues_2 IN ACCESS EXCLUSIVE MODE");
  await act();
  await everythingRead(database, server);
  await client.query("COMMIT");
  await client.end();
}

const MOVE_IN = "UPDATE projects SET owner = 'ann' WHERE id = 2";
const MUCH = "repeat('much ', 1000)";

test("too many rows that move in", async () => {
  await database.query(
    `INSERT INTO issues SELECT n, 1, 2, ${MUCH} FROM generate_series(10, 300) n`,
  );
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await database.query(MOVE_IN);
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
});

test("too many changes of the table while rows are read", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await whileBehind(async () => {
    await database.query(MOVE_IN);
    await database.query(
      `INSERT INTO issues_1 SELECT n, 1, 3, ${MUCH} FROM generate_series(10, 300) n`,
    );
  });
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
});

test("too many changes of what the subselect gives while rows are read", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await whileBehind(async () => {
    await database.query(MOVE_IN);
    await database.query("INSERT INTO projects SELECT n, 'ann' FROM generate_series(10, 5000) n");
  });
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
});

test("too many rows of a subselect's table in one transaction, although few of them stay", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await database.query(`BEGIN;
    INSERT INTO projects SELECT n, 'ann' FROM generate_series(10, 6000) n;
    DELETE FROM projects WHERE id >= 20;
    UPDATE projects SET owner = 'bob' WHERE id = 2;
    COMMIT`);
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
});

test("nothing is too much that is within the limit", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await whileBehind(async () => {
    await database.query(MOVE_IN);
    await database.query("INSERT INTO projects SELECT n, 'ann' FROM generate_series(10, 500) n");
    await database.query(
      `INSERT INTO issues_1 SELECT n, 1, 3, ${MUCH} FROM generate_series(10, 40) n`,
    );
  });
  await expectAsInPostgres(ofAnn, 0);
  await expectAsInPostgres(ofBob, 0);
  const { moves } = server.service.pipeline!;
  await moves.settled();
  expect(moves.figures).toMatchObject({ gated: 0, tapeBytes: 0 });
});
