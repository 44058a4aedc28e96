/** Protocol section 11: which requests share a shape, handles, and how shapes come and go. */

import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { serveLitz, type Parameters } from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, title text, n int);
    INSERT INTO items VALUES (1, 'a', 1);`,
});

const ITEMS = { table: "items" };

async function handleOf(parameters: Parameters): Promise<string> {
  const answer = await subject.get({ ...ITEMS, offset: "-1", ...parameters });
  expect(answer.status, answer.text).toBe(200);
  return answer.header("electric-handle")!;
}

describe("§11.1 which requests share a shape", () => {
  test.each<[Parameters, Parameters]>([
    [{ where: "n = 1" }, { where: "n=1" }],
    [{ where: "n = 1" }, { where: "  ( n\n=  (1) ) -- comment" }],
    [{ where: "n = 1 and title = 'a'" }, { where: "n = 1 AND (title = 'a')" }],
    [{ where: "n in (1, 2)" }, { where: "N IN (1,2)" }],
    [{ where: "n IS NOT NULL" }, { where: "(n is not null)" }],
    [{ columns: "id,n" }, { columns: "n,id" }],
    [{ columns: "id,n" }, { columns: '"id", "n"'.replace(" ", "") }],
    [{}, { "params[1]": "x" }],
    [{}, { offset: "now" }],
    [{}, { cursor: "1", "cache-buster": "2", unknown: "3", experimental_compaction: "true" }],
    [{}, { subset__where: "n = 1" }],
    [{}, { table: '"public"."items"' }],
    [{}, { replica: "default", log: "full" }],
    [
      { where: "n = $1", "params[1]": "1" },
      { where: "(n) = $1", "params[1]": "01" },
    ],
  ])("§11.1 %j and %j do", async (one, other) => {
    expect(await handleOf(other)).toBe(await handleOf(one));
  });

  test.each<[Parameters, Parameters]>([
    [{}, { where: "n = 1" }],
    [{ where: "n = 1" }, { where: "n = 2" }],
    [
      { where: "n = $1", "params[1]": "1" },
      { where: "n = $1", "params[1]": "2" },
    ],
    [{}, { columns: "id,title,n" }],
    [{ columns: "id,n" }, { columns: "id,title" }],
    [{}, { replica: "full" }],
    [{}, { log: "changes_only" }],
  ])("§11.1 %j and %j do not", async (one, other) => {
    expect(await handleOf(other)).not.toBe(await handleOf(one));
  });

  test("§11.1 the method does not matter", async () => {
    const parameters = { ...ITEMS, offset: "-1" };
    const handles = [await subject.head(parameters), await subject.post(parameters, {})].map(
      (answer) => answer.header("electric-handle"),
    );
    expect(new Set(handles)).toEqual(new Set([await handleOf({})]));
  });
});

describe("§11.2 handles", () => {
  test("§11.2 they are safe in URLs and headers", async () => {
    expect(await handleOf({})).toMatch(/^[\w-]+$/);
  });

  test("§11.2 none is used again: not after removal, rotation or restart", async () => {
    const handles: string[] = [];
    const add = async () => handles.push(await handleOf({}), await handleOf({ where: "n > 0" }));
    await add();
    for (const handle of [...handles]) await subject.delete({ handle });
    await add();
    await subject.sql("TRUNCATE items");
    await eventually(async () => expect(handles).not.toContain(await handleOf({})));
    await add();
    await subject.delete(ITEMS);
    await subject.delete({ ...ITEMS, where: "n > 0" });
    await subject.restart();
    await add();
    expect(new Set(handles).size).toBe(handles.length);
  });
});

describe("§11.3 lives of shapes", () => {
  test.each<[string, (definition: Parameters) => Promise<{ status: number }>]>([
    ["GET", (definition) => subject.get({ ...definition, offset: "-1" })],
    ["HEAD", (definition) => subject.head({ ...definition, offset: "-1" })],
    ["POST", (definition) => subject.post({ ...definition, offset: "-1" }, {})],
    ["now", (definition) => subject.get({ ...definition, offset: "now" })],
    [
      "a subset",
      (definition) => subject.get({ ...definition, offset: "-1", subset__where: "true" }),
    ],
    ["a 409", (definition) => subject.get({ ...definition, offset: "0_0", handle: "1-1" })],
  ])("§11.3 %s makes the shape that is asked for", async (name, request) => {
    const definition = { ...ITEMS, where: `title = '${name}'` };
    await request(definition);
    expect((await subject.delete(definition)).status).toBe(202);
  });

  test("§11.3 requests at the same time share one shape and its snapshot", async () => {
    const handles = await Promise.all(
      Array.from({ length: 20 }, () => handleOf({ where: "title = 'shared'" })),
    );
    expect(new Set(handles).size).toBe(1);
  });

  test("§11.3 shapes outlive a restart, with log and snapshot", async () => {
    await subject.sql("INSERT INTO items VALUES (10, 'kept', 10)");
    const reader = await subject.read({ ...ITEMS, where: "n >= 10" });
    await subject.sql("INSERT INTO items VALUES (11, 'kept', 11)");
    await reader.changes(1);
    await subject.restart();
    const again = await subject.read({ ...ITEMS, where: "n >= 10" });
    expect(again.handle).toBe(reader.handle);
    expect(again.rows).toEqual(reader.rows);
    expect(again.offset).toBe(reader.offset);
    expect((await reader.step()).status).toBe(200);
  });

  test("§11.3 a snapshot that fails is the same error for all, and the next request starts afresh", async () => {
    await subject.sql("INSERT INTO items VALUES (20, 'zero', 0)");
    const definition = { ...ITEMS, where: "1 / n = 20", offset: "-1" };
    const answers = await Promise.all(Array.from({ length: 5 }, () => subject.get(definition)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(
      new Set(['500 {"message":"Unexpected error while creating snapshot: division by zero"}']),
    );
    const all = await subject.read(ITEMS);
    await subject.sql("DELETE FROM items WHERE id = 20");
    // The row that cannot be evaluated is gone from the stream, too.
    await all.changes(1);
    expect((await subject.get(definition)).status).toBe(200);
  });
});
