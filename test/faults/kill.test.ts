/**
 * Goal: kill -9 at any moment loses nothing and repeats nothing; handles stay, ids do not.
 * Method: the `litz` command as a process of its own, killed ten times at random moments while
 * transactions are written and clients follow; after each restart the clients continue from their
 * offsets. The follower notices a change that comes twice, and its rows must equal the query.
 * SEED replays the moments and the writes.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { freePort, startChildServer, type ChildServer } from "../support/child-server.ts";
import { eventually } from "../support/eventually.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";

const KILLS = 10;
const TENANTS = 4;

let database: TestDatabase;
let directory: TemporaryDirectory;
let server: ChildServer;

beforeEach(async () => {
  database = await createTestDatabase();
  directory = makeTemporaryDirectory();
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, tenant_id int NOT NULL, n int NOT NULL);
    INSERT INTO items SELECT n, n % ${TENANTS}, 0 FROM generate_series(1, 40) n`);
});

afterEach(async () => {
  await server.kill("SIGKILL");
  await database.dispose();
  directory.remove();
});

test("killed ten times while it writes, it loses nothing and repeats nothing", async () => {
  const random = seededRandom("kill");
  const port = await freePort();
  const settings = { ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "10000" };
  const start = () => startChildServer(database, directory.path, port, settings);
  server = await start();

  const followers = Array.from(
    { length: TENANTS },
    (_, tenant) => new LogFollower(`table=items&where=tenant_id%3D${tenant}`),
  );
  for (const follower of followers) await follower.catchUp(server.url);
  const handles = followers.map(({ handle }) => handle);

  for (let round = 1; round <= KILLS; round++) {
    const writing = write(random, 60);
    const reading = followers.map((follower) =>
      // The server goes away in the middle of it.
      follower.catchUp(server.url).catch(() => undefined),
    );
    await new Promise((resolve) => setTimeout(resolve, random() * 300));
    await server.kill("SIGKILL");
    await Promise.all([writing, ...reading]);
    server = await start();
    for (const [tenant, follower] of followers.entries()) {
      await eventually(async () => {
        await follower.catchUp(server.url);
        expect(sorted(follower.rows.values())).toEqual(await rowsOf(tenant));
      });
    }
  }

  expect(followers.flatMap(({ faults }) => faults)).toEqual([]);
  expect(followers.map(({ refetchCount }) => refetchCount)).toEqual(handles.map(() => 0));
  expect(followers.map(({ handle }) => handle)).toEqual(handles);
}, 180_000);

/** Transactions of one to four changes: inserts, updates within and across tenants, deletes. */
async function write(random: () => number, count: number): Promise<void> {
  const pick = (n: number) => Math.floor(random() * n);
  for (let transaction = 0; transaction < count; transaction++) {
    const changes = Array.from({ length: 1 + pick(4) }, () => {
      const id = 1 + pick(80);
      switch (pick(4)) {
        case 0:
          return `INSERT INTO items VALUES (${id}, ${pick(TENANTS)}, 0) ON CONFLICT DO NOTHING`;
        case 1:
          return `DELETE FROM items WHERE id = ${id}`;
        case 2:
          return `UPDATE items SET tenant_id = ${pick(TENANTS)} WHERE id = ${id}`;
        default:
          return `UPDATE items SET n = n + 1 WHERE id = ${id}`;
      }
    });
    await database.query(`BEGIN; ${changes.join("; ")}; COMMIT`);
  }
}

async function rowsOf(tenant: number): Promise<Record<string, string>[]> {
  const rows = await database.query(
    "SELECT id::text, tenant_id::text, n::text FROM items WHERE tenant_id = $1",
    [tenant],
  );
  return sorted(rows as Record<string, string>[]);
}

function sorted<R extends Record<string, unknown>>(rows: Iterable<R>): R[] {
  return [...rows].sort((a, b) => Number(a["id"]) - Number(b["id"]));
}
