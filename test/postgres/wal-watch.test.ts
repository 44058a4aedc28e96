/**
 * How far Postgres is ahead: bytes from its position, seconds from what is known of it.
 *
 * Method: a clock and a database that say what the test wants; then a real server, for the query.
 */

import { expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { systemTimers } from "../../src/lib/timers.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { WalWatch, type Progress } from "../../src/postgres/wal-watch.ts";
import { createTestDatabase } from "../support/postgres.ts";

class Fixture {
  nowMs = 10_000;
  position = 100;
  isGone = false;
  readonly #watch = new WalWatch({
    database: {
      query: () =>
        this.isGone
          ? Promise.reject(new Error("gone"))
          : Promise.resolve([[`0/${this.position.toString(16)}`, "5000"]]),
    },
    slot: "slot",
    clock: { nowMilliseconds: () => this.nowMs, nowMicroseconds: () => this.nowMs * 1000 },
    timers: { after: () => () => undefined, every: () => () => undefined },
  });

  /** A second later. */
  lag(confirmed: number, rest: Partial<Progress> = {}) {
    this.nowMs += 1_000;
    return this.#watch.lag(() => ({
      confirmed: BigInt(confirmed) as Lsn,
      transactionCount: 0,
      delaySeconds: 0,
      ...rest,
    }));
  }
}

test("who has confirmed everything is not behind", async () => {
  const fixture = new Fixture();
  expect(await fixture.lag(100)).toEqual({
    ...{ position: 100n, lagBytes: 0, lagSeconds: 0, retainedBytes: 5000 },
  });
  // The position is from a moment ago: it may have been confirmed and more.
  expect(await fixture.lag(150)).toMatchObject({ lagBytes: 0, lagSeconds: 0 });
});

test("who is stalled is behind for as long as a position is known that is not confirmed", async () => {
  const fixture = new Fixture();
  await fixture.lag(100);
  fixture.position = 300;
  expect(await fixture.lag(100)).toMatchObject({ lagBytes: 200, lagSeconds: 0 });
  fixture.position = 500;
  expect(await fixture.lag(100)).toMatchObject({ lagBytes: 400, lagSeconds: 1 });
  expect(await fixture.lag(100)).toMatchObject({ lagBytes: 400, lagSeconds: 2 });
  // What was known first is confirmed now, what was known a second later is not.
  expect(await fixture.lag(300)).toMatchObject({ lagBytes: 200, lagSeconds: 2 });
  expect(await fixture.lag(500)).toMatchObject({ lagBytes: 0, lagSeconds: 0 });
});

test("the time of a stall is known however often it was looked at", async () => {
  const fixture = new Fixture();
  for (let second = 0; second < 500; second += 1) {
    fixture.position += 1;
    expect(await fixture.lag(100)).toMatchObject({ lagSeconds: second });
  }
});

test("who catches up is behind by the age of what is sent", async () => {
  const fixture = new Fixture();
  await fixture.lag(10, { transactionCount: 1 });
  fixture.position = 200;
  expect(await fixture.lag(20, { transactionCount: 9, delaySeconds: 7200 })).toMatchObject({
    lagSeconds: 7200,
  });
  // Nothing is read any more: the last transaction says nothing about now.
  fixture.position = 210;
  expect(await fixture.lag(200, { transactionCount: 9, delaySeconds: 7200 })).toMatchObject({
    lagBytes: 10,
    lagSeconds: 0,
  });
});

test("without an answer nothing is claimed", async () => {
  const fixture = new Fixture();
  await fixture.lag(100);
  fixture.isGone = true;
  expect(await fixture.lag(100)).toBeUndefined();
});

test("Postgres is asked, with and without a slot", async () => {
  const database = await createTestDatabase();
  const pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  const slot = `electric_slot_${database.streamId}`;
  const lag = () => {
    const watch = new WalWatch({ database: pool, slot, clock: systemClock, timers: systemTimers });
    const progress = { confirmed: 1n as Lsn, transactionCount: 0, delaySeconds: 0 };
    return watch.lag(() => progress);
  };
  const without = await lag();
  expect(without).toMatchObject({ retainedBytes: null });
  expect(without!.lagBytes).toBe(Number(without!.position) - 1);
  await database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  expect((await lag())!.retainedBytes).toBeGreaterThanOrEqual(0);
  await pool.close();
  await database.dispose();
});
