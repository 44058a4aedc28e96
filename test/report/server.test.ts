/**
 * Goal: `litz report --url` measures a server that it knows nothing of, and leaves nothing behind.
 *
 * Method: a server of ours over HTTP with a database of its own. Figures are not judged, only that
 * they are there and can be: more clients wait than rows are in a batch, so that every way of
 * waiting is gone through.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measureServer, type ServerOptions } from "../../src/report/server/measure-server.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startServer(database);
});

afterAll(async () => {
  await server?.stop();
  await database.dispose();
});

function optionsFor(changes: Partial<ServerOptions> = {}): ServerOptions {
  return {
    url: server!.shapeUrl,
    pid: process.pid,
    databaseUrl: database.url,
    secret: undefined,
    shapeCount: 60,
    clientCount: 20,
    writeCount: 30,
    rowCount: 2345,
    seed: 1,
    ...changes,
  };
}

async function tables(): Promise<readonly unknown[]> {
  return database.query("SELECT relname FROM pg_class WHERE relname LIKE 'litz_report%'");
}

test("shapes, memory, latency and throughput of a server", async () => {
  const lines: string[] = [];
  const run = await measureServer(optionsFor(), (line) => lines.push(line));

  assert.equal(run.shapeCount, 60);
  assert.equal(run.clientCount, 20);
  assert.ok(run.creation.perSecond > 0 && run.creation.p50Ms <= run.creation.p99Ms);
  const { p50Ms, p99Ms, longestMs } = run.latency;
  assert.ok(0 < p50Ms && p50Ms <= p99Ms && p99Ms <= longestMs);
  assert.ok(run.throughput.wantedPerSecond > 0 && run.throughput.unwantedPerSecond > 0);
  assert.ok(run.memory!.rssBytes > 10 * 2 ** 20);
  assert.ok(run.memory!.peakRssBytes >= run.memory!.rssBytes);
  // One more than asked for: the first, which is not timed.
  assert.deepEqual(lines, ["60 shapes created", "4,720 rows written"]);
  assert.deepEqual(await tables(), []);
});

test("fewer shapes than clients, and a process that nobody named", async () => {
  const changes = { shapeCount: 3, pid: undefined, writeCount: 5, rowCount: 10 };
  const run = await measureServer(optionsFor(changes), () => undefined);
  assert.equal(run.clientCount, 3);
  assert.equal(run.memory, undefined);
});

test("what does not play along is named, and no table stays behind", async () => {
  const measure = (changes: Partial<ServerOptions>) =>
    measureServer(optionsFor(changes), () => undefined);
  await expect(measure({ pid: 4_000_000 })).rejects.toThrow(/--pid 4000000: there is no \/proc/);
  await expect(measure({ url: "http://127.0.0.1:1/v1/shape" })).rejects.toThrow(/is the server/);
  const health = server!.shapeUrl.replace("/v1/shape", "/v1/health");
  await expect(measure({ url: health })).rejects.toThrow(/is this the right URL/);
  await expect(measure({ url: `${server!.shapeUrl}/nowhere` })).rejects.toThrow(/answered 404/);
  await expect(measure({ databaseUrl: "mysql://x/y" })).rejects.toThrow(/database URL/);
  assert.deepEqual(await tables(), []);
});
