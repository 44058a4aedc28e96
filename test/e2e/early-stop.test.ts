/**
 * Goal: a service that is stopped while it reads its shapes leaves the directory free for the next
 * one, and the shapes as they are. Method: a live server with more shapes than are read in one turn
 * of the event loop, stopped in the first turn in which it has the directory.
 */

import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { nextTurn } from "../../src/lib/next-turn.ts";
import { DirectoryLock } from "../../src/storage/directory-lock.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { PipelineService } from "../../src/sync-service.ts";
import { settingsFor, startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const SHAPES = 2_100;
const SHAPES_AT_ONCE = 100;

let database: TestDatabase;
let directory: TemporaryDirectory;

beforeEach(async () => {
  database = await createTestDatabase();
  directory = makeTemporaryDirectory();
  await database.query("CREATE TABLE items (id int PRIMARY KEY, a text)");
});

afterEach(async () => {
  directory.remove();
  await database.dispose();
});

async function handleOf(server: LiveServer, id: number): Promise<string | null> {
  const response = await fetch(`${server.shapeUrl}?table=items&where=id=${id}&offset=-1`);
  await response.text();
  return response.headers.get("electric-handle");
}

function isInUse(): boolean {
  try {
    new DirectoryLock(directory.path, join(directory.path, "lock")).release();
    return false;
  } catch {
    return true;
  }
}

test("a stop while shapes are read leaves the directory free and the shapes there", async () => {
  const first = await startServer(database, {}, directory.path);
  const handle = await handleOf(first, 1);
  expect(handle).not.toBeNull();
  for (let id = 2; id <= SHAPES; id += SHAPES_AT_ONCE) {
    await Promise.all(Array.from({ length: SHAPES_AT_ONCE }, (_, n) => handleOf(first, id + n)));
  }
  await first.stop();

  const stopped = new PipelineService({
    config: readConfig(settingsFor(database, directory.path)),
  });
  const started = stopped.start();
  while (!isInUse()) await nextTurn();
  expect(stopped.pipeline).toBeUndefined();
  await stopped.stop();
  await started;
  expect(isInUse()).toBe(false);

  const last = await startServer(database, {}, directory.path);
  expect(last.service.pipeline!.registry.count).toBeGreaterThanOrEqual(SHAPES);
  expect(await handleOf(last, 1)).toBe(handle);
  await last.stop();
});
