/**
 * Goal: shapes that are gone leave nothing behind: the live bytes of every structure that is keyed
 * by a shape return to what they were, and the owners add up to linear memory all the way.
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
