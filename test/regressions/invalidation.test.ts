/**
 * Tables that change under their shapes, at moments that once went wrong:
 *
 *   - TRUNCATE of one table in a transaction that had changed another: the stream waited for the
 *     removal to be durable, which waited for the end of the transaction, for ever.
 *   - DROP and CREATE, DROP COLUMN: what the catalog had said was kept, and every new shape failed.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE a (id int PRIMARY KEY, t text);
    CREATE TABLE b (id int PRIMARY KEY, t text);
    INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 'x')`);
  server = await startServer(database);
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

async function expectIds(follower: LogFollower, ids: readonly string[]): Promise<void> {
  await eventually(async () => {
    // A table that changes is a conflict at first; clients ask again, as this does.
    await follower.catchUp(server.url);
    expect([...follower.rows.values()].map(({ id }) => id).sort()).toEqual(ids);
  });
}

test("TRUNCATE in the middle of a transaction lets it go on", async () => {
  const [a, b] = [new LogFollower("table=a"), new LogFollower("table=b")];
  await a.catchUp(server.url);
  await b.catchUp(server.url);
  await database.query(`
    BEGIN; INSERT INTO a VALUES (2, 'y'); TRUNCATE b; INSERT INTO a VALUES (3, 'y');
    INSERT INTO b VALUES (9, 'y'); COMMIT`);
  await expectIds(a, ["1", "2", "3"]);
  await expectIds(b, ["9"]);
  expect([a.refetchCount, b.refetchCount]).toEqual([0, 1]);
  await database.query("INSERT INTO b VALUES (10, 'z')");
  await expectIds(b, ["10", "9"]);
});

test("a table dropped and made again serves the new rows to the next shape", async () => {
  await new LogFollower("table=b").catchUp(server.url);
  await database.query("DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY, t text, u text)");
  await database.query("INSERT INTO b VALUES (7, 'new', 'u')");
  const narrow = new LogFollower("table=b&where=id%3D7");
  await expectIds(narrow, ["7"]);
  await expectIds(new LogFollower("table=b"), ["7"]);
  expect([...narrow.rows.values()]).toEqual([{ id: "7", t: "new", u: "u" }]);
});

test("a dropped column fails no more than one request", async () => {
  await new LogFollower("table=b").catchUp(server.url);
  await database.query("ALTER TABLE b DROP COLUMN t");
  await expectIds(new LogFollower("table=b&where=id%3D1"), ["1"]);
});
