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
      "queryable_columns",
      "subset__where",
      "subset__params",
      "subset__limit",
      "subset__order_by",
      "subset[where]",
      "subset[offset]",
      "subset",
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
      "id",
      "0",
      "1e3",
      "%7B%221%22%3A1%7D",
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

const method = fc.constantFrom("GET", "GET", "HEAD", "DELETE", "POST", "POST", "OPTIONS");
/** Bodies of POST: what the protocol knows, with values of every kind, other JSON, and noise. */
const member = fc.constantFrom(
  "where",
  "params",
  "limit",
  "offset",
  "order_by",
  "where_expr",
  "subset",
  "table",
  "columns",
  "live",
  "handle",
  "subset__where",
  "__proto__",
);
const json = fc.oneof(
  fc.constantFrom("id = $1", "id = 1", "id", "items", "-1", "now", "", 1, 0, -1, 1e30, true, null),
  fc.jsonValue({ maxDepth: 3 }),
);
const body = fc.oneof(
  { weight: 3, arbitrary: fc.dictionary(member, json).map((object) => JSON.stringify(object)) },
  {
    weight: 1,
    arbitrary: fc
      .dictionary(member, json)
      .map((subset) => JSON.stringify({ subset, where: "id = 1" })),
  },
  { weight: 1, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);

const path = fc.constantFrom(
  "/v1/shape",
  "/v1/shape",
  "/v1/shape",
  "/v1//%73hape/",
  "/v1/%zz",
  "/",
);

const request = fc.record({ method, path, query, headers, body });

test("no request is answered with a 500 or without the headers that every answer has", async () => {
  const config = { longPollTimeoutMs: 2, enableDelete: true };
  const { app, service, log } = makeFixture({ config, messagesPerChunk: 2 });
  const statuses = new Set<number>();
  let subsets = 0;
  await checkAsync(
    fc.asyncProperty(request, async ({ method, path, query, headers, body }) => {
      const url = `${path}?${query}`;
      const payload = method === "POST" ? { payload: body } : {};
      const response = await app.inject({ method: method as "GET", url, headers, ...payload });
      statuses.add(response.statusCode);
      assert.ok(response.statusCode < 500, `${response.statusCode} ${response.body}`);
      assert.notEqual(response.headers["electric-server"], undefined);
      assert.notEqual(response.headers["access-control-allow-origin"], undefined);
      if (response.statusCode === 400 && method !== "HEAD") {
        const { message, error } = response.json<{ message?: unknown; error?: unknown }>();
        assert.equal(typeof (message ?? error), "string");
      }
      if (response.statusCode === 200 && method !== "HEAD" && path !== "/") {
        const answer = response.json<unknown[] | { data: unknown }>();
        assert.ok(Array.isArray(Array.isArray(answer) ? answer : answer.data));
        if (response.headers["electric-snapshot"] !== undefined) subsets += 1;
        assert.notEqual(response.headers["electric-offset"], undefined);
      }
    }),
    // A third of them is few enough in CI, and enough to meet a subset.
    4_500,
  );
  assert.deepEqual(log, []);
  assert.equal(service.waiterCount, 0);
  assert.equal(service.openGenerators, 0);
  for (const status of [200, 204, 400, 404, 409]) assert.ok(statuses.has(status), `${status}`);
  assert.ok(subsets > 0);
});

/** Percent-encodes the bytes of any text, lone surrogates included. */
function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}
