/**
 * Compressed bodies.
 *
 * Goal: what is decoded is what would have been sent, at once as far as it has been made; live
 * answers, short ones and those for old proxies stay as they are; nothing is left of a reader who
 * goes or stalls. Method: injected requests and clients that write bytes, over the in-memory
 * service.
 */

import assert from "node:assert/strict";
import { get as request, type IncomingMessage } from "node:http";
import { brotliDecompressSync, constants, createGunzip, gunzipSync } from "node:zlib";
import fc from "fast-check";
import { test } from "vitest";
import { compress, negotiate, type Encoding } from "../../src/http/compression.ts";
import { sleep, type Row } from "../support/memory-shape-service.ts";
import { checkAsync } from "../support/property.ts";
import { makeFixture, shapeUrl } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const HANDLE = "4711-1700000000000001";
const TEXT = "all work and no play ".repeat(20);

function rows(count: number): Row[] {
  return Array.from({ length: count }, (_, id) => ({ id: String(id), text: TEXT }));
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    assert.ok(n < 1000, `never: ${condition.toString()}`);
    await sleep(5);
  }
}

test("the client's weights decide, and gzip where they do not", () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ["", undefined],
    ["identity", undefined],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["br", "br"],
    ["GZIP, Deflate, BR", "gzip"],
    ["gzip;q=0.5, br;q=0.8", "br"],
    ["gzip;q=0, br", "br"],
    ["gzip;q=0, br;q=0", undefined],
    ["*", "gzip"],
    ["*;q=0", undefined],
    ["gzip;q=0, *", "br"],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip", "gzip"],
    ["identity;q=0, gzip;q=0.1", "gzip"],
    ["zstd, deflate", undefined],
    ["gzip;q=nonsense", undefined],
    [";;,,gzip", "gzip"],
  ] as const) {
    assert.equal(negotiate(header), expected, header);
  }
});

const encodings = { gzip: gunzipSync, br: brotliDecompressSync };

test.for(Object.keys(encodings) as Encoding[])(
  "%s: decoded, every body is itself",
  async (name) => {
    const page = fc.uint8Array({ maxLength: 3000 });
    await checkAsync(
      fc.asyncProperty(
        fc.array(page, { maxLength: 5 }),
        fc.option(fc.string()),
        async (pages, tail) => {
          // eslint-disable-next-line @typescript-eslint/require-await -- the interface is
          const generator = (async function* (): AsyncGenerator<Uint8Array, void, void> {
            yield* pages;
          })();
          const frame = { opening: "[", closing: "]" };
          const first = await generator.next();
          const plain = { pages: { first, pages: generator }, frame, tail: tail ?? undefined };
          const { pages: encoded } = await compress(plain, name);
          const parts: Uint8Array[] = [];
          for (let step = encoded.first; !step.done; step = await encoded.pages.next()) {
            parts.push(step.value);
          }
          const whole = Buffer.concat(pages.filter(({ length }) => length > 0));
          const separator = tail === null || whole.length === 0 ? "" : ",\n";
          const expected = Buffer.concat([
            Buffer.from("["),
            whole,
            Buffer.from(`${separator}${tail ?? ""}]`),
          ]);
          assert.deepEqual(encodings[name](Buffer.concat(parts)), expected);
        },
      ),
      30,
    );
  },
);

test.for(Object.keys(encodings) as Encoding[])(
  "%s over HTTP, with the plain body's entity tag",
  async (name) => {
    const { get } = makeFixture({ rows: rows(50) });
    const plain = await get({ table: "items", offset: "-1" });
    const response = await get({ table: "items", offset: "-1" }, { "accept-encoding": name });
    assert.equal(response.headers["content-encoding"], name);
    assert.equal(response.headers.vary, "accept-encoding");
    assert.equal(response.headers.etag, plain.headers.etag);
    assert.equal(plain.headers.vary, "accept-encoding");
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(encodings[name](response.rawPayload).toString(), plain.body);
    assert.ok(response.rawPayload.length < plain.rawPayload.length / 5);
    const etag = response.headers.etag!;
    const given = { "accept-encoding": name, "if-none-match": `W/${etag}` };
    const same = await get({ table: "items", offset: "-1" }, given);
    assert.equal(same.statusCode, 304);
    assert.equal(same.headers.vary, "accept-encoding");
    assert.equal(same.headers["content-encoding"], undefined);
  },
);

test("short and live answers, and those that are switched off, are plain", async () => {
  const accepting = { "accept-encoding": "gzip, br" };
  const { get, service } = makeFixture({ rows: rows(50) });
  await get({ table: "items", offset: "-1" });
  const upToDate = await get({ table: "items", offset: "0_0", handle: HANDLE }, accepting);
  assert.equal(upToDate.headers["content-encoding"], undefined);
  service.commit(200n, "items", rows(50));
  const catchUp = { table: "items", offset: "0_inf", handle: HANDLE };
  assert.equal((await get(catchUp, accepting)).headers["content-encoding"], "gzip");
  const live = await get({ ...catchUp, live: "true" }, accepting);
  assert.equal(live.headers["content-encoding"], undefined);
  assert.equal(live.headers.vary, undefined);
  const off = makeFixture({ rows: rows(50), config: { isCompressing: false } });
  const plain = await off.get({ table: "items", offset: "-1" }, accepting);
  assert.equal(plain.headers["content-encoding"], undefined);
});

test("HTTP/1.0 is answered plainly", async () => {
  const port = await makeFixture({ rows: rows(50) }).listen();
  const client = await RawClient.connect(port);
  const url = shapeUrl({ table: "items", offset: "-1" });
  client.send(`GET ${url} HTTP/1.0\r\naccept-encoding: gzip\r\n\r\n`);
  assert.doesNotMatch(await client.closed(), /content-encoding/i);
});

test("a page is readable before the next is made", async () => {
  const fixture = makeFixture({ rows: rows(20), messagesPerPage: 5 });
  let finish = (): void => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (finish = resolve));
  const port = await fixture.listen();
  const response = await new Promise<IncomingMessage>((resolve) => {
    const path = shapeUrl({ table: "items", offset: "-1" });
    const headers = { "accept-encoding": "gzip" };
    request({ port, host: "127.0.0.1", path, headers }, resolve);
  });
  let text = "";
  response
    .pipe(createGunzip({ finishFlush: constants.Z_SYNC_FLUSH }))
    .on("data", (part: Buffer) => {
      text += part.toString();
    });
  await eventually(() => text.includes('"value":{"id":"9"'));
  assert.doesNotMatch(text, /snapshot-end/);
  finish();
  await eventually(() => text.endsWith("]"));
  assert.equal((JSON.parse(text) as unknown[]).length, 21);
});

test("a reader who leaves or stalls leaves nothing behind", async () => {
  const fixture = makeFixture({
    // Nothing shrinks what is random.
    rows: Array.from({ length: 300 }, (_, id) => ({ id: String(id), text: noise(id) })),
    messagesPerChunk: 500,
    config: { stalledReaderTimeoutMs: 200 },
  });
  const port = await fixture.listen();
  const url = shapeUrl({ table: "items", offset: "-1" });
  for (const leaves of [true, false]) {
    const client = await RawClient.connect(port, false);
    client.send(`GET ${url} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n`);
    await eventually(() => fixture.service.openGenerators === 1);
    if (leaves) client.leave();
    await eventually(() => fixture.service.openGenerators === 0);
    client.leave();
  }
});

/** 60 kB of text that does not repeat itself. */
function noise(seed: number): string {
  let state = seed + 1;
  const bytes = Buffer.alloc(45_000);
  for (let n = 0; n < bytes.length; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[n] = state >>> 24;
  }
  return bytes.toString("base64");
}
