/**
 * Goal: rows that move hold nobody up, and whatever happens between two slices of it, nobody reads
 * half of it and every client has in the end what its query gives.
 *
 * Method: a slice is one row. Where something has to happen in the middle, storage says that it is
 * full, which is what is waited for between two slices, for as long as the test wants.
 */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ShapeHandle, ShapeId } from "../../src/model/ids.ts";
import { eventually } from "../support/eventually.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "./tagged-follower.ts";

const ROWS = 500;
const OF_ANN = "project IN (SELECT id FROM projects WHERE owner = 'ann')";
const OF_THE_ACTIVE =
  "project IN (SELECT id FROM projects WHERE owner IN (SELECT name FROM owners WHERE is_active))";

let server: RestartableServer;

beforeEach(async () => {
  server = await RestartableServer.start(
    `CREATE TABLE owners (name text PRIMARY KEY, is_active bool);
     CREATE TABLE projects (id int PRIMARY KEY, owner text);
     CREATE TABLE issues (id int PRIMARY KEY, project int, title text);
     INSERT INTO owners VALUES ('ann', true), ('bob', false);
     INSERT INTO projects VALUES (1, 'ann'), (2, 'bob');
     INSERT INTO issues VALUES (0, 1, 'of ann');
     INSERT INTO issues SELECT n, 2, 'of bob' FROM generate_series(1, ${ROWS}) n`,
    { LITZ_MOVE_SLICE_US: "0" },
  );
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server.dispose();
});

async function follow(where: string): Promise<TaggedFollower> {
  const follower = new TaggedFollower({ table: "issues", where });
  await follower.catchUp(server.url);
  return follower;
}

async function expectAsInPostgres(...followers: readonly TaggedFollower[]): Promise<void> {
  await server.settled();
  for (const follower of followers) {
    const { where } = follower.request;
    const rows = await server.database.query(`SELECT id FROM issues WHERE ${where} ORDER BY id`);
    await eventually(async () => {
      await follower.catchUp(server.url);
      expect(idsOf(follower)).toEqual(rows.map(({ id }) => Number(id)));
    });
    expect(follower.faults).toEqual([]);
  }
}

function idsOf({ rows }: TaggedFollower): number[] {
  return [...rows.values()].map(({ value }) => Number(value["id"])).sort((a, b) => a - b);
}

/** Stops the work behind its `count`th slice, until what is returned is called. */
async function stopAfter(count: number, sql: string): Promise<() => void> {
  const { writer } = server.pipeline;
  let slices = 0;
  let go!: () => void;
  const going = new Promise<void>((resolve) => (go = resolve));
  vi.spyOn(writer, "relieved").mockImplementation(() => {
    slices += 1;
    return slices < count ? undefined : going;
  });
  await server.database.query(sql);
  await eventually(() => expect(slices).toBeGreaterThanOrEqual(count));
  return go;
}

const isMoving = () => server.pipeline.moves.isBusy;
const BOB_GIVES_TO_ANN = "UPDATE projects SET owner = 'ann' WHERE id = 2";

test("requests are answered between two slices, and read all of it or nothing", async () => {
  const ann = await follow(OF_ANN);
  const plain = () => fetch(`${server.url}/v1/shape?table=owners&offset=-1`);
  await plain();
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  expect((await fetch(`${server.url}/v1/health`)).status).toBe(200);
  // Two rows, and that these are all.
  expect(await (await plain()).json()).toHaveLength(3);
  await ann.catchUp(server.url);
  expect(idsOf(ann)).toEqual([0]);
  expect(isMoving()).toBe(true);
  go();
  await expectAsInPostgres(ann);
  expect(ann.rows.size).toBe(ROWS + 1);
  expect(ann.lostHandles).toEqual([]);
});

test("what comes meanwhile comes behind it: transactions, shapes, rows of other moves", async () => {
  const ann = await follow(OF_ANN);
  const active = await follow(OF_THE_ACTIVE);
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  await server.database.query(`
    UPDATE issues SET title = 'changed' WHERE id % 7 = 0;
    DELETE FROM issues WHERE id % 11 = 0;
    UPDATE projects SET owner = 'bob' WHERE id = 1;
    UPDATE owners SET is_active = true WHERE name = 'bob'`);
  const late = follow(`${OF_ANN} AND title = 'changed'`);
  const lateWithAView = follow(OF_ANN.replace("'ann'", "'bob'"));
  // Long enough for what must not happen: that they are read, and commit half of what moves.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await ann.catchUp(server.url);
  expect(idsOf(ann)).toEqual([0]);
  expect(isMoving()).toBe(true);
  go();
  await expectAsInPostgres(ann, active, await late, await lateWithAView);
  expect([ann, active].map(({ lostHandles }) => lostHandles)).toEqual([[], []]);
});

test("a connection that is lost in the middle takes nothing along", async () => {
  const ann = await follow(OF_ANN);
  const active = await follow(OF_THE_ACTIVE);
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  const isActive = () => server.pipeline.shapes.status === "active";
  await server.database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
    [`electric_slot_${server.database.streamId}`],
  );
  await eventually(() => expect(isActive()).toBe(false));
  // Of the two, one goes on while there is a connection again, and the other one before.
  await eventually(() => expect(isActive()).toBe(true));
  await server.database.query("UPDATE issues SET project = 1 WHERE id = 5");
  expect(isMoving()).toBe(true);
  go();
  await expectAsInPostgres(ann, active);
  expect(ann.lostHandles).toEqual([]);
});

test("nor one that is lost and not there again before it is done", async () => {
  const ann = await follow(OF_ANN);
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  await server.database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
    [`electric_slot_${server.database.streamId}`],
  );
  await eventually(() => expect(server.pipeline.shapes.status).not.toBe("active"));
  go();
  await expectAsInPostgres(ann);
  expect(ann.lostHandles).toEqual([]);
});

test("a shape that goes in the middle takes no other along", async () => {
  const ann = await follow(OF_ANN);
  const twice = await follow(`${OF_ANN} AND id > 3`);
  const { cleaner, shapes } = server.pipeline;
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  // As if its table's form had changed: that waits for no boundary.
  cleaner.removeBroken(idOf(ann), "the test wants it gone");
  // This one does.
  const removed = shapes.remove(twice.handle as ShapeHandle);
  go();
  await removed;
  await expectAsInPostgres(ann, twice);
  expect([ann, twice].map(({ lostHandles }) => lostHandles.length)).toEqual([1, 1]);
});

test("the last shape of a template may go in the middle", async () => {
  const ann = await follow(OF_ANN);
  const { cleaner } = server.pipeline;
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  cleaner.removeBroken(idOf(ann), "the test wants it gone");
  go();
  await eventually(() => expect(isMoving()).toBe(false));
  await expectAsInPostgres(ann);
  expect(ann.lostHandles).toHaveLength(1);
});

test("a stop in the middle leaves the rest to the next start", async () => {
  const ann = await follow(OF_ANN);
  const go = await stopAfter(ROWS / 2, BOB_GIVES_TO_ANN);
  const making = follow("project = 3").catch(() => undefined);
  await server.restart(async () => {
    go();
    await server.database.query("INSERT INTO issues VALUES (1000, 2, 'late')");
  });
  await making;
  await expectAsInPostgres(ann);
  expect(ann.rows.size).toBe(ROWS + 2);
  expect(ann.lostHandles).toEqual([]);
});

function idOf({ handle }: TaggedFollower): ShapeId {
  const { creator, shapes } = server.pipeline;
  return creator.find(shapes.definitionOf(handle as ShapeHandle)!)!;
}
