/**
 * Clients that end their side behind what they ask, as `printf 'GET ...' | nc -N` does
 * (src/http/lane-connection.ts, 4).
 *
 * Goal: what was asked is answered, whichever way it goes; whoever only waits for news counts as
 * gone; and no connection is left. Method: clients that write bytes and end; after each test the
 * server has as many sockets as before it.
 */

import assert from "node:assert/strict";
import { afterEach, test } from "vitest";
import type { LaneServer } from "../../src/http/lane-server.ts";
import { HALF_CLOSED_SILENCE_MS } from "../../src/http/limits.ts";
import { sleep } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, type Fixture, type FixtureOptions } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const HANDLE = "4711-1700000000000001";
const INITIAL = shapeUrl({ table: "items", offset: "-1" });
const CATCH_UP = shapeUrl({ table: "items", offset: "0_inf", handle: HANDLE });
const LIVE = `${CATCH_UP}&live=true`;
const EVENTS = `${LIVE}&live_sse=true`;
/** With this a request is none for the short way. */
const FOR_THE_LAYER = { te: "x" };
const BOTH_WAYS = [{}, FOR_THE_LAYER] as const;

let served: Fixture | undefined;

afterEach(async () => {
  const fixture = served!;
  served = undefined;
  await eventually(async () => (await requests(fixture)) === 0);
  await eventually(() => serverOf(fixture).connectionCount === 0);
  assert.equal(await socketsOf(serverOf(fixture)), 0);
  assert.equal(fixture.service.openGenerators, 0);
});

/** A server whose shape has been made. */
async function serve(options: FixtureOptions = {}): Promise<number> {
  const config = { longPollTimeoutMs: 60_000, readyTimeoutMs: 60_000, ...options.config };
  served = makeFixture({ ...options, config });
  const port = await served.listen();
  await served.get({ table: "items", offset: "-1" });
  return port;
}

function serverOf({ app }: Fixture): LaneServer {
  return app.server as unknown as LaneServer;
}

/** As the kernel's side of Node has them. */
async function socketsOf(server: LaneServer): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

async function requests({ app }: Fixture): Promise<number> {
  const report = await app.inject({ url: "/admin/memory" });
  return report.json<{ http: { requests: number } }>().http.requests;
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; !(await condition()); n++) {
    assert.ok(n < 1000, `never: ${condition.toString()}`);
    await sleep(5);
  }
}

function request(target: string, headers: Record<string, string> = {}, method = "GET"): string {
  const lines = Object.entries({ host: "x", ...headers }).map(([name, value]) => {
    return `${name}: ${value}\r\n`;
  });
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** All that is answered to these bytes and the end behind them. */
async function answersTo(port: number, bytes: string): Promise<string> {
  const client = await RawClient.connect(port);
  client.socket.end(bytes);
  return client.closed();
}

function statusesIn(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));
}

const ASKED: Record<string, { bytes: string; statuses: number[] }> = {
  nothing: { bytes: "", statuses: [] },
  "half a request": { bytes: "GET /v1/sh", statuses: [400] },
  "a short answer": { bytes: request(CATCH_UP), statuses: [200] },
  "a short answer of the HTTP layer": { bytes: request(CATCH_UP, FOR_THE_LAYER), statuses: [200] },
  "a stream": { bytes: request(INITIAL), statuses: [200] },
  "a refusal": { bytes: request(shapeUrl({ table: "items", offset: "x" })), statuses: [400] },
  "a HEAD": { bytes: request(INITIAL, {}, "HEAD"), statuses: [200] },
  "a body": {
    bytes: `${request(INITIAL, { "content-length": "2" }, "POST")}{}`,
    statuses: [200],
  },
  "three at once": {
    bytes: request(CATCH_UP) + request("/v1/health") + request(INITIAL),
    statuses: [200, 200, 200],
  },
  "one and a half": { bytes: `${request("/v1/health")}GET /v1`, statuses: [200, 400] },
};

test.for(Object.keys(ASKED))("%s, and the end: answered, and the connection ends", async (what) => {
  const { bytes, statuses } = ASKED[what]!;
  const received = await answersTo(await serve(), bytes);
  assert.deepEqual(statusesIn(received), statuses);
});

const SLOWLY_ANSWERED: Record<string, string> = {
  "on the short way": request(shapeUrl({ table: "empty", offset: "now" })),
  "by the HTTP layer": request(shapeUrl({ table: "empty", offset: "-1" }), FOR_THE_LAYER),
  "by one, then by the other": request(shapeUrl({ table: "empty", offset: "-1" })),
};

test.for(Object.keys(SLOWLY_ANSWERED))("an end while the answer is made: %s", async (way) => {
  const port = await serve();
  const { service } = served!;
  service.status = "starting";
  const answered = await RawClient.connect(port);
  answered.socket.end(SLOWLY_ANSWERED[way]!);
  await eventually(async () => (await requests(served!)) === 1);
  // Ends by its silence, after the other, which ends with its answer.
  const parted = await RawClient.connect(port);
  parted.socket.end(
    request(INITIAL.replace("items", "nothing"), { "content-length": "9" }, "POST"),
  );
  const order = [answered.closed().then(() => "answered"), parted.closed().then(() => "parted")];
  await sleep(20);
  service.status = "active";
  assert.equal(await Promise.race(order), "answered");
  assert.deepEqual(statusesIn(answered.received), [200]);
  await Promise.all(order);
});

test("the end comes behind a second request, while the first is being answered", async () => {
  const port = await serve();
  const { service } = served!;
  service.status = "starting";
  const client = await RawClient.connect(port);
  client.send(request(shapeUrl({ table: "empty", offset: "-1" })));
  await eventually(async () => (await requests(served!)) === 1);
  client.socket.end(request("/v1/health"));
  await sleep(20);
  service.status = "active";
  assert.deepEqual(statusesIn(await client.closed()), [200, 200]);
});

test("a slow reader that has ended its side has the whole of a large body", async () => {
  const rows = Array.from({ length: 200 }, (_, id) => ({ id: `${id}`, text: "x".repeat(120_000) }));
  const port = await serve({ rows, messagesPerChunk: 500 });
  const client = await RawClient.connect(port, false);
  client.socket.end(request(INITIAL));
  // Longer than an answer may be silent: it is the client that is.
  await sleep(3 * HALF_CLOSED_SILENCE_MS);
  client.read();
  assert.match(await client.closed(), /snapshot-end.*\r\n0\r\n\r\n$/s);
});

test.for(BOTH_WAYS)("a long-poll or an event stream has nobody left: %o", async (headers) => {
  const port = await serve();
  for (const target of [LIVE, EVENTS]) {
    const waiting = await RawClient.connect(port);
    waiting.send(request(target, headers));
    await eventually(async () => (await requests(served!)) === 1);
    await sleep(20);
    waiting.socket.end();
    assert.doesNotMatch(await waiting.closed(), /up-to-date"\}\}\]/);
    const ended = await answersTo(port, request(target, headers));
    assert.doesNotMatch(ended, /up-to-date"\}\}\]/);
  }
});

test("an answer that does not go on is given up", async () => {
  const port = await serve();
  const { service } = served!;
  let finish = (): void => undefined;
  service.snapshotGate = new Promise((resolve) => (finish = resolve));
  service.setTable("others", [{ id: "1" }, { id: "2" }, { id: "3" }]);
  const client = await RawClient.connect(port);
  client.send(request(shapeUrl({ table: "others", offset: "-1" })));
  await client.until('"value":{"id":"2"}');
  client.socket.end();
  const received = await client.closed();
  assert.doesNotMatch(received, /snapshot-end/);
  finish();
});

test("an answer that does not begin is given up", async () => {
  const port = await serve();
  served!.service.status = "starting";
  const target = shapeUrl({ table: "empty", offset: "-1" });
  const both = BOTH_WAYS.map((headers) => request(target, headers));
  assert.deepEqual(await Promise.all(both.map((bytes) => answersTo(port, bytes))), ["", ""]);
});
