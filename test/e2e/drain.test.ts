/**
 * Goal: shapes that are gone leave nothing behind: the live bytes of every structure that is keyed
 * by a shape return to what they were, and the owners add up to linear memory all the way. To
 * remove one writes to as much of that memory, and of the disk, whether there are few others or
 * many.
 *
 * Method: a live server, shapes without and with subqueries, of which some are shared and some
 * nested. Work is counted and not timed: lines of linear memory that have changed, and bytes of the
 * journal.
 */

import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase } from "../support/postgres.ts";

const SHAPES = 100;

/** Buffers that go with time and not with shapes. */
const TRANSIENT = ["free", "input and output", "pending postings", "page pool", "static"];

function liveBytes(server: LiveServer): Record<string, number> {
  const { accounting, core } = server.service.pipeline!;
  const report = accounting.report();
  const committed = report.reduce((sum, { committedBytes }) => sum + committedBytes, 0);
  expect(committed).toBe(core.bytes.byteLength);
  return Object.fromEntries(
    report
      .filter(({ owner }) => !TRANSIENT.includes(owner))
      .map(({ owner, liveBytes }) => [owner, liveBytes]),
  );
}

function liveCoreBytes(server: LiveServer): number {
  return server.service.pipeline!.core.bytes.byteLength;
}

/** Without subqueries; with one of its own for each shape, and one in it that all share. */
const CLAUSES = {
  "plain shapes": (n: number) => `tenant = 'tenant ${n}'`,
  "shapes with subqueries": (n: number) =>
    `id IN (SELECT item FROM grants WHERE member = ${n}) OR ` +
    `id IN (SELECT item FROM grants WHERE member IN (SELECT id FROM members WHERE team = 1))`,
};

async function ask(server: LiveServer, clause: string): Promise<string> {
  const where = encodeURIComponent(clause);
  const response = await fetch(`${server.shapeUrl}?table=items&where=${where}&offset=-1`);
  expect(response.status, await response.text()).toBe(200);
  return response.headers.get("electric-handle")!;
}

async function remove(server: LiveServer, handle: string): Promise<void> {
  const { status } = await fetch(`${server.shapeUrl}?handle=${handle}`, { method: "DELETE" });
  expect(status).toBe(202);
}

const LINE_BYTES = 64;

/** Lines of linear memory that differ. It may have grown. */
function changedLines(before: Buffer, after: Buffer): number {
  let count = 0;
  for (let at = 0; at < before.length; at += LINE_BYTES) {
    count += Number(before.compare(after, at, at + LINE_BYTES, at, at + LINE_BYTES) !== 0);
  }
  return count;
}

/** What is written to when one shape goes of so many, and what is live when all have gone. */
async function removalAmong(server: LiveServer, count: number, clauseOf: (n: number) => string) {
  const { core, registry, store } = server.service.pipeline!;
  const before = liveBytes(server);
  const handles: string[] = [];
  for (let n = 1; n <= count; n++) handles.push(await ask(server, clauseOf(n)));
  await store.flushed();
  const memory = Buffer.from(core.bytes);
  const written = store.writtenBytes;
  const [first, ...others] = handles;
  await remove(server, first!);
  await eventually(() => expect(registry.count).toBe(count - 1));
  await store.flushed();
  const lines = changedLines(memory, Buffer.from(core.bytes));
  const bytes = store.writtenBytes - written;
  for (const handle of others) await remove(server, handle);
  await eventually(() => expect(liveBytes(server)).toEqual(before));
  expect(server.service.pipeline!.templates.templateCount).toBe(0);
  return { lines, bytes };
}

test.each(Object.entries(CLAUSES))(
  "%s cost as much to remove among many as among few, and leave nothing behind",
  async (_, clauseOf) => {
    const database = await createTestDatabase();
    const server = await startServer(database);
    try {
      await database.query(`
        CREATE TABLE items (id int PRIMARY KEY, tenant text NOT NULL);
        CREATE TABLE grants (item int, member int, PRIMARY KEY (item, member));
        CREATE TABLE members (id int PRIMARY KEY, team int);
        INSERT INTO items SELECT n, 'tenant ' || n FROM generate_series(1, 50) n;
        INSERT INTO members SELECT n, n % 9 FROM generate_series(1, 400) n;
        INSERT INTO grants SELECT n % 50, n FROM generate_series(1, 400) n`);
      // Structures that are made with the first shape are there from then on.
      await removalAmong(server, 2, clauseOf);
      const amongFew = await removalAmong(server, 20, clauseOf);
      const amongMany = await removalAmong(server, 300, clauseOf);
      // Fifteen times the shapes: what varies is on how many lines a shape happens to lie.
      expect(amongMany.lines).toBeLessThan(3 * amongFew.lines);
      expect(amongMany.bytes).toBe(amongFew.bytes);
    } finally {
      await server.stop();
      await database.dispose();
    }
  },
  120_000,
);

test("a hundred shapes come and go and leave nothing behind", async () => {
  const database = await createTestDatabase();
  const server = await startServer(database);
  try {
    await database.query(`
      CREATE TABLE items (id int PRIMARY KEY, tenant text NOT NULL);
      INSERT INTO items SELECT n, 'tenant ' || n FROM generate_series(1, ${SHAPES}) n`);
    const before = liveBytes(server);
    for (let round = 0; round < 3; round++) {
      const handles: string[] = [];
      for (let n = 1; n <= SHAPES; n++) {
        const where = encodeURIComponent(`tenant = 'tenant ${n}'`);
        const response = await fetch(`${server.shapeUrl}?table=items&where=${where}&offset=-1`);
        expect(await response.text()).toContain(`"tenant ${n}"`);
        handles.push(response.headers.get("electric-handle")!);
      }
      expect(server.service.pipeline!.registry.count).toBe(SHAPES);
      expect(liveBytes(server)).not.toEqual(before);
      await database.query("UPDATE items SET id = id + 1000");
      for (const handle of handles) {
        const { status } = await fetch(`${server.shapeUrl}?handle=${handle}`, { method: "DELETE" });
        expect(status).toBe(202);
      }
      await eventually(() => expect(liveBytes(server)).toEqual(before));
      expect(server.service.pipeline!.templates.templateCount).toBe(0);
      const memory = await fetch(`${server.url}/admin/memory`);
      expect(memory.status).toBe(200);
      expect(await memory.json()).toMatchObject({ shapes: 0, coreBytes: liveCoreBytes(server) });
      await database.query("UPDATE items SET id = id - 1000");
    }
  } finally {
    await server.stop();
    await database.dispose();
  }
}, 120_000);
