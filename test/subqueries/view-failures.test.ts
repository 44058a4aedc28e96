/**
 * Goal: a view that cannot be what its subquery gives takes its shapes along, says why in words
 * that are true, and nobody else notices.
 * Method: a live server and what it logs; a view is robbed of a row behind the server's back.
 */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { encodeTuple } from "../../src/model/view-tuple.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { RefusedShape, TaggedFollower } from "./tagged-follower.ts";

let server: LiveServer;
let database: TestDatabase;
let errors: string[];
let removals: string[];

beforeEach(async () => {
  [errors, removals] = [[], []];
  database = await createTestDatabase();
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text, code text);
    CREATE TABLE issues (id int PRIMARY KEY, project int, code text);
    INSERT INTO projects VALUES (1, 'ann', 'a'), (2, 'ann', 'b'), (3, 'bob', 'c');
    INSERT INTO issues VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')`);
  const logger = {
    ...silentLogger,
    error: (_: object, message: string) => void errors.push(message),
    warn: (fields: { why?: string }) => void removals.push(fields.why ?? ""),
  };
  server = await startServer(database, {}, undefined, logger);
  removals.splice(0);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server.stop();
  await database.dispose();
});

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

async function expectRows(follower: TaggedFollower, ids: readonly string[], lostCount = 0) {
  await eventually(async () => {
    await follower.catchUp(server.url);
    expect([...follower.rows.values()].map(({ value }) => value["id"]).sort()).toEqual(ids);
    expect(follower.lostHandles).toHaveLength(lostCount);
  });
  expect(follower.faults).toEqual([]);
}

test("a lost count is our own fault, and said to be", async () => {
  const { views } = server.service.pipeline!;
  const seeded = vi.spyOn(views, "apply");
  const ofAnn = await follow("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  const [view] = seeded.mock.calls[0]!;
  const ofBob = await follow("project IN (SELECT id FROM projects WHERE owner = 'bob')");
  views.apply(view, encodeTuple(["1"]), -1);

  // The value that has come by then has told its shapes' names already.
  await database.query(`BEGIN;
    UPDATE projects SET owner = 'ann' WHERE id = 3; DELETE FROM projects WHERE id = 1;
    COMMIT`);
  await expectRows(ofAnn, ["2", "3"], 1);
  await expectRows(ofBob, []);
  expect(errors).toEqual([expect.stringMatching(/lost count .* fault of litz/)]);
  expect(removals).toEqual(errors);
});

test("all shapes go that stand on it, be that twice", async () => {
  const ofAnn = "code IN (SELECT code FROM projects WHERE owner = 'ann')";
  const { views } = server.service.pipeline!;
  const seeded = vi.spyOn(views, "apply");
  const both = await follow(`project IN (SELECT id FROM projects WHERE ${ofAnn}) OR ${ofAnn}`);
  const [view] = seeded.mock.calls[0]!;
  const once = await follow(ofAnn);
  views.apply(view, encodeTuple(["a"]), -1);
  await database.query("DELETE FROM projects WHERE id = 1");
  await expectRows(both, ["2"], 1);
  await expectRows(once, ["2"], 1);
});

const OF_SHORT = "code IN (SELECT code FROM projects WHERE length(code) < 100)";
const OF_ALL = "code IN (SELECT code FROM projects)";
const LONG = "repeat('long', 300000)";

test("a value that is too long ends the shapes of its subquery, and no memory is spoken of", async () => {
  const [ofShort, ofAll] = [await follow(OF_SHORT), await follow(OF_ALL)];
  await database.query(`UPDATE projects SET code = ${LONG} WHERE id = 1`);
  await expectRows(ofShort, ["2", "3"]);
  await eventually(() => expect(removals).toEqual([expect.stringMatching(/more than 1 MiB/)]));
  await expect(ofAll.catchUp(server.url)).rejects.toThrow(RefusedShape);
  await database.query("UPDATE projects SET code = 'd' WHERE id = 1");
  await expectRows(await follow(OF_ALL), ["2", "3"]);
});
