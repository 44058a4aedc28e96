/**
 * The official client by events, over the whole pipeline: protocol 5.8 and 16.4.
 *
 * Goal: what a client has equals the query, through transactions small and large, the end of
 * streams, and rotation; no row is told twice. Method: the unmodified package with `liveSse`,
 * against a real database; streams that end every second and a half, chunks of 2 kB.
 */

import assert from "node:assert/strict";
import { Shape, ShapeStream, type Row, type ShapeStreamInterface } from "@electric-sql/client";
import { afterAll, beforeAll, test } from "vitest";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("CREATE TABLE items (id int PRIMARY KEY, title text NOT NULL)");
  server = await startServer(database, {
    ELECTRIC_SSE_TIMEOUT: "1500",
    ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "2000",
  });
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

test("a client by events has what the query has, and is told of each change once", async () => {
  await database.query("INSERT INTO items SELECT n, 'row ' || n FROM generate_series(1, 50) n");
  const abort = new AbortController();
  const errors: unknown[] = [];
  const targets: string[] = [];
  const stream = new ShapeStream({
    url: server.shapeUrl,
    params: { table: "items" },
    liveSse: true,
    signal: abort.signal,
    onError: (error) => void errors.push(error),
    fetchClient: (...args: Parameters<typeof fetch>) => {
      targets.push(args[0] as string);
      return fetch(...args);
    },
  });
  const shape = new Shape(stream as ShapeStreamInterface<Row>);
  const told: string[] = [];
  stream.subscribe((messages) => {
    for (const message of messages) {
      if (!("key" in message) || message.headers["lsn"] === undefined) continue;
      told.push(`${message.headers["lsn"] as string}/${message.headers["op_position"] as number}`);
    }
  });

  const hasAll = async (): Promise<void> => {
    const rows = await database.query("SELECT id, title FROM items ORDER BY id");
    for (let n = 0; ; n++) {
      const found = [...shape.currentRows].sort((a, b) => Number(a["id"]) - Number(b["id"]));
      if (JSON.stringify(found) === JSON.stringify(rows)) return;
      assert.ok(n < 2000, `has ${found.length} of ${rows.length}, errors: ${errors.join()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await hasAll();
  for (let round = 0; round < 8; round++) {
    const first = 100 + round * 100;
    await database.query(
      `INSERT INTO items
       SELECT n, repeat('x', 100) FROM generate_series(${first}, ${first + 60}) n`,
    );
    await database.query(`UPDATE items SET title = title || '!' WHERE id % 7 = ${round}`);
    await database.query(`DELETE FROM items WHERE id % 11 = ${round}`);
    await hasAll();
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  assert.equal(new Set(told).size, told.length);
  assert.ok(targets.filter((target) => target.includes("live_sse=true")).length >= 2);

  await database.query("TRUNCATE items");
  await database.query("INSERT INTO items VALUES (1, 'anew')");
  await hasAll();
  abort.abort();
  assert.deepEqual(errors, []);
});
