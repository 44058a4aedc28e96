/**
 * Goal: a server whose memory, or whose disk, is far too small for what is asked of it keeps
 * serving: the idlest shapes go, new ones find room or get a 503 that says when to come back, and
 * whoever waits is not disturbed. Rows go on arriving, also in transactions that need more memory
 * than the budget has left.
 *
 * Method: the smallest budgets there are, and clients who want more shapes than fit.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { LogFollower } from "../support/log-follower.ts";
import { startServer, type LiveServer, type Settings } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const MIB = 2 ** 20;
const BUDGET_BYTES = 32 * MIB;
/** A row of 100,000 bytes, and what is written around it. */
const SNAPSHOT_BYTES_MAX = 102_000;
/** What `memory-budget.ts` begins and ends with, each a share of what there is. */
const HIGH = 15 / 16;
const LOW = 15 / 16;

let database: TestDatabase;
let server: LiveServer;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query("CREATE TABLE items (id int PRIMARY KEY, name text, note text)");
});

afterEach(async () => {
  await server.stop();
  await database.dispose();
});

interface Answers {
  readonly ok: number;
  readonly refused: number;
}

/** Asks for many shapes; a 503 has to say when to come back. */
async function askFor(count: number, whereOf: (n: number) => string): Promise<Answers> {
  const answers = { ok: 0, refused: 0 };
  let next = 0;
  const client = async () => {
    while (next < count) {
      const where = encodeURIComponent(whereOf(next++));
      const response = await fetch(`${server.shapeUrl}?table=items&offset=-1&where=${where}`);
      await response.text();
      if (response.status === 503) {
        expect(response.headers.get("retry-after")).toMatch(/^[1-9]/);
        answers.refused += 1;
      } else {
        expect(response.status).toBe(200);
        answers.ok += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
  return answers;
}

/** Somebody who waits all the while, on a shape of row 1. */
async function waiting(): Promise<{ readonly handle: string; readonly news: Promise<string> }> {
  await database.query("INSERT INTO items VALUES (1, 'one', '')");
  const url = `${server.shapeUrl}?table=items&where=id%3D1`;
  const initial = await fetch(`${url}&offset=-1`);
  await initial.text();
  const handle = initial.headers.get("electric-handle")!;
  const offset = initial.headers.get("electric-offset")!;
  const live = fetch(`${url}&handle=${handle}&offset=${offset}&live=true`);
  return { handle, news: live.then((response) => response.text()) };
}

async function start(settings: Settings): Promise<void> {
  server = await startServer(database, { ELECTRIC_LONG_POLL_TIMEOUT: "600000", ...settings });
}

test("more shapes than the core's memory holds", async () => {
  await start({ LITZ_CORE_MEMORY_MAX: "32MiB" });
  const { registry, eviction, core } = server.service.pipeline!;
  const { news } = await waiting();
  // Kept once for each shape: 40 MB in all, more than the budget.
  const padding = "p".repeat(40_000);
  const answers = await askFor(1_000, (n) => `name = '${n}${padding}'`);
  const before = registry.count;
  await eviction.enforce();
  expect(eviction.evicted.memory).toBeGreaterThan(0);
  // All that were made are there or were evicted, and the one that somebody waits on is there.
  expect(registry.count).toBe(1 + answers.ok - eviction.evicted.memory);
  // No more than their constants fit, each of which is longer than the padding.
  expect(registry.count - 1).toBeLessThanOrEqual(BUDGET_BYTES / padding.length);
  // One enforcement takes what it must: down to LOW of what fits, be that only HIGH of what is.
  expect(registry.count).toBeGreaterThanOrEqual(Math.floor(before * HIGH * LOW));

  // A transaction with a row of 24 MB, for which the budget has no room left.
  await database.query("INSERT INTO items VALUES (2, 'two', repeat('n', 24000000))");
  await database.query("UPDATE items SET note = 'new' WHERE id = 1");
  expect(await news).toContain('"note":"new"');
  expect(core.bytes.length).toBeGreaterThan(BUDGET_BYTES);
  expect((await askFor(50, (n) => `name = 'after ${n}'`)).ok).toBeGreaterThan(0);
}, 120_000);

test("a subquery finds room where idle shapes are", async () => {
  await start({ LITZ_CORE_MEMORY_MAX: "32MiB" });
  const { registry, eviction } = server.service.pipeline!;
  await database.query(`CREATE TABLE inner_items (id int PRIMARY KEY);
    INSERT INTO inner_items SELECT n FROM generate_series(1, 250000) n`);
  // 24 MB, which is not so much that room would be made for one more of their size.
  const padding = "p".repeat(40_000);
  expect(await askFor(600, (n) => `name = '${n}${padding}'`)).toEqual({ ok: 600, refused: 0 });
  const ofMany = "id IN (SELECT id FROM inner_items)";
  await eventually(async () => expect((await askFor(1, () => ofMany)).ok).toBe(1));
  expect(eviction.evicted.memory).toBeGreaterThan(0);
  expect(registry.count).toBeGreaterThan(100);
}, 120_000);

test("more bytes than the disk may take", async () => {
  await start({ LITZ_STORAGE_MAX_BYTES: "32MiB" });
  const { registry, eviction, store } = server.service.pipeline!;
  await database.query(
    "INSERT INTO items SELECT n, 'n' || n, repeat('r', 100000) FROM generate_series(10, 800) n",
  );
  const { news } = await waiting();
  // Each with a snapshot of 100 kB: 79 MB in all.
  const answers = await askFor(790, (n) => `id = ${n + 10}`);
  // None is refused before the budget is full, and what is written counts twice at most.
  expect(answers.ok).toBeGreaterThan(BUDGET_BYTES / (2 * SNAPSHOT_BYTES_MAX));
  await eviction.enforce();
  expect(eviction.evicted.disk).toBeGreaterThan(0);
  expect(await store.diskBytes()).toBeLessThan(BUDGET_BYTES);
  // All that were made are there or were evicted, and the one that somebody waits on is there.
  expect(registry.count).toBe(1 + answers.ok - eviction.evicted.disk);

  await database.query("UPDATE items SET note = 'new' WHERE id = 1");
  expect(await news).toContain('"note":"new"');
  const left = new LogFollower("table=items&where=id%3D1");
  await left.catchUp(server.url);
  expect([...left.rows.values()].map(({ note }) => note)).toEqual(["new"]);
}, 120_000);

test("changes alone fill the disk: nobody has to ask for a shape, or wait for the minute", async () => {
  await start({ LITZ_STORAGE_MAX_BYTES: "32MiB" });
  const { eviction, store } = server.service.pipeline!;
  const { news } = await waiting();
  expect((await askFor(8, (n) => `id > ${n + 10}`)).ok).toBe(8);
  for (let first = 100; first < 500; first += 40) {
    const numbers = `generate_series(${first}, ${first + 39})`;
    await database.query(`INSERT INTO items SELECT n, '', repeat('r', 200000) FROM ${numbers} n`);
  }
  await eventually(async () => {
    expect(eviction.evicted.disk).toBe(8);
    expect(await store.diskBytes()).toBeLessThan(BUDGET_BYTES);
  });
  await database.query("UPDATE items SET note = 'new' WHERE id = 1");
  expect(await news).toContain('"note":"new"');
}, 120_000);
