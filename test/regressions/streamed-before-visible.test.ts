/**
 * Postgres sends a transaction when its commit is flushed, and shows it to others when a
 * synchronous standby has answered. A shape made in between had missed it in the stream and did not
 * find it in its snapshot; nor did one with a subquery, in its rows or in the subquery's values. On
 * a server of its own, since a standby that never answers holds up everybody.
 */

import pg from "pg";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";

test("a transaction that was streamed before it became visible is not lost", async () => {
  const directory = mkdtempSync(join(tmpdir(), "litz-standby-"));
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({ directory, durable: false });
  const [admin, writer] = [0, 1].map(() => new pg.Client({ connectionString: postgres.url }));
  await Promise.all([admin!.connect(), writer!.connect()]);
  const awaitStandby = async (name: string) => {
    await admin!.query(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`);
    await admin!.query("SELECT pg_reload_conf()");
  };
  await admin!.query("SET synchronous_commit = local");
  await admin!.query("ALTER DATABASE postgres SET synchronous_commit = local");
  await admin!.query("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
  const server = await startServer({ url: postgres.url, streamId: "standby" });
  try {
    const everything = new LogFollower("table=a");
    await everything.catchUp(server.url);
    await awaitStandby("nobody");
    await eventually(async () => {
      const { rows } = await writer!.query("SHOW synchronous_standby_names");
      expect(rows).toEqual([{ synchronous_standby_names: "nobody" }]);
    });
    await writer!.query("SET synchronous_commit = on");
    const inserted = writer!.query("INSERT INTO b VALUES (2); INSERT INTO a VALUES (2)");
    await eventually(async () => {
      await everything.catchUp(server.url);
      expect(everything.rows.size).toBe(1);
    });
    expect((await admin!.query("SELECT FROM a")).rowCount).toBe(0);

    const clauses = ["id = 2", "id IN (SELECT id FROM b)"];
    const late = clauses.map((where) => new LogFollower(`table=a&where=${encodeURI(where)}`));
    const following = Promise.all(
      late.map((follower) => eventually(() => follower.catchUp(server.url))),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    await awaitStandby("");
    await inserted;
    await following;
    expect(late.map(({ rows }) => rows.size)).toEqual([1, 1]);
  } finally {
    await server.stop();
    await Promise.all([admin!.end(), writer!.end()]);
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
