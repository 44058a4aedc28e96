/**
 * What Node's own `fetch` does with an answer that has arrived whole when its request is given up.
 *
 * Goal: to know whether clients on Node need a way round. Up to undici 6 (Node 20 and 22) the body
 * of a compressed answer that is not decoded yet is forgotten then: neither read nor refused, and
 * whoever awaits it waits for ever. The official client gives requests up to look for news at once
 * (`forceDisconnectAndRefresh`) and awaits bodies without a limit of time. Hence `UNCOMPRESSED`.
 * Method: no litz, only Node; the threads that decode are kept busy until the request is given up.
 */

import { pbkdf2 } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { gunzip, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNCOMPRESSED } from "./fixture.ts";

const TEXT = "x".repeat(2000);
const COMPRESSED = gzipSync(TEXT);

/** As many as libuv has, unless it is told otherwise. */
const THREADS = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);

const isForgetful = Number.parseInt(process.versions["undici"]!) <= 6;

let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const isCompressed = request.headers["accept-encoding"]!.includes("gzip");
    if (isCompressed) response.setHeader("content-encoding", "gzip");
    const body = isCompressed ? COMPRESSED : Buffer.from(TEXT);
    // A client has its answer when the headers are there.
    response.write(body.subarray(0, 10));
    server.once("rest", () => response.end(body.subarray(10)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Keeps the threads busy. Resolves when they are free and have done what came meanwhile. */
async function occupyThreads(): Promise<void> {
  const derive = promisify(pbkdf2);
  const jobs = Array.from({ length: THREADS }, () => derive("", "", 50_000, 64, "sha512"));
  await Promise.all(jobs);
  for (let n = 0; n < THREADS; n++) await promisify(gunzip)(COMPRESSED);
}

/** Resolves when an answer has arrived to its last byte. */
function arrival(): Promise<void> {
  const channel = "undici:request:trailers";
  return new Promise((resolve) => {
    const arrived = (): void => {
      unsubscribe(channel, arrived);
      resolve();
    };
    subscribe(channel, arrived);
  });
}

test.for([
  { asked: "what Node asks for", headers: {}, outcome: isForgetful ? "forgotten" : "refused" },
  { asked: "no compression", headers: UNCOMPRESSED, outcome: "read" },
])("an answer to $asked, given up when it is there, is $outcome", async ({ headers, outcome }) => {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  let found = "forgotten";
  void response.text().then(
    (text) => (found = text === TEXT ? "read" : text),
    () => (found = "refused"),
  );
  const free = occupyThreads();
  const arrived = arrival();
  server.emit("rest");
  await arrived;
  await new Promise(setImmediate);
  abort.abort();
  await free;
  expect(found).toBe(outcome);
});
