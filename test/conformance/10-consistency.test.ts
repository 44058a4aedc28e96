/**
 * Protocol section 10: replication and consistency. What a client has put together equals the
 * query, and no change comes twice or not at all, however snapshots and transactions interleave.
 */

import { describe, expect, test } from "vitest";
import { LogFollower } from "../support/log-follower.ts";
import { eventually } from "../support/eventually.ts";
import { serveLitz, told } from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TABLE counted (id serial PRIMARY KEY, round int, n int);
    CREATE TABLE items (id int PRIMARY KEY, title text);`,
});

async function publishedTables(): Promise<unknown[]> {
  const publication = `electric_publication_${subject.database.streamId}`;
  const rows = await subject.sql(
    `SELECT tablename FROM pg_publication_tables WHERE pubname = '${publication}'`,
  );
  return rows.map(({ tablename }) => tablename);
}

/** What the follower has is what the query gives. */
async function expectEqual(follower: LogFollower, sql: string): Promise<void> {
  await eventually(async () => {
    await follower.catchUp(subject.url);
    const expected = await subject.sql(`SELECT row_to_json(t)::text AS row FROM (${sql}) t`);
    const rows = [...follower.rows.values()].map((row) => Number(row["id"])).sort((a, b) => a - b);
    const ids = expected.map(({ row }) => (JSON.parse(row as string) as { id: number }).id);
    expect(rows).toEqual(ids);
  });
  expect(follower.faults).toEqual([]);
}

describe("§10 what is set up in Postgres", () => {
  test("§10 slot and publication bear the stream id; pgoutput", async () => {
    const { streamId } = subject.database;
    const slots = await subject.sql(
      "SELECT slot_name, plugin FROM pg_replication_slots WHERE database = current_database()",
    );
    expect(slots).toEqual([{ slot_name: `electric_slot_${streamId}`, plugin: "pgoutput" }]);
  });

  test("§10 a table is published, with full identity, when the first shape asks for it", async () => {
    await subject.sql("CREATE TABLE fresh (id int PRIMARY KEY)");
    expect(await publishedTables()).not.toContain("fresh");
    await subject.read({ table: "fresh" });
    expect(await publishedTables()).toContain("fresh");
    const identity = await subject.sql(
      "SELECT relreplident FROM pg_class WHERE oid = 'fresh'::regclass",
    );
    expect(identity).toEqual([{ relreplident: "f" }]);
  });

  test("§10 a schema and a table may be made after the start", async () => {
    await subject.sql("CREATE SCHEMA late; CREATE TABLE late.comer (id int PRIMARY KEY)");
    const reader = await subject.read({ table: "late.comer" });
    await subject.sql("INSERT INTO late.comer VALUES (1)");
    expect(told(await reader.changes(1))).toEqual(["insert 1"]);
  });
});

describe("§10 snapshots and the stream", () => {
  test("§10 a transaction that was open during the snapshot comes through the log, once", async () => {
    const writer = await subject.database.connect();
    await subject.read({ table: "items" });
    await writer.query("BEGIN; INSERT INTO items VALUES (1, 'open')");
    await subject.sql("INSERT INTO items VALUES (2, 'before')");
    const follower = new LogFollower("table=items&where=id%20<%20100");
    await follower.catchUp(subject.url);
    expect([...follower.rows.values()].map(({ id }) => id)).toEqual(["2"]);
    await writer.query("COMMIT");
    await expectEqual(follower, "SELECT * FROM items WHERE id < 100 ORDER BY id");
    expect(follower.seen.size).toBe(1);
  });

  test("§10 snapshots amid writes: every row once", async () => {
    let isWriting = true;
    const writer = await subject.database.connect();
    const writing = (async () => {
      for (let n = 0; isWriting; n++) {
        await writer.query(
          `BEGIN; INSERT INTO counted (round, n) VALUES (${n % 7}, ${n});
           UPDATE counted SET n = -n WHERE n = ${n - 1}; DELETE FROM counted WHERE n = ${10 - n};
           COMMIT`,
        );
      }
    })();
    const followers: LogFollower[] = [];
    for (let round = 0; round < 7; round++) {
      const follower = new LogFollower(`table=counted&where=round%20=%20${round}&replica=full`);
      await follower.catchUp(subject.url);
      followers.push(follower);
    }
    isWriting = false;
    await writing;
    for (const [round, follower] of followers.entries()) {
      await expectEqual(follower, `SELECT * FROM counted WHERE round = ${round} ORDER BY id`);
      expect(follower.refetchCount).toBe(0);
    }
  });

  test("§10 what is rolled back never appears", async () => {
    const reader = await subject.read({ table: "items", where: "id >= 200 AND id < 300" });
    await subject.sql("BEGIN; INSERT INTO items VALUES (200, 'no'); ROLLBACK");
    await subject.sql(
      `BEGIN; INSERT INTO items VALUES (201, 'yes'); SAVEPOINT s; INSERT INTO items VALUES (202);
       ROLLBACK TO s; INSERT INTO items VALUES (203, 'yes'); COMMIT`,
    );
    expect(told(await reader.changes(2))).toEqual(["insert 201", "insert 203"]);
  });

  test("§10 commit order between transactions, their own order within", async () => {
    const reader = await subject.read({ table: "items", where: "id >= 300" });
    const [early, late] = [await subject.database.connect(), await subject.database.connect()];
    await early.query("BEGIN; INSERT INTO items VALUES (302, 'began first')");
    await late.query("BEGIN; INSERT INTO items VALUES (301, 'commits first'); COMMIT");
    await early.query("INSERT INTO items VALUES (300, 'x'); COMMIT");
    expect(told(await reader.changes(3))).toEqual(["insert 301", "insert 302", "insert 300"]);
  });

  test("§10 the snapshot waits for a lock and then serves", async () => {
    const locker = await subject.database.connect();
    await subject.sql("CREATE TABLE locked (id int PRIMARY KEY); INSERT INTO locked VALUES (1)");
    await subject.read({ table: "locked" });
    await locker.query("BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE");
    const pending = subject.read({ table: "locked", where: "id > 0" });
    await eventually(async () => {
      const waiting = await locker.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(waiting.rows.length).toBeGreaterThan(0);
    });
    await locker.query("INSERT INTO locked VALUES (2); COMMIT");
    expect(told((await pending).rows)).toEqual(["insert 1", "insert 2"]);
  });
});

test("§10 after a restart handles and offsets go on, without gap or repetition", async () => {
  const reader = await subject.read({ table: "counted" });
  await subject.sql("INSERT INTO counted (round, n) VALUES (100, 1)");
  await reader.changes(1);
  await subject.stop();
  await subject.sql("INSERT INTO counted (round, n) VALUES (100, 2), (100, 3)");
  await subject.restart();
  const changes = await reader.changes(2);
  expect(changes.map(({ value }) => value!["n"])).toEqual(["2", "3"]);
});

test("§10 with a new slot every handle is invalid", async () => {
  const reader = await subject.read({ table: "items" });
  await subject.stop();
  await subject.sql(
    `SELECT pg_drop_replication_slot('electric_slot_${subject.database.streamId}')`,
  );
  await subject.restart();
  const answer = await subject.get({ table: "items", ...reader.position });
  expect(answer.status).toBe(409);
  expect(answer.header("electric-handle")).not.toBe(reader.handle);
});
