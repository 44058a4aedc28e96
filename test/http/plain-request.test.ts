/**
 * Goal: what `parsePlainRequest` takes, Node's own parser takes too, as one whole request, and
 * reads in the same way; nobody can smuggle anything past the one or the other. Method: heads made
 * of pieces that are plain, nearly so, and not at all; what was taken is sent to Node's server.
 */

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { parsePlainRequest } from "../../src/http/plain-request.ts";
import { checkAsync } from "../support/property.ts";
import { RawClient } from "./raw-client.ts";

const PLAIN = "GET /v1/shape?table=items&offset=-1 HTTP/1.1\r\nhost: x\r\n\r\n";

let seen: IncomingMessage[] = [];
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request);
    response.end("answered");
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function parse(text: string) {
  return parsePlainRequest(Buffer.from(text, "latin1"));
}

test("a plain request is taken", () => {
  assert.deepEqual(parse(PLAIN), { url: "/v1/shape?table=items&offset=-1", headers: {} });
  const headers =
    'HOST: x\r\nConnection: Keep-Alive\r\norigin:https://a\r\nIf-None-Match:  "a", W/"b" \r\n' +
    "x-request-id: 1\r\naccept-encoding: gzip\r\nempty:\r\n";
  assert.deepEqual(parse(PLAIN.replace("host: x\r\n", headers))?.headers, {
    origin: "https://a",
    "if-none-match": '"a", W/"b"',
    "x-request-id": "1",
  });
});

const OTHERS: Record<string, string> = {
  "another method": PLAIN.replace("GET", "POST"),
  "another path": PLAIN.replace("/v1/shape?", "/v1/shapes?"),
  "a fragment": PLAIN.replace("offset", "#offset"),
  "HTTP/1.0": PLAIN.replace("1.1", "1.0"),
  "no host": PLAIN.replace("host: x\r\n", ""),
  "two hosts": PLAIN.replace("host: x", "host: x\r\nHost: y"),
  "two origins": PLAIN.replace("host: x", "host: x\r\norigin: a\r\norigin: b"),
  "two of which the first is empty": PLAIN.replace("host: x", "host: x\r\norigin:\r\norigin: b"),
  "a body": PLAIN.replace("host: x", "host: x\r\ncontent-length: 2"),
  "a body in chunks": PLAIN.replace("host: x", "host: x\r\nTransfer-Encoding: chunked"),
  "the connection's end": PLAIN.replace("host: x", "host: x\r\nconnection: close"),
  "an upgrade": PLAIN.replace("host: x", "host: x\r\nconnection: keep-alive, upgrade"),
  "an expectation": PLAIN.replace("host: x", "host: x\r\nexpect: 100-continue"),
  "a folded line": PLAIN.replace("host: x", "host: x\r\na: b\r\n c: d"),
  "a bare line feed": PLAIN.replace("host: x", "host: x\na: b"),
  "a space before the colon": PLAIN.replace("host: x", "host : x"),
  "a name that is none": PLAIN.replace("host: x", "host: x\r\n: b"),
  "letters beyond ASCII": PLAIN.replace("host: x", "host: x\r\na: \xe4"),
  "a control character": PLAIN.replace("host: x", "host: x\r\na: \x00"),
  "half a request": PLAIN.slice(0, -2),
  "two requests": PLAIN + PLAIN,
  "a request with a body behind it": `${PLAIN}x`,
  "more than 8 KiB": PLAIN.replace("host: x", `host: ${"x".repeat(9000)}`),
};

test.for(Object.keys(OTHERS))("%s is for the HTTP parser", (what) => {
  assert.equal(parse(OTHERS[what]!), undefined);
});

const space = fc.constantFrom(" ", "", "\t", "  ");
const pairOf = (names: readonly string[], values: readonly string[]) =>
  fc
    .tuple(fc.constantFrom(...names), space, fc.constantFrom(...values), space)
    .map(([name, before, value, after]) => `${name}:${before}${value}${after}`);
const line = fc.oneof(
  { weight: 6, arbitrary: pairOf(["Accept", "user-agent", "X-a"], ["*/*", "a b", "", "a:b", '"']) },
  { weight: 3, arbitrary: pairOf(["origin", "If-None-Match", "x-request-id"], ["a", '"b"', ""]) },
  { weight: 2, arbitrary: pairOf(["connection", "Keep-Alive"], ["keep-alive", "close", "te"]) },
  { weight: 1, arbitrary: pairOf(["content-length", "te", "expect"], ["0", "1", "trailers"]) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
);
const head = fc
  .tuple(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.constantFrom("table=a", "where=a%20%3D%201", "", "a?b=%", '"{}|'),
      },
      { weight: 1, arbitrary: fc.string({ maxLength: 10 }) },
    ),
    fc.array(line, { maxLength: 5 }),
    fc.constantFrom("host: x", "host: x", "host: x", "host:", "Host: a b"),
    fc.nat(5),
  )
  .map(([query, lines, host, place]) => {
    const all = [...lines];
    all.splice(place, 0, host);
    return `GET /v1/shape?${query} HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n`;
  });

test("Node reads the same", async () => {
  let takenCount = 0;
  const property = fc.asyncProperty(head, async (text) => {
    const taken = parse(text);
    if (taken === undefined) return;
    takenCount += 1;
    seen = [];
    const client = await RawClient.connect(port);
    client.send(text);
    await client.until("answered");
    client.leave();
    assert.equal(seen.length, 1);
    const { complete, headers, method, url } = seen[0]!;
    assert.deepEqual([method, url, complete], ["GET", taken.url, true]);
    for (const name of ["origin", "if-none-match", "x-request-id"] as const) {
      assert.equal(headers[name], taken.headers[name], name);
    }
    assert.match(client.received, /connection: keep-alive/i);
  });
  await checkAsync(property, 400);
  assert.ok(takenCount > 50, `${takenCount} were taken`);
});
