/**
 * Requests that are answered without the HTTP layer (src/http/lane-gets.ts).
 *
 * Goal: nobody can tell them from others, and what is not for them is answered as ever. Method: the
 * same bytes are sent to the same server with and without the short way, and the answers compared.
 */

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "vitest";
import type { LaneServer } from "../../src/http/lane-server.ts";
import { LitzError } from "../../src/lib/errors.ts";
import { sleep } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, type Fixture, type FixtureOptions } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const HANDLE = "4711-1700000000000001";
const CATCH_UP = shapeUrl({ table: "items", offset: "0_inf", handle: HANDLE });
const LIVE = `${CATCH_UP}&live=true`;
const NEW = shapeUrl({ table: "empty", offset: "-1" });
const REQUEST_ID = "request-0123456789-abcdef";

interface Served {
  readonly fixture: Fixture;
  readonly port: number;
  /** Requests that the HTTP layer has seen. */
  readonly layer: { count: number };
}

/** A server with a shape, and a change in it. */
async function serve(options: FixtureOptions & { isHooked?: boolean } = {}): Promise<Served> {
  const fixture = makeFixture({ now: () => 1_800_000_000_000, ...options });
  // A host's own hook is to see every request.
  if (options.isHooked === true) fixture.app.addHook("onSend", async () => Promise.resolve());
  fixture.service.hasWholeChunks = true;
  const layer = { count: 0 };
  const port = await fixture.listen();
  (fixture.app.server as unknown as LaneServer).http.on("request", () => (layer.count += 1));
  await fixture.get({ table: "items", offset: "-1" });
  fixture.service.commit(100n, "items", [{ id: "4", name: "M\u00fcller" }]);
  return { fixture, port, layer };
}

function request(target: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ host: "x", ...headers }).map(([name, value]) => {
    return `${name}: ${value}\r\n`;
  });
  return `GET ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** The whole of one answer that is not in chunks; header names in lower case, in order. */
async function answerTo(port: number, text: string): Promise<string[]> {
  const client = await RawClient.connect(port);
  client.send(text);
  const received = await client.until("\r\n\r\n");
  const headEnd = received.indexOf("\r\n\r\n");
  const [status, ...lines] = received.slice(0, headEnd).split("\r\n");
  const size = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
  while (client.received.length < headEnd + 4 + size) await sleep(1);
  client.leave();
  const headers = lines.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())).sort();
  return [status!, ...headers.filter(isComparable), client.received.slice(headEnd + 4)];
}

function isComparable(header: string): boolean {
  return !/^date: /.test(header);
}

const ID = { "x-request-id": REQUEST_ID };
const ASKED: Record<string, { target: string; headers?: Record<string, string> }> = {
  "a change": { target: CATCH_UP, headers: { origin: "https://example.org" } },
  "the end of the log": { target: CATCH_UP.replace("0_inf", "100_0") },
  "a part that is known": {
    target: CATCH_UP,
    headers: { "if-none-match": `"${HANDLE}:0_inf:100_0"` },
  },
  "the position": { target: shapeUrl({ table: "items", offset: "now" }) },
  "another shape": { target: CATCH_UP.replace(HANDLE, "1-2") },
  "a wrong parameter": { target: shapeUrl({ table: "items", offset: "somewhere" }) },
  "no such table": { target: shapeUrl({ table: "nothing", offset: "-1" }) },
  "a change, live": { target: LIVE },
  "a shape whose making fails": { target: NEW },
};

test.for(Object.keys(ASKED))("%s is answered as by the HTTP layer", async (what) => {
  const { target, headers } = ASKED[what]!;
  const answers = [];
  for (const isShort of [true, false]) {
    const { fixture, layer, port } = await serve({ isHooked: !isShort });
    const error = new LitzError("no", { code: "SNAPSHOT_FAILED", httpStatus: 503 });
    if (what.endsWith("fails")) fixture.service.nextFailure = { at: "create", error };
    answers.push(await answerTo(port, request(target, { ...headers, ...ID })));
    assert.equal(layer.count, isShort ? 0 : 1);
  }
  assert.deepEqual(answers[0], answers[1]);
});

const WITH_LAYER: Record<string, string> = {
  "a part of a subset": request(`${CATCH_UP}&subset__limit=1&subset__order_by=id`),
  "a method with a body": request(CATCH_UP, { "content-length": "0" }).replace("GET", "POST"),
  "the last of a connection": request(CATCH_UP, { connection: "close" }),
  "two requests at once": request(CATCH_UP) + request(CATCH_UP),
  "another path": request(CATCH_UP.replace("/v1/shape", "//v1/shape")),
};

test.for(Object.keys(WITH_LAYER))("%s is for the HTTP layer", async (what) => {
  const { fixture, layer, port } = await serve();
  const client = await RawClient.connect(port);
  client.send(WITH_LAYER[what]!);
  await client.until("HTTP/1.1 200");
  assert.ok(layer.count > 0);
  await client.until("]");
  client.leave();
  assert.equal(fixture.service.openGenerators, 0);
});

test("what is long is streamed by the HTTP layer, and read once to its end", async () => {
  const { fixture, layer, port } = await serve();
  fixture.service.commit(200n, "items", [{ id: "5", name: "x".repeat(2000) }]);
  const client = await RawClient.connect(port);
  client.send(request(CATCH_UP));
  await client.until("0\r\n\r\n");
  assert.equal(layer.count, 1);
  assert.equal(client.received.split("HTTP/1.1").length, 2);
  assert.equal(fixture.service.openGenerators, 0);
  client.leave();
});

async function report(fixture: Fixture): Promise<{ requests: number; pollsOnLanes: number }> {
  const response = await fixture.app.inject({ url: "/admin/memory" });
  return response.json<{ http: { requests: number; pollsOnLanes: number } }>().http;
}

async function untilReport(fixture: Fixture, requests: number, polls: number): Promise<void> {
  for (let n = 0; ; n++) {
    const found = await report(fixture);
    if (found.requests === requests && found.pollsOnLanes === polls) return;
    assert.ok(n < 1000, JSON.stringify(found));
    await sleep(2);
  }
}

test("a connection serves one request after the other, long-polls among them", async () => {
  const { fixture, layer, port } = await serve({ config: { longPollTimeoutMs: 60_000 } });
  const client = await RawClient.connect(port);
  for (let round = 2; round <= 5; round++) {
    client.send(request(LIVE.replace("0_inf", `${round - 1}00_0`)));
    await untilReport(fixture, 1, 1);
    fixture.service.commit(BigInt(round) * 100n, "items", [{ id: String(round + 3) }]);
    await client.until(`"lsn":"${round}00"`);
    await untilReport(fixture, 0, 0);
  }
  assert.equal(layer.count, 0);
  assert.equal(client.received.split("HTTP/1.1 200").length, 5);
  client.leave();
});

test("a request that comes while another is being answered is answered next", async () => {
  const { fixture, port } = await serve({ config: { readyTimeoutMs: 60_000 } });
  const client = await RawClient.connect(port);
  fixture.service.status = "starting";
  client.send(request(NEW));
  await untilReport(fixture, 1, 0);
  client.send(request(CATCH_UP));
  await sleep(5);
  fixture.service.status = "active";
  const received = await client.until("electric-handle: 4711-1700000000000001");
  assert.ok(received.indexOf("4711-1700000000000002") > 0);
  client.leave();
});

test("a client that leaves while it waits is forgotten", async () => {
  const { fixture, port } = await serve({ config: { readyTimeoutMs: 60_000 } });
  const client = await RawClient.connect(port);
  fixture.service.status = "starting";
  client.send(request(NEW));
  await untilReport(fixture, 1, 0);
  client.leave();
  await untilReport(fixture, 0, 0);
});

test("closing ends what waits, with an answer that is the connection's last", async () => {
  const { fixture, layer, port } = await serve({ config: { readyTimeoutMs: 60_000 } });
  const client = await RawClient.connect(port);
  fixture.service.status = "starting";
  client.send(request(NEW));
  await untilReport(fixture, 1, 0);
  await fixture.app.close();
  const received = await client.closed();
  assert.match(received, /^HTTP\/1\.1 503/);
  assert.match(received, /\r\nconnection: close\r\n/);
  assert.equal(layer.count, 0);
});

test("the secret is asked for", async () => {
  const { layer, port } = await serve({ config: { secret: "abc" } });
  const [refused] = await answerTo(port, request(CATCH_UP));
  assert.equal(refused, "HTTP/1.1 401 Unauthorized");
  assert.equal(layer.count, 1);
  const [allowed] = await answerTo(port, request(`${CATCH_UP}&secret=abc`));
  assert.equal(allowed, "HTTP/1.1 200 OK");
  assert.equal(layer.count, 1);
});

test("a client that does not take its answers is no longer read", async () => {
  const { fixture, port } = await serve();
  let socket: Socket | undefined;
  fixture.app.server.on("connection", (accepted: Socket) => (socket = accepted));
  const client = await RawClient.connect(port, false);
  // One at a time, or they would be no plain requests; answers of 16 MB are more than the kernel
  // holds.
  let isRead = true;
  for (let n = 0; n < 20_000 && isRead; n++) {
    const before = socket?.bytesRead ?? 0;
    client.send(request(CATCH_UP));
    isRead = await comesTrue(() => (socket?.bytesRead ?? 0) > before);
  }
  const keptBytes = socket!.writableLength;
  assert.ok(keptBytes < 256 * 1024, `${keptBytes} bytes are kept for it`);
  client.leave();
});

/** Whether it does within some turns of the loop. */
async function comesTrue(condition: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 1_000; turn++) {
    if (condition()) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}
