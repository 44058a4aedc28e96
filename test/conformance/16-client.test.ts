/**
 * Protocol section 16: what `@electric-sql/client` relies on. The package from the registry runs
 * against the server, and every request and response of it is looked at on the way.
 */

import {
  FetchError,
  Shape,
  ShapeStream,
  type Row,
  type ShapeStreamInterface,
  type ShapeStreamOptions,
} from "@electric-sql/client";
import { afterEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { serveLitz, type Parameters } from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, "camelCase" text, big int8, tags text[], ok bool);
    INSERT INTO items VALUES (1, 'a', 9007199254740993, '{x,NULL}', true);
    CREATE TABLE wide AS SELECT n AS id, md5(n::text) AS t FROM generate_series(1, 300) n;
    ALTER TABLE wide ADD PRIMARY KEY (id);`,
  settings: { ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "5000" },
});

interface Exchange {
  readonly query: URLSearchParams;
  readonly status: number;
  readonly headers: Headers;
}

const abort: AbortController[] = [];
afterEach(() => abort.splice(0).forEach((controller) => controller.abort()));

/** A client whose requests are kept. */
function connect(params: Parameters, options: Partial<ShapeStreamOptions> = {}) {
  const exchanges: Exchange[] = [];
  const controller = new AbortController();
  abort.push(controller);
  const stream = new ShapeStream({
    url: subject.shapeUrl,
    signal: controller.signal,
    params: params as ShapeStreamOptions["params"] & object,
    fetchClient: async (input, init) => {
      const response = await fetch(input, init);
      const query = new URL(input as string).searchParams;
      exchanges.push({ query, status: response.status, headers: response.headers });
      return response;
    },
    ...options,
  });
  return { stream, shape: new Shape(stream as ShapeStreamInterface<Row>), exchanges, controller };
}

const MODES = [{ liveSse: false }, { liveSse: true }];

describe.each(MODES)("with liveSse: $liveSse", (mode) => {
  test("§16.2 every OK response has the headers whose absence is fatal", async () => {
    const { shape, exchanges } = connect({ table: "wide" }, mode);
    expect(await shape.rows).toHaveLength(300);
    await subject.sql("INSERT INTO wide VALUES (1000, 'new')");
    await eventually(() => expect(shape.currentRows.length).toBe(301));
    await subject.sql("DELETE FROM wide WHERE id = 1000");
    await eventually(() => expect(shape.currentRows.length).toBe(300));
    for (const { query, status, headers } of exchanges) {
      expect(status).toBe(200);
      const isLive = query.get("live") === "true";
      const names = ["electric-handle", "electric-offset"];
      names.push(isLive ? "electric-cursor" : "electric-schema");
      for (const name of names) expect(headers.get(name), `${name} ${query}`).not.toBeNull();
    }
    expect(exchanges.filter(({ query }) => !query.has("live")).length).toBeGreaterThan(3);
  });

  test("§16.1 the parameters that it sends are understood or ignored", async () => {
    const { shape, exchanges } = connect({ table: "items", custom: "x", where: "id = 1" }, mode);
    expect(await shape.rows).toEqual([
      { id: 1, camelCase: "a", big: 9007199254740993n, tags: ["x", null], ok: true },
    ]);
    await eventually(() => expect(exchanges.some(({ query }) => query.has("live"))).toBe(true));
    expect(exchanges.every(({ status }) => status === 200)).toBe(true);
    expect(exchanges[0]!.query.get("offset")).toBe("-1");
    expect(exchanges[0]!.query.get("log")).toBe("full");
    expect(exchanges[1]!.query.get("offset")).toBe("0_0");
  });

  test("§16.3 a 409 makes it start again, with the handle it was told", async () => {
    const { shape, exchanges } = connect({ table: "items", where: "id > 0" }, mode);
    await shape.rows;
    const { handle } = shape;
    await subject.delete({ handle: handle! });
    await eventually(() => expect(shape.handle).not.toBe(handle));
    await eventually(() => expect(shape.currentRows).toHaveLength(1));
    expect(exchanges.some(({ status }) => status === 409)).toBe(true);
  });
});

test("§16.2 up-to-date is the last message of a batch, and its header stops prefetching", async () => {
  const { stream, shape, exchanges } = connect({ table: "wide", columns: "id" });
  const batches: { headers: { control?: string } }[][] = [];
  stream.subscribe((messages) => void batches.push(messages as (typeof batches)[number]));
  await shape.rows;
  const upToDate = batches.filter((batch) =>
    batch.some(({ headers }) => headers.control === "up-to-date"),
  );
  for (const batch of upToDate) expect(batch.at(-1)!.headers.control).toBe("up-to-date");
  const withHeader = exchanges.filter(({ headers }) => headers.has("electric-up-to-date"));
  expect(withHeader.length).toBeGreaterThan(0);
});

test("§16.2 non-live answers that are not up to date move on", async () => {
  const { shape, exchanges } = connect({ table: "wide", where: "id > 10" });
  await shape.rows;
  const catchUp = exchanges.filter(({ query }) => !query.has("live"));
  for (const { query, headers } of catchUp) {
    if (headers.has("electric-up-to-date")) continue;
    expect(headers.get("electric-offset")).not.toBe(query.get("offset"));
  }
});

test("§16.3 a 400 ends it, with the JSON of the error", async () => {
  let error: unknown;
  connect({ table: "items", where: "1 x 1" }, { onError: (thrown) => void (error = thrown) });
  await eventually(() => expect(error).toBeInstanceOf(FetchError));
  expect(error).toMatchObject({
    status: 400,
    json: {
      message: "Invalid request",
      errors: { where: ['At location 17: syntax error at or near "x"'] },
    },
  });
});

test("§16.4 an event stream that idles is not a short connection", async () => {
  const { shape, exchanges } = connect({ table: "items", where: "id = 1" }, { liveSse: true });
  await shape.rows;
  const live = () => exchanges.filter(({ query }) => query.has("live"));
  await eventually(() => expect(live()).toHaveLength(1));
  for (const text of ["b", "c", "d"]) {
    await subject.sql(`UPDATE items SET "camelCase" = '${text}' WHERE id = 1`);
    await eventually(() => expect(shape.currentRows[0]!["camelCase"]).toBe(text));
  }
  expect(live()).toHaveLength(1);
  expect(live()[0]!.query.get("live_sse")).toBe("true");
  await subject.sql(`UPDATE items SET "camelCase" = 'a' WHERE id = 1`);
});

test("§16.5 changes_only: subsets on demand, and later changes of what they loaded", async () => {
  const { stream, shape, exchanges } = connect({ table: "items" }, { log: "changes_only" });
  await shape.rows;
  expect(shape.currentRows).toEqual([]);
  await stream.requestSnapshot({ where: "id = $1", params: { 1: "1" } });
  await eventually(() => expect(shape.currentRows).toHaveLength(1));
  await subject.sql("UPDATE items SET ok = false WHERE id = 1");
  await eventually(() => expect(shape.currentRows[0]!["ok"]).toBe(false));
  expect(exchanges.some(({ headers }) => headers.get("electric-snapshot") === "true")).toBe(true);
  await subject.sql("UPDATE items SET ok = true WHERE id = 1");
});
