/**
 * Long-polls that wait without the HTTP layer (src/http/lane*.ts).
 *
 * Goal: nobody can tell them from those that wait inside it, whatever a client sends meanwhile and
 * however the wait ends; and nothing is left of them. Method: clients that write bytes; what they
 * receive is compared with what the same server answers where there are no lanes.
 */

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "vitest";
import type { Lane } from "../../src/http/lane.ts";
import { LaneServer } from "../../src/http/lane-server.ts";
import { PARKED_BYTES_MAX } from "../../src/http/limits.ts";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { sleep } from "../support/memory-shape-service.ts";
import { seededRandom } from "../support/random.ts";
import { makeFixture, shapeUrl, type Fixture, type FixtureOptions } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const HANDLE = "4711-1700000000000001";
const LIVE = shapeUrl({ table: "items", offset: "0_inf", handle: HANDLE, live: "true" });
const REQUEST_ID = "request-0123456789-abcdef";

interface Served {
  readonly fixture: Fixture;
  readonly connect: () => Promise<RawClient>;
}

/** A server whose shape has been made. */
async function serve(options: FixtureOptions = {}): Promise<Served> {
  const config = { longPollTimeoutMs: 60_000, ...options.config };
  const fixture = makeFixture({ now: () => 1_800_000_000_000, ...options, config });
  const port = await fixture.listen();
  await fixture.get({ table: "items", offset: "-1" });
  return { fixture, connect: () => RawClient.connect(port) };
}

async function lanes(fixture: Fixture): Promise<{ requests: number; pollsOnLanes: number }> {
  const report = await fixture.app.inject({ url: "/admin/memory" });
  return report.json<{ http: { requests: number; pollsOnLanes: number } }>().http;
}

/** Waits until so many polls do on lanes, out of so many requests. */
async function parked(fixture: Fixture, count: number, requests = count): Promise<void> {
  for (let n = 0; ; n++) {
    const found = await lanes(fixture);
    if (found.pollsOnLanes === count && found.requests === requests) return;
    assert.ok(n < 1000, `${JSON.stringify(found)}, not ${count}`);
    await sleep(2);
  }
}

interface Received {
  readonly status: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Responses in the order in which they came; how their bodies were framed is left out. */
function responsesIn(received: string): Received[] {
  const responses: Received[] = [];
  for (let rest = received; rest !== "";) {
    const end = rest.indexOf("\r\n\r\n");
    const [status, ...lines] = rest.slice(0, end).split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
      }),
    );
    const { "content-length": length, "transfer-encoding": encoding, ...others } = headers;
    const bytes = rest.slice(end + 4);
    const { body, size } =
      encoding === "chunked"
        ? dechunk(bytes)
        : { body: bytes.slice(0, Number(length)), size: Number(length) };
    assert.ok(size >= 0, rest);
    responses.push({ status: status!, headers: others, body: body.replaceAll(",\n", ",") });
    rest = bytes.slice(size);
  }
  return responses;
}

function dechunk(bytes: string): { body: string; size: number } {
  let body = "";
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = parseInt(bytes.slice(at, lineEnd), 16);
    body += bytes.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
    if (size === 0) return { body, size: at };
  }
}

function liveRequest(headers: Record<string, string> = {}, target = LIVE): string {
  const lines = Object.entries({ host: "x", ...headers }).map(([name, value]) => {
    return `${name}: ${value}\r\n`;
  });
  return `GET ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** The same routes behind an ordinary HTTP server. */
async function connectWithoutLanes(fixture: Fixture): Promise<RawClient> {
  const server = createServer({ keepAliveTimeout: 72_000 }, (request, response) => {
    fixture.app.routing(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return RawClient.connect((server.address() as AddressInfo).port);
}

const ENDS: Record<string, (fixture: Fixture) => Promise<void> | void> = {
  "a change": ({ service }) => service.commit(200n, "items", [{ id: "4" }]),
  "the removal of the shape": ({ service }) => service.remove(HANDLE as ShapeHandle),
  "a shape in its place": async ({ service }) => {
    const definition = service.definitionOf(HANDLE as ShapeHandle)!;
    const removed = service.remove(HANDLE as ShapeHandle);
    await service.findOrCreate(definition);
    await removed;
  },
  "the timeout": () => undefined,
  "the timeout of a service that is not well": ({ service }) => {
    service.status = "starting";
  },
};

test.for(Object.keys(ENDS))("5.7: ended by %s, answered as in the HTTP layer", async (end) => {
  const config = { longPollTimeoutMs: end.startsWith("the timeout") ? 300 : 60_000 };
  const answers: Received[] = [];
  for (const hasLanes of [true, false]) {
    const { fixture, connect } = await serve({ config });
    const client = hasLanes ? await connect() : await connectWithoutLanes(fixture);
    client.send(liveRequest({ origin: "https://example.org", "x-request-id": REQUEST_ID }));
    await parked(fixture, hasLanes ? 1 : 0, 1);
    await ENDS[end]!(fixture);
    await parked(fixture, 0);
    await client.until("\r\n\r\n");
    await sleep(10);
    const [response, ...others] = responsesIn(client.received);
    assert.equal(others.length, 0);
    const { date, ...headers } = response!.headers;
    assert.match(date!, /GMT$/);
    answers.push({ ...response!, headers });
    assert.equal(fixture.service.waiterCount, 0);
    client.leave();
  }
  const [lane, layer] = answers;
  assert.equal(lane!.headers["x-request-id"], REQUEST_ID);
  assert.deepEqual(lane, layer);
});

test("polls for the same thing are one waiter, and each has its own request id", async () => {
  const { fixture, connect } = await serve();
  const clients = await Promise.all(Array.from({ length: 20 }, connect));
  for (const client of clients) client.send(liveRequest());
  await parked(fixture, 20);
  assert.equal(fixture.service.waiterCount, 1);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  for (const client of clients) await client.until('"up-to-date"');
  const ids = clients.map((client) => responsesIn(client.received)[0]!.headers["x-request-id"]);
  assert.equal(new Set(ids).size, 20);
  assert.ok(ids.every((id) => id!.length >= 20));
  await parked(fixture, 0);
  for (const client of clients) client.leave();
});

test("origins are told their own", async () => {
  const { fixture, connect } = await serve();
  const clients = [await connect(), await connect()];
  clients[0]!.send(liveRequest({ origin: "https://a.example" }));
  clients[1]!.send(liveRequest({ origin: "https://b.example" }));
  await parked(fixture, 2);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  const origins = [];
  for (const client of clients) {
    await client.until('"up-to-date"');
    origins.push(responsesIn(client.received)[0]!.headers["access-control-allow-origin"]);
    client.leave();
  }
  assert.deepEqual(origins, ["https://a.example", "https://b.example"]);
});

test("a connection serves one poll after the other, and other requests between them", async () => {
  const { fixture, connect } = await serve();
  const client = await connect();
  for (let round = 1; round <= 5; round++) {
    client.send(liveRequest({}, LIVE.replace("0_inf", round === 1 ? "0_inf" : `${round * 100}_0`)));
    await parked(fixture, 1);
    fixture.service.commit(BigInt(round + 1) * 100n, "items", [{ id: String(round + 3) }]);
    await client.until(`"lsn":"${round + 1}00"`);
    client.get("/v1/health");
    await client.until('{"status":"active"}', round);
  }
  const responses = responsesIn(client.received);
  assert.equal(responses.length, 10);
  assert.ok(responses.every(({ status }) => status === "HTTP/1.1 200 OK"));
  client.leave();
});

test("what comes while a poll waits is answered after it", async () => {
  const { fixture, connect } = await serve();
  const client = await connect();
  client.send(liveRequest());
  await parked(fixture, 1);
  client.send("GET /v1/hea");
  await sleep(5);
  client.send("lth HTTP/1.1\r\nhost: x\r\n\r\n");
  await sleep(20);
  assert.equal(client.received, "");
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  await client.until('{"status":"active"}');
  assert.match(responsesIn(client.received)[0]!.body, /"id":"4"/);
  client.leave();
});

test("a client that says too much while it waits is ended", async () => {
  const { fixture, connect } = await serve();
  const client = await connect();
  client.send(liveRequest());
  await parked(fixture, 1);
  client.send("x".repeat(PARKED_BYTES_MAX + 1));
  assert.equal(await client.closed(), "");
  await parked(fixture, 0);
  assert.equal(fixture.service.waiterCount, 0);
});

test.for([
  ["two in one packet", liveRequest() + liveRequest(), ""],
  ["the beginning of another", `${liveRequest()}GET /v1/health HTTP/1.1\r\nhost`, ": x\r\n\r\n"],
  ["a body to come", liveRequest({ "content-length": "5" }), "hello"],
  ["an end", liveRequest({ connection: "close" }), ""],
  ["HTTP/1.0", liveRequest().replace("HTTP/1.1", "HTTP/1.0"), ""],
  ["no whole last piece", liveRequest().slice(0, -2), "\r\n"],
] as const)(
  "requests that may leave something behind wait in the HTTP layer: %s",
  async (given) => {
    const [name, request, rest] = given;
    const { fixture, connect } = await serve();
    const client = await connect();
    client.send(request);
    await sleep(10);
    client.send(rest);
    await parked(fixture, 0, name === "two in one packet" ? 2 : 1);
    fixture.service.commit(200n, "items", [{ id: "4" }]);
    await client.until('"up-to-date"');
    await parked(fixture, 0, 0);
    if (name === "the beginning of another") await client.until('{"status":"active"}');
    await sleep(10);
    const count = client.received.split('"up-to-date"').length - 1;
    assert.equal(count, name === "two in one packet" ? 2 : 1);
    client.leave();
  },
);

test("a request that comes in pieces is parked", async () => {
  const { fixture, connect } = await serve();
  const request = liveRequest({ "x-padding": "y".repeat(100) });
  for (const at of [1, 20, 90, request.length - 4]) {
    const client = await connect();
    client.send(request.slice(0, at));
    await sleep(5);
    client.send(request.slice(at));
    await parked(fixture, 1);
    client.leave();
    await parked(fixture, 0);
  }
});

test("an answer too long to be shared is streamed to each at his own speed", async () => {
  const { fixture, connect } = await serve({ messagesPerPage: 1 });
  const clients = await Promise.all(Array.from({ length: 3 }, connect));
  for (const client of clients) client.send(liveRequest({ "x-request-id": REQUEST_ID }));
  await parked(fixture, 3);
  const text = "x".repeat(50_000);
  fixture.service.commit(200n, "items", [
    { id: "4", text },
    { id: "5", text },
    { id: "6", text },
  ]);
  for (const client of clients) {
    const received = await client.until("0\r\n\r\n");
    assert.match(received, /transfer-encoding: chunked/i);
    assert.ok(received.includes(`x-request-id: ${REQUEST_ID}`));
    assert.equal(received.split('"operation":"insert"').length, 4);
    client.leave();
  }
  await parked(fixture, 0);
  assert.equal(fixture.service.openGenerators, 0);
});

test("clients that leave are forgotten, and nobody else's answer with them", async () => {
  const { fixture, connect } = await serve();
  const clients = await Promise.all(Array.from({ length: 30 }, connect));
  for (const client of clients) client.send(liveRequest());
  await parked(fixture, 30);
  for (const [index, client] of clients.entries()) if (index % 3 !== 1) client.leave();
  await parked(fixture, 10);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  for (const [index, client] of clients.entries()) {
    if (index % 3 === 1) await client.until('"up-to-date"');
    client.leave();
  }
  await parked(fixture, 0);
  assert.equal(fixture.service.waiterCount, 0);
});

test("a request is answered, whatever became of the same one just before", async () => {
  const { fixture, connect } = await serve();
  const random = seededRandom("lanes: given up and asked again");
  let end = "0_inf";
  for (let round = 1; round <= 100; round++) {
    const isLive = random() < 0.3;
    const offset = ["-1", "0_0", end][Math.floor(random() * 3)]!;
    const target = isLive
      ? LIVE.replace("0_inf", end)
      : shapeUrl({ table: "items", offset, handle: HANDLE });
    const [first, second] = await Promise.all([connect(), connect()]);
    first.send(liveRequest({}, target));
    const turns = Math.floor(random() * 8);
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    first.leave();
    second.send(liveRequest({}, target));
    if (isLive) {
      await parked(fixture, 1);
      fixture.service.commit(BigInt(round) * 1000n, "items", [{ id: "4" }]);
      end = `${round}000_0`;
    }
    await second.until(offset === "-1" && !isLive ? '"snapshot-end"' : '"up-to-date"');
    second.leave();
  }
});

test("thousands are answered a few at a time: others get their turn in between", async () => {
  const { fixture, connect } = await serve();
  const clients: RawClient[] = [];
  for (let n = 0; n < 20; n++) {
    clients.push(...(await Promise.all(Array.from({ length: 50 }, connect))));
  }
  for (const client of clients) client.send(liveRequest());
  await parked(fixture, 1000);
  const answered = (): number => clients.filter(({ received }) => received !== "").length;
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  const counts = new Set<number>();
  while (answered() < 1000) {
    counts.add((await lanes(fixture)).pollsOnLanes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(counts.size > 3, `seen between: ${[...counts].join()}`);
  for (const client of clients) client.leave();
  await parked(fixture, 0);
});

test("closing answers everybody and ends the connections, whatever they wait for", async () => {
  const { fixture, connect } = await serve();
  const clients = await Promise.all(Array.from({ length: 300 }, connect));
  for (const client of clients) client.send(liveRequest());
  await parked(fixture, 300);
  const closing = fixture.app.close();
  for (const client of clients) {
    const [response] = responsesIn(await client.closed());
    assert.equal(response!.headers["connection"], "close");
    assert.equal(response!.headers["electric-has-data"], "false");
  }
  await closing;
});

test.for([
  ["half a request", liveRequest().slice(0, 20), ""],
  ["nonsense", "NONSENSE\r\n\r\n", "HTTP/1.1 400 Bad Request"],
  ["a request", liveRequest(), "HTTP/1.1 503 Service Unavailable"],
] as const)("closing does not wait for what has come and waits for its turn: %s", async (given) => {
  const [, text, status] = given;
  const { fixture, connect } = await serve();
  const closing = new Promise<void>((resolve) => {
    fixture.app.server.once("connection", (socket) => {
      // Heard behind the connection's own listener, which gives the bytes their turn.
      socket.once("data", () => resolve(fixture.app.close()));
    });
  });
  const client = await connect();
  client.send(text);
  await closing;
  assert.equal((await client.closed()).split("\r\n")[0], status);
});

test("1: a request that takes too long to arrive is given up", async () => {
  const settings = { headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 50 };
  const server = new LaneServer(settings, (_request, response) => response.end("hello"));
  let isTold = false;
  server.on("clientError", (error: NodeJS.ErrnoException, lane: Lane) => {
    isTold = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
    lane.end("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = await RawClient.connect((server.address() as AddressInfo).port);
  client.send("GET / HTTP/1.1\r\nhos");
  assert.match(await client.closed(), /^HTTP\/1.1 408/);
  assert.equal(isTold, true);
  await new Promise((resolve) => server.close(resolve));
});
