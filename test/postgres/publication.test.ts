/**
 * Publication and slot.
 *
 * Goal: a table is published and sends old rows once `ensure` has resolved, with as few locks as it
 * takes; refusals come in the protocol's words; a slot is made only after what knew of an older one
 * was purged.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { systemTimers } from "../../src/lib/timers.ts";
import type { Table } from "../../src/model/table.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { Publication } from "../../src/postgres/publication.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import {
  acquireSlotLock,
  dropSlot,
  ensureSlot,
  replicationNamesOf,
} from "../../src/postgres/slot.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool(parseConnectionOptions(database.url), { size: 4 });
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

const NAME = 'pub "x';
const QUOTED = '"pub ""x"';
beforeEach(async () => {
  await database.query(`DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE "two ""2" (id int PRIMARY KEY)`);
});
afterEach(async () => {
  await database.query(`DROP PUBLICATION IF EXISTS ${QUOTED}`);
});

async function find(name: string): Promise<Table> {
  return (await new Inspector(pool).findTable("public", name))!;
}

async function members(): Promise<string[]> {
  const rows = await database.query(
    `SELECT c.relname || ' ' || c.relreplident::text AS name FROM pg_publication_rel r
     JOIN pg_class c ON c.oid = r.prrelid JOIN pg_publication p ON p.oid = r.prpubid
     WHERE pubname = $1 ORDER BY 1`,
    [NAME],
  );
  return rows.map((row) => row["name"] as string);
}

function open(isManual = false, database = pool): Publication {
  return new Publication({ database, name: NAME, isManual });
}

test("tables are added with full replica identity, concurrently and more than once", async () => {
  const publication = open();
  await Promise.all([publication.ensureExists(), open().ensureExists()]);
  const [one, two] = [await find("one"), await find('two "2')];
  await Promise.all([
    publication.ensure(one),
    publication.ensure(two),
    publication.ensure(one),
    open().ensure(one),
    open().ensure(two),
  ]);
  assert.deepEqual(await members(), ["one f", 'two "2 f']);
  await publication.remove(one);
  assert.deepEqual(await members(), ['two "2 f']);
  await publication.ensure(one);
  assert.deepEqual(await members(), ["one f", 'two "2 f']);
  const server = await database.query("SHOW server_version_num");
  const isNew = Number(server[0]!["server_version_num"]) >= 180_000;
  assert.equal(await publication.publishesGeneratedColumns(), isNew);
});

test("what is complete already takes no lock", async () => {
  const publication = open();
  await publication.ensureExists();
  await database.query(
    `ALTER PUBLICATION ${QUOTED} ADD TABLE one; ALTER TABLE one REPLICA IDENTITY FULL`,
  );
  const other = await database.connect();
  await other.query("BEGIN; LOCK TABLE one");
  await publication.ensure(await find("one"));
  await open(true).ensure(await find("one"));
  await other.query("ROLLBACK");
});

test("a table whose writers were not waited for does not count as published", async () => {
  const warnings: { readonly fields: object; readonly message: string }[] = [];
  const logger = {
    ...silentLogger,
    warn: (fields: object, message: string) => warnings.push({ fields, message }),
  };
  const publication = new Publication({ database: pool, name: NAME, isManual: false, logger });
  await publication.ensureExists();
  await database.query("ALTER TABLE one REPLICA IDENTITY FULL");
  const one = await find("one");
  const writer = await database.connect();
  // Postgres will not send this row, whenever it is committed.
  await writer.query("BEGIN; INSERT INTO one VALUES (1)");
  try {
    await assert.rejects(publication.ensure(one), { code: "TABLE_LOCKED", httpStatus: 503 });
    assert.deepEqual(await members(), []);
    const { rows } = await writer.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    assert.deepEqual(warnings.length, 1);
    assert.match(warnings[0]!.message, /"public.one" cannot be published/);
    const { holders } = warnings[0]!.fields as { holders: string[] };
    assert.match(
      holders.join(),
      new RegExp(`^process ${rows[0]!.pid} of .*idle in transaction, for \\d+ s$`),
    );
  } finally {
    await writer.query("COMMIT");
  }
  await publication.ensure(one);
  assert.deepEqual(await members(), ["one f"]);
}, 20_000);

test("a publication of all tables, or of a schema, has every table already", async () => {
  for (const what of ["ALL TABLES", "TABLES IN SCHEMA public"]) {
    await database.query(`CREATE PUBLICATION ${QUOTED} FOR ${what}`);
    await open().ensure(await find("one"));
    assert.deepEqual(await members(), []);
    assert.equal((await find("one")).replicaIdentity, "f");
    await database.query(`DROP PUBLICATION ${QUOTED}; ALTER TABLE one REPLICA IDENTITY DEFAULT`);
  }
});

test("partitions send old rows too, those attached later after `forget`", async () => {
  await database.query(`CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF root FOR VALUES FROM (0) TO (10)`);
  const publication = open();
  await publication.ensureExists();
  const root = await find("root");
  await publication.ensure(root);
  assert.deepEqual(await members(), ["root f"]);
  assert.equal((await find("p1")).replicaIdentity, "f");
  await database.query("CREATE TABLE p2 PARTITION OF root FOR VALUES FROM (10) TO (20)");
  publication.forget(root.oid);
  await publication.ensure(root);
  assert.equal((await find("p2")).replicaIdentity, "f");
});

test("a publication that was dropped is made again, and every table of it was unsent", async () => {
  const publication = open();
  await publication.ensureExists();
  const [one, two] = [await find("one"), await find('two "2')];
  const unsent: (number | undefined)[] = [];
  publication.listen((oid) => Promise.resolve(void unsent.push(oid)));
  const ensure = (table: Table): Promise<void> => publication.ensure(table);
  await ensure(one);
  await ensure(one);
  // In front of it, and behind.
  assert.deepEqual(unsent, [one.oid, one.oid]);
  await database.query(`DROP PUBLICATION ${QUOTED}`);
  await ensure(two);
  assert.deepEqual(await members(), ['two "2 f']);
  await ensure(one);
  assert.deepEqual(await members(), ["one f", 'two "2 f']);
  const again = [two.oid, undefined, two.oid, two.oid, one.oid, one.oid];
  assert.deepEqual(unsent, [one.oid, one.oid, ...again]);
});

test("refusals have the protocol's words", async () => {
  const one = await find("one");
  const code = "TABLE_NOT_PUBLISHED";
  await assert.rejects(open(true).ensureExists(), { code: "PUBLICATION_MISSING" });
  await open().ensureExists();
  await assert.rejects(open(true).ensure(one), {
    code,
    message:
      `Database table "public.one" is missing from the publication "${NAME}" and the ` +
      "ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from adding it",
  });

  const role = `poor_${database.streamId}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  const url = new URL(database.url);
  url.username = role;
  url.password = "x";
  const poor = new Pool(parseConnectionOptions(url.href), { size: 1 });
  await assert.rejects(open(false, poor).ensure(one), {
    code,
    message:
      `Database table "public.one" is missing from the publication "${NAME}" and Electric lacks ` +
      "privileges to add it",
  });
  await database.query(`ALTER PUBLICATION ${QUOTED} ADD TABLE one`);
  const notFull = {
    code: "REPLICA_IDENTITY_NOT_FULL",
    message: `Database table "public.one" does not have its replica identity set to FULL`,
  };
  await assert.rejects(open(false, poor).ensure(one), notFull);
  await assert.rejects(open(true).ensure(one), notFull);
  await poor.close();
  await database.query(`DROP ROLE ${role}`);

  await database.query("DROP TABLE one");
  await assert.rejects(open().ensure(one), { code: "SCHEMA_CHANGED" });
  await open().remove(one);
});

test("an unused table is removed after a while, unless it is used again", async () => {
  const due: (() => void)[] = [];
  const timers = {
    ...systemTimers,
    after: (_: number, call: () => void) => (due.push(call), () => undefined),
  };
  const publication = new Publication({ database: pool, name: NAME, isManual: false, timers });
  await publication.ensureExists();
  const one = await find("one");
  await publication.ensure(one);
  publication.removeUnused(one, () => true);
  publication.removeUnused(one, () => false);
  due[0]!();
  await sleep(20);
  assert.deepEqual(await members(), ["one f"]);
  due[1]!();
  while ((await members()).length > 0) await sleep(5);
  publication.close();
});

test("a slot is made after the purge, kept, and dropped", async () => {
  const { slot } = replicationNamesOf(database.streamId);
  const exists = async () => {
    const rows = await database.query("SELECT FROM pg_replication_slots WHERE slot_name = $1", [
      slot,
    ]);
    return rows.length > 0;
  };
  const reasons: string[] = [];
  const purge = async (reason: string) => {
    assert.equal(await exists(), false);
    reasons.push(reason);
  };
  await assert.rejects(
    ensureSlot(pool, slot, () => Promise.reject(new Error("disk"))),
    /disk/,
  );
  assert.equal(await exists(), false);
  const made = await ensureSlot(pool, slot, purge);
  assert.equal(made.madeBecause, "missing");
  assert.ok(made.confirmedFlushLsn > 0n);
  const kept = await ensureSlot(pool, slot, purge);
  assert.deepEqual(kept, { ...made, madeBecause: undefined });
  assert.deepEqual(reasons, ["missing"]);
  assert.equal(await dropSlot(pool, slot), true);
  assert.equal(await dropSlot(pool, slot), false);

  await database.query("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [slot]);
  await assert.rejects(ensureSlot(pool, slot, purge), /belongs to plugin "test_decoding"/);
  await dropSlot(pool, slot);
});

test("a slot whose WAL is gone is replaced, after the purge", async () => {
  const directory = mkdtempSync(join(tmpdir(), "litz-slot-"));
  const server = await startEmbeddedPostgres({
    directory,
    durable: false,
    settings: { max_slot_wal_keep_size: "1MB", max_wal_size: "32MB", min_wal_size: "32MB" },
  });
  const lone = new Pool(parseConnectionOptions(server.url), { size: 1 });
  await ensureSlot(lone, "s", () => Promise.resolve());
  for (let segment = 0; segment < 4; segment++) {
    await lone.query("SELECT pg_logical_emit_message(true, '', repeat('x', 1000000))");
    await lone.query("SELECT pg_switch_wal()");
  }
  await lone.query("CHECKPOINT");
  const reasons: string[] = [];
  const purge = (reason: string) => Promise.resolve(void reasons.push(reason));
  assert.equal((await ensureSlot(lone, "s", purge)).madeBecause, "invalidated");
  assert.equal((await ensureSlot(lone, "s", purge)).madeBecause, undefined);
  assert.deepEqual(reasons, ["invalidated"]);
  await lone.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("one session works with a slot, the next waits for its end", async () => {
  const options = parseConnectionOptions(database.url);
  const [first, second] = [
    await ReplicationConnection.open(options),
    await ReplicationConnection.open(options),
  ];
  await acquireSlotLock(first, "s");
  const stop = new AbortController();
  await assert.rejects(
    acquireSlotLock(second, "s", { signal: stop.signal, onWait: () => stop.abort() }),
    { code: "ABORTED" },
  );
  let waits = 0;
  const acquired = acquireSlotLock(second, "s", { onWait: () => waits++ });
  await sleep(20);
  await first.close();
  await acquired;
  assert.equal(waits, 1);
  await second.close();
});

test("stream ids that no slot can have are refused", () => {
  for (const id of ["", "Abc", "a-b", "a".repeat(43), "é"]) {
    assert.throws(() => replicationNamesOf(id), { code: "CONFIG_INVALID" });
  }
  assert.equal(replicationNamesOf("default").slot, "electric_slot_default");
  assert.equal(replicationNamesOf("default").publication, "electric_publication_default");
});
