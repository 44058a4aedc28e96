/**
 * Goal: shapes that are stored are read whether or not the replication stream runs: after a restart
 * while another instance has the lock, and when the connection is lost. Their logs are behind, and
 * nothing else: what happened meanwhile follows once the stream does (protocol 1.1, 3.2, 5.7).
 * Method: live servers, and a session that takes the lock which the stream needs.
 */

import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { beginServer, startServer, type LiveServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const SETTINGS = { ELECTRIC_LONG_POLL_TIMEOUT: "500", LITZ_READY_TIMEOUT: "100" };

let database: TestDatabase;
let directory: TemporaryDirectory;
let server: LiveServer;
let other: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase();
  other = await database.connect();
  directory = makeTemporaryDirectory();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, is_open bool);
    CREATE TABLE items (id int PRIMARY KEY, project_id int);
    INSERT INTO projects VALUES (1, true), (2, false);
    INSERT INTO items VALUES (1, 1), (2, 2)`);
});

afterEach(async () => {
  await server.stop();
  directory.remove();
  await database.dispose();
});

/** The lock of the slot: who has it may follow the stream. Resolves when it is ours. */
async function takeLock(): Promise<void> {
  await other.query("SELECT pg_advisory_lock(hashtext($1))", [slotName()]);
}

async function releaseLock(): Promise<void> {
  await other.query("SELECT pg_advisory_unlock(hashtext($1))", [slotName()]);
}

function slotName(): string {
  return `electric_slot_${database.streamId}`;
}

async function health(): Promise<unknown> {
  const response = await fetch(`${server.url}/v1/health`);
  return ((await response.json()) as { status: unknown }).status;
}

async function ask(query: string): Promise<{ status: number; text: string; retryAfter?: string }> {
  const response = await fetch(`${server.shapeUrl}?${query}`);
  const retryAfter = response.headers.get("retry-after");
  const answer = { status: response.status, text: await response.text() };
  return retryAfter === null ? answer : { ...answer, retryAfter };
}

function idsOf({ rows }: LogFollower): (string | null)[] {
  return [...rows.values()].map(({ id }) => id!).sort();
}

test("after a restart stored shapes are read while another instance has the lock", async () => {
  server = await startServer(database, SETTINGS, directory.path);
  const plain = new LogFollower("table=items");
  const inner = "SELECT id FROM projects WHERE is_open";
  const dependent = new LogFollower(
    `table=items&where=${encodeURIComponent(`project_id IN (${inner})`)}`,
  );
  for (const follower of [plain, dependent]) await follower.catchUp(server.url);
  await server.stop();

  await takeLock();
  await database.query("INSERT INTO items VALUES (3, 1)");
  const waiting = await beginServer(database, SETTINGS, directory.path);
  server = waiting;
  await eventually(async () => expect(await health()).toBe("waiting"));
  for (const [follower, ids] of [
    [plain, ["1", "2"]],
    [dependent, ["1"]],
  ] as const) {
    await follower.catchUp(server.url);
    expect(idsOf(follower)).toEqual(ids);
  }
  const newcomer = new LogFollower("table=items");
  await newcomer.catchUp(server.url);
  expect(newcomer.handle).toBe(plain.handle);
  expect(idsOf(newcomer)).toEqual(["1", "2"]);

  const refused = {
    status: 503,
    text: '{"message":"Timeout waiting for Postgres lock acquisition"}',
  };
  const after5 = { ...refused, retryAfter: "5" };
  expect(await ask("table=items&columns=id&offset=-1")).toEqual(after5);
  const subset = "subset__limit=1&subset__order_by=id";
  expect(await ask(`table=items&offset=-1&${subset}`)).toEqual(after5);
  const { handle, offset } = plain;
  const live = `table=items&handle=${handle}&offset=${offset}&live=true`;
  expect(await ask(live)).toEqual({ ...refused, retryAfter: "10" });

  await releaseLock();
  await waiting.started;
  for (const [follower, ids] of [
    [plain, ["1", "2", "3"]],
    [dependent, ["1", "3"]],
  ] as const) {
    await eventually(async () => {
      await follower.catchUp(server.url);
      expect(idsOf(follower)).toEqual(ids);
    });
    expect(follower.refetchCount).toBe(0);
    expect(follower.faults).toEqual([]);
  }
  expect((await ask("table=items&columns=id&offset=-1")).status).toBe(200);
});

test("shapes are read, and waited on, while the stream is lost", async () => {
  const settings = { ...SETTINGS, ELECTRIC_LONG_POLL_TIMEOUT: "20000" };
  server = await startServer(database, settings, directory.path);
  const follower = new LogFollower("table=items");
  await follower.catchUp(server.url);
  const locked = takeLock();
  await database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
    [slotName()],
  );
  await locked;
  await eventually(async () => expect(await health()).toBe("waiting"));
  await database.query("DELETE FROM items WHERE id = 1");
  await follower.catchUp(server.url);
  expect(idsOf(follower)).toEqual(["1", "2"]);
  const { handle, offset } = follower;
  const news = ask(`table=items&handle=${handle}&offset=${offset}&live=true`);
  await releaseLock();
  expect(await news).toMatchObject({
    status: 200,
    text: expect.stringContaining('"operation":"delete"') as string,
  });
  await follower.catchUp(server.url);
  expect(idsOf(follower)).toEqual(["2"]);
});
