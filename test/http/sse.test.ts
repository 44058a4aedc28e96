/**
 * Event streams: protocol 5.8.
 *
 * Goal: events arrive as they happen, on whole lines, with an LSN to continue from that misses
 * nothing and repeats nothing, on lanes and in the HTTP layer alike; streams end when they should
 * and leave nothing behind. Method: clients that write bytes, over HTTP/1.1 (lanes), over HTTP/1.0
 * (the layer), and the official client, over the in-memory service.
 */

import assert from "node:assert/strict";
import { Shape, ShapeStream, type ShapeStreamInterface } from "@electric-sql/client";
import { describe, test } from "vitest";
import type { ShapeHandle } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { sleep } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, type Fixture, type FixtureOptions } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const HANDLE = "4711-1700000000000001" as ShapeHandle;

interface Served {
  readonly fixture: Fixture;
  readonly connect: (isReading?: boolean) => Promise<RawClient>;
}

async function serve(options: FixtureOptions = {}): Promise<Served> {
  const fixture = makeFixture(options);
  const port = await fixture.listen();
  await fixture.get({ table: "items", offset: "-1" });
  return { fixture, connect: (isReading) => RawClient.connect(port, isReading) };
}

function target(offset: string): string {
  const parameters = { table: "items", offset, handle: HANDLE, live: "true", live_sse: "true" };
  return shapeUrl({ ...parameters, cursor: "7" });
}

/** The events of a response, comments left out, as objects. */
function eventsIn(received: string): Record<string, unknown>[] {
  const body = received.slice(received.indexOf("\r\n\r\n") + 4);
  return body
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice("data: ".length)) as Record<string, unknown>);
}

/** `4`, `5@200` and so on: the ids of rows, and the LSN of each up-to-date message. */
function told(received: string): string[] {
  return eventsIn(received).map((event) => {
    const headers = event["headers"] as Record<string, string>;
    if (headers["control"] === "up-to-date") return `@${headers["global_last_seen_lsn"]}`;
    return headers["control"] ?? (event["value"] as Record<string, string>)["id"]!;
  });
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    assert.ok(n < 1000, `never: ${condition.toString()}`);
    await sleep(5);
  }
}

async function streamsOnLanes({ app }: Fixture): Promise<number> {
  const report = await app.inject({ url: "/admin/memory" });
  return report.json<{ http: { streamsOnLanes: number } }>().http.streamsOnLanes;
}

describe.each([
  { version: "1.1", isOnLane: true },
  { version: "1.0", isOnLane: false },
])("over HTTP/$version", ({ version, isOnLane }) => {
  async function stream(served: Served, offset: string, isReading = true): Promise<RawClient> {
    const client = await served.connect(isReading);
    client.get(target(offset), version);
    return client;
  }

  test("the head comes at once, and nothing else until there is something", async () => {
    const served = await serve();
    const client = await stream(served, "0_inf");
    const head = await client.until("\r\n\r\n");
    const status = head.slice(0, head.indexOf("\r\n"));
    assert.equal(status, "HTTP/1.1 200 OK");
    for (const line of [
      "content-type: text/event-stream",
      "cache-control: public, max-age=59",
      `connection: ${isOnLane ? "keep-alive" : "close"}`,
      `electric-handle: ${HANDLE}`,
      "electric-offset: 0_inf",
      "electric-has-data: true",
      "electric-up-to-date: ",
      `etag: "${HANDLE}:0_inf:0_inf"`,
    ]) {
      assert.ok(head.toLowerCase().includes(`\r\n${line.toLowerCase()}\r\n`), line);
    }
    assert.match(head, /electric-cursor: \d+/);
    assert.doesNotMatch(head, /\r\n(electric-schema|content-length):/i);
    await sleep(30);
    assert.equal(client.received.length, head.length);
    assert.equal(await streamsOnLanes(served.fixture), isOnLane ? 1 : 0);
    client.leave();
  });

  test("each transaction, and where to continue behind it", async () => {
    const served = await serve();
    const { service } = served.fixture;
    const client = await stream(served, "0_inf");
    await client.until("\r\n\r\n");
    await eventually(() => service.waiterCount === 1);
    service.commit(200n, "items", [{ id: "4" }, { id: "5" }]);
    await client.until('"control"');
    await eventually(() => service.waiterCount === 1);
    service.lastProcessedLsn = 240n as Lsn;
    service.commit(300n, "items", [{ id: "6" }]);
    service.commit(308n, "empty", [{ id: "9" }]);
    await eventually(() => told(client.received).length === 5);
    const [four, five, first, six, second] = told(client.received);
    assert.deepEqual([four, five, first, six], ["4", "5", "@201", "6"]);
    // Behind 300 and before whatever comes for this shape.
    assert.ok(second === "@301" || second === "@308");
    client.leave();
    await eventually(() => service.waiterCount === 0);
  });

  test("behind a shape that is behind there is no place: it continues at what it has", async () => {
    const served = await serve();
    const { service } = served.fixture;
    service.lastProcessedLsn = 400n as Lsn;
    service.heldLsn = 199n as Lsn;
    const client = await stream(served, "0_inf");
    await client.until("\r\n\r\n");
    await eventually(() => service.waiterCount === 1);
    service.commit(200n, "items", [{ id: "4" }, { id: "5" }]);
    await client.until('"control"');
    assert.deepEqual(told(client.received), ["4", "5", "@200"]);
    service.heldLsn = undefined;
    service.lastProcessedLsn = 400n as Lsn;
    service.commit(500n, "items", [{ id: "6" }]);
    await eventually(() => told(client.received).length === 5);
    assert.deepEqual(told(client.received).slice(3), ["6", "@501"]);
    client.leave();
  });

  test("what was there at the beginning is sent, and the stream stays open", async () => {
    const served = await serve({ messagesPerChunk: 2, messagesPerPage: 1 });
    const { service } = served.fixture;
    const rows = ["4", "5", "6", "7", "8"].map((id) => ({ id }));
    service.commit(200n, "items", rows);
    const client = await stream(served, "0_inf");
    await client.until('"control"');
    // One up-to-date at the real end, across three chunks.
    assert.deepEqual(told(client.received), ["4", "5", "6", "7", "8", "@201"]);
    service.commit(300n, "items", [{ id: "9" }]);
    await eventually(() => told(client.received).length === 8);
    assert.deepEqual(told(client.received).slice(6), ["9", "@301"]);
    client.leave();
  });

  test("a snapshot is followed to its end", async () => {
    const served = await serve({ messagesPerChunk: 2 });
    const client = await stream(served, "0_0");
    await client.until("up-to-date");
    assert.deepEqual(told(client.received), ["3", "snapshot-end", "@100"]);
    client.leave();
  });

  test("the position that was told continues without a gap and without a repetition", async () => {
    const served = await serve();
    const { service } = served.fixture;
    service.commit(200n, "items", [{ id: "4" }, { id: "5" }]);
    const first = await stream(served, "0_inf");
    await first.until('"control"');
    const lsn = told(first.received).at(-1)!.slice(1);
    assert.equal(lsn, "201");
    first.leave();
    const second = await stream(served, `${lsn}_0`);
    await second.until("\r\n\r\n");
    await sleep(20);
    assert.deepEqual(told(second.received), []);
    service.commit(208n, "items", [{ id: "6" }]);
    await second.until('"control"');
    assert.deepEqual(told(second.received), ["6", "@209"]);
    second.leave();
  });

  test("the shape goes: the stream ends, and the next request is told", async () => {
    const served = await serve();
    const { service } = served.fixture;
    const client = await stream(served, "0_inf");
    await eventually(() => service.waiterCount === 1);
    await service.remove(HANDLE);
    if (isOnLane) await client.until("\r\n\r\n0\r\n\r\n");
    else await client.closed();
    const next = isOnLane ? client : await served.connect();
    next.get(target("0_inf"), version);
    assert.match(await next.until("must-refetch"), /409 Conflict/);
    next.leave();
  });

  test("it ends after its time, and the connection is good for another", async () => {
    const served = await serve({ config: { sseTimeoutMs: 300 } });
    const client = await stream(served, "0_inf");
    if (isOnLane) await client.until("\r\n\r\n0\r\n\r\n");
    else await client.closed();
    assert.match(client.received, /max-age=1\r\n/);
    await eventually(() => served.fixture.service.waiterCount === 0);
    if (!isOnLane) return;
    client.get("/v1/health");
    await client.until('{"status":"active"}');
    client.leave();
  });

  test("a client that stops reading is ended, and no more than pages are held for it", async () => {
    const served = await serve({
      messagesPerChunk: 500,
      config: { stalledReaderTimeoutMs: 200 },
    });
    const { service } = served.fixture;
    const client = await stream(served, "0_inf", false);
    await eventually(() => service.waiterCount === 1);
    const text = "x".repeat(120_000);
    const rows = Array.from({ length: 200 }, (_, id) => ({ id: String(id), text }));
    service.commit(200n, "items", rows);
    await eventually(() => service.openGenerators === 1);
    await eventually(() => service.openGenerators === 0);
    client.read();
    assert.doesNotMatch(await client.closed(), /up-to-date"/);
    await eventually(() => service.waiterCount === 0);
  });

  test("closing ends the stream", async () => {
    const served = await serve();
    const client = await stream(served, "0_inf");
    await eventually(() => served.fixture.service.waiterCount === 1);
    await served.fixture.app.close();
    const received = await client.closed();
    if (isOnLane) assert.match(received, /\r\n\r\n0\r\n\r\n$/);
  });

  test("errors, 409 and 304 are ordinary responses", async () => {
    const served = await serve({ config: { longPollTimeoutMs: 100 } });
    const unknown = await stream(served, "0_0");
    unknown.leave();
    const { fixture } = served;
    const live = { table: "items", offset: "0_inf", live: "true", live_sse: "true" };
    const conflict = await fixture.get({ ...live, handle: "1-1" });
    assert.equal(conflict.statusCode, 409);
    assert.equal(conflict.headers["electric-handle"], HANDLE);
    const beyond = await fixture.get({ ...live, offset: "900_0", handle: HANDLE });
    assert.equal(beyond.statusCode, 400);
    const etag = `"${HANDLE}:0_inf:0_inf"`;
    const same = await fixture.get({ ...live, handle: HANDLE }, { "if-none-match": etag });
    assert.equal(same.statusCode, 304);
  });
});

test("readers at the same place are one waiter, and a slow one does not hold up the others", async () => {
  const served = await serve({ messagesPerPage: 1 });
  const { service } = served.fixture;
  const clients = [await served.connect(), await served.connect(), await served.connect()];
  const slow = await served.connect(false);
  for (const client of [...clients, slow]) client.get(target("0_inf"));
  while ((await streamsOnLanes(served.fixture)) < 4) await sleep(5);
  await eventually(() => service.waiterCount === 1);
  // 12 MB, which no kernel holds for a client that does not read.
  const size = 60_000;
  const text = "x".repeat(size);
  for (let n = 1; n <= 200; n++) {
    service.commit(BigInt(n * 8 + 200), "items", [{ id: String(n), text }]);
    await eventually(() => clients.every(({ socket }) => socket.bytesRead > n * size));
  }
  slow.read();
  for (const client of [...clients, slow]) {
    await client.until('"global_last_seen_lsn":"1801"');
    const rows = told(client.received).filter((event) => !event.startsWith("@"));
    assert.deepEqual(
      rows,
      Array.from({ length: 200 }, (_, n) => String(n + 1)),
    );
    client.leave();
  }
  await eventually(() => service.waiterCount === 0);
});

test("a HEAD is the head of a stream", async () => {
  const served = await serve();
  const client = await served.connect();
  client.send(`HEAD ${target("0_inf")} HTTP/1.1\r\nhost: x\r\n\r\n`);
  assert.match(await client.until("\r\n\r\n"), /text\/event-stream/);
  client.get("/v1/health");
  await client.until('{"status":"active"}');
  client.leave();
});

test("16.4: the official client follows by events, across the end of a stream and a rotation", async () => {
  const { fixture } = await serve({ config: { sseTimeoutMs: 1_500 }, messagesPerChunk: 2 });
  const { port } = fixture.app.server.address() as { port: number };
  const abort = new AbortController();
  const errors: unknown[] = [];
  const requests: string[] = [];
  const stream = new ShapeStream({
    url: `http://127.0.0.1:${port}/v1/shape`,
    params: { table: "items" },
    liveSse: true,
    signal: abort.signal,
    onError: (error) => void errors.push(error),
    fetchClient: (...args: Parameters<typeof fetch>) => {
      requests.push(args[0] as string);
      return fetch(...args);
    },
  });
  const shape = new Shape(stream as ShapeStreamInterface);
  const seen: string[] = [];
  stream.subscribe((messages) => {
    for (const message of messages)
      if ("key" in message) seen.push(`${message.value["id"] as number}`);
  });
  const has = async (...ids: number[]): Promise<void> => {
    await eventually(() => {
      const found = shape.currentRows.map((row) => row["id"] as number);
      return found.sort((a, b) => a - b).join() === ids.join();
    });
  };
  await has(1, 2, 3);
  await eventually(() => requests.some((url) => url.includes("live_sse=true")));
  await eventually(() => fixture.service.waiterCount === 1);
  fixture.service.commit(200n, "items", [{ id: "4" }, { id: "5" }, { id: "6" }]);
  await has(1, 2, 3, 4, 5, 6);
  fixture.service.commit(300n, "items", [{ id: "7" }]);
  await has(1, 2, 3, 4, 5, 6, 7);
  // The stream ends; what comes then is not missed, and nothing is told twice.
  await sleep(2_000);
  fixture.service.commit(400n, "items", [{ id: "8" }]);
  await has(1, 2, 3, 4, 5, 6, 7, 8);
  assert.deepEqual(seen.sort(), ["1", "2", "3", "4", "5", "6", "7", "8"]);

  fixture.service.setTable("items", [{ id: "9" }]);
  await fixture.service.remove(stream.shapeHandle as ShapeHandle);
  await has(9);
  abort.abort();
  assert.deepEqual(errors, []);
  assert.deepEqual(fixture.log, []);
});
