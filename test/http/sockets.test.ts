/**
 * What only shows on a socket: streams, slow and vanishing clients, pipelines, old clients, limits,
 * and the end.
 *
 * Goal: nothing is held for a client that is gone, nobody waits for one that stalls, no body that
 * is cut looks whole, and closing answers everybody. Method: clients that write bytes; the
 * in-memory service counts its waiters and the generators that were not ended.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { afterEach, test } from "vitest";
import type { LaneServer } from "../../src/http/lane-server.ts";
import { HEADER_BYTES_MAX, PIPELINED_REQUESTS_MAX, URL_BYTES_MAX } from "../../src/http/limits.ts";
import { createRequestHandler } from "../../src/http/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { MemoryShapeService, sleep, type Row } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, testConfigWith, type Fixture } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const INITIAL = shapeUrl({ table: "items", offset: "-1" });
const HANDLE = "4711-1700000000000001";
const LIVE = shapeUrl({ table: "items", offset: "0_inf", handle: HANDLE, live: "true" });

async function eventually(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    assert.ok(n < 1000, `never: ${condition.toString()}`);
    await sleep(5);
  }
}

async function listen(fixture: Fixture): Promise<(isReading?: boolean) => Promise<RawClient>> {
  const port = await fixture.listen();
  return (isReading) => RawClient.connect(port, isReading);
}

/** Rows that no kernel buffers: 24 MB. */
function manyRows(): Row[] {
  const text = "x".repeat(120_000);
  return Array.from({ length: 200 }, (_, id) => ({ id: String(id), text }));
}

/** Waits until so many requests do, in the HTTP layer or without it. */
async function waiting(fixture: Fixture, count: number): Promise<void> {
  const url = "/admin/memory";
  for (let n = 0; ; n++) {
    const { http } = (await fixture.app.inject({ url })).json<{ http: { requests: number } }>();
    if (http.requests === count) return;
    assert.ok(n < 1000, `${http.requests} requests wait, not ${count}`);
    await sleep(5);
  }
}

function statusesIn(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));
}

test("1: HTTP/1.0 clients get no chunks, and the end of the body is that of the connection", async () => {
  const connect = await listen(makeFixture());
  const client = await connect();
  client.get(INITIAL, "1.0");
  const received = await client.closed();
  assert.match(received, /^HTTP\/1\.1 200/);
  assert.doesNotMatch(received, /transfer-encoding|content-length/i);
  const body = received.slice(received.indexOf("\r\n\r\n") + 4);
  assert.equal((JSON.parse(body) as unknown[]).length, 4);
});

test("1: an HTTP/1.0 long-poll is answered", async () => {
  const connect = await listen(makeFixture());
  const first = await connect();
  first.get(INITIAL, "1.0");
  await first.closed();
  const client = await connect();
  client.get(LIVE, "1.0");
  assert.match(await client.closed(), /electric-has-data: false/);
});

test("1: a HEAD leaves its connection in order", async () => {
  const connect = await listen(makeFixture());
  const client = await connect();
  client.send(`HEAD ${INITIAL} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await client.until("\r\n\r\n");
  client.get("/v1/health");
  const received = await client.until('{"status":"active"}');
  assert.deepEqual(statusesIn(received), [200, 200]);
  client.leave();
});

test("5.4: a snapshot is streamed while it is made, and silence of ours is no stall", async () => {
  const fixture = makeFixture({ config: { stalledReaderTimeoutMs: 50 } });
  let finish = (): void => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (finish = resolve));
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until('"value":{"id":"2"}');
  await sleep(150);
  assert.doesNotMatch(client.received, /snapshot-end/);
  finish();
  await client.until("snapshot-end");
  await client.until("0\r\n\r\n");
  client.leave();
});

test("a large body reaches a slow reader whole", async () => {
  const connect = await listen(makeFixture({ rows: manyRows(), messagesPerChunk: 500 }));
  const client = await connect(false);
  client.get(INITIAL, "1.0");
  await sleep(50);
  client.read();
  const received = await client.closed();
  const body = received.slice(received.indexOf("\r\n\r\n") + 4);
  assert.equal((JSON.parse(body) as unknown[]).length, 201);
});

test("a client that leaves in the middle of a body ends its generator and frees its slot", async () => {
  const fixture = makeFixture({
    rows: manyRows(),
    messagesPerChunk: 500,
    config: { maxConcurrentRequests: { initial: 1, existing: 1 } },
  });
  const connect = await listen(fixture);
  for (let round = 0; round < 3; round++) {
    const client = await connect(false);
    client.get(INITIAL);
    await eventually(() => fixture.service.openGenerators === 1);
    await sleep(20);
    client.leave();
    await eventually(() => fixture.service.openGenerators === 0);
  }
});

test("a client that leaves while the next page is made frees its slot", async () => {
  const fixture = makeFixture({ config: { maxConcurrentRequests: { initial: 1, existing: 1 } } });
  let finish = (): void => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (finish = resolve));
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until('"value":{"id":"2"}');
  client.leave();
  // Until nothing was sent for a while it may have ended its own side alone.
  await waiting(fixture, 0);
  const next = await connect();
  next.get(INITIAL);
  await next.until("HTTP/1.1 200");
  finish();
  await next.until("snapshot-end");
  await eventually(() => fixture.service.openGenerators === 0);
  next.leave();
});

test("a client that leaves while it waits is forgotten", async () => {
  const fixture = makeFixture({
    config: { longPollTimeoutMs: 60_000, maxConcurrentRequests: { initial: 1, existing: 1 } },
  });
  const connect = await listen(fixture);
  const first = await connect();
  first.get(INITIAL);
  await first.until("0\r\n\r\n");
  first.leave();
  for (let round = 0; round < 3; round++) {
    const client = await connect();
    client.get(LIVE);
    await eventually(() => fixture.service.waiterCount === 1);
    client.leave();
    await eventually(() => fixture.service.waiterCount === 0);
    await sleep(5);
  }
  assert.deepEqual(fixture.log, []);
});

test("a reader that stalls is reset, and its generator ended", async () => {
  const fixture = makeFixture({
    rows: manyRows(),
    messagesPerChunk: 500,
    config: { stalledReaderTimeoutMs: 200 },
  });
  const connect = await listen(fixture);
  const client = await connect(false);
  client.get(INITIAL);
  await eventually(() => fixture.service.openGenerators === 1);
  await eventually(() => fixture.service.openGenerators === 0);
  client.read();
  const received = await client.closed();
  assert.doesNotMatch(received, /snapshot-end/);
});

test("4.4: a body that is cut never looks whole", async () => {
  const fixture = makeFixture({ messagesPerPage: 1 });
  fixture.service.snapshotGate = new Promise(() => undefined);
  const connect = await listen(fixture);
  for (const version of ["1.1", "1.0"]) {
    const client = await connect();
    let isReset = false;
    client.socket.on("error", (error: NodeJS.ErrnoException) => {
      isReset = error.code === "ECONNRESET";
    });
    client.get(INITIAL, version);
    await client.until('"value":{"id":"2"}');
    for (const handle of [HANDLE, HANDLE.replace(/1$/, "2")]) {
      const definition = fixture.service.definitionOf(handle as never);
      if (definition !== undefined) await fixture.service.remove(handle as never);
    }
    const received = await client.closed();
    assert.equal(isReset, true, version);
    assert.doesNotMatch(received, /\]\r\n0\r\n|\]$/);
  }
  assert.match(fixture.log.join(), /cut short/);
});

test("an answer that fails before its head is written ends its connection", async () => {
  const fixture = makeFixture();
  fixture.service.schemaHeader = "no header has\na second line";
  const connect = await listen(fixture);
  for (const method of ["GET", "HEAD"]) {
    const client = await connect();
    client.send(`${method} ${INITIAL} HTTP/1.1\r\nhost: x\r\n\r\n`);
    assert.equal(await client.closed(), "");
  }
  assert.equal(fixture.log.length, 2);
  assert.match(fixture.log.join(), /cut short.*cut short/);
  assert.equal(fixture.service.openGenerators, 0);
});

test("pipelined requests are answered in order", async () => {
  const connect = await listen(makeFixture());
  const client = await connect();
  client.send(
    [INITIAL, "/v1/health", "/nope", INITIAL]
      .map((target) => `GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`)
      .join(""),
  );
  await client.until("Not found");
  const received = await client.until("snapshot-end");
  await eventually(() => client.received.split("snapshot-end").length === 3);
  assert.deepEqual(statusesIn(client.received), [200, 200, 404, 200]);
  assert.ok(received.indexOf('{"status"') > received.indexOf("HTTP/1.1 200"));
  client.leave();
});

test("pipelined long-polls are few, and end with their client, also those not yet begun", async () => {
  const fixture = makeFixture({ config: { longPollTimeoutMs: 60_000 } });
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until("0\r\n\r\n");
  client.send(`GET ${LIVE} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(50));
  await eventually(() => fixture.service.waiterCount === PIPELINED_REQUESTS_MAX);
  await sleep(50);
  assert.equal(fixture.service.waiterCount, PIPELINED_REQUESTS_MAX);
  client.leave();
  await eventually(() => fixture.service.waiterCount === 0);

  const other = await connect();
  other.send(`GET ${LIVE} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(10));
  await eventually(() => fixture.service.waiterCount === PIPELINED_REQUESTS_MAX);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  await eventually(() => statusesIn(other.received).length === 10);
  assert.deepEqual(statusesIn(other.received), [...Array<number>(8).fill(200), 503, 503]);
  other.leave();
});

test("1: a long target is served, too long ones are 414 and 431, nonsense is 400", async () => {
  const connect = await listen(makeFixture());
  const ask = async (text: string): Promise<string> => {
    const client = await connect();
    client.send(text);
    const received = await client.until("\r\n\r\n");
    client.leave();
    return received;
  };
  const target = (size: number): string => `${INITIAL}&x=${"y".repeat(size)}`;
  const rest = "HTTP/1.1\r\nhost: x\r\n\r\n";
  assert.match(await ask(`GET ${target(100_000)} ${rest}`), /^HTTP\/1\.1 200/);
  assert.match(await ask(`GET ${target(URL_BYTES_MAX)} ${rest}`), /^HTTP\/1\.1 414/);
  const overflow = await ask(`GET ${target(HEADER_BYTES_MAX)} ${rest}`);
  assert.match(overflow, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  assert.match(overflow, /electric-server: .*x-request-id: .*access-control-allow-origin: \*/s);
  assert.match(await ask("NONSENSE\r\n\r\n"), /^HTTP\/1\.1 400/);
});

test("a malformed request's connection ends, though its client keeps its own end open", async () => {
  const fixture = makeFixture();
  const port = await fixture.listen();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.resume().write("NONSENSE\r\n\r\n");
  await once(socket, "end");
  const server = fixture.app.server as unknown as LaneServer;
  await eventually(() => server.connectionCount === 0);
  socket.destroy();
});

test("nonsense behind a request that is not answered yet is not answered inside it", async () => {
  const fixture = makeFixture({ config: { longPollTimeoutMs: 60_000 } });
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until("0\r\n\r\n");
  client.get(LIVE);
  await eventually(() => fixture.service.waiterCount === 1);
  client.send("NONSENSE\r\n\r\n");
  await sleep(20);
  assert.deepEqual(statusesIn(client.received), [200]);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  assert.match(await client.closed(), /"up-to-date".*\]HTTP\/1\.1 400/);
});

test("nonsense behind requests that wait in the HTTP layer is not answered inside them", async () => {
  const fixture = makeFixture({ config: { longPollTimeoutMs: 60_000 } });
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until("0\r\n\r\n");
  const { length } = client.received;
  client.send(`GET ${LIVE} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(2));
  await eventually(() => fixture.service.waiterCount === 2);
  client.send("NONSENSE\r\n\r\n");
  assert.equal((await client.closed()).length, length);
  await eventually(() => fixture.service.waiterCount === 0);
});

test("closing answers those who wait at once, and closes idle connections", async () => {
  const fixture = makeFixture({ config: { longPollTimeoutMs: 60_000 } });
  const connect = await listen(fixture);
  const idle = await connect();
  idle.get(INITIAL);
  await idle.until("0\r\n\r\n");
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect()));
  for (const client of clients) client.get(LIVE);
  await waiting(fixture, 5);
  fixture.service.status = "starting";

  const begun = Date.now();
  await fixture.app.close();
  assert.ok(Date.now() - begun < 2_000);
  for (const client of clients) {
    const received = await client.closed();
    assert.match(received, /^HTTP\/1\.1 200/);
    assert.match(received, /electric-has-data: false/);
    assert.match(received, /electric-offset: 0_inf/);
    assert.match(received, /connection: close/i);
    assert.match(received, /"control":"up-to-date"/);
  }
  await idle.closed();
});

test("closing does not wait for connections that have said nothing, or half of something", async () => {
  const fixture = makeFixture();
  const connect = await listen(fixture);
  const clients = [await connect(), await connect()];
  clients[1]!.send("GET / HTTP/1.1\r\nhos");
  await sleep(20);
  const begun = Date.now();
  await fixture.app.close();
  assert.ok(Date.now() - begun < 2_000);
  for (const client of clients) assert.equal(await client.closed(), "");
});

test("closing lets a body finish, and then its connection does not idle", async () => {
  const fixture = makeFixture();
  let finish = (): void => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (finish = resolve));
  const connect = await listen(fixture);
  const client = await connect();
  client.get(INITIAL);
  await client.until('"value":{"id":"2"}');
  const closing = fixture.app.close();
  await sleep(30);
  finish();
  const begun = Date.now();
  await closing;
  assert.ok(Date.now() - begun < 2_000);
  assert.match(await client.closed(), /snapshot-end[^]*\]\r\n0\r\n\r\n$/);
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

test("the server is also a plain function for somebody else's socket", async () => {
  const service = new MemoryShapeService();
  service.setTable("items", [{ id: "1" }]);
  const handler = await createRequestHandler({
    service,
    config: testConfigWith({ longPollTimeoutMs: 60_000 }),
    memoryReport: () => ({}),
    logger: silentLogger,
    clock: systemClock,
  });
  const server = createServer(handler.handle);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = await RawClient.connect(port);
  client.get(INITIAL.replace("/v1/shape", "/v1//%73hape"));
  await client.until("snapshot-end");
  client.get(LIVE);
  await eventually(() => service.waiterCount === 1);
  await handler.close();
  await client.until("electric-has-data: false");
  client.leave();
});
