/**
 * Goal: a view of very many values holds nobody up while it is filled, and what happens to them
 * meanwhile is not lost.
 * Method: what is put into the core between two turns of the event loop is counted; and when the
 * first turn is over, values come and go, and everything is read.
 */

import { expect, test, vi } from "vitest";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const VALUES_MAX = 5_000;

test("a view is filled in slices, and knows what happened meanwhile", async () => {
  const server = await RestartableServer.start(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int PRIMARY KEY, project int);
    INSERT INTO projects SELECT n, 'ann' FROM generate_series(1, 18000) n;
    INSERT INTO issues VALUES (1, 1), (2, 18000), (3, 30000), (4, 40000)`);
  const { views } = server.pipeline;
  const applied = vi.spyOn(views, "apply");
  let [most, before] = [0, 0];
  let happened: Promise<unknown> | undefined;
  const look = () => {
    most = Math.max(most, applied.mock.calls.length - before);
    before = applied.mock.calls.length;
    if (before > 0) {
      happened ??= server.database.query(`BEGIN;
        INSERT INTO projects VALUES (30000, 'ann'); DELETE FROM projects WHERE id = 1;
        COMMIT`);
    }
    turn = setImmediate(look);
  };
  let turn = setImmediate(look);
  const where = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  clearImmediate(turn);

  await happened;
  await server.settled();
  await follower.catchUp(server.url);
  expect(applied.mock.calls.length).toBeGreaterThan(18_000);
  expect(most).toBeLessThanOrEqual(VALUES_MAX);
  expect([...follower.rows.values()].map(({ value }) => value["id"]).sort()).toEqual(["2", "3"]);
  expect(follower.faults).toEqual([]);
  expect(follower.lostHandles).toEqual([]);
  await server.dispose();
});
