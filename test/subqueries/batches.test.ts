/**
 * Batches of moves whose shapes go.
 *
 * Goal: a batch is given up with its last shape, and whoever waited for it comes next.
 * Method: a lock on the table keeps the rows of a move from being read, for longer than the test
 * waits.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { eventually } from "../support/eventually.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

let server: RestartableServer;

beforeEach(async () => {
  server = await RestartableServer.start(`
    CREATE TABLE projects (id int PRIMARY KEY, owner text);
    CREATE TABLE issues (id int PRIMARY KEY, project int);
    INSERT INTO projects VALUES (1, 'ann'), (2, 'bob');
    INSERT INTO issues VALUES (1, 1), (2, 2)`);
});

afterEach(async () => {
  await server.dispose();
});

async function follow(owner: string): Promise<TaggedFollower> {
  const where = `project IN (SELECT id FROM projects WHERE owner = '${owner}')`;
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

/** Before a query gives up for the lock by itself. */
const soon = (check: () => void) => eventually(check, 5_000);

test("a batch ends with its last shape, and the next one begins", async () => {
  const ann = await follow("ann");
  const bob = await follow("bob");
  const { moves, shapes } = server.pipeline;
  const locker = await server.database.connect();
  await locker.query("BEGIN; LOCK TABLE issues IN ACCESS EXCLUSIVE MODE");
  await server.database.query("INSERT INTO projects VALUES (3, 'ann')");
  await eventually(() => expect(moves.figures).toMatchObject({ batches: 1, gated: 1 }));
  // Of the same template: it waits.
  await server.database.query("INSERT INTO projects VALUES (4, 'bob')");
  await eventually(() => expect(moves.figures).toMatchObject({ batches: 1, gated: 2, queries: 1 }));
  await shapes.remove(ann.handle as ShapeHandle);
  await soon(() => expect(moves.figures).toMatchObject({ batches: 1, gated: 1, queries: 2 }));
  await shapes.remove(bob.handle as ShapeHandle);
  await soon(() => expect(moves.figures).toMatchObject({ batches: 0, gated: 0 }));
  await locker.query("ROLLBACK");
  await locker.end();
});
