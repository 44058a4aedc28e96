/**
 * HTTP/2 and HTTP/1.1 over TLS, with a certificate made here.
 *
 * Goal: both protocols serve logs, long-polls and event streams as in the clear, closing ends, and
 * the certificate is kept, private and replaced in time. Method: Node's own clients, which trust
 * that certificate and no other, over the in-memory service.
 */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { get } from "node:https";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, test } from "vitest";
import { developmentCertificate, type Certificate } from "../../src/http/https-certificate.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { MemoryShapeService, sleep } from "../support/memory-shape-service.ts";
import { shapeUrl, testConfigWith } from "./edge-fixture.ts";

const HANDLE = "4711-1700000000000001";
const INITIAL = shapeUrl({ table: "items", offset: "-1" });
const LIVE = shapeUrl({ table: "items", offset: "0_inf", handle: HANDLE, live: "true" });

const temporary = makeTemporaryDirectory();
const directory = join(temporary.path, "https");
let certificate: Certificate;
const ends: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  certificate = await developmentCertificate(directory, systemClock);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => temporary.remove());

async function serve() {
  const service = new MemoryShapeService();
  service.setTable("items", [{ id: "1" }, { id: "2" }]);
  const app = createHttpServer(
    {
      service,
      config: testConfigWith({ longPollTimeoutMs: 60_000 }),
      memoryReport: () => ({}),
      logger: silentLogger,
      clock: systemClock,
    },
    certificate,
  );
  await app.listen({ port: 0, host: "127.0.0.1" });
  ends.push(() => app.close());
  const { port } = app.server.address() as { port: number };
  return { app, service, port };
}

function session(port: number): ClientHttp2Session {
  const client = connect(`https://127.0.0.1:${port}`, { ca: certificate.cert });
  ends.push(() => client.destroy());
  return client;
}

interface Answer {
  readonly stream: ClientHttp2Stream;
  readonly headers: Record<string, unknown>;
  readonly text: () => string;
  readonly ended: () => Promise<string>;
}

async function ask(client: ClientHttp2Session, path: string): Promise<Answer> {
  const stream = client.request({ ":path": path });
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  const ended = new Promise<string>((resolve) => stream.once("end", () => resolve(text)));
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    stream.once("response", resolve).once("error", reject);
  });
  return { stream, headers, text: () => text, ended: () => ended };
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    assert.ok(n < 1000, `never: ${condition.toString()}`);
    await sleep(5);
  }
}

test("HTTP/2: a log, twenty long-polls on one connection, and what follows", async () => {
  const { port, service } = await serve();
  const client = session(port);
  const initial = await ask(client, INITIAL);
  assert.equal(initial.headers[":status"], 200);
  assert.equal(initial.headers["electric-handle"], HANDLE);
  assert.equal((JSON.parse(await initial.ended()) as unknown[]).length, 3);

  const held = Array.from({ length: 20 }, () => ask(client, LIVE));
  await eventually(() => service.waiterCount === 20);
  service.commit(200n, "items", [{ id: "3" }]);
  for (const { headers, ended } of await Promise.all(held)) {
    assert.equal(headers["electric-offset"], "200_0");
    assert.match(await ended(), /"id":"3".*"up-to-date"/s);
  }
  const gone = client.request({ ":path": LIVE.replace("0_inf", "200_0") });
  gone.on("error", () => undefined);
  await eventually(() => service.waiterCount === 1);
  gone.destroy();
  await eventually(() => service.waiterCount === 0);
});

test("HTTP/2: a preflight has no header of HTTP/1", async () => {
  const { port } = await serve();
  const stream = session(port).request({ ":method": "OPTIONS", ":path": "/v1/shape" });
  const headers = await new Promise<Record<string, unknown>>((resolve) => {
    stream.once("response", resolve);
  });
  assert.equal(headers[":status"], 204);
  assert.equal(headers["connection"], undefined);
  stream.close();
});

test("HTTP/2: an event stream", async () => {
  const { port, service } = await serve();
  const client = session(port);
  await (await ask(client, INITIAL)).ended();
  const events = await ask(client, `${LIVE}&live_sse=true`);
  assert.equal(events.headers["content-type"], "text/event-stream");
  assert.equal(events.headers["connection"], undefined);
  service.commit(200n, "items", [{ id: "3" }]);
  await eventually(() => events.text().includes('"global_last_seen_lsn":"201"'));
  events.stream.close();
  await eventually(() => service.waiterCount === 0);
});

test("HTTP/1.1 over TLS, for a client that offers nothing else", async () => {
  const { port, service } = await serve();
  const fetchText = async (path: string): Promise<string> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path, ca: certificate.cert };
      get(options, resolve).on("error", reject);
    });
    let text = "";
    for await (const part of response) text += String(part);
    return text;
  };
  assert.match(await fetchText(INITIAL), /snapshot-end/);
  const held = fetchText(LIVE);
  await eventually(() => service.waiterCount === 1);
  service.commit(200n, "items", [{ id: "3" }]);
  assert.match(await held, /"id":"3"/);
});

test("closing answers what waits, and does not wait for sessions that idle", async () => {
  const { app, port, service } = await serve();
  const [client, idle] = [session(port), session(port)];
  await (await ask(client, INITIAL)).ended();
  await (await ask(idle, "/v1/health")).ended();
  const held = ask(client, LIVE);
  await eventually(() => service.waiterCount === 1);
  const closing = app.close();
  assert.match(await (await held).ended(), /up-to-date/);
  await closing;
});

test("the certificate is for this machine, kept, and its key is private", async () => {
  const again = await developmentCertificate(directory, systemClock);
  assert.deepEqual(again, certificate);
  assert.equal(again.path, join(directory, "certificate.pem"));
  assert.equal(statSync(join(directory, "key.pem")).mode & 0o777, 0o600);
  const { subjectAltName, ca } = new X509Certificate(again.cert);
  assert.equal(ca, false);
  const names = "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1";
  assert.equal(subjectAltName, names);
  assert.equal((await developmentCertificate(undefined, systemClock)).path, undefined);
});

test("a certificate that is about to expire, or is none, is replaced", async () => {
  const other = join(temporary.path, "other");
  const first = await developmentCertificate(other, systemClock);
  const later = { ...systemClock, nowMilliseconds: () => Date.now() + 360 * 86_400_000 };
  const second = await developmentCertificate(other, later);
  assert.notEqual(second.cert, first.cert);
  writeFileSync(join(other, "certificate.pem"), "nonsense");
  const third = await developmentCertificate(other, later);
  assert.notEqual(third.cert, second.cert);
  assert.deepEqual(await developmentCertificate(other, later), third);
});
