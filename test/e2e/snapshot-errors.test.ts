/**
 * Goal: what keeps a snapshot from being taken reaches the client in the words and with the status
 * of protocol 3.2, everybody who waits for it gets the same, and the shape is there as soon as the
 * reason is gone. Method: a real Postgres that locks, refuses and changes.
 */

import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer, type Settings } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer | undefined;

beforeEach(async () => {
  database = await createTestDatabase();
  server = undefined;
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, a text);
    INSERT INTO items VALUES (1, 'one')`);
});

afterEach(async () => {
  await server?.stop();
  await database.dispose();
});

async function start(settings?: Settings, url = database.url): Promise<LiveServer> {
  server = await startServer({ url, streamId: database.streamId }, settings);
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter: string | null;
  readonly isKnown: string | null;
  readonly handle: string | null;
}

async function get(query: string): Promise<Answer> {
  const response = await fetch(`${server!.shapeUrl}?${query}&offset=-1`);
  return {
    status: response.status,
    body: await response.json(),
    retryAfter: response.headers.get("retry-after"),
    isKnown: response.headers.get("electric-internal-known-error"),
    handle: response.headers.get("electric-handle"),
  };
}

function knownFailure(message: string): Answer {
  return { status: 503, body: { message }, retryAfter: "10", isKnown: "true", handle: null };
}

/** A role that may follow the stream and nothing else. */
async function startAsPoorRole(): Promise<void> {
  const role = `poor_${database.streamId}`;
  await database.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x'`);
  onTestFinished(async () => {
    const admin = await createTestDatabase();
    await admin.query(`DROP ROLE ${role}`);
    await admin.dispose();
  });
  const url = new URL(database.url);
  url.username = role;
  url.password = "x";
  await start({}, url.href);
}

test("a table that somebody has locked for too long", async () => {
  await start();
  // Published, so that it is the snapshot that has to wait.
  expect((await get("table=items")).status).toBe(200);
  const lock = await database.connect();
  await lock.query("BEGIN; LOCK TABLE items");
  const query = "table=items&where=id%3D1";
  const answers = await Promise.all([get(query), get(query), get(query)]);
  for (const answer of answers) {
    expect(answer).toEqual(knownFailure("Snapshot timed out while waiting for a table lock"));
  }
  await lock.query("ROLLBACK");
  expect((await get(query)).status).toBe(200);
});

test("a query that is cancelled for taking too long", async () => {
  await start();
  await get("table=items");
  const lock = await database.connect();
  await lock.query("BEGIN; LOCK TABLE items");
  let isAnswered = false;
  const answer = get("table=items&where=id%3D1").finally(() => (isAnswered = true));
  // What the statement's time limit does in the end, at once: to the shape's batch, of which any
  // shape may be the slow one, and then to the shape alone.
  await eventually(async () => {
    await database.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(isAnswered).toBe(true);
  });
  expect(await answer).toEqual(
    knownFailure(
      "Snapshot query took too long to return data (cancelled after 30000ms). Please ensure " +
        "snapshot queries are using an index to avoid taking up all database connections.",
    ),
  );
  await lock.query("ROLLBACK");
});

test("a role that may not read the table, then may", async () => {
  const publication = `electric_publication_${database.streamId}`;
  await database.query(`
    ALTER TABLE items REPLICA IDENTITY FULL;
    CREATE PUBLICATION ${publication} FOR TABLE items`);
  await startAsPoorRole();
  expect(await get("table=items")).toEqual(
    knownFailure("Unable to create initial snapshot: permission denied for table items"),
  );
  await database.query("GRANT SELECT ON items TO PUBLIC");
  expect((await get("table=items")).status).toBe(200);

  await database.query("CREATE TABLE other (id int PRIMARY KEY)");
  expect(await get("table=other")).toEqual(
    knownFailure(
      `Database table "public.other" is missing from the publication "${publication}" and ` +
        "Electric lacks privileges to add it",
    ),
  );
  await database.query(`ALTER PUBLICATION ${publication} ADD TABLE other`);
  expect(await get("table=other")).toEqual(
    knownFailure('Database table "public.other" does not have its replica identity set to FULL'),
  );
  await server!.stop();
  server = undefined;
  await database.query(`DROP OWNED BY poor_${database.streamId}`);
});

test("a publication that is missing, and that somebody else has to make", async () => {
  const settings = { ELECTRIC_MANUAL_TABLE_PUBLISHING: "true" };
  const publication = `electric_publication_${database.streamId}`;
  await expect(start(settings)).rejects.toThrow(`Publication "${publication}" is missing`);
  await database.query(`
    ALTER TABLE items REPLICA IDENTITY FULL;
    CREATE PUBLICATION ${publication} FOR TABLE items WITH (publish_generated_columns = stored)`);
  await start(settings);
  expect((await get("table=items")).status).toBe(200);
  const query = `SELECT tablename FROM pg_publication_tables WHERE pubname = '${publication}'`;
  expect(await database.query(query)).toEqual([{ tablename: "items" }]);
});

test.each([
  ["a column that is gone", "ALTER TABLE items DROP COLUMN a", "table=items&columns=id,a"],
  [
    "a column of another type",
    "ALTER TABLE items ALTER a TYPE varchar",
    "table=items&where=a%3D%271%27",
  ],
  ["a table that is gone", "DROP TABLE items", "table=items"],
  ["a table that was renamed", "ALTER TABLE items RENAME TO others", "table=items"],
])("%s makes clients look again, and nothing is served", async (_, ddl, query) => {
  await start();
  await get("table=items&where=id%3D7");
  await database.query(ddl);
  expect(await get(query)).toEqual({
    ...{ status: 409, body: [{ headers: { control: "must-refetch" } }] },
    ...{ retryAfter: null, isKnown: null, handle: null },
  });
  expect((await get(query)).status).toBe(ddl.includes("TYPE") ? 200 : 400);
});

test("a value that is none of its type's is the client's to mend", async () => {
  await database.query("CREATE TYPE mood AS ENUM ('fine'); ALTER TABLE items ADD m mood");
  await start();
  const { status, body } = await get(`table=items&where=${encodeURIComponent("m = 'bad'")}`);
  expect({ status, body }).toEqual({
    status: 400,
    body: {
      message: "Invalid request",
      errors: { where: ['invalid input value for enum mood: "bad"'] },
    },
  });
});
