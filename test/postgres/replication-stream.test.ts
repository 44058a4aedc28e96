/**
 * The stream of a slot against a real walsender.
 *
 * Goal: every byte arrives once and in order, what is acknowledged and only that is forgotten by
 * Postgres, a paused stream is not killed, every way of ending is told from the others.
 */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, afterEach, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { systemTimers } from "../../src/lib/timers.ts";
import { LSN_ZERO, parseLsn, type Lsn } from "../../src/model/lsn.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import {
  ReplicationStream,
  type ReplicationStreamOptions,
} from "../../src/postgres/replication-stream.ts";
import { ensureSlot, replicationNamesOf, type ReplicationNames } from "../../src/postgres/slot.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { FrameSink } from "../support/wire.ts";

let database: TestDatabase;
let names: ReplicationNames;
beforeAll(async () => {
  database = await createTestDatabase();
  names = replicationNamesOf(database.streamId);
  await database.query(`CREATE TABLE t (id int PRIMARY KEY, v text);
                        CREATE PUBLICATION ${names.publication} FOR TABLE t`);
});
afterAll(async () => {
  await database.dispose();
});

let sink: FrameSink;
let stream: ReplicationStream;
beforeEach(async () => {
  await database.query("TRUNCATE t");
  sink = new FrameSink();
});
afterEach(async () => {
  await stream.close();
});

async function start(options: Partial<ReplicationStreamOptions> = {}): Promise<void> {
  const connection = await ReplicationConnection.open(parseConnectionOptions(database.url));
  await ensureSlot(connection, names.slot, () => Promise.resolve());
  stream = await ReplicationStream.start(connection, {
    ...names,
    startLsn: LSN_ZERO,
    sink,
    clock: systemClock,
    timers: systemTimers,
    walSenderTimeoutMs: 60_000,
    ...options,
  });
  sink.stream = stream;
}

async function confirmedFlushLsn(): Promise<Lsn> {
  const [row] = await database.query(
    "SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1",
    [names.slot],
  );
  return parseLsn(row!["lsn"] as string);
}

async function currentLsn(): Promise<Lsn> {
  const [row] = await database.query("SELECT pg_current_wal_lsn() AS lsn");
  return parseLsn(row!["lsn"] as string);
}

const endLsnOf = (commit: Buffer) => commit.readBigUInt64BE(10) as Lsn;

test("what is not acknowledged comes again, what is acknowledged does not", async () => {
  await start();
  const seen = sink.commitCount;
  await database.query("INSERT INTO t VALUES (1, 'one')");
  await sink.until(() => sink.commitCount > seen);
  const first = sink.messages.at(-1)!;
  assert.match(sink.kinds, /BRIC$/);
  await database.query("INSERT INTO t VALUES (2, 'two')");
  await sink.until(() => sink.commitCount > seen + 1);
  stream.setAcknowledged(endLsnOf(first));
  stream.setAcknowledged(1n as Lsn); // Never goes back.
  await stream.close();
  assert.equal(await stream.ended, undefined);
  assert.equal(await confirmedFlushLsn(), endLsnOf(first));

  sink = new FrameSink();
  await start();
  await sink.until(() => sink.commitCount === 1);
  assert.equal(sink.kinds, "BRIC");
  assert.match(sink.messages[2]!.toString("latin1"), /two$/);
  stream.setAcknowledged(await currentLsn());
});

test("a status update sent on request moves the slot at once", async () => {
  await start();
  const lsn = await currentLsn();
  assert.ok((await confirmedFlushLsn()) < lsn);
  stream.setAcknowledged(lsn);
  stream.sendStatus();
  while ((await confirmedFlushLsn()) < lsn) await sleep(5);
});

test("what has arrived is confirmed soon, by an update that wakes the walsender as well", async () => {
  // The regular ones never come.
  await start({ timers: { ...systemTimers, every: () => () => undefined } });
  await database.query("INSERT INTO t VALUES (3, 'three')");
  await sink.until(() => sink.kinds.endsWith("IC"));
  const end = endLsnOf(sink.messages.at(-1)!);
  stream.setAcknowledged(end);
  while ((await confirmedFlushLsn()) < end) await sleep(5);
});

test("many small transactions arrive complete and in order", async () => {
  await start();
  await database.query(`DO $$ BEGIN FOR n IN 1..2000 LOOP
    INSERT INTO t VALUES (n, repeat('x', 100)); COMMIT; END LOOP; END $$`);
  const inserts = () => sink.messages.filter((message) => message.includes("x".repeat(100)));
  await sink.until(() => sink.kinds.endsWith("C") && inserts().length >= 2000);
  assert.equal(inserts().length, 2000);
  inserts().forEach((insert, index) => {
    // I, oid, "N", 2 columns, "t", size, digits.
    const size = insert.readUInt32BE(9);
    assert.equal(insert.toString("latin1", 13, 13 + size), `${index + 1}`);
  });
  stream.setAcknowledged(await currentLsn());
});

test("paused beyond wal_sender_timeout, the stream is alive, and then complete", async () => {
  await database.query(`ALTER DATABASE ${database.name} SET wal_sender_timeout = '600ms'`);
  try {
    await start({ walSenderTimeoutMs: 600 });
    stream.pause();
    const readCount = sink.readCount;
    await database.query("INSERT INTO t SELECT n, 'late' FROM generate_series(1, 1000) n");
    await sleep(1500);
    assert.ok(sink.readCount <= readCount + 1); // What was in Node's own buffer at `pause`.
    stream.resume();
    const lateCount = () => sink.messages.filter((message) => message.includes("late")).length;
    await sink.until(() => sink.kinds.endsWith("C") && lateCount() === 1000);
    assert.ok(sink.keepalives.length > 0);
    stream.setAcknowledged(await currentLsn());
    await stream.close();
    assert.equal(await stream.ended, undefined);
  } finally {
    await database.query(`ALTER DATABASE ${database.name} RESET wal_sender_timeout`);
  }
});

test("a server that ends the session is the cause of the end", async () => {
  await start();
  await database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
    [names.slot],
  );
  const error = await stream.ended;
  assert.equal(error?.code, "POSTGRES_UNREACHABLE");
  assert.match(error.message, /terminating connection due to administrator command/);
  assert.equal(error.retriable, true);
});

test("a slot that is in use refuses, and the stream that has it is not disturbed", async () => {
  await start();
  const first = stream;
  await assert.rejects(start(), /replication slot ".*" is active/);
  await database.query("INSERT INTO t VALUES (7, 'seven')");
  await sink.until(() => sink.kinds.endsWith("IC"));
  await first.close();
});

test("a sink that throws ends the stream with what it threw", async () => {
  const failing = {
    onBytes: () => {
      throw new Error("torn");
    },
  };
  await start({ sink: failing });
  await database.query("INSERT INTO t VALUES (8, 'eight')");
  assert.match((await stream.ended)!.message, /torn/);
});

test("silence beyond wal_sender_timeout is taken for death", async () => {
  let now = 0;
  const ticks: (() => void)[] = [];
  const clock = { nowMilliseconds: () => now / 1000, nowMicroseconds: () => now };
  const timers = {
    ...systemTimers,
    every: (_: number, tick: () => void) => (ticks.push(tick), () => undefined),
  };
  await start({ clock, timers, walSenderTimeoutMs: 9_000 });
  now += 8_000_000;
  ticks[0]!();
  now += 2_000_000;
  ticks[0]!();
  const error = await stream.ended;
  assert.match(error!.message, /Postgres was silent for 10 s/);
  assert.equal(error!.code, "POSTGRES_UNREACHABLE");
});

test("the text of values does not depend on the server's settings", async () => {
  await database.query(`ALTER DATABASE ${database.name} SET DateStyle = 'SQL, MDY'`);
  await database.query(`ALTER DATABASE ${database.name} SET bytea_output = 'escape'`);
  await database.query(`ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Tokyo'`);
  await database.query(`ALTER DATABASE ${database.name} SET IntervalStyle = 'postgres'`);
  await database.query(`CREATE TABLE v (id int PRIMARY KEY, b bytea, t timestamptz, i interval)`);
  await database.query(`ALTER PUBLICATION ${names.publication} ADD TABLE v`);
  await start();
  await database.query(
    `INSERT INTO v VALUES (1, '\\xff00', '2024-01-02 03:04:05Z', '1 year 2 days')`,
  );
  const find = () => sink.messages.find((message) => message.includes("\\xff00"));
  await sink.until(() => find() !== undefined);
  const insert = find()!.toString("latin1");
  assert.ok(insert.includes("2024-01-02 03:04:05+00"));
  assert.ok(insert.includes("P1Y2D"));
});
