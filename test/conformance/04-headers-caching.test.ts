/** Protocol section 4: headers, ETags, cache-control, must-refetch, cursors. */

import { describe, expect, test } from "vitest";
import { RawClient } from "../http/raw-client.ts";
import {
  EventStream,
  JSON_TYPE,
  MUST_REFETCH,
  serveLitz,
  shapeTarget,
  type Answer,
  type Parameters,
} from "./subject.ts";

const ITEMS = { table: "items" };
const LONG_POLL_SECONDS = 1;
/** Of cursors: 2024-10-09T00:00:00Z. */
const EPOCH_SECONDS = 1_728_432_000;

const schema = `
  CREATE TABLE items (id int PRIMARY KEY, title text);
  INSERT INTO items VALUES (1, 'a');
  CREATE TABLE quiet (id int PRIMARY KEY);
  CREATE TABLE others (id int PRIMARY KEY);`;
const subject = serveLitz({ schema });
const short = serveLitz({
  schema,
  settings: {
    ELECTRIC_CACHE_MAX_AGE: "1",
    ELECTRIC_CACHE_STALE_AGE: "3",
    ELECTRIC_SSE_TIMEOUT: "1500",
  },
});

const NAMES = [
  "electric-handle",
  "electric-offset",
  "electric-schema",
  "electric-up-to-date",
  "electric-has-data",
  "electric-cursor",
  "etag",
  "surrogate-control",
  "retry-after",
  "electric-internal-known-error",
] as const;

/** Which of the headers of the matrix an answer has. */
function present(answer: Answer): string[] {
  return NAMES.filter((name) => answer.header(name) !== null);
}

async function streamHead(parameters: Parameters, server = subject): Promise<Answer> {
  const stream = await EventStream.open(server, parameters);
  stream.close();
  return stream.head;
}

describe("§4.1 which headers there are", () => {
  const log = ["electric-handle", "electric-offset"];

  test("§4.1 non-live: a schema, no cursor", async () => {
    const initial = await subject.get({ ...ITEMS, offset: "-1" });
    expect(present(initial)).toEqual([...log, "electric-schema", "electric-has-data", "etag"]);
    expect(initial.header("electric-has-data")).toBe("true");
    expect(initial.header("content-type")).toBe(JSON_TYPE);
    const next = await subject.get({ ...ITEMS, ...initial.position });
    const upToDate = [
      ...log,
      "electric-schema",
      "electric-up-to-date",
      "electric-has-data",
      "etag",
    ];
    expect(present(next)).toEqual(upToDate);
    expect(next.header("electric-up-to-date")).toBe("");
    expect(next.header("electric-has-data")).toBe("true");
    const now = await subject.get({ ...ITEMS, offset: "now" });
    expect(present(now)).toEqual(upToDate);
    expect(now.header("electric-has-data")).toBe("false");
  });

  test("§4.1 live: a cursor, no schema", async () => {
    const reader = await subject.read({ table: "quiet" });
    const held = subject.get({ ...reader.definition, ...reader.position, live: "true" });
    const timeout = await held;
    const live = [...log, "electric-up-to-date", "electric-has-data", "electric-cursor", "etag"];
    expect(present(timeout)).toEqual(live);
    expect(timeout.header("electric-has-data")).toBe("false");
    await subject.sql("INSERT INTO quiet VALUES (1)");
    await reader.changes(1);
    const data = reader.answers.at(-1)!;
    expect(present(data)).toEqual(live);
    expect(data.header("electric-has-data")).toBe("true");
    expect(data.header("content-type")).toBe(JSON_TYPE);
  });

  test("§4.1 SSE: as live, with a type of its own", async () => {
    const { position } = await subject.read(ITEMS);
    const answer = await streamHead({ ...ITEMS, ...position });
    expect(present(answer)).toEqual([
      ...log,
      "electric-up-to-date",
      "electric-has-data",
      "electric-cursor",
      "etag",
    ]);
    expect(answer.header("content-type")).toBe("text/event-stream");
    expect(answer.header("electric-has-data")).toBe("true");
  });

  test("§4.1 304: as the 200, without the schema", async () => {
    const first = await subject.get({ ...ITEMS, offset: "-1" });
    const again = await subject.get(
      { ...ITEMS, offset: "-1" },
      { "if-none-match": first.header("etag")! },
    );
    expect(again).toMatchObject({ status: 304, text: "" });
    expect(present(again)).toEqual([...log, "electric-has-data", "etag"]);
    const end = await subject.get({ ...ITEMS, ...first.position });
    const etag = { "if-none-match": end.header("etag")! };
    for (const name of ["cache-control", "electric-offset", "electric-up-to-date"] as const) {
      const unchanged = await subject.get({ ...ITEMS, ...first.position }, etag);
      expect(unchanged.header(name)).toBe(end.header(name));
    }
  });

  test("§4.1 errors have none, a 409 a handle and an ETag, a subset its own", async () => {
    expect(present(await subject.get({ offset: "x" }))).toEqual(["surrogate-control"]);
    const stale = await subject.get({ ...ITEMS, offset: "0_0", handle: "1-1" });
    expect(present(stale)).toEqual(["electric-handle", "etag"]);
    const subset = await subject.get({ ...ITEMS, offset: "-1", subset__where: "true" });
    expect(present(subset)).toEqual([...log, "electric-schema"]);
    expect(subset.header("electric-snapshot")).toBe("true");
  });
});

describe("§4.2 ETags", () => {
  test("§4.2 handle, requested offset and end of the chunk, in canonical form", async () => {
    const { handle } = await subject.read(ITEMS);
    const etagOf = async (offset: string) =>
      (await subject.get({ ...ITEMS, handle, offset })).header("etag");
    expect(await etagOf("-1")).toBe(`"${handle}:-1:0_0"`);
    expect(await etagOf("-1_0")).toBe(`"${handle}:-1:0_0"`);
    expect(await etagOf("0_00")).toBe(await etagOf("0_0"));
    expect(await etagOf("0_0")).toMatch(new RegExp(`^"${handle}:0_0:`));
  });

  test("§4.2 an answer without a change never has the ETag of another", async () => {
    const etags = new Set<string>();
    const { position } = await subject.read({ table: "others" });
    for (const parameters of [
      { offset: "now" },
      { offset: "now" },
      { ...position, live: "true" },
    ]) {
      const answer = await subject.get({ table: "others", ...parameters });
      expect(answer.header("etag")).toMatch(/^"[^:]+:[^:]+:[^:]+:-?\d+"$/);
      etags.add(answer.header("etag")!);
    }
    expect(etags.size).toBe(3);
  });

  test("§4.2 If-None-Match is a list, quoted or not, weak or not", async () => {
    const initial = { ...ITEMS, offset: "-1" };
    const etag = (await subject.get(initial)).header("etag")!;
    for (const [header, status] of [
      [etag, 304],
      [etag.replaceAll('"', ""), 304],
      [`"other" ,  ${etag}`, 304],
      [`W/${etag}`, 304],
      [`"x", W/${etag}, "y"`, 304],
      ['"other"', 200],
      [`${etag.slice(0, -1)}1"`, 200],
      ["", 200],
    ] as const) {
      expect(await subject.get(initial, { "if-none-match": header }), header).toMatchObject({
        status,
      });
    }
  });

  test("§4.2 If-None-Match may come in several headers", async () => {
    const etag = (await subject.get({ ...ITEMS, offset: "-1" })).header("etag")!;
    const client = await RawClient.connect(subject.port);
    client.send(
      `GET ${shapeTarget({ ...ITEMS, offset: "-1" })} HTTP/1.1\r\n` +
        "host: x\r\nconnection: close\r\n" +
        `if-none-match: "other"\r\nif-none-match: ${etag}\r\n\r\n`,
    );
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 304 /);
  });

  test("§4.2 a live request with the ETag of the end is answered at once", async () => {
    const { handle, offset } = await subject.read(ITEMS);
    const answer = await subject.get(
      { ...ITEMS, handle, offset, live: "true" },
      { "if-none-match": `"${handle}:${offset}:${offset}"` },
    );
    expect(answer.status).toBe(304);
    expect(answer.header("electric-cursor")).toMatch(/^\d+$/);
  });

  test("§4.2 an offset between entries is validated as well", async () => {
    const reader = await subject.read({ table: "others" });
    await subject.sql("INSERT INTO others VALUES (1)");
    await reader.changes(1);
    const tx = BigInt(reader.offset.split("_")[0]!);
    const between = { table: "others", handle: reader.handle, offset: `${tx - 1n}_0` };
    const first = await subject.get(between);
    expect(first.status).toBe(200);
    const etag = { "if-none-match": first.header("etag")! };
    expect((await subject.get(between, etag)).status).toBe(304);
  });

  test("§4.2 a subset is never unmodified", async () => {
    const { handle } = await subject.read(ITEMS);
    const subset = { ...ITEMS, offset: "-1", subset__where: "true" };
    const answer = await subject.get(subset, { "if-none-match": `"${handle}:-1:0_0"` });
    expect(answer.status).toBe(200);
  });

  test("§4.2 the initial answer keeps its ETag when changes arrive", async () => {
    const reader = await subject.read(ITEMS);
    const before = reader.answers[0]!.header("etag");
    await subject.sql("INSERT INTO items VALUES (100, 'new')");
    await reader.changes(1);
    const after = await subject.get({ ...ITEMS, offset: "-1" });
    expect(after.header("etag")).toBe(before);
    expect(after.text).toBe(reader.answers[0]!.text);
  });
});

describe("§4.3 cache-control", () => {
  test("§4.3 by case", async () => {
    const { position } = await subject.read(ITEMS);
    const control = async (parameters: Parameters, server = subject) =>
      (await server.get({ ...ITEMS, ...parameters })).header("cache-control");
    const initial = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746";
    const live = "public, max-age=5, stale-while-revalidate=5";
    expect(await control({ offset: "-1" })).toBe(initial);
    expect(await control(position)).toBe("public, max-age=60, stale-while-revalidate=300");
    expect(await control({ offset: "now" })).toBe("public, max-age=60, stale-while-revalidate=300");
    expect(await control({ ...position, live: "true" })).toBe(live);
    expect(await control({ offset: "x" })).toBe("no-store");
    expect(await control({ offset: "0_0", handle: "1-1" })).toBe(
      "public, max-age=60, must-revalidate",
    );
    expect(await control({ offset: "-1", subset__where: "true" })).toBe("no-cache");

    const other = await short.read(ITEMS);
    expect(await control({ offset: "-1" }, short)).toBe(initial);
    expect(await control(other.position, short)).toBe(
      "public, max-age=1, stale-while-revalidate=3",
    );
    expect(await control({ ...other.position, live: "true" }, short)).toBe(live);
  });

  test("§4.3 an event stream is worth what it lasts, less a second, and one at least", async () => {
    const { position } = await subject.read(ITEMS);
    const long = await streamHead({ ...ITEMS, ...position });
    expect(long.header("cache-control")).toBe("public, max-age=59");
    const other = await short.read(ITEMS);
    const brief = await streamHead({ ...ITEMS, ...other.position }, short);
    expect(brief.header("cache-control")).toBe("public, max-age=1");
  });

  test("§4.3 what a POST or a DELETE is answered, nobody keeps", async () => {
    const stale = { ...ITEMS, offset: "0_0", handle: "1-1" };
    for (const [status, pending] of [
      [200, subject.post({ ...ITEMS, offset: "-1" }, {})],
      [409, subject.post(stale, {})],
      [400, subject.post({ offset: "x" }, {})],
      [404, subject.delete({ handle: "1-1" })],
    ] as const) {
      const answer = await pending;
      expect(answer.status).toBe(status);
      expect(answer.header("cache-control")).toBe("no-cache");
    }
  });
});

describe("§4.4 must-refetch", () => {
  async function expectRefetch(answer: Answer, handle: string): Promise<void> {
    expect(answer.status).toBe(409);
    expect(answer.json).toEqual(MUST_REFETCH);
    expect(answer.header("content-type")).toBe(JSON_TYPE);
    expect(answer.header("electric-handle")).toBe(handle);
    expect(answer.header("etag")).toBe(`"${handle}::"`);
    expect(answer.header("location")).toBeNull();
    expect((await subject.get({ ...ITEMS, offset: "-1", handle })).status).toBe(200);
  }

  test("§4.4 for an unknown handle: that of the definition's shape", async () => {
    const { handle } = await subject.read(ITEMS);
    const stale = { ...ITEMS, offset: "0_0", handle: "1-1" };
    await expectRefetch(await subject.get(stale), handle);
    await expectRefetch(await subject.get({ ...stale, live: "true" }), handle);
    await expectRefetch(await subject.get({ ...stale, live: "true", live_sse: "true" }), handle);
    await expectRefetch(await subject.get({ ...stale, subset__where: "true" }), handle);
    expect((await subject.get({ ...stale, handle: "no handle" })).status).toBe(409);
  });

  test("§4.4 for the handle of another definition", async () => {
    const { handle } = await subject.read(ITEMS);
    const other = await subject.read({ ...ITEMS, where: "id = 1" });
    await expectRefetch(await subject.get({ ...ITEMS, ...other.position }), handle);
  });

  test("§4.4 a shape that is not there is made on the spot", async () => {
    const definition = { ...ITEMS, where: "id = 77" };
    const answer = await subject.get({ ...definition, offset: "0_0", handle: "1-1" });
    expect(answer.status).toBe(409);
    const handle = answer.header("electric-handle")!;
    expect((await subject.get({ ...definition, offset: "0_0", handle })).status).toBe(200);
  });

  test("§4.4 a held request whose shape is removed: no handle, kept for a second", async () => {
    const definition = { ...ITEMS, where: "id = 78" };
    const { position } = await subject.read(definition);
    const held = subject.get({ ...definition, ...position, live: "true" });
    await subject.delete({ handle: position["handle"]! });
    const answer = await held;
    expect(answer.status).toBe(409);
    expect(answer.json).toEqual(MUST_REFETCH);
    expect(answer.header("electric-handle")).toBeNull();
    expect(answer.header("etag")).toBeNull();
    expect(answer.header("cache-control")).toBe("public, max-age=1, must-revalidate");
  });
});

describe("§4.5 cursors", () => {
  /** The cursor of a live request with this one, and the moments before and after. */
  async function cursorFor(cursor: string | undefined): Promise<[bigint, number, number]> {
    const { position } = await subject.read(ITEMS);
    const parameters = cursor === undefined ? {} : { cursor };
    const before = Date.now() / 1000;
    const answer = await subject.get({ ...ITEMS, ...position, ...parameters, live: "true" });
    return [BigInt(answer.header("electric-cursor")!), before, Date.now() / 1000];
  }

  test.each([undefined, "", "0", "banana", "1.5"])(
    "§4.5 after %j comes the end of the current window",
    async (previous) => {
      const [cursor, before, after] = await cursorFor(previous);
      const windowEnd = (seconds: number) =>
        Math.ceil((seconds - EPOCH_SECONDS) / LONG_POLL_SECONDS) * LONG_POLL_SECONDS;
      expect(Number(cursor)).toBeGreaterThanOrEqual(windowEnd(before));
      expect(Number(cursor)).toBeLessThanOrEqual(windowEnd(after));
    },
  );

  test("§4.5 a cursor is never the same twice: after one from the future comes a later one", async () => {
    const future = BigInt(Math.ceil(Date.now() / 1000) - EPOCH_SECONDS + 1_000_000);
    const [cursor] = await cursorFor(String(future));
    expect(cursor > future).toBe(true);
    expect(cursor <= future + 3600n).toBe(true);
  });
});
