/** Protocol section 12: subset snapshots. */

import { describe, expect, test } from "vitest";
import { errorsIn, serveLitz, told, type Answer, type Parameters } from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE items (id int PRIMARY KEY, title text, n int, mood mood, "Odd name" int);
    INSERT INTO items VALUES (1, 'b', 10, 'sad', 4), (2, 'a', 20, 'ok', 3), (3, 'c', NULL, 'ok', 2),
                             (4, 'd', 40, NULL, 1);
    CREATE TABLE big (id int8 PRIMARY KEY, label text);
    INSERT INTO big VALUES (9007199254740993, 'odd'), (9007199254740992, 'even');`,
});

const ITEMS = { table: "items", offset: "-1" };

const idsIn = (answer: Answer) => answer.subset.data.map(({ value }) => value!["id"]);

test("§12 the whole answer", async () => {
  const { handle } = await subject.read({ table: "items" });
  const answer = await subject.get({ ...ITEMS, subset__where: "id = 1" });
  expect(answer.header("cache-control")).toBe("no-cache");
  expect(answer.header("electric-snapshot")).toBe("true");
  expect(answer.header("electric-handle")).toBe(handle);
  const { metadata, data } = answer.subset;
  const decimal = expect.stringMatching(/^\d+$/) as string;
  const mark = metadata["snapshot_mark"] as number;
  expect(metadata).toEqual({
    xmin: decimal,
    xmax: decimal,
    xip_list: expect.any(Array) as string[],
    snapshot_mark: expect.any(Number) as number,
    database_lsn: decimal,
  });
  expect(Number.isInteger(mark) && mark >= 0 && mark < 2 ** 31).toBe(true);
  expect(data).toEqual([
    {
      key: '"public"."items"/"1"',
      value: { id: "1", title: "b", n: "10", mood: "sad", "Odd name": "4" },
      headers: { operation: "insert", relation: ["public", "items"], snapshot_mark: mark },
    },
  ]);
});

test("§12 database_lsn is a position that the stream reaches", async () => {
  const reader = await subject.read({ table: "items" });
  const answer = await subject.get({ ...ITEMS, subset__where: "true" });
  await subject.sql("UPDATE items SET n = 11 WHERE id = 1");
  const [change] = await reader.changes(1);
  await subject.sql("UPDATE items SET n = 10 WHERE id = 1");
  const lsn = BigInt(answer.subset.metadata["database_lsn"] as string);
  expect(lsn > 0n && lsn <= BigInt(change!.headers["lsn"] as string)).toBe(true);
});

describe("§12 parameters", () => {
  test.each<[Parameters, string[]]>([
    [{ subset__where: "n > 10" }, ["2", "4"]],
    [{ subset__where: "n > $1", subset__params: '{"1":"10"}' }, ["2", "4"]],
    [{ subset__where: "n > $1", subset__params: '{"1":10}' }, ["2", "4"]],
    [{ subset__where: "true = true", subset__order_by: "id" }, ["1", "2", "3", "4"]],
    [{ subset__order_by: "title" }, ["2", "1", "3", "4"]],
    [{ subset__order_by: "title DESC" }, ["4", "3", "1", "2"]],
    [{ subset__order_by: "n" }, ["1", "2", "4", "3"]],
    [{ subset__order_by: "n NULLS FIRST" }, ["3", "1", "2", "4"]],
    [{ subset__order_by: "n DESC NULLS LAST" }, ["4", "2", "1", "3"]],
    [{ subset__order_by: '"mood" NULLS FIRST,"id" DESC' }, ["4", "1", "3", "2"]],
    [{ subset__order_by: '"Odd name" ASC' }, ["4", "3", "2", "1"]],
    [{ subset__order_by: "1, id" }, ["1", "2", "3", "4"]],
    [{ subset__order_by: "id", subset__limit: "2" }, ["1", "2"]],
    [{ subset__order_by: "id", subset__limit: "2", subset__offset: "1" }, ["2", "3"]],
    [{ subset__order_by: "id", subset__offset: "3" }, ["4"]],
    [{ subset__order_by: "id", subset__offset: "0" }, ["1", "2", "3", "4"]],
    [{ subset__where: "mood = 'ok'", subset__order_by: "id" }, ["2", "3"]],
    [{ subset__where: "mood <> 'ok'" }, ["1"]],
    [{ subset__where: "mood NOT IN ('ok', $1)", subset__params: '{"1":"ok"}' }, ["1"]],
    [{ subset__where: "mood IN ('ok', 'sad')", subset__order_by: "id" }, ["1", "2", "3"]],
    [
      { subset__where: "mood = ANY($1)", subset__params: '{"1":"{ok}"}', subset__order_by: "id" },
      ["2", "3"],
    ],
    [{ subset__where: "id = 1", subset__where_expr: "{}", subset__order_by_expr: "[]" }, ["1"]],
    [{ where: "id = 1 OR id = 2", subset__where: "n = 20" }, ["2"]],
    [
      { where: "n > $1", "params[1]": "15", subset__where: "n < $1", subset__params: '{"1":"30"}' },
      ["2"],
    ],
    [{ columns: "id", subset__where: "title = 'c'" }, ["3"]],
  ])("§12 %j", async (parameters, ids) => {
    const answer = await subject.get({ ...ITEMS, ...parameters });
    const isOrdered = "subset__order_by" in parameters;
    expect(isOrdered ? idsIn(answer) : idsIn(answer).sort()).toEqual(ids);
  });

  test("§12 integers beyond 2^53, by GET and POST", async () => {
    const big = { table: "big", offset: "-1" };
    const got = await subject.get({
      ...big,
      subset__where: "id = $1",
      subset__params: '{"1":"9007199254740993"}',
    });
    expect(got.subset.data[0]!.value).toEqual({ id: "9007199254740993", label: "odd" });
    const body = { where: "id >= $1", params: { 1: "9007199254740993" } };
    expect((await subject.post(big, body)).subset.data).toHaveLength(1);
  });

  test("§12 queryable columns are a limit, for the where and the order", async () => {
    const limited = { ...ITEMS, queryable_columns: "id,title" };
    expect(idsIn(await subject.get({ ...limited, subset__where: "title = 'a'" }))).toEqual(["2"]);
    for (const parameters of [
      { subset__where: "n = 10" },
      { subset__where: "true", subset__order_by: "n" },
    ]) {
      const errors = errorsIn(await subject.get({ ...limited, ...parameters }));
      expect(JSON.stringify(errors)).toContain("unknown reference n");
    }
  });
});

describe("§12 where in the log", () => {
  test.each([
    ["-1", "0_0"],
    ["0_0", "0_0"],
    ["0_inf", "0_inf"],
    ["now", "0_inf"],
    ["4711_2", "0_inf"],
    ["9000000000000000000_0", "0_inf"],
  ])("§12 on a fresh shape %s gives %s, at once", async (offset, told) => {
    const definition = { table: "big", where: "id > 0" };
    const { handle } = await subject.read(definition);
    const answer = await subject.get({ ...definition, handle, offset, subset__where: "true" });
    expect(answer.status).toBe(200);
    expect(answer.header("electric-offset")).toBe(told);
  });

  test("§12 an offset in the log is given back, one beyond its end is not", async () => {
    const definition = { table: "big", where: "label = 'logged'" };
    const reader = await subject.read(definition);
    await subject.sql("INSERT INTO big VALUES (1, 'logged'), (2, 'logged')");
    const [first] = await reader.changes(2);
    const offsetFor = async (offset: string) => {
      const parameters = { ...definition, handle: reader.handle, offset, subset__where: "true" };
      return (await subject.get(parameters)).header("electric-offset");
    };
    const inside = `${String(first!.headers["lsn"])}_0`;
    expect(await offsetFor(inside)).toBe(inside);
    expect(await offsetFor("now")).toBe(reader.offset);
    expect(await offsetFor("9000000000000000000_0")).toBe(reader.offset);
  });

  test("§12 live is ignored, and so is an ETag", async () => {
    const { position, handle } = await subject.read({ table: "items" });
    const subset = { table: "items", ...position, subset__where: "id = 1" };
    const start = performance.now();
    for (const live of [{ live: "true" }, { live: "true", live_sse: "true" }] as Parameters[]) {
      expect(idsIn(await subject.get({ ...subset, ...live }))).toEqual(["1"]);
    }
    expect(performance.now() - start).toBeLessThan(30_000);
    const etag = `"${handle}:${position["offset"]}:${position["offset"]}"`;
    expect((await subject.get(subset, { "if-none-match": etag })).status).toBe(200);
  });

  test("§12 a handle that is not the shape's is a 409, a missing one a 400", async () => {
    const subset = { table: "items", subset__where: "true" };
    expect((await subject.get({ ...subset, offset: "0_0", handle: "1-1" })).status).toBe(409);
    expect(errorsIn(await subject.get({ ...subset, offset: "0_0" }))).toHaveProperty("handle");
    expect(errorsIn(await subject.get(subset))).toHaveProperty("offset");
  });
});

test("§12 log=changes_only: rows by subset, changes by the stream, keys the same", async () => {
  const definition = { table: "items", log: "changes_only" };
  const reader = await subject.read(definition);
  const answer = await subject.get({
    ...definition,
    ...reader.position,
    subset__where: "id = 2",
  });
  await subject.sql("UPDATE items SET n = 21 WHERE id = 2");
  const changes = await reader.changes(1);
  expect(told(changes)).toEqual(["update 2"]);
  expect(changes[0]!.key).toBe(answer.subset.data[0]!.key);
});

test("§12 a client can tell what a subset shows: transactions open meanwhile are listed", async () => {
  const open = await subject.database.connect();
  await open.query("BEGIN; INSERT INTO items VALUES (100, 'open', 0)");
  const { rows } = await open.query<{ xid: string }>("SELECT pg_current_xact_id()::text AS xid");
  // The list is of those before the latest that has ended.
  await subject.sql("UPDATE items SET n = n WHERE id = 1");
  const answer = await subject.get({ ...ITEMS, subset__where: "id = 100" });
  await open.query("ROLLBACK");
  expect(answer.subset.data).toEqual([]);
  expect(answer.subset.metadata["xip_list"]).toContain(rows[0]!.xid);
});
