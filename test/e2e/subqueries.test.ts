/**
 * Goal: shapes with subqueries hold what their query gives, with tags and move events as the
 * protocol has them (section 14). Method: a live server, its logs read over HTTP.
 */

import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { TestDatabase } from "../support/postgres.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { TaggedFollower } from "../subqueries/tagged-follower.ts";

interface Message {
  readonly key?: string;
  readonly value?: Readonly<Record<string, string | null>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

let server: RestartableServer;
let database: TestDatabase;

beforeEach(async () => {
  const settings = { ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "200ms" };
  server = await RestartableServer.start(
    `
    CREATE TABLE projects (id int PRIMARY KEY, owner text, is_active bool);
    CREATE TABLE issues (id int PRIMARY KEY, project int, title text, is_public bool);
    INSERT INTO projects VALUES (1, 'ann', true), (2, 'bob', true), (3, 'ann', false);
    INSERT INTO issues VALUES (1, 1, 'one', false), (2, 2, 'two', false), (3, 3, 'three', true),
                              (4, NULL, 'four', false)`,
    settings,
  );
  database = server.database;
});

afterEach(async () => {
  await server.dispose();
});

/** One log, read from its beginning. */
class Reader {
  readonly messages: Message[] = [];
  handle = "";
  #offset = "-1";
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** Reads on until there is nothing new; returns what was. */
  async read(): Promise<readonly Message[]> {
    const from = this.messages.length;
    for (;;) {
      const query = new URLSearchParams({
        table: "issues",
        where: this.#where,
        offset: this.#offset,
        ...(this.handle === "" ? {} : { handle: this.handle }),
      });
      const response = await fetch(`${server.url}/v1/shape?${query}`);
      expect(response.status, await response.clone().text()).toBe(200);
      this.handle = response.headers.get("electric-handle")!;
      this.#offset = response.headers.get("electric-offset")!;
      this.messages.push(...((await response.json()) as Message[]));
      if (response.headers.has("electric-up-to-date")) break;
    }
    return this.messages.slice(from).filter(({ headers }) => headers["control"] !== "up-to-date");
  }

  /** Reads on until something has come. */
  async next(count = 1): Promise<readonly Message[]> {
    const found: Message[] = [];
    await eventually(async () => {
      found.push(...(await this.read()));
      expect(found.length).toBeGreaterThanOrEqual(count);
    });
    return found;
  }

  tag(input: string): string {
    return createHash("md5").update(`single_stack${this.handle}${input}`).digest("hex");
  }
}

test("rows carry tags, and move in and out with the subquery", async () => {
  const reader = new Reader("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  const first = await reader.next(3);
  expect(first.map(({ value }) => value?.["id"])).toEqual(["1", "3", undefined]);
  expect(first[0]!.headers).toMatchObject({
    tags: [reader.tag("v:1")],
    active_conditions: [true],
  });

  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
  const [moveIn, row, end] = await reader.next(3);
  expect(moveIn!.headers).toMatchObject({
    event: "move-in",
    patterns: [{ pos: 0, value: reader.tag("v:2") }],
  });
  expect(row).toMatchObject({
    key: '"public"."issues"/"2"',
    value: { id: "2", title: "two" },
    headers: { operation: "insert", is_move_in: true, tags: [reader.tag("v:2")] },
  });
  expect(end!.headers).toMatchObject({ control: "snapshot-end" });

  await database.query("UPDATE projects SET owner = 'bob' WHERE id = 1");
  const [moveOut] = await reader.next();
  expect(moveOut!.headers).toMatchObject({
    event: "move-out",
    patterns: [{ pos: 0, value: reader.tag("v:1") }],
  });

  await database.query("UPDATE issues SET project = 3 WHERE id = 1");
  const [update] = await reader.next();
  expect(update).toMatchObject({
    key: '"public"."issues"/"1"',
    headers: { operation: "insert", tags: [reader.tag("v:3")] },
  });
});

test("nested subqueries: what does not change the middle changes nothing outside", async () => {
  await database.query(`
    CREATE TABLE owners (name text PRIMARY KEY, org int);
    INSERT INTO owners VALUES ('ann', 1), ('bob', 2)`);
  const reader = new Reader(
    "project IN (SELECT id FROM projects WHERE owner IN (SELECT name FROM owners WHERE org = 1))",
  );
  const first = await reader.next(3);
  expect(first.map(({ value }) => value?.["id"])).toEqual(["1", "3", undefined]);
  await database.query("INSERT INTO owners VALUES ('cyd', 1)");
  await database.query("UPDATE owners SET org = 1 WHERE name = 'bob'");
  const [moveIn, row] = await reader.next(3);
  expect(moveIn!.headers).toMatchObject({
    event: "move-in",
    patterns: [{ pos: 0, value: reader.tag("v:2") }],
  });
  expect(row!.value).toMatchObject({ id: "2" });
  await database.query("UPDATE owners SET org = 2 WHERE name = 'ann'");
  const [moveOut] = await reader.next();
  expect(moveOut!.headers).toMatchObject({ event: "move-out" });
  expect(
    new Set((moveOut!.headers["patterns"] as { value: string }[]).map((p) => p.value)),
  ).toEqual(new Set([reader.tag("v:1"), reader.tag("v:3")]));
});

test("NOT IN: what enters leaves, what leaves enters, and NULL ends the shape", async () => {
  const reader = new Reader("project NOT IN (SELECT id FROM projects WHERE is_active)");
  const first = await reader.next(2);
  expect(first.map(({ value }) => value?.["id"])).toEqual(["3", undefined]);
  await database.query("UPDATE projects SET is_active = false WHERE id = 1");
  const [moveIn, row] = await reader.next(3);
  expect(moveIn!.headers).toMatchObject({ event: "move-in" });
  expect(row!.value).toMatchObject({ id: "1" });
  await database.query("UPDATE projects SET is_active = true WHERE id = 3");
  expect((await reader.next())[0]!.headers).toMatchObject({
    event: "move-out",
    patterns: [{ pos: 0, value: reader.tag("v:3") }],
  });
  // Without any project NOT IN is true of NULL, too.
  await database.query("DELETE FROM projects");
  const last = await reader.next(4);
  const ids = last.flatMap(({ value }) => value?.["id"] ?? []);
  expect(new Set(ids)).toEqual(new Set(["2", "3", "4"]));
});

test("a shape outlives a restart, and is told what its subquery did meanwhile", async () => {
  const reader = new Reader("project IN (SELECT id FROM projects WHERE owner = 'ann')");
  await reader.next(3);
  const { handle } = reader;
  await server.restart(async () => {
    await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
    await database.query("UPDATE projects SET owner = 'bob' WHERE id = 1");
    await database.query("INSERT INTO issues VALUES (5, 3, 'five', false)");
  });
  const messages = await reader.next(5);
  expect(reader.handle).toBe(handle);
  const events = messages.map(({ headers }) => headers["event"]).filter((e) => e !== undefined);
  expect(events).toEqual(["move-out", "move-in"]);
  const ids = messages.flatMap(({ value }) => value?.["id"] ?? []);
  expect(new Set(ids)).toEqual(new Set(["2", "5"]));
  await database.query("UPDATE projects SET owner = 'bob' WHERE id = 2");
  expect((await reader.next())[0]!.headers).toMatchObject({ event: "move-out" });
});

test("one query serves all shapes that wait for the same values", async () => {
  const readers = Array.from({ length: 30 }, (_, n) => {
    return new Reader(`id > ${-n} AND project IN (SELECT id FROM projects WHERE owner = 'ann')`);
  });
  for (const reader of readers) await reader.next(3);
  const { moves } = server.pipeline;
  const before = moves.figures.queries;
  await database.query("UPDATE projects SET owner = 'ann' WHERE id = 2");
  for (const reader of readers) {
    const [moveIn, row] = await reader.next(3);
    expect(moveIn!.headers).toMatchObject({ event: "move-in" });
    expect(row!.headers["tags"]).toEqual([`1/${reader.tag("v:2")}`]);
  }
  expect(moves.figures.queries - before).toBe(1);
});

async function viewCount(): Promise<number> {
  const response = await fetch(`${server.url}/admin/memory`);
  const { subqueries } = (await response.json()) as { subqueries: { views: number } };
  return subqueries.views;
}

const OF_TEAM_1 = "owner IN (SELECT name FROM owners WHERE team = 1)";

test("views stay while a shape, or another view, stands on them, and no longer", async () => {
  await database.query(`
    CREATE TABLE owners (name text PRIMARY KEY, team int);
    INSERT INTO owners VALUES ('ann', 1), ('bob', 2)`);
  const nested = `project IN (SELECT id FROM projects WHERE ${OF_TEAM_1})`;
  const shapes = [
    new TaggedFollower({ table: "issues", where: nested }),
    new TaggedFollower({ table: "issues", where: `is_public OR ${nested}` }),
    new TaggedFollower({ table: "projects", where: OF_TEAM_1 }),
  ];
  for (const shape of shapes) await shape.catchUp(server.url);
  // Owners by team, and projects of these owners, however many shapes have them.
  expect(await viewCount()).toBe(2);
  for (const left of [2, 1, 0]) {
    const [gone] = shapes.splice(0, 1);
    await fetch(`${server.url}/v1/shape?handle=${gone!.handle}`, { method: "DELETE" });
    await eventually(async () => expect(await viewCount()).toBe(left));
    // Those that are left go on as if nothing had been.
    await database.query("UPDATE owners SET team = 3 - team");
    for (const shape of shapes) await expectAsInPostgres(shape);
  }
  const again = new TaggedFollower({ table: "issues", where: nested });
  await expectAsInPostgres(again);
  expect(await viewCount()).toBe(2);
});

test("a shape ends with the table of its innermost subquery, and says why none is made", async () => {
  await database.query(`
    CREATE TABLE owners (name text PRIMARY KEY, team int);
    INSERT INTO owners VALUES ('ann', 1)`);
  const where = `project IN (SELECT id FROM projects WHERE ${OF_TEAM_1})`;
  const shape = new TaggedFollower({ table: "issues", where });
  const other = new TaggedFollower({
    table: "issues",
    where: "project IN (SELECT id FROM projects WHERE owner = 'ann')",
  });
  for (const each of [shape, other]) await each.catchUp(server.url);
  await database.query("DROP TABLE owners");
  await eventually(async () => {
    await expect(shape.catchUp(server.url)).rejects.toThrow('Table \\"public\\".\\"owners\\"');
  });
  await eventually(async () => expect(await viewCount()).toBe(1));
  await database.query("UPDATE projects SET owner = 'ann'");
  await expectAsInPostgres(other);
});

/** Without a fault, and without having begun anew. */
async function expectAsInPostgres(follower: TaggedFollower): Promise<void> {
  const { table, where } = follower.request;
  const rows = await database.query(`SELECT id::text FROM ${table} WHERE ${where} ORDER BY 1`);
  await eventually(async () => {
    await follower.catchUp(server.url);
    const held = [...follower.rows.values()].map(({ value }) => value["id"]);
    expect(held.sort()).toEqual(rows.map(({ id }) => id));
  });
  expect(follower.faults).toEqual([]);
  expect(follower.lostHandles).toEqual([]);
}
