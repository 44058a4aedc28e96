/**
 * Goal: `@electric-sql/client` holds what Postgres answers, however it follows: by long polling and
 * by Server-Sent Events, from the beginning, from where it left off, from now on, and on demand.
 * Method: random transactions on a real database; shapes of each kind are followed by the
 * unmodified client and compared with a SELECT. SEED replays a run.
 */

import {
  Shape,
  ShapeStream,
  type Row,
  type ShapeStreamInterface,
  type ShapeStreamOptions,
} from "@electric-sql/client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { seededRandom } from "../support/random.ts";
import { expectSameRows, randomStatement, startFixture, type ClientFixture } from "./fixture.ts";

let fixture: ClientFixture;
const aborts: AbortController[] = [];

beforeAll(async () => {
  // Chunks of a few rows: every catch-up crosses their boundaries.
  fixture = await startFixture({ ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "3000" });
});

afterEach(async () => {
  for (const abort of aborts.splice(0)) abort.abort();
  await fixture.database.query("DELETE FROM issues");
});

afterAll(async () => {
  await fixture.dispose();
});

function openStream(options: Partial<ShapeStreamOptions> & { params?: object } = {}) {
  const abort = new AbortController();
  aborts.push(abort);
  return new ShapeStream<Row>({
    url: fixture.server.shapeUrl,
    signal: abort.signal,
    ...options,
    params: { table: "issues", ...options.params },
  });
}

function follow(options: Parameters<typeof openStream>[0]) {
  const stream = openStream(options);
  // The client's own types are not made for exactOptionalPropertyTypes.
  const shape = new Shape<Row>(stream as unknown as ShapeStreamInterface<Row>);
  return { stream, shape };
}

function expectEqual(shape: Shape<Row>, where: string, columns = "*"): Promise<void> {
  const sql = `SELECT ${columns} FROM issues WHERE ${where}`;
  return expectSameRows(fixture.database, sql, () => shape.currentRows);
}

describe.each([
  { name: "long polling", liveSse: false },
  { name: "Server-Sent Events", liveSse: true },
])("by $name", ({ name, liveSse }) => {
  test("shapes of every kind follow random transactions", async () => {
    const random = seededRandom(`clients: ${name}`);
    const { database } = fixture;
    await fixture.insertIssues(0, 40);
    const all = follow({ liveSse });
    const filtered = follow({ liveSse, params: { where: "project = 1 AND done = false" } });
    const withParameters = follow({
      liveSse,
      params: { where: "project = $1", params: { 1: "2" }, replica: "full" },
    });
    const narrow = follow({ liveSse, params: { columns: ["id", "title"], where: "project = 0" } });
    for (let round = 0; round < 15; round++) {
      const count = 1 + Math.floor(random() * 4);
      const statements = Array.from({ length: count }, () => randomStatement(random));
      await database.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
      if (round % 5 !== 4) continue;
      await expectEqual(all.shape, "true");
      await expectEqual(filtered.shape, "project = 1 AND done = false");
      await expectEqual(withParameters.shape, "project = 2");
      await expectEqual(narrow.shape, "project = 0", "id, title");
    }
  });

  test("a client that comes back goes on where it left off, without a row twice", async () => {
    await fixture.insertIssues(0, 9);
    const before = follow({ liveSse });
    await before.shape.rows;
    await fixture.insertIssues(10, 10);
    await expectEqual(before.shape, "true");
    const { lastOffset: offset, shapeHandle: handle } = before.stream;
    before.stream.unsubscribeAll();
    aborts.splice(0).forEach((abort) => abort.abort());

    await fixture.insertIssues(11, 60);
    const stream = openStream({ liveSse, offset, handle: handle! });
    const inserted: unknown[] = [];
    stream.subscribe((messages) => {
      for (const message of messages) if ("key" in message) inserted.push(message.value["id"]);
    });
    await eventually(() => expect(inserted).toHaveLength(50));
    await fixture.insertIssues(61, 61);
    await eventually(() => expect(inserted).toHaveLength(51));
    expect(inserted).toEqual(Array.from({ length: 51 }, (_, n) => 11 + n));
  });

  test("offset=now sees only what comes after", async () => {
    await fixture.insertIssues(0, 9);
    // "Now" is where the server is, and that follows Postgres by some milliseconds.
    await expectEqual(follow({ liveSse }).shape, "true");
    const { stream, shape } = follow({ liveSse, offset: "now" });
    await eventually(() => expect(stream.isUpToDate).toBe(true));
    expect(shape.currentRows).toEqual([]);
    await fixture.insertIssues(20, 22);
    await expectEqual(shape, "id >= 20");
  });

  test("a truncated table starts again from nothing", async () => {
    await fixture.insertIssues(0, 9);
    const { stream, shape } = follow({ liveSse });
    await shape.rows;
    const handle = stream.shapeHandle;
    await fixture.database.query("TRUNCATE issues");
    await expectEqual(shape, "true");
    await fixture.insertIssues(30, 35);
    await expectEqual(shape, "true");
    expect(stream.shapeHandle).not.toBe(handle);
  });

  test("a stream of changes only takes the snapshots it is asked for", async () => {
    await fixture.insertIssues(0, 30);
    const { stream, shape } = follow({ liveSse, log: "changes_only" });
    await shape.requestSnapshot({
      where: "project = $1",
      params: { 1: "1" },
      orderBy: "id DESC",
      limit: 5,
    });
    const top = "id IN (SELECT id FROM issues WHERE project = 1 ORDER BY id DESC LIMIT 5)";
    await expectEqual(shape, top);
    // Of the rows it has not asked for it learns nothing; inserts it hears of.
    await fixture.database.query("UPDATE issues SET title = 'new' WHERE id IN (3, 28)");
    await expectEqual(shape, top);
    await shape.requestSnapshot({ where: "id = 3", orderBy: "id", limit: 1, method: "POST" });
    await expectEqual(shape, `id = 3 OR ${top}`);
    const { data } = await stream.fetchSnapshot({ where: "done = true", orderBy: "id", limit: 1 });
    expect(data).toEqual([]);
  });

  test("an error the application mends is not the end", async () => {
    await fixture.insertIssues(0, 2);
    const errors: unknown[] = [];
    const { shape } = follow({
      liveSse,
      params: { where: "no_such_column = 1" },
      onError: (error) => {
        errors.push(error);
        return { params: { table: "issues", where: "project = 1" } };
      },
    });
    await expectEqual(shape, "project = 1");
    expect(errors).toMatchObject([{ status: 400 }]);
  });
});

test("events that a broken connection cut off are sent again", async () => {
  const { shape: observer } = follow({ log: "full" });
  await observer.rows;
  let isCut = false;
  const fetchClient: typeof fetch = async (input, options) => {
    const isStream = new URL(input as string).searchParams.has("live_sse");
    if (!isStream || isCut) return fetch(input, options);
    isCut = true;
    // The row is in the log when the stream begins, so its head already knows of it.
    await fixture.insertIssues(800, 800);
    await expectEqual(observer, "true");
    const { headers, body } = await fetch(input, options);
    await body!.cancel();
    return new Response("", { headers });
  };
  const { shape } = follow({ liveSse: true, fetchClient });
  await expectEqual(shape, "true");
  await eventually(() => expect(isCut).toBe(true));
  await expectEqual(shape, "true");
  expect(shape.currentRows).toHaveLength(1);
});
