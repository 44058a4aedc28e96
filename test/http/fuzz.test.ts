/**
 * Requests that nobody would write.
 *
 * Goal: whatever the parameters and headers are, the answer is one of the protocol's, in its
 * envelope, and never a 500; and the server is as well afterwards as before. Method: names and
 * values from small pools of what matters, mixed with arbitrary text, in raw query strings.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { checkAsync } from "../support/property.ts";
import { makeFixture } from "./edge-fixture.ts";

const name = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      "table",
      "offset",
      "handle",
      "live",
      "live_sse",
      "experimental_live_sse",
      "where",
      "params[1]",
      "params%5B2%5D",
      "params[]",
      "params",
      "columns",
      "columns[]",
      "columns[a]",
      "replica",
      "log",
      "cursor",
      "subset__where",
      "experimental_compaction",
      "secret",
      "__proto__",
      "params[__proto__]",
      "constructor",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }).map(encode) },
  { weight: 1, arbitrary: fc.string() },
);

const value = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      "",
      "items",
      "public.items",
      "empty",
      "-1",
      "now",
      "0_0",
      "0_1",
      "0_inf",
      "100_5",
      "999_0",
      "18446744073709551615_inf",
      "1_2_3",
      "true",
      "false",
      "4711-1700000000000001",
      "1-1",
      "full",
      "default",
      "changes_only",
      "id+%3D+1",
      "id = $1",
      "%ff",
      "%zz",
      "%00",
      "x\u0000",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }).map(encode) },
  { weight: 1, arbitrary: fc.string() },
);

/** So that a fair share of the requests gets as far as a shape. */
const sound = fc.constantFrom(
  "",
  "table=items&offset=-1&",
  "table=items&offset=0_inf&handle=4711-1700000000000001&",
  "table=items&offset=now&",
);

const query = fc
  .tuple(sound, fc.array(fc.tuple(name, value), { maxLength: 5 }))
  .map(([start, pairs]) => start + pairs.map(([key, text]) => `${key}=${text}`).join("&"));

const headerText = fc
  .array(fc.constantFrom("W/", '"', ",", " ", "4711-1700000000000001:-1:0_0", "a", "*", "\u00ff"))
  .map((parts) => parts.join("").trim());

const headers = fc.record(
  {
    "if-none-match": headerText,
    origin: headerText,
    "x-request-id": headerText,
    "access-control-request-headers": headerText,
    "content-type": headerText,
  },
  { requiredKeys: [] },
);

const method = fc.constantFrom("GET", "GET", "GET", "HEAD", "DELETE", "POST", "OPTIONS");
const path = fc.constantFrom(
  "/v1/shape",
  "/v1/shape",
  "/v1/shape",
  "/v1//%73hape/",
  "/v1/%zz",
  "/",
);

test("no request is answered with a 500 or without the headers that every answer has", async () => {
  const config = { longPollTimeoutMs: 2, enableDelete: true };
  const { app, service, log } = makeFixture({ config, messagesPerChunk: 2 });
  const statuses = new Set<number>();
  await checkAsync(
    fc.asyncProperty(method, path, query, headers, async (method, path, query, headers) => {
      const url = `${path}?${query}`;
      const response = await app.inject({ method: method as "GET", url, headers });
      statuses.add(response.statusCode);
      assert.ok(response.statusCode < 500, `${response.statusCode} ${response.body}`);
      assert.notEqual(response.headers["electric-server"], undefined);
      assert.notEqual(response.headers["access-control-allow-origin"], undefined);
      if (response.statusCode === 400 && method !== "HEAD") {
        assert.equal(typeof response.json<{ message: unknown }>().message, "string");
      }
      if (response.statusCode === 200 && method === "GET" && path !== "/") {
        assert.ok(Array.isArray(response.json()));
        assert.notEqual(response.headers["electric-offset"], undefined);
      }
    }),
    400,
  );
  assert.deepEqual(log, []);
  assert.equal(service.waiterCount, 0);
  assert.equal(service.openGenerators, 0);
  for (const status of [200, 204, 400, 404, 405, 409]) assert.ok(statuses.has(status), `${status}`);
});

/** Percent-encodes the bytes of any text, lone surrogates included. */
function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}
