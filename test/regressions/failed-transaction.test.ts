/**
 * A transaction that could not be taken (here: an error that is made to happen while its changes
 * are handed over) was confirmed to Postgres and skipped afterwards: its row was lost for good.
 */

import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase } from "../support/postgres.ts";

test("a transaction that could not be taken is sent again, and taken", async () => {
  const database = await createTestDatabase();
  await database.query("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
  const server = await startServer(database);
  try {
    const follower = new LogFollower("table=a");
    await follower.catchUp(server.url);
    const { writer } = server.service.pipeline!;
    const takeBodies = writer.takeBodies.bind(writer);
    let failureCount = 0;
    writer.takeBodies = () => {
      writer.takeBodies = takeBodies;
      failureCount += 1;
      takeBodies();
      throw new Error("an error that is made to happen");
    };
    await database.query("INSERT INTO a VALUES (2), (3)");
    await database.query("INSERT INTO a VALUES (4)");
    await eventually(async () => {
      await follower.catchUp(server.url);
      expect(follower.rows.size).toBe(4);
    });
    expect(failureCount).toBe(1);
    expect(follower.faults).toEqual([]);
  } finally {
    await server.stop();
    await database.dispose();
  }
});
