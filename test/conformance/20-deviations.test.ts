/**
 * Protocol section 20: where upstream's behaviour is a quirk, and what is done instead. The numbers
 * are those of its table; below them, the deviations of our own.
 */

import { describe, expect, test } from "vitest";
import { errorsIn, EventStream, serveLitz, told, type Parameters } from "./subject.ts";

const SECRET = "s3cret";
const schema = `
  CREATE TABLE items (id int PRIMARY KEY, flag bool, title text, n numeric);
  INSERT INTO items VALUES (1, true, 'a', 1), (2, false, 'b', 2), (3, true, E'c\\nd', 0.30);
  CREATE TABLE flags (flag bool PRIMARY KEY, n int);
  CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);`;
const subject = serveLitz({ schema });
const closed = serveLitz({
  schema,
  settings: { ELECTRIC_INSECURE: "false", ELECTRIC_SECRET: SECRET },
});

const ITEMS = { table: "items", offset: "-1" };

test("§20.1 the shape's where and the subset's are in parentheses each", async () => {
  const where = { where: "id = 1 OR id = 2", subset__where: "id = 2 OR id = 3" };
  expect(told((await subject.get({ ...ITEMS, ...where })).subset.data)).toEqual(["insert 2"]);
});

test("§20.2 a preflight allows every header that is asked for", async () => {
  for (const requested of ["If-None-Match", "authorization,content-type", "X-Own, traceparent"]) {
    const headers = { "access-control-request-headers": requested };
    const answer = await subject.send("OPTIONS", "/v1/shape", { headers });
    const allowed = answer.header("access-control-allow-headers")!.split(",");
    expect(allowed).toEqual(requested.split(",").map((name) => name.trim()));
  }
});

test("§20.3 a 401 is JSON that a page may read", async () => {
  const answer = await closed.get(ITEMS, { origin: "http://o.test" });
  expect(answer.status).toBe(401);
  expect(answer.header("content-type")).toMatch(/^application\/json/);
  expect(answer.header("access-control-allow-origin")).toBe("http://o.test");
});

describe("§20 event streams", () => {
  test("§20.4 the position of a stream's up-to-date lies behind the transaction it ends", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id >= 100" });
    const stream = await EventStream.open(subject, { ...reader.definition, ...reader.position });
    await subject.sql("INSERT INTO items (id) VALUES (100), (101)");
    const messages = await stream.batches(1);
    stream.close();
    const lsn = BigInt(messages.at(-1)!.headers["global_last_seen_lsn"] as string);
    expect(lsn > BigInt(messages[0]!.headers["lsn"] as string)).toBe(true);
    const offset = `${lsn}_0`;
    const again = await subject.get({
      table: "items",
      where: "id >= 100",
      handle: reader.handle,
      offset,
    });
    expect(told(again.messages)).toEqual([]);
  });

  test("§20.5, §20.6 a stream stays open after what was pending, and closes on rotation", async () => {
    const definition = { table: "items", where: "id >= 200" };
    const { handle } = await subject.read(definition);
    await subject.sql("INSERT INTO items (id) VALUES (200)");
    const stream = await EventStream.open(subject, { ...definition, handle, offset: "0_inf" });
    await stream.batches(1);
    expect(stream.isClosed).toBe(false);
    await subject.delete({ handle });
    await stream.closed();
  });
});

test("§20.7 bool is true and false everywhere, in keys too", async () => {
  const reader = await subject.read({ table: "flags", replica: "full" });
  await subject.sql("INSERT INTO flags VALUES (true, 1), (false, 2)");
  await subject.sql("UPDATE flags SET flag = NOT flag, n = 3 WHERE flag AND false");
  await subject.sql("DELETE FROM flags WHERE flag");
  const changes = await reader.changes(3);
  expect(changes.map(({ key, value }) => [key, value!["flag"]])).toEqual([
    ['"public"."flags"/"true"', "true"],
    ['"public"."flags"/"false"', "false"],
    ['"public"."flags"/"true"', "true"],
  ]);
});

test("§20.8, §20.9 one key for a row, from snapshot and log, in a partitioned table", async () => {
  const reader = await subject.read({ table: "parts" });
  await subject.sql("INSERT INTO parts VALUES (1)");
  const [change] = await reader.changes(1);
  const snapshot = await subject.get({ table: "parts", where: "id = 1", offset: "-1" });
  expect(snapshot.messages[0]!.key).toBe(change!.key);
  expect(change!.key).toBe('"public"."parts"/"1"');
});

test("§20.10 LIKE matches across lines, in the stream as in the snapshot", async () => {
  const reader = await subject.read({ ...ITEMS, where: "title LIKE 'c%d'" });
  expect(told(reader.rows)).toEqual(["insert 3"]);
  await subject.sql("INSERT INTO items (id, title) VALUES (300, E'c\\n\\nd'), (301, 'cd\n')");
  expect(told(await reader.changes(1))).toEqual(["insert 300"]);
});

test("§20.11 text is ordered under a collation of bytes only: refused, with what to do", async () => {
  await subject.sql(
    'CREATE TABLE words (id int PRIMARY KEY, w text COLLATE "C", x text COLLATE "unicode")',
  );
  await subject.sql("INSERT INTO words VALUES (1, 'B', 'B')");
  const ordered = await subject.get({ table: "words", where: "w < 'a'", offset: "-1" });
  expect(told(ordered.messages)).toEqual(["insert 1"]);
  const refused = await subject.get({ table: "words", where: "x < 'a'", offset: "-1" });
  expect(JSON.stringify(errorsIn(refused))).toContain("COLLATE");
  const explicit = await subject.get({
    table: "words",
    where: `x < 'a' COLLATE "C"`,
    offset: "-1",
  });
  expect(told(explicit.messages)).toEqual(["insert 1"]);
});

test("§20.12, §20.13 subsets: live is ignored, no offset is out of bounds", async () => {
  const { handle } = await subject.read({ table: "items" });
  const answer = await subject.get({
    table: "items",
    handle,
    offset: "9000000000000000000_0",
    live_sse: "true",
    subset__where: "id = 1",
  });
  expect(told(answer.subset.data)).toEqual(["insert 1"]);
});

test.each([
  ["id = 1 LIMIT 1", "malformed query ending with SQL clauses"],
  ["id = 1 OFFSET 1", "malformed query ending with SQL clauses"],
])("§20.14 %s is refused", async (where, message) => {
  expect(errorsIn(await subject.get({ ...ITEMS, where }))).toEqual({ where: [message] });
});

test("§20.15 a weakened ETag is the same", async () => {
  const etag = (await subject.get(ITEMS)).header("etag")!;
  expect((await subject.get(ITEMS, { "if-none-match": `W/${etag}` })).status).toBe(304);
});

test("§20.16 an offset up to the global position is within bounds, though the shape's log ends before", async () => {
  const quiet = await subject.read({ table: "items", where: "id = 4711" });
  const busy = await subject.read({ table: "items", where: "id >= 400 AND id < 500" });
  await subject.sql("INSERT INTO items (id) VALUES (400)");
  const [change] = await busy.changes(1);
  const offset = `${String(change!.headers["lsn"])}_0`;
  const answer = await subject.get({
    table: "items",
    where: "id = 4711",
    handle: quiet.handle,
    offset,
  });
  expect(answer.status).toBe(200);
});

test.each([
  "n = 0.3",
  "n + 0.1 = 0.4",
  "n = 0.1 + 0.2",
  "n::numeric = 0.30",
  "n * 3 = 0.90",
  "id * 1.5 = 4.5",
])("§20.17 numerics are exact: %s", async (where) => {
  const snapshot = await subject.get({ ...ITEMS, where });
  expect(told(snapshot.messages), snapshot.text).toEqual(["insert 3"]);
});

test("§20.19 LSNs are decimal, transaction ids are numbers", async () => {
  const reader = await subject.read({ table: "items", where: "id >= 600" });
  await subject.sql("INSERT INTO items (id) VALUES (600)");
  const [change] = await reader.changes(1);
  expect(change!.headers["lsn"]).toMatch(/^\d+$/);
  expect(change!.headers["txids"]).toEqual([expect.any(Number)]);
});

describe("§20 of our own", () => {
  test.each<[string, Parameters]>([
    ["^", { where: "n ^ 2 = 4" }],
    ["exp", { where: "exp(n) > 1" }],
  ])(
    "§20 %s depends on the machine's arithmetic, and is refused with that reason",
    async (_name, parameters) => {
      const errors = errorsIn(await subject.get({ ...ITEMS, ...parameters })) as {
        where: string[];
      };
      expect(errors.where[0]).toMatch(/^At location \d+: .*(?:not supported|unsupported function)/);
    },
  );

  test("§20 a chunk of a log begins behind the requested offset, wherever that is", async () => {
    const reader = await subject.read({ table: "items", where: "id >= 700 AND id < 800" });
    await subject.sql("INSERT INTO items (id) VALUES (700), (701), (702)");
    const [first] = await reader.changes(3);
    const offset = `${String(first!.headers["lsn"])}_0`;
    const answer = await subject.get({ ...reader.definition, handle: reader.handle, offset });
    expect(told(answer.messages)).toEqual(["insert 701", "insert 702"]);
  });
});
