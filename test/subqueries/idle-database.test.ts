/**
 * Goal: rows that move, and shapes that come, need no other commit to get on. On a database where
 * nobody writes, Postgres says by itself nothing of how far the stream has got; whoever waits for
 * that has to ask.
 *
 * Method: a Postgres of its own, so that no other test moves its WAL, its background writer
 * stopped, which would log who is running every 15 seconds; and a server whose other reasons to
 * hear from it are taken away: the status updates of every five seconds, and those that follow what
 * arrives.
 */

import assert from "node:assert/strict";
import pg from "pg";
import { afterAll, afterEach, beforeAll, test, vi } from "vitest";
import { systemTimers, type Timers } from "../../src/lib/timers.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { WalsenderNudges } from "../../src/postgres/walsender-nudges.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const directory = makeTemporaryDirectory();
let postgres: EmbeddedPostgres;
let database: pg.Client;
let writerPid: number;
let server: LiveServer | undefined;

beforeAll(async () => {
  const settings = { autovacuum: "off", checkpoint_timeout: "1h", max_wal_size: "1GB" };
  postgres = await startEmbeddedPostgres({ directory: directory.path, durable: false, settings });
  database = new pg.Client({ connectionString: postgres.url });
  await database.connect();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int PRIMARY KEY, project int, title text);
    INSERT INTO projects VALUES (1, 'ann'), (2, 'bob');
    INSERT INTO issues VALUES (1, 1, 'one'), (2, 2, 'two'), (3, NULL, 'three')`);
  const { rows } = await database.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'",
  );
  writerPid = rows[0]!.pid;
  process.kill(writerPid, "SIGSTOP");
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server?.stop();
});

afterAll(async () => {
  process.kill(writerPid, "SIGCONT");
  await database.end();
  await postgres.stop();
  directory.remove();
});

/** Nothing but a question of its own makes this server hear from Postgres. */
async function startUnprompted(): Promise<void> {
  vi.spyOn(WalsenderNudges.prototype, "heard").mockImplementation(() => undefined);
  const every: Timers["every"] = systemTimers.every.bind(systemTimers);
  vi.spyOn(systemTimers, "every").mockImplementation((intervalMs, call) =>
    intervalMs === 5_000 ? () => undefined : every(intervalMs, call),
  );
  // Nor does looking at the catalog.
  const settings = { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "60min" };
  server = await startServer({ url: postgres.url, streamId: "idle" }, settings);
}

const ids = (follower: TaggedFollower) =>
  [...follower.rows.values()].map(({ value }) => value["id"]);

test("rows move in and out, one commit after the other, and nothing else is written", async () => {
  await startUnprompted();
  const within = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
  const followers = [within, `NOT (${within})`].map(
    (where) => new TaggedFollower({ table: "issues", where }),
  );
  const arrive = (...expected: string[][]) =>
    eventually(async () => {
      for (const [index, follower] of followers.entries()) {
        await follower.catchUp(server!.url);
        assert.deepEqual(ids(follower).sort(), expected[index]);
      }
    });
  await arrive(["1"], ["2"]);
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
  await arrive(["1", "2"], []);
  await database.query("UPDATE projects SET owner = 'bob' WHERE id IN (1, 2)");
  // NULL IN () is false.
  await arrive([], ["1", "2", "3"]);
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 1");
  await arrive(["1"], ["2"]);
  for (const { faults, lostHandles } of followers) {
    assert.deepEqual([faults, lostHandles], [[], []]);
  }
});
