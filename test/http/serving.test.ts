/**
 * Serving logs: protocol sections 4 and 5, and the transcripts of section 19.
 *
 * Goal: status, headers and body of every case of the serving algorithm; that no change is missed
 * and no position is told too early. Method: injected requests over the in-memory service, whose
 * transactions are committed at the moments that matter. The long-poll timeout is below a second,
 * so a cursor is the previous one plus one (4.5, T = 0).
 */

import assert from "node:assert/strict";
import type { LightMyRequestResponse } from "fastify";
import { beforeEach, test } from "vitest";
import { COMPRESSED_BYTES_MIN } from "../../src/http/limits.ts";
import { LitzError } from "../../src/lib/errors.ts";
import type { ShapeHandle } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { changeBody, rowBody, sleep, SNAPSHOT_END_BODY } from "../support/memory-shape-service.ts";
import { makeFixture, NOW, type Fixture } from "./edge-fixture.ts";

const NON_LIVE = "public, max-age=60, stale-while-revalidate=300";
const LIVE = "public, max-age=5, stale-while-revalidate=5";
const INITIAL = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746";
const JSON_TYPE = "application/json; charset=utf-8";
const SCHEMA = '{"id":{"type":"int4","pk_index":0,"not_null":true}}';
const MUST_REFETCH = '[{"headers":{"control":"must-refetch"}}]';
const ROWS = ["1", "2", "3"].map((id) => rowBody("items", { id }));

let fixture: Fixture;
beforeEach(() => {
  fixture = makeFixture({ now: () => NOW });
});

/** For requests that are to wait until something happens, however slow the machine is. */
function holdFor(longPollTimeoutMs: number): void {
  fixture = makeFixture({ now: () => NOW, config: { longPollTimeoutMs } });
}

const upToDate = (lsn: number): string =>
  `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lsn}"}}`;

const change = (id: string, lsn: number, op: number, last: boolean): string =>
  changeBody("items", { id }, BigInt(lsn), op, last);

function get(
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> {
  return fixture.get({ table: "items", ...parameters }, headers);
}

/** Makes the shape and reads its snapshot's first chunk. */
async function createShape(): Promise<ShapeHandle> {
  return (await get({ offset: "-1" })).headers["electric-handle"] as ShapeHandle;
}

function relevantHeaders(response: LightMyRequestResponse): unknown {
  const names = /^(electric-(?!server)|etag|cache-control|surrogate|content-type|retry)/;
  return Object.fromEntries(Object.entries(response.headers).filter(([name]) => names.test(name)));
}

/** Messages are told apart by their commas, whatever blanks stand around them. */
const bodyOf = (...messages: string[]): unknown => JSON.parse(`[${messages.join(",")}]`);

async function waiting(): Promise<void> {
  while (fixture.service.waiterCount === 0) await sleep(1);
}

test("5.4: a short chunk goes out in one piece, byte for byte what it is when it is streamed", async () => {
  const handle = await createShape();
  fixture.service.commit(200n, "items", [{ id: "4" }, { id: "ü" }]);
  const parameters = { handle, offset: "0_inf" };
  const streamed = await get(parameters);
  fixture.service.hasWholeChunks = true;
  const whole = await get(parameters);
  assert.equal(whole.body, streamed.body);
  assert.deepEqual(relevantHeaders(whole), relevantHeaders(streamed));
  assert.equal(whole.headers["content-length"], String(Buffer.byteLength(streamed.body)));
  assert.equal(streamed.headers["content-length"], undefined);
  fixture.service.commit(300n, "items", [{ id: "x".repeat(COMPRESSED_BYTES_MIN) }]);
  const long = await get({ handle, offset: "200_2" }, { "accept-encoding": "gzip" });
  assert.equal(long.headers["content-encoding"], "gzip");
});

test("5.4: -1 answers the first chunk of the snapshot and never up-to-date", async () => {
  const response = await get({ offset: "-1" });
  const handle = response.headers["electric-handle"] as string;
  assert.equal(response.statusCode, 200);
  assert.equal(response.body, `[${[...ROWS, SNAPSHOT_END_BODY].join(",\n")}]`);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": INITIAL,
    etag: `"${handle}:-1:0_0"`,
    "electric-handle": handle,
    "electric-offset": "0_0",
    "electric-has-data": "true",
    "electric-schema": SCHEMA,
  });
});

test("4.2: -1 has one etag, also after changes", async () => {
  const before = await get({ offset: "-1" });
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  const after = await get({ offset: "-1_0" });
  assert.equal(after.headers.etag, before.headers.etag);
  assert.equal(after.body, before.body);
});

test("5.4: the end of a snapshot, with nothing after it", async () => {
  const handle = await createShape();
  const response = await get({ offset: "0_0", handle });
  assert.equal(response.body, `[${upToDate(100)}]`);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": NON_LIVE,
    etag: `"${handle}:0_0:0_inf"`,
    "electric-handle": handle,
    "electric-offset": "0_inf",
    "electric-has-data": "true",
    "electric-up-to-date": "",
    "electric-schema": SCHEMA,
  });
});

test("5.4: changes, up to date, with the larger of the two positions", async () => {
  const handle = await createShape();
  fixture.service.commit(200n, "items", [{ id: "4" }, { id: "5" }]);
  const messages = [change("4", 200, 0, false), change("5", 200, 2, true)];
  const response = await get({ offset: "0_inf", handle });
  assert.equal(response.headers["electric-offset"], "200_2");
  assert.equal(response.body, `[${[...messages, upToDate(200)].join(",\n")}]`);
  fixture.service.lastProcessedLsn = 300n as Lsn;
  const later = await get({ offset: "200_00", handle });
  assert.deepEqual(later.json(), bodyOf(messages[1]!, upToDate(300)));
  assert.equal(later.headers.etag, `"${handle}:200_0:200_2"`);
});

test("19: a snapshot of two chunks, then a log of two chunks", async () => {
  fixture = makeFixture({ messagesPerChunk: 3 });
  const first = await get({ offset: "-1" });
  const handle = first.headers["electric-handle"] as string;
  assert.deepEqual(first.json(), bodyOf(...ROWS));
  const second = await get({ offset: "0_0", handle });
  assert.deepEqual(second.json(), bodyOf(SNAPSHOT_END_BODY));
  assert.equal(second.headers["electric-offset"], "0_1");
  assert.equal(second.headers["electric-up-to-date"], undefined);
  assert.equal((await get({ offset: "0_1", handle })).headers["electric-offset"], "0_inf");

  fixture.service.commit(200n, "items", [{ id: "4" }, { id: "5" }, { id: "6" }, { id: "7" }]);
  const third = await get({ offset: "0_1", handle });
  assert.equal(third.json<unknown[]>().length, 3);
  assert.equal(third.headers["electric-offset"], "200_4");
  assert.equal(third.headers["electric-up-to-date"], undefined);
  const fourth = await get({ offset: "200_4", handle });
  assert.deepEqual(fourth.json(), bodyOf(change("7", 200, 6, true), upToDate(200)));
});

test("5.4: a chunk that is being made is waited for", async () => {
  fixture = makeFixture({ messagesPerChunk: 3 });
  let finish = (): void => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (finish = resolve));
  const first = get({ offset: "-1" });
  await sleep(10);
  const second = get({ offset: "0_0", handle: "4711-1700000000000001" });
  await sleep(10);
  finish();
  assert.deepEqual((await first).json(), bodyOf(...ROWS));
  assert.deepEqual((await second).json(), bodyOf(SNAPSHOT_END_BODY));
});

test("2.1: changes_only begins with the end of the snapshot", async () => {
  const response = await get({ offset: "-1", log: "changes_only" });
  assert.deepEqual(response.json(), bodyOf(SNAPSHOT_END_BODY));
});

test("5.2: one definition is one shape, other constants another", async () => {
  const handles: unknown[] = [];
  for (const parameters of [
    { offset: "-1", where: "id = 1" },
    { offset: "-1", where: "id = 1", foo: "bar", cursor: "7", "cache-buster": "x" },
    { offset: "-1", where: "id = $1", "params[1]": "1" },
    { offset: "-1", where: "id = 2" },
    { offset: "-1" },
  ]) {
    handles.push((await get(parameters)).headers["electric-handle"]);
  }
  assert.equal(handles[0], handles[1]);
  assert.equal(handles[0], handles[2]);
  assert.equal(new Set(handles).size, 3);
});

test("4.4: an unknown handle is told the one of the definition, which is made on the spot", async () => {
  for (const handle of ["1-1", "nonsense", "4711-1700000000000009"]) {
    const response = await get({ offset: "0_0", handle, live: "true" });
    const known = "4711-1700000000000001";
    assert.equal(response.statusCode, 409);
    assert.equal(response.body, MUST_REFETCH);
    assert.deepEqual(relevantHeaders(response), {
      "content-type": JSON_TYPE,
      "cache-control": "public, max-age=60, must-revalidate",
      etag: `"${known}::"`,
      "electric-handle": known,
    });
  }
  assert.equal(fixture.service.shapeCount, 1);
});

test("4.4: the handle of another definition is as good as unknown", async () => {
  const handle = await createShape();
  const response = await get({ offset: "0_0", handle, where: "id = 1" });
  assert.equal(response.statusCode, 409);
  assert.notEqual(response.headers["electric-handle"], handle);
  for (const offset of ["-1", "now"]) {
    assert.equal((await get({ offset, handle: "nonsense" })).statusCode, 200);
  }
});

test("4.4: a shape that goes while it is waited for", async () => {
  holdFor(60_000);
  const handle = await createShape();
  const held = get({ offset: "0_inf", handle, live: "true" });
  await waiting();
  await fixture.service.remove(handle);
  const response = await held;
  assert.equal(response.statusCode, 409);
  assert.equal(response.body, MUST_REFETCH);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": "public, max-age=1, must-revalidate",
  });
});

test("4.4: a shape that was replaced while it was waited for", async () => {
  holdFor(60_000);
  const handle = await createShape();
  const definition = fixture.service.definitionOf(handle)!;
  const held = get({ offset: "0_inf", handle, live: "true" });
  await waiting();
  const removed = fixture.service.remove(handle);
  const replacement = await fixture.service.findOrCreate(definition);
  await removed;
  const response = await held;
  assert.equal(response.statusCode, 409);
  assert.notEqual(replacement.handle, handle);
  assert.equal(response.headers["electric-handle"], replacement.handle);
});

test("4.4: a handle that was found stale is not told again, whatever the service finds", async () => {
  const handle = await createShape();
  const shape = fixture.service.find(fixture.service.definitionOf(handle)!)!;
  Object.assign(shape, { isCurrent: false });
  const response = await get({ offset: "0_inf", handle });
  assert.equal(response.statusCode, 409);
  assert.equal(response.headers["electric-handle"], undefined);
});

test("4.4: a log that goes while it is read, and a schema that changes under a snapshot", async () => {
  for (const [at, code, httpStatus] of [
    ["create", "SHAPE_REMOVED", 409],
    ["snapshot", "SCHEMA_CHANGED", 500],
    ["snapshot", "SHAPE_REMOVED", 409],
    ["read", "SHAPE_GONE", 409],
  ] as const) {
    fixture.service.nextFailure = { at, error: new LitzError("x", { code, httpStatus }) };
    const response = await get({ offset: "-1" });
    assert.equal(response.statusCode, 409, code);
    assert.equal(response.body, MUST_REFETCH);
    assert.equal(response.headers["electric-handle"], undefined);
  }
});

test("4.2: 304 for what the client has", async () => {
  const handle = await createShape();
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  for (const parameters of [{ offset: "-1" }, { offset: "0_0", handle }]) {
    const full = await get(parameters);
    const etag = full.headers.etag!;
    for (const given of [etag, `W/${etag}`, `"x", ${etag}`, etag.replaceAll('"', "")]) {
      const response = await get(parameters, { "if-none-match": given });
      assert.equal(response.statusCode, 304, given);
      assert.equal(response.body, "");
      const expected = relevantHeaders(full) as Record<string, string>;
      delete expected["electric-schema"];
      assert.deepEqual(relevantHeaders(response), expected);
    }
    assert.equal((await get(parameters, { "if-none-match": '"x"' })).statusCode, 200);
  }
});

test("4.2: a live request with the matching etag is not held", async () => {
  const handle = await createShape();
  const live = { offset: "0_inf", handle, live: "true" };
  const response = await get(live, { "if-none-match": `"${handle}:0_inf:0_inf"` });
  assert.equal(response.statusCode, 304);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": LIVE,
    etag: `"${handle}:0_inf:0_inf"`,
    "electric-handle": handle,
    "electric-offset": "0_inf",
    "electric-has-data": "true",
    "electric-up-to-date": "",
    "electric-cursor": "1",
  });
});

test("5.6: now answers the end of the log at once and makes the shape", async () => {
  const response = await get({ offset: "now" });
  const handle = response.headers["electric-handle"] as string;
  assert.equal(response.body, `[${upToDate(100)}]`);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": NON_LIVE,
    etag: `"${handle}:now:0_inf:${NOW * 1000 + 1}"`,
    "electric-handle": handle,
    "electric-offset": "0_inf",
    "electric-has-data": "false",
    "electric-up-to-date": "",
    "electric-schema": SCHEMA,
  });
  assert.equal(fixture.service.shapeCount, 1);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  fixture.service.lastProcessedLsn = 250n as Lsn;
  const later = await get({ offset: "now" });
  assert.equal(later.headers["electric-offset"], "200_0");
  assert.equal(later.body, `[${upToDate(250)}]`);
  assert.notEqual(later.headers.etag, response.headers.etag);
});

test("5.7: a live request for what is there already is answered at once", async () => {
  const handle = await createShape();
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  fixture.service.lastProcessedLsn = 300n as Lsn;
  const response = await get({ offset: "0_inf", handle, live: "true", cursor: "5" });
  assert.deepEqual(response.json(), bodyOf(change("4", 200, 0, true), upToDate(200)));
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": LIVE,
    etag: `"${handle}:0_inf:200_0"`,
    "electric-handle": handle,
    "electric-offset": "200_0",
    "electric-has-data": "true",
    "electric-up-to-date": "",
    "electric-cursor": "6",
  });
});

test("5.7: a live request waits for a change", async () => {
  holdFor(60_000);
  const handle = await createShape();
  const held = get({ offset: "0_0", handle, live: "" });
  await waiting();
  fixture.service.commit(150n, "empty", [{ id: "9" }]);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  const response = await held;
  assert.deepEqual(response.json(), bodyOf(change("4", 200, 0, true), upToDate(200)));
  assert.equal(response.headers["electric-offset"], "200_0");
  assert.equal(response.headers["electric-has-data"], "true");
});

test("5.7: nothing happens until the timeout", async () => {
  holdFor(900);
  const handle = await createShape();
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  const held = get({ offset: "200_0", handle, live: "true" });
  await waiting();
  fixture.service.lastProcessedLsn = 300n as Lsn;
  const response = await held;
  assert.equal(response.body, `[${upToDate(300)}]`);
  assert.deepEqual(relevantHeaders(response), {
    "content-type": JSON_TYPE,
    "cache-control": LIVE,
    etag: `"${handle}:200_0:200_0:${NOW * 1000 + 1}"`,
    "electric-handle": handle,
    "electric-offset": "200_0",
    "electric-has-data": "false",
    "electric-up-to-date": "",
    "electric-cursor": "1",
  });
  assert.equal(fixture.service.waiterCount, 0);
});

test("5.7: the service is not well when the timeout comes", async () => {
  holdFor(900);
  const handle = await createShape();
  const held = get({ offset: "0_inf", handle, live: "true" });
  await waiting();
  fixture.service.status = "starting";
  const response = await held;
  assert.equal(response.statusCode, 503);
  assert.equal(response.body, '{"message":"Timeout waiting for Postgres lock acquisition"}');
  assert.equal(response.headers["retry-after"], "10");
});

test("5.7: live inside a snapshot answers its next chunk", async () => {
  fixture = makeFixture({ messagesPerChunk: 3 });
  const handle = await createShape();
  const response = await get({ offset: "0_0", handle, live: "true" });
  assert.deepEqual(response.json(), bodyOf(SNAPSHOT_END_BODY));
  assert.equal(response.headers["electric-offset"], "0_1");
  assert.equal(response.headers["electric-up-to-date"], undefined);
  assert.notEqual(response.headers["electric-cursor"], undefined);
});

test("5.7: a change between the read and the wait is not slept through", async () => {
  fixture = makeFixture({ config: { longPollTimeoutMs: 10_000 } });
  const handle = await createShape();
  const shape = fixture.service.find(fixture.service.definitionOf(handle)!)!;
  const wait = shape.waitForChange.bind(shape);
  shape.waitForChange = (...args) => {
    fixture.service.commit(200n, "items", [{ id: "4" }]);
    return wait(...args);
  };
  const begun = Date.now();
  const response = await get({ offset: "0_inf", handle, live: "true" });
  assert.equal(response.headers["electric-offset"], "200_0");
  assert.ok(Date.now() - begun < 5_000);
});

test("5.7: a wait that ends for nothing goes on until the timeout", async () => {
  fixture = makeFixture();
  const handle = await createShape();
  const shape = fixture.service.find(fixture.service.definitionOf(handle)!)!;
  const wait = shape.waitForChange.bind(shape);
  let count = 0;
  shape.waitForChange = (...args) => {
    count += 1;
    return count < 5 ? Promise.resolve("changed") : wait(...args);
  };
  const begun = Date.now();
  const response = await get({ offset: "0_inf", handle, live: "true" });
  assert.equal(response.headers["electric-has-data"], "false");
  assert.equal(count, 5);
  assert.ok(Date.now() - begun >= 90);
});

test("5.4: a change during the read is not claimed to have been seen", async () => {
  const handle = await createShape();
  const shape = fixture.service.find(fixture.service.definitionOf(handle)!)!;
  const read = shape.log.readChunk.bind(shape.log);
  shape.log.readChunk = async (...args) => {
    const chunk = await read(...args);
    fixture.service.commit(200n, "items", [{ id: "4" }]);
    return chunk;
  };
  const response = await get({ offset: "0_inf", handle });
  assert.equal(response.body, `[${upToDate(100)}]`);
});

test("5.7: a change that comes with the timeout is served", async () => {
  const handle = await createShape();
  const shape = fixture.service.find(fixture.service.definitionOf(handle)!)!;
  shape.waitForChange = () => {
    fixture.service.commit(200n, "items", [{ id: "4" }]);
    return Promise.resolve("timeout");
  };
  const response = await get({ offset: "0_inf", handle, live: "true" });
  assert.deepEqual(response.json(), bodyOf(change("4", 200, 0, true), upToDate(200)));
});

test("5.5: beyond the log but not beyond the global position is the end of the log", async () => {
  const handle = await createShape();
  const response = await get({ offset: "100_7", handle });
  assert.equal(response.body, `[${upToDate(100)}]`);
  assert.equal(response.headers["electric-offset"], "100_7");
});

test("5.5: an offset from the future that stays in the future", async () => {
  const handle = await createShape();
  // 101 is what an event stream says at 100 (5.8).
  assert.equal((await get({ offset: "101_0", handle })).statusCode, 200);
  const begun = Date.now();
  const response = await get({ offset: "102_0", handle });
  assert.ok(Date.now() - begun >= 45, "waits for half the timeout of a long-poll");
  assert.equal(response.statusCode, 400);
  assert.deepEqual(response.json(), {
    message: "Invalid request",
    errors: { offset: ["out of bounds for this shape"] },
  });
});

test("5.5: an offset from the future that becomes the present, or loses its shape", async () => {
  holdFor(60_000);
  const handle = await createShape();
  const byChange = get({ offset: "200_0", handle });
  await waiting();
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  assert.equal((await byChange).headers["electric-offset"], "200_0");

  const byPosition = get({ offset: "300_0", handle });
  await waiting();
  fixture.service.lastProcessedLsn = 300n as Lsn;
  assert.equal((await byPosition).headers["electric-offset"], "300_0");

  const byRemoval = get({ offset: "400_0", handle });
  await waiting();
  await fixture.service.remove(handle);
  assert.equal((await byRemoval).statusCode, 409);
});
