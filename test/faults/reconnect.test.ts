/**
 * Goal: a lost replication connection changes nothing that is keyed by a shape: every shape keeps
 * its id, every structure its count, and changes flow again (law 8). Minting ids anew on such an
 * occasion once orphaned every structure that was keyed by the old ones.
 * Method: a whole server with live shapes; Postgres ends the walsender, idle and in the middle of a
 * large transaction; ids and counts before and after are compared, and the followers catch up.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import type { ShapeId } from "../../src/model/ids.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const SHAPES = 50;

let database: TestDatabase;
let server: LiveServer;
let followers: LogFollower[];

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, tenant_id int NOT NULL, title text);
    INSERT INTO items SELECT n, n % ${SHAPES}, 'a' FROM generate_series(1, 200) n`);
  server = await startServer(database);
  followers = Array.from(
    { length: SHAPES },
    (_, tenant) => new LogFollower(`table=items&where=tenant_id%3D${tenant}`),
  );
  for (const follower of followers) await follower.catchUp(server.url);
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

/** Every live id with the handle it stands for. */
function identities(): Map<ShapeId, string> {
  const { registry } = server.service.pipeline!;
  const ids = Array.from({ length: 4 * SHAPES }, (_, index) => (index + 1) as ShapeId);
  const pairs = ids.map((id) => [id, registry.handleOf(id)] as const);
  return new Map(pairs.filter((pair): pair is [ShapeId, never] => pair[1] !== undefined));
}

/** Entries of every structure that a shape has a place in for as long as it lives. */
const KEYED_BY_SHAPE = [
  "handle table",
  "shape table",
  "equality index",
  "id sets",
  "value store",
  "condition tree",
];

function counts(): Record<string, number> {
  const report = server.service.pipeline!.accounting.report();
  return Object.fromEntries(
    KEYED_BY_SHAPE.map((name) => [name, report.find(({ owner }) => owner === name)!.entries]),
  );
}

async function loseConnection(): Promise<void> {
  const rows = await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE pid IN " +
      "(SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1)",
    [`electric_slot_${database.streamId}`],
  );
  expect(rows).toHaveLength(1);
  await eventually(() => expect(server.service.pipeline!.shapes.status).not.toBe("active"));
}

async function expectCaughtUp(): Promise<void> {
  for (const [tenant, follower] of followers.entries()) {
    const rows = await database.query(
      "SELECT id::text, tenant_id::text, title FROM items WHERE tenant_id = $1 ORDER BY items.id",
      [tenant],
    );
    await eventually(async () => {
      await follower.catchUp(server.url);
      const held = [...follower.rows.values()].sort((a, b) => Number(a["id"]) - Number(b["id"]));
      expect(held).toEqual(rows);
    });
  }
  expect(followers.flatMap(({ faults }) => faults)).toEqual([]);
  expect(followers.every(({ refetchCount }) => refetchCount === 0)).toBe(true);
}

test("a lost connection leaves ids and structures as they were", async () => {
  await eventually(() => expect(server.service.pipeline!.writer.gateCount).toBe(0), 60_000);
  const idsBefore = identities();
  const countsBefore = counts();
  expect(idsBefore.size).toBe(SHAPES);

  for (let round = 0; round < 3; round++) {
    await loseConnection();
    await database.query("UPDATE items SET title = title || 'b' WHERE id <= 100");
    await eventually(() => expect(server.service.pipeline!.shapes.status).toBe("active"));
    await expectCaughtUp();
    expect(identities()).toEqual(idsBefore);
    expect(counts()).toEqual(countsBefore);
  }
});

test("a connection lost in the middle of a transaction loses and repeats nothing", async () => {
  await database.query(
    "INSERT INTO items SELECT n, n % 60, repeat('x', 500) FROM generate_series(1000, 40000) n",
  );
  await loseConnection();
  await database.query("UPDATE items SET title = 'c' WHERE id <= 100");
  await expectCaughtUp();
}, 120_000);
