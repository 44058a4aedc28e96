/**
 * The body of a POST (protocol 2.4): what it may be, and what it does to the parameters.
 *
 * Goal: every rule of merging, and every way in which a body can be wrong. Method: bodies that are
 * laid over query strings here; real requests over a socket, where it matters how bytes arrive.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "vitest";
import { REQUEST_BODY_BYTES_MAX } from "../../src/http/limits.ts";
import { parseShapeParameters } from "../../src/http/parameters.ts";
import { parseQuery, type Query, type QueryValue } from "../../src/http/query.ts";
import { mergeBody } from "../../src/http/request-body.ts";
import { createRequestHandler } from "../../src/http/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { MemoryShapeService, sleep } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, testConfigWith, type Fixture } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const ITEMS = { table: "items", offset: "-1" };
const merge = (query: string, body: Record<string, unknown>): Query =>
  mergeBody(parseQuery(`?${query}`), body);
const entries = (query: string, body: Record<string, unknown>): Record<string, QueryValue> =>
  Object.fromEntries(merge(query, body));

test("2.4: members of a subset at the top are the subset's, the rest are parameters", () => {
  const url = "table=t&offset=0_0&where=a&params[1]=x&subset__limit=3&subset__where=b";
  assert.deepEqual(
    entries(url, { where: "c", offset: 7, order_by: "id", columns: ["id"], live: true }),
    {
      table: "t",
      offset: "0_0",
      where: "a",
      params: new Map([["1", "x"]]),
      columns: ["id"],
      live: true,
      subset__limit: "3",
      subset__where: "c",
      subset__offset: 7,
      subset__order_by: "id",
    },
  );
});

test("2.4: beside a `subset`, everything else is a parameter of the shape", () => {
  const subset = { where: "c", params: { "1": "y" } };
  assert.deepEqual(
    entries("table=t&where=a&subset__where=b", { subset, where: "d", params: { "1": "x" } }),
    {
      table: "t",
      where: "d",
      params: new Map([["1", "x"]]),
      subset: new Map(),
      subset__where: "c",
      subset__params: new Map([["1", "y"]]),
    },
  );
});

test("2.4: what makes a request one for a subset", () => {
  const isSubset = (body: Record<string, unknown>): boolean =>
    parseShapeParameters(merge("table=t&offset=-1", body)).subset !== undefined;
  assert.equal(isSubset({}), false);
  assert.equal(isSubset({ columns: ["id"] }), false);
  assert.equal(isSubset({ subset: {} }), true);
  assert.equal(isSubset({ where: null }), true);
  assert.equal(isSubset({ where_expr: { any: "thing" } }), true);
});

test("2.4: null takes a parameter away", () => {
  assert.deepEqual(entries("table=t&replica=full&handle=x", { replica: null, handle: null }), {
    table: "t",
  });
});

const post = async (fixture: Fixture, body: string, parameters: Record<string, string> = ITEMS) =>
  fixture.app.inject({ method: "POST", url: shapeUrl(parameters), body });

test("2.4: an empty body and {} are GET, and nobody may keep the answer", async () => {
  const fixture = makeFixture();
  const get = await fixture.get(ITEMS);
  for (const body of ["", "{}"]) {
    const response = await post(fixture, body);
    assert.equal(response.statusCode, 200);
    assert.equal(response.body, get.body);
    assert.equal(response.headers["cache-control"], "no-cache");
    for (const name of ["electric-handle", "electric-offset", "electric-schema", "etag"]) {
      assert.equal(response.headers[name], get.headers[name]);
    }
  }
  const conflict = await post(fixture, "{}", { ...ITEMS, offset: "0_0", handle: "1-1" });
  assert.equal(conflict.statusCode, 409);
  assert.equal(conflict.headers["cache-control"], "no-cache");
  assert.equal(conflict.headers["electric-handle"], get.headers["electric-handle"]);
});

test("2.4: an entity tag means nothing to POST", async () => {
  const fixture = makeFixture();
  const { headers } = await fixture.get(ITEMS);
  const conditional = { "if-none-match": headers["etag"] as string };
  const request = { url: shapeUrl(ITEMS), headers: conditional };
  assert.equal((await fixture.app.inject({ ...request, method: "GET" })).statusCode, 304);
  assert.equal((await fixture.app.inject({ ...request, method: "POST" })).statusCode, 200);
});

test("2.4: bodies that cannot be", async () => {
  const fixture = makeFixture();
  for (const body of ["[]", "7", '"x"', "null"]) {
    const response = await post(fixture, body);
    assert.equal(response.statusCode, 400);
    assert.deepEqual(response.json(), { error: "Request body must be a JSON object" });
    assert.equal(response.headers["cache-control"], "no-cache");
    assert.equal(response.headers["content-type"], "application/json; charset=utf-8");
  }
  for (const body of ["{", " ", '{"a":1}x', '{"x":"\u00ff"}']) {
    const response = await fixture.app.inject({
      method: "POST",
      url: shapeUrl(ITEMS),
      body: Buffer.from(body, "latin1"),
    });
    const { error, details } = response.json<{ error: string; details: string }>();
    assert.deepEqual([response.statusCode, error], [400, "Invalid JSON in request body"]);
    assert.ok(details.length > 0);
  }
});

test("2.4: the content type is not looked at", async () => {
  const fixture = makeFixture();
  for (const type of ["application/json", "text/plain", "x/y", ";;"]) {
    const response = await fixture.app.inject({
      method: "POST",
      url: shapeUrl(ITEMS),
      headers: { "content-type": type },
      body: '{"limit":1,"order_by":"id"}',
    });
    assert.equal(response.statusCode, 200, type);
    assert.equal(response.headers["electric-snapshot"], "true");
  }
});

test("3.1: the body comes after authentication and admission, and before readiness", async () => {
  const config = { secret: "s", maxConcurrentRequests: { initial: 1, existing: 1 } };
  const fixture = makeFixture({ config });
  fixture.service.status = "starting";
  assert.equal((await post(fixture, "{")).statusCode, 401);
  const secret = { ...ITEMS, secret: "s" };
  assert.equal((await post(fixture, "{", secret)).statusCode, 400);
  const waiting = post(fixture, "{}", secret);
  assert.match((await post(fixture, "{", secret)).body, /limit exceeded/);
  assert.equal((await waiting).statusCode, 503);
});

/** A POST over a socket, its body in these pieces, chunked or not. */
async function send(
  fixture: Fixture,
  pieces: readonly string[],
  framing: "chunked" | "declared",
): Promise<RawClient> {
  const client = await RawClient.connect(await fixture.listen());
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const isChunked = framing === "chunked";
  const header = isChunked ? "transfer-encoding: chunked" : `content-length: ${size}`;
  client.send(`POST ${shapeUrl(ITEMS)} HTTP/1.1\r\nhost: x\r\n${header}\r\n\r\n`);
  for (const piece of pieces) {
    client.send(isChunked ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece);
  }
  if (isChunked) client.send("0\r\n\r\n");
  return client;
}

test("2.4: a body in many pieces is one body", async () => {
  for (const framing of ["chunked", "declared"] as const) {
    const client = await send(makeFixture(), ['{"order', '_by":"id","', 'limit":2}'], framing);
    const response = await client.until("]}");
    assert.match(response, /^HTTP\/1.1 200 /);
    assert.equal(response.match(/"key"/g)!.length, 2);
    client.leave();
  }
});

test("2.4: a body beyond the limit is a 413, declared or not", async () => {
  const start = '{"limit":1,"order_by":"id","x":"';
  const filler = "y".repeat(REQUEST_BODY_BYTES_MAX - start.length - 2);
  for (const framing of ["chunked", "declared"] as const) {
    const fitting = await send(makeFixture(), [start, filler, '"}'], framing);
    assert.match(await fitting.until("]}"), /^HTTP\/1.1 200 /);
    const larger = await send(makeFixture(), [start, filler, '"}', " "], framing);
    const response = await larger.until('{"error":"Request body too large"}');
    assert.match(response, /^HTTP\/1.1 413 /);
    // The connection is as good as before.
    larger.get("/v1/health");
    await larger.until("active");
    fitting.leave();
    larger.leave();
  }
});

test("2.4: a client that leaves in the middle of its body is forgotten", async () => {
  const fixture = makeFixture();
  const client = await RawClient.connect(await fixture.listen());
  client.send(`POST ${shapeUrl(ITEMS)} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{`);
  await sleep(50);
  client.leave();
  await sleep(50);
  assert.deepEqual(fixture.log, []);
  assert.equal(fixture.service.shapeCount, 0);
});

test.for<[parsed: string, parse: (text: string) => unknown]>([
  ["an object", (text) => JSON.parse(text) as unknown],
  ["a text", (text) => text],
  ["bytes", (text) => Buffer.from(text)],
])("2.4: a host's own parser has made %s of the body", async ([, parse]) => {
  const response = await sendToParsingHost((text) => parse(text));
  assert.equal(response.status, 200);
  assert.equal(((await response.json()) as { data: unknown[] }).data.length, 1);
});

test("2.4: a body that somebody has read and not kept is refused", async () => {
  const response = await sendToParsingHost(() => undefined);
  assert.equal(response.status, 400);
  assert.match(await response.text(), /read by somebody else.*before any middleware/);
});

/** A POST for one row to a server that reads bodies before it hands requests on. */
async function sendToParsingHost(parse: (text: string) => unknown): Promise<Response> {
  const service = new MemoryShapeService();
  service.setTable("items", [{ id: "1" }, { id: "2" }]);
  const handler = await createRequestHandler({
    service,
    config: testConfigWith({}),
    memoryReport: () => ({}),
    logger: silentLogger,
    clock: systemClock,
  });
  const host = createServer((request: IncomingMessage & { body?: unknown }, response) => {
    void text(request).then((body) => {
      request.body = parse(body);
      handler.handle(request, response);
    });
  });
  await once(host.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = host.address() as AddressInfo;
    const body = JSON.stringify({ order_by: "id", limit: 1 });
    return await fetch(`http://127.0.0.1:${port}${shapeUrl(ITEMS)}`, { method: "POST", body });
  } finally {
    host.close();
    await handler.close();
  }
}
