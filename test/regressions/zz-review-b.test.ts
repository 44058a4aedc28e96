import { expect, test } from "vitest";
import { startServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase } from "../support/postgres.ts";
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a transaction that was streamed before it became visible", async () => {
  const database = await createTestDatabase();
  await database.query(`ALTER DATABASE ${database.name} SET synchronous_commit = local`);
  await database.query(`SET synchronous_commit = local`);
  await database.query("CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x')");
  const server = await startServer(database);
  const all = new LogFollower("table=a");
  await all.catchUp(server.url);
  await database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await database.query("SELECT pg_reload_conf()");
  await sleep(500);
  try {
    const writer = await database.connect();
    await writer.query("SET synchronous_commit = on");
    const slow = writer.query("INSERT INTO a VALUES (2, 'y')");
    await sleep(800);
    await all.catchUp(server.url);
    console.log("streamed before visible:", all.rows.size, await database.query("SELECT count(*) FROM a"));
    const late = new LogFollower("table=a&where=id%3D2");
    await late.catchUp(server.url);
    await database.query("ALTER SYSTEM RESET synchronous_standby_names");
    await database.query("SELECT pg_reload_conf()");
    await slow;
    await sleep(500);
    await late.catchUp(server.url);
    console.log(await database.query("SELECT * FROM a"));
    expect(late.rows.size).toBe(1);
  } finally {
    await database.query("ALTER SYSTEM RESET synchronous_standby_names");
    await database.query("SELECT pg_reload_conf()");
    await server.stop();
    await database.dispose();
  }
});
