/**
 * Goal: when the core traps, or an assertion fails while a transaction is taken, what was being
 * written is not trusted: the process ends and on its way out writes nothing of what is in memory;
 * the next start has everything, once.
 *
 * Method: the core calls out while it routes a row that no index decides; what is called throws as
 * a trap would, and the core is left in the middle. So is the transaction. And, in the middle of
 * the values of a view, the door to the core throws.
 */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AssertionError } from "../../src/lib/assert.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const SHAPE = `table=items&where=${encodeURIComponent("id % 2 = 1")}`;
const ODD_ONES = "id IN (SELECT id FROM items WHERE id % 2 = 1)";
const WITH_VIEW = `table=items&where=${encodeURIComponent(ODD_ONES)}`;

let database: TestDatabase;
let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = makeTemporaryDirectory();
  database = await createTestDatabase();
  await database.query("CREATE TABLE items (id int PRIMARY KEY)");
});

afterEach(async () => {
  await database.dispose();
  directory.remove();
});

test.each([
  ["a trap", new WebAssembly.RuntimeError("memory access out of bounds")],
  ["an assertion", new AssertionError("nothing is counted twice")],
])("%s ends the process, and the next start has everything once", async (_, fault) => {
  const torn = await startServer(database, {}, directory.path);
  const { handle } = await read(torn);
  await database.query("INSERT INTO items VALUES (1)");
  await eventually(async () => expect((await read(torn, handle)).ids).toEqual(["1"]));

  await expectEnd(torn, fault, async () => {
    torn.service.pipeline!.core.judgeResiduals = () => {
      throw fault;
    };
    await database.query("INSERT INTO items VALUES (3)");
  });

  const next = await startServer(database, {}, directory.path);
  await eventually(async () =>
    expect(await read(next, handle)).toEqual({ handle, ids: ["1", "3"] }),
  );
  await next.stop();
});

test("a trap while a view is filled ends the process too, and the next start has a whole one", async () => {
  await database.query("INSERT INTO items SELECT generate_series(1, 9)");
  const torn = await startServer(database, {}, directory.path);
  const { handle, ids } = await read(torn);
  const fault = new WebAssembly.RuntimeError("memory access out of bounds");
  const { views } = torn.service.pipeline!;
  const apply = views.apply.bind(views);
  let count = 0;
  await expectEnd(torn, fault, async () => {
    views.apply = (...values) => {
      if (++count > 4) throw fault;
      return apply(...values);
    };
    const response = await fetch(`${torn.shapeUrl}?${WITH_VIEW}&offset=-1`);
    expect(response.status).toBeGreaterThanOrEqual(500);
    await response.text();
  });
  expect(count).toBe(5);

  const next = await startServer(database, {}, directory.path);
  expect((await read(next)).handle).toBe(handle);
  await eventually(async () =>
    expect((await read(next, undefined, WITH_VIEW)).ids.toSorted()).toEqual(ids.toSorted()),
  );
  await next.stop();
});

/** What `tear` does is taken for a trap, and nothing of what is in memory is written. */
async function expectEnd(
  server: LiveServer,
  fault: Error,
  tear: () => Promise<unknown>,
): Promise<void> {
  const kill = vi.spyOn(process, "kill").mockReturnValue(true);
  try {
    await tear();
    await eventually(() => expect(kill).toHaveBeenCalledWith(process.pid, "SIGTERM"));
    expect(process.exitCode).toBe(1);
    // Not even a checkpoint, which would be of what is in memory.
    await expect(server.stop()).rejects.toThrow(`storage has failed: ${fault.message}`);
  } finally {
    process.exitCode = undefined;
    kill.mockRestore();
  }
}

interface Reading {
  readonly handle: string;
  readonly ids: readonly string[];
}

/** The log from its beginning, or from the snapshot's end on. */
async function read(server: LiveServer, handle?: string, shape = SHAPE): Promise<Reading> {
  const from = handle === undefined ? "offset=-1" : `offset=0_inf&handle=${handle}`;
  const response = await fetch(`${server.shapeUrl}?${shape}&${from}`);
  const messages = (await response.json()) as { value?: { id: string } }[];
  const ids = messages.flatMap(({ value }) => (value === undefined ? [] : [value.id]));
  return { handle: response.headers.get("electric-handle")!, ids };
}
