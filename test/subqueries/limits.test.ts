/**
 * Goal: what is kept for shapes that are behind has a limit (protocol 14.6). The shape for which it
 * would be too much begins anew, and is right then; others know nothing of it, be they behind too.
 * The operator reads which limit it was.
 * Method: the limit is small, and tables are locked for as long as shapes are to be behind.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { eventually } from "../support/eventually.ts";
import { everythingRead } from "../support/everything-read.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const OF_ANN = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
const OF_BOB = "project IN (SELECT id FROM projects WHERE owner = 'bob')";

let server: LiveServer;
let database: TestDatabase;
let removals: string[];

beforeEach(async () => {
  removals = [];
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int, half int, project int, title text, PRIMARY KEY (id, half))
      PARTITION BY LIST (half);
    CREATE TABLE issues_1 PARTITION OF issues FOR VALUES IN (1);
    CREATE TABLE issues_2 PARTITION OF issues FOR VALUES IN (2);
    CREATE TABLE notes (id int PRIMARY KEY, project int, title text);
    INSERT INTO projects VALUES (1, 'ann'), (2, 'cyd'), (3, 'bob'), (4, 'cyd');
    INSERT INTO notes VALUES (1, 1, 'one'), (2, 2, 'two');
    INSERT INTO issues VALUES (1, 1, 1, 'one'), (2, 2, 2, 'two'), (3, 1, 3, 'three')`);
  const settings = {
    LITZ_MOVE_BUFFER_MAX: "1MiB",
    ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS: "20",
  };
  const logger = {
    ...silentLogger,
    warn: (fields: { why?: string }) => void removals.push(fields.why ?? ""),
  };
  server = await startServer(database, settings, undefined, logger);
  removals = [];
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

async function follow(where: string, table = "issues"): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table, where });
  await follower.catchUp(server.url);
  return follower;
}

async function expectAsInPostgres(follower: TaggedFollower, lostCount: number): Promise<void> {
  const { table, where } = follower.request;
  await eventually(async () => {
    const rows = await database.query(`SELECT id::text, title FROM ${table} WHERE ${where}`);
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value: { id, title } }) => ({ id, title }));
    expect(new Set(held)).toEqual(new Set(rows));
    expect(follower.lostHandles).toHaveLength(lostCount);
  });
  expect(follower.faults).toEqual([]);
}

/** One half of the issues can be written, and so nobody can read all of them; nor any notes. */
async function whileBehind(act: () => Promise<unknown>): Promise<void> {
  const client = await database.connect();
  await client.query("BEGIN; LOCK TABLE issues_2, notes IN ACCESS EXCLUSIVE MODE");
  await act();
  await everythingRead(database, server);
  await client.query("COMMIT");
  await client.end();
}

const MOVE_IN = "UPDATE projects SET owner = 'ann' WHERE id = 2";
const MOVE_IN_BOB = "UPDATE projects SET owner = 'bob' WHERE id = 4";
const MUCH = "repeat('much ', 1000)";

test("too many rows that move in", async () => {
  await database.query(
    `INSERT INTO issues SELECT n, 1, 2, ${MUCH} FROM generate_series(10, 300) n`,
  );
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await database.query(MOVE_IN);
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
  expect(removals.at(-1)).toMatch(/rows that move in .* raise LITZ_MOVE_BUFFER_MAX/);
});

test("too many changes of the table while rows are read", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  const notes = await follow(OF_ANN, "notes");
  await whileBehind(async () => {
    await database.query(MOVE_IN);
    await database.query(
      `INSERT INTO issues_1 SELECT n, 1, 3, ${MUCH} FROM generate_series(10, 160) n`,
    );
    // Without what was kept for the other's sake there is room for its own.
    await database.query(MOVE_IN_BOB);
    await database.query(
      `INSERT INTO issues_1 SELECT n, 1, 3, ${MUCH} FROM generate_series(161, 280) n`,
    );
  });
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
  await expectAsInPostgres(notes, 0);
  expect(removals).toEqual([expect.stringMatching(/changes of its table .* LITZ_MOVE_BUFFER_MAX/)]);
});

test("too many transactions while rows are read", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await whileBehind(async () => {
    await database.query(MOVE_IN);
    for (let n = 10; n < 40; n++) {
      if (n === 25) await database.query(MOVE_IN_BOB);
      await database.query(`INSERT INTO issues_1 VALUES (${n}, 1, 3, 'new')`);
    }
  });
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
  expect(removals).toEqual([
    expect.stringMatching(/20 transactions .* raise ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS/),
  ]);
});

test("too many changes of what the subquery gives while rows are read", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  const notes = await follow(OF_ANN, "notes");
  await whileBehind(async () => {
    await database.query(MOVE_IN_BOB);
    await database.query(MOVE_IN);
    for (const [from, to] of [
      [10, 2000],
      [2001, 4000],
    ]) {
      await database.query(
        `INSERT INTO projects SELECT n, 'ann' FROM generate_series(${from}, ${to}) n`,
      );
    }
  });
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
  // What the values do is kept once, for both.
  await expectAsInPostgres(notes, 1);
  expect(removals).toHaveLength(2);
  for (const why of removals) {
    expect(why).toMatch(/subquery gives changed too much .* LITZ_MOVE_BUFFER_MAX/);
  }
});

test("too many rows of a subquery's table in one transaction, although few of them stay", async () => {
  const [ofAnn, ofBob] = [await follow(OF_ANN), await follow(OF_BOB)];
  await database.query(`BEGIN;
    INSERT INTO projects SELECT n, 'ann' FROM generate_series(10, 6000) n;
    DELETE FROM projects WHERE id >= 20;
    UPDATE projects SET owner = 'bob' WHERE id = 2;
    COMMIT`);
  await expectAsInPostgres(ofAnn, 1);
  await expectAsInPostgres(ofBob, 0);
  expect(removals).toEqual([expect.stringMatching(/a transaction .* raise LITZ_MOVE_BUFFER_MAX/)]);
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
