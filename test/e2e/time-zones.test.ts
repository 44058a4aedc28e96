/**
 * Clauses that name time zones, from the request to the log.
 *
 * Goal: a shape holds the rows that Postgres selects, changes and restarts included; a name that is
 * none is a 400.
 */

import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;

/** Each tells the two moments apart that are an hour from one another in summer or in winter. */
const CLAUSES = [
  "at AT TIME ZONE 'Europe/Berlin' >= '2024-07-01 12:00'",
  "(wall AT TIME ZONE 'america/new_york') = '2024-01-15 12:00 America/New_York'",
  "date_trunc('day', at, 'Australia/Sydney') = '2024-07-01 14:00+00'",
  "at = '2024-07-01 12:00 CEST'",
  "at < ('2024-07-01 12:30'::timestamp AT TIME ZONE 'Europe/Paris')",
  "date_part('hour', at AT TIME ZONE 'Asia/Kolkata') = 15",
];

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE t (id int PRIMARY KEY, at timestamptz, wall timestamp);
    INSERT INTO t VALUES (1, '2024-07-01 10:00Z', '2024-01-15 12:00'), (2, NULL, NULL)`);
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

function whereOf(clause: string): string {
  return `table=t&where=${encodeURIComponent(clause)}`;
}

async function expectRows(followers: readonly LogFollower[]): Promise<void> {
  for (const [index, follower] of followers.entries()) {
    const sql = `SELECT id::text FROM t WHERE ${CLAUSES[index]!} ORDER BY id`;
    const expected = (await database.query(sql)).map(({ id }) => id);
    await eventually(async () => {
      await follower.catchUp(server.url);
      const ids = [...follower.rows.values()].map(({ id }) => id);
      expect(ids.sort(), CLAUSES[index]).toEqual(expected);
    });
    expect(follower.faults).toEqual([]);
  }
}

test("shapes follow the clocks of time zones, over a restart too", async () => {
  const directory = makeTemporaryDirectory();
  // After the server has let go of it.
  onTestFinished(() => directory.remove());
  server = await startServer(database, {}, directory.path);
  const followers = CLAUSES.map((clause) => new LogFollower(whereOf(clause)));
  await expectRows(followers);
  await database.query(`
    INSERT INTO t VALUES (3, '2024-07-01 09:59:59Z', '2024-01-15 11:59'),
                         (4, '2024-07-01 14:00Z', '2024-01-15 12:00');
    UPDATE t SET at = '2024-07-01 10:00Z' WHERE id = 2`);
  await expectRows(followers);

  await server.stop();
  // Nobody asks for the shapes before the change comes.
  await database.query(`
    UPDATE t SET at = '2024-07-01 10:00Z', wall = '2024-01-15 12:00' WHERE id = 3;
    UPDATE t SET at = '2024-07-01 09:00Z', wall = '2024-07-15 12:00' WHERE id = 1`);
  server = await startServer(database, {}, directory.path);
  await database.query("UPDATE t SET at = at + interval '1 hour' WHERE id IN (1, 4)");
  await expectRows(followers);
  expect(followers.map(({ refetchCount }) => refetchCount)).toEqual(CLAUSES.map(() => 0));
});

test("what is no time zone of the server's is the client's mistake", async () => {
  server = await startServer(database);
  const refusals: readonly (readonly [string, RegExp])[] = [
    ["at AT TIME ZONE 'Europe/Nowhere' > wall", /time zone \\"Europe\/Nowhere\\" not recognized/],
    ["at AT TIME ZONE 'CET-1CEST' > wall", /use a name of pg_timezone_names/],
    ["at > '2024-07-01 12:00 Europe/Nowhere'", /invalid syntax for type timestamptz/],
    ["date_trunc('day', at, 'MSK') = at", /it is an abbreviation/],
  ];
  for (const [clause, message] of refusals) {
    const response = await fetch(`${server.shapeUrl}?${whereOf(clause)}&offset=-1`);
    expect(response.status, clause).toBe(400);
    expect(await response.text()).toMatch(message);
  }
});
