/**
 * Routes, CORS, authentication, DELETE and errors: protocol sections 1 and 3.
 *
 * Goal: every statement that can be seen from outside. Method: requests that are injected in a
 * server over the in-memory service; what needs a socket is in sockets.test.ts.
 */

import assert from "node:assert/strict";
import {
  fastify,
  type FastifyInstance,
  type InjectOptions,
  type LightMyRequestResponse,
} from "fastify";
import { afterEach, beforeEach, test } from "vitest";
import { shapeRoutes } from "../../src/http/routes.ts";
import { VERSION } from "../../src/http/version.ts";
import { InvalidParameter, LitzError } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { MemoryShapeService } from "../support/memory-shape-service.ts";
import { makeFixture, shapeUrl, testConfigWith, type Fixture } from "./edge-fixture.ts";

const SECRET = "s3cret";
const FRAMEWORK_DEFAULT = "max-age=0, private, must-revalidate";
const JSON_TYPE = "application/json; charset=utf-8";
const ITEMS = { table: "items", offset: "-1" };

let open: Fixture;
let closed: Fixture;
beforeEach(() => {
  open = makeFixture({ config: { enableDelete: true } });
  closed = makeFixture({ config: { secret: SECRET } });
});

const send = (
  fixture: Fixture,
  method: InjectOptions["method"],
  url: string,
  headers = {},
): Promise<LightMyRequestResponse> => fixture.app.inject({ method: method!, url, headers });

const errorsIn = (response: LightMyRequestResponse): unknown => {
  const { message, errors } = response.json<{ message: string; errors: unknown }>();
  assert.equal(message, "Invalid request");
  return errors;
};

test("1: GET and HEAD of / are empty", async () => {
  for (const method of ["GET", "HEAD"] as const) {
    const response = await send(closed, method, "/");
    assert.equal(response.statusCode, 200);
    assert.equal(response.body, "");
    assert.equal(response.headers["cache-control"], FRAMEWORK_DEFAULT);
  }
});

test("1: anything else is not found, whatever its method and its body", async () => {
  const targets = [
    "/nope",
    "/v1/shapes",
    "/v1/shape/items",
    "/v1",
    "/v1%2Fshape",
    "/v1/%zz",
    "/V1/shape",
  ];
  for (const url of targets) {
    const response = await send(open, "GET", url);
    assert.equal(response.statusCode, 404, url);
    assert.equal(response.body, "Not found");
    assert.equal(response.headers["content-type"], "text/plain; charset=utf-8");
    assert.equal(response.headers["cache-control"], FRAMEWORK_DEFAULT);
    assert.equal(response.headers["access-control-allow-methods"], "GET, HEAD");
  }
  for (const method of ["PUT", "PATCH"] as const) {
    assert.equal((await send(open, method, "/v1/shape")).body, "Not found");
  }
  const odd = {
    method: "POST",
    url: "/nope",
    headers: { "content-type": "x/y" },
    body: "z",
  } as const;
  assert.equal((await open.app.inject(odd)).body, "Not found");
  assert.equal((await send(open, "OPTIONS", "/v1/health")).statusCode, 404);
});

test("1: every response names the server and the request", async () => {
  const targets = ["/", "/nope", "/v1/health", "/v1/shape", shapeUrl(ITEMS)];
  const ids = new Set<unknown>();
  for (const url of targets) {
    for (const fixture of [open, closed]) {
      const { headers } = await send(fixture, "GET", url);
      assert.equal(headers["electric-server"], `ElectricSQL/${VERSION}`);
      assert.match(headers["x-request-id"] as string, /^[\w-]{20,200}$/);
      ids.add(headers["x-request-id"]);
    }
  }
  assert.equal(ids.size, 10);
});

test("1: a request id of 20 to 200 characters is echoed", async () => {
  for (const [size, isEchoed] of [
    [19, false],
    [20, true],
    [200, true],
    [201, false],
  ] as const) {
    const id = "i".repeat(size);
    const response = await send(open, "GET", "/v1/health", { "x-request-id": id });
    assert.equal(response.headers["x-request-id"] === id, isEchoed);
  }
});

test("1: all spellings of the path need the secret and have the CORS of the shape route", async () => {
  for (const path of ["/v1/shape", "/v1/shape/", "/v1//shape", "//v1/shape", "/v1/%73hape"]) {
    const denied = await send(closed, "GET", `${path}?table=items&offset=-1`);
    assert.equal(denied.statusCode, 401, path);
    assert.match(denied.headers["access-control-allow-methods"] as string, /DELETE/);
    const granted = await send(closed, "GET", `${path}?table=items&offset=-1&secret=${SECRET}`);
    assert.equal(granted.statusCode, 200, path);
    assert.equal((await send(closed, "OPTIONS", path)).statusCode, 204, path);
  }
});

test("1: HEAD answers the status and the headers of GET", async () => {
  await send(open, "GET", shapeUrl(ITEMS));
  for (const parameters of [ITEMS, { ...ITEMS, offset: "x" }]) {
    const get = await send(open, "GET", shapeUrl(parameters));
    const head = await send(open, "HEAD", shapeUrl(parameters));
    assert.equal(head.statusCode, get.statusCode);
    assert.equal(head.body, "");
    for (const name of Object.keys(get.headers)) {
      if (["x-request-id", "date", "transfer-encoding", "content-length"].includes(name)) continue;
      assert.equal(head.headers[name], get.headers[name], name);
    }
  }
  assert.equal(open.service.openGenerators, 0);
});

test("1.1: health", async () => {
  for (const [status, code] of [
    ["active", 200],
    ["waiting", 202],
    ["starting", 202],
  ] as const) {
    closed.service.status = status;
    const response = await send(closed, "GET", "/v1/health");
    assert.equal(response.statusCode, code);
    assert.equal(response.body, `{"status":"${status}"}`);
    assert.equal(response.headers["content-type"], JSON_TYPE);
    assert.equal(response.headers["cache-control"], "no-cache, no-store, must-revalidate");
    assert.equal(response.headers["access-control-allow-methods"], "GET, HEAD");
    assert.equal((await send(closed, "HEAD", "/v1/health")).statusCode, code);
  }
});

test("1.2: CORS", async () => {
  const exposed =
    "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema," +
    "electric-up-to-date,electric-internal-known-error,retry-after";
  for (const [headers, origin] of [
    [{}, "*"],
    [{ origin: "https://a.example" }, "https://a.example"],
  ] as const) {
    for (const fixture of [open, closed]) {
      const response = await send(fixture, "GET", shapeUrl(ITEMS), headers);
      assert.equal(response.headers["access-control-allow-origin"], origin);
      assert.equal(response.headers["access-control-expose-headers"], exposed);
      const methods = response.headers["access-control-allow-methods"];
      assert.equal(methods, "GET, POST, HEAD, DELETE, OPTIONS");
    }
  }
});

test("1.2: preflight", async () => {
  const requested = { "access-control-request-headers": "Authorization, content-type ,b@d" };
  const response = await send(closed, "OPTIONS", "/v1/shape", requested);
  assert.equal(response.statusCode, 204);
  assert.equal(response.body, "");
  assert.equal(response.headers["access-control-max-age"], "86400");
  assert.equal(response.headers["access-control-allow-headers"], "Authorization,content-type");
  assert.equal(response.headers["connection"], "keep-alive");
  assert.equal(response.headers["cache-control"], undefined);
  const bare = await send(closed, "OPTIONS", "/v1/shape");
  assert.equal(bare.headers["access-control-allow-headers"], undefined);
});

test("1.3: DELETE by definition, by handle, by both", async () => {
  const handleOf = async (): Promise<string> =>
    (await send(open, "GET", shapeUrl(ITEMS))).headers["electric-handle"] as string;
  const first = await handleOf();
  const byBoth = `/v1/shape?table=items&handle=${first}`;
  for (const target of [`/v1/shape?handle=${first}`, "/v1/shape?table=public.items", byBoth]) {
    const handle = await handleOf();
    const response = await send(open, "DELETE", target.replace(first, handle));
    assert.equal(response.statusCode, 202);
    assert.equal(response.body, "");
    assert.equal(response.headers["cache-control"], "no-cache");
    assert.notEqual(await handleOf(), handle);
  }
});

test("1.3: DELETE of what there is not", async () => {
  const handle = (await send(open, "GET", shapeUrl(ITEMS))).headers["electric-handle"] as string;
  const none = '{"message":"No existing shape found"}';
  // A definition that no shape has is not found, whatever the handle: upstream's clients rely on
  // it.
  const unmatched = `table=empty&handle=${handle}`;
  const queries = ["table=empty", "table=items&where=id+%3D+1", "handle=1-1", "handle=x%00"];
  for (const query of [...queries, unmatched]) {
    const response = await send(open, "DELETE", `/v1/shape?${query}`);
    assert.deepEqual([response.statusCode, response.body], [404, none], query);
  }
  await send(open, "GET", "/v1/shape?table=empty&offset=-1");
  const mismatch = await send(open, "DELETE", `/v1/shape?${unmatched}`);
  assert.equal(mismatch.statusCode, 400);
  assert.equal(mismatch.headers["cache-control"], "no-cache");
  assert.match(
    mismatch.body,
    /^{"message":"The specified shape definition and handle do not match\./,
  );
  assert.equal(open.service.shapeCount, 2);
});

test("1.3: DELETE checks its parameters", async () => {
  for (const [query, errors] of [
    ["", { handle: ["can't be blank when shape definition is missing"] }],
    ["table=items&live=banana", { live: ["is invalid"] }],
    ["table=nope", { table: ['Table "public"."nope" does not exist.'] }],
  ] as const) {
    const response = await send(open, "DELETE", `/v1/shape?${query}`);
    assert.equal(response.statusCode, 400);
    assert.deepEqual(errorsIn(response), errors);
    assert.equal(response.headers["cache-control"], "no-cache");
  }
});

test("1.3: DELETE needs the secret, then readiness, then to be enabled", async () => {
  assert.equal((await send(closed, "DELETE", "/v1/shape")).statusCode, 401);
  const response = await send(closed, "DELETE", `/v1/shape?secret=${SECRET}`);
  assert.deepEqual([response.statusCode, response.body], [405, '{"message":"DELETE not allowed"}']);
  closed.service.status = "starting";
  assert.equal((await send(closed, "DELETE", `/v1/shape?secret=${SECRET}`)).statusCode, 503);
});

test("1.3: a body of DELETE is not read, nor its type", async () => {
  for (const type of ["application/json", "x/y", ";;"]) {
    const request = { method: "DELETE", url: "/v1/shape?table=empty", body: "{" } as const;
    const response = await open.app.inject({ ...request, headers: { "content-type": type } });
    assert.equal(response.statusCode, 404);
  }
});

test("1.4: 401", async () => {
  for (const method of ["GET", "HEAD", "POST", "DELETE"] as const) {
    for (const query of ["", "?secret=", "?secret=wrong", `?secret=wrong&api_secret=${SECRET}`]) {
      const response = await send(closed, method, `/v1/shape${query}`);
      assert.equal(response.statusCode, 401);
      assert.equal(response.headers["content-type"], JSON_TYPE);
      assert.equal(response.headers["cache-control"], FRAMEWORK_DEFAULT);
      const body = '{"message":"Unauthorized - Invalid API secret"}';
      assert.equal(response.body, method === "HEAD" ? "" : body);
    }
  }
  const deprecated = await send(closed, "GET", `${shapeUrl(ITEMS)}&api_secret=${SECRET}`);
  assert.equal(deprecated.statusCode, 200);
});

test("1.4: what is logged holds no secret", async () => {
  closed.service.nextFailure = { at: "define", error: new Error("boom") };
  const parameters = { ...ITEMS, "params[1]": "private", secret: SECRET };
  await closed.get(parameters);
  assert.equal(closed.log.length, 1);
  assert.match(closed.log[0]!, /boom/);
  assert.doesNotMatch(closed.log[0]!, /s3cret|private/);
});

test("the memory report is behind the secret", async () => {
  const denied = await send(closed, "GET", "/admin/memory");
  assert.equal(denied.statusCode, 401);
  const granted = await send(closed, "GET", `/admin//memory?secret=${SECRET}`);
  assert.deepEqual(granted.json(), {
    committedBytes: 65_536,
    http: { requests: 0, pollsOnLanes: 0, streamsOnLanes: 0 },
  });
  assert.equal(granted.headers["content-type"], JSON_TYPE);
});

test("3.1: authentication, admission, readiness, parameters, in this order", async () => {
  const fixture = makeFixture({
    config: { secret: SECRET, maxConcurrentRequests: { initial: 1, existing: 1 } },
  });
  const status = async (query: string): Promise<number> =>
    (await send(fixture, "GET", `/v1/shape?${query}`)).statusCode;
  fixture.service.status = "starting";
  const first = status(`secret=${SECRET}`);
  assert.equal(await status("offset=x"), 401);
  const second = await send(fixture, "GET", `/v1/shape?secret=${SECRET}`);
  assert.match(second.body, /limit exceeded/);
  assert.equal(await first, 503);
  fixture.service.status = "active";
  assert.equal(await status(`secret=${SECRET}`), 400);
});

test("3.1: an error is JSON and is not kept", async () => {
  const response = await open.get({ table: "items" });
  assert.equal(response.statusCode, 400);
  assert.equal(response.headers["content-type"], JSON_TYPE);
  assert.equal(response.headers["cache-control"], "no-store");
  assert.equal(response.headers["surrogate-control"], "no-store");
  assert.equal(response.headers["electric-handle"], undefined);
});

test("3.2: too many at a time", async () => {
  const limits = { initial: 300, existing: 1 };
  const fixture = makeFixture({ config: { maxConcurrentRequests: limits } });
  const { headers } = await fixture.get(ITEMS);
  const live = {
    ...ITEMS,
    offset: "0_inf",
    live: "true",
    handle: headers["electric-handle"] as string,
  };
  const [held, refused] = await Promise.all([fixture.get(live), fixture.get(live)]);
  assert.equal(held.statusCode, 200);
  assert.equal(refused.statusCode, 503);
  assert.deepEqual(refused.json(), {
    code: "concurrent_request_limit_exceeded",
    message: "Concurrent existing request limit exceeded (limit: 1), please retry",
  });
  assert.equal(refused.headers["retry-after"], "6");
  assert.equal(refused.headers["electric-internal-known-error"], "true");
  assert.equal((await fixture.get(live)).statusCode, 200);
});

test("3.2: no shape is created but by a request of the kind `initial`", async () => {
  const limits = { initial: 1, existing: 10 };
  const fixture = makeFixture({ config: { maxConcurrentRequests: limits } });
  fixture.service.status = "starting";
  const waiting = fixture.get(ITEMS);
  fixture.service.status = "active";
  // Looks like a request for a shape that there is, and is none.
  const pretender = await fixture.get({ table: "empty", offset: "0_0", handle: "1-1" });
  assert.equal(pretender.statusCode, 503);
  assert.match(pretender.body, /Concurrent initial request limit/);
  assert.equal((await waiting).statusCode, 200);
  assert.equal(fixture.service.shapeCount, 1);
});

test("3.2: not ready", async () => {
  open.service.status = "waiting";
  const response = await open.get(ITEMS);
  assert.equal(response.statusCode, 503);
  assert.equal(response.body, '{"message":"Timeout waiting for Postgres lock acquisition"}');
  assert.equal(response.headers["retry-after"], "5");
});

test("3.2: not ready, but its shapes can be read", async () => {
  const fixture = makeFixture();
  const { headers } = await fixture.get(ITEMS);
  fixture.service.isRestored = true;
  fixture.service.status = "waiting";
  const known = await fixture.get({ ...ITEMS, handle: headers["electric-handle"] as string });
  assert.equal(known.statusCode, 200);
  for (const query of [
    { ...ITEMS, where: "a = 2" },
    { ...ITEMS, subset__limit: "1", subset__order_by: "a" },
  ]) {
    const refused = await fixture.get(query);
    assert.equal(refused.statusCode, 503);
    assert.equal(refused.headers["retry-after"], "5");
  }
  assert.equal(fixture.service.shapeCount, 1);
});

test("3.2: failures on the way to a shape", async () => {
  const unreachable = new LitzError("x", { code: "POSTGRES_UNREACHABLE", httpStatus: 503 });
  const foreign = new Error("row 7 of table salaries");
  for (const [at, error, status, body, retryAfter] of [
    ["define", unreachable, 503, "Cannot connect to the database to verify the shape.", "1"],
    ["create", unreachable, 503, "Failed to create shape, please retry", "1"],
    ["snapshot", unreachable, 503, "Database connection not available", "10"],
    ["read", foreign, 500, '{"error":"Internal server error"}', undefined],
    ["define", foreign, 500, '{"error":"Internal server error"}', undefined],
    ["define", new InvalidParameter("where", "no"), 400, '{"where":["no"]}', undefined],
  ] as const) {
    await open.service.remove((await open.get(ITEMS)).headers["electric-handle"] as ShapeHandle);
    open.service.nextFailure = { at, error };
    const response = await open.get(ITEMS);
    assert.equal(response.statusCode, status);
    assert.ok(response.body.includes(body), response.body);
    assert.equal(response.headers["retry-after"], retryAfter);
    assert.equal(response.headers["cache-control"], "no-store");
  }
  assert.equal((await open.get(ITEMS)).statusCode, 200);
});

test("3.3: what the service finds wrong is told in the envelope", async () => {
  assert.deepEqual(errorsIn(await open.get({ ...ITEMS, table: "nope" })), {
    table: ['Table "public"."nope" does not exist.'],
  });
  assert.deepEqual(errorsIn(await open.get({ ...ITEMS, where: "1 x 1" })), {
    where: ["At location 0: syntax error"],
  });
});

const hosts: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

test("the routes live in another application, under a prefix, and leave it alone", async () => {
  const host = fastify();
  hosts.push(host);
  const service = new MemoryShapeService();
  service.setTable("items", [{ id: "1" }]);
  await host.register(shapeRoutes, {
    prefix: "/sync",
    service,
    config: testConfigWith({ secret: SECRET }),
    memoryReport: () => ({}),
    logger: silentLogger,
    clock: systemClock,
  });
  host.post("/mine", (request) => request.body);

  const get = async (url: string): Promise<LightMyRequestResponse> => host.inject({ url });
  const denied = await get(`/sync${shapeUrl(ITEMS)}`);
  assert.equal(denied.statusCode, 401);
  assert.equal((await get(`/sync/v1/%73hape?table=items&offset=-1`)).statusCode, 401);
  const granted = await get(`/sync${shapeUrl({ ...ITEMS, secret: SECRET })}`);
  assert.equal(granted.statusCode, 200);
  assert.equal(granted.headers["electric-offset"], "0_0");
  assert.equal((await get("/sync/v1/health")).statusCode, 200);
  const mine = await host.inject({ method: "POST", url: "/mine", payload: { a: 1 } });
  assert.equal(mine.body, '{"a":1}');
  assert.equal(mine.headers["electric-server"], undefined);
  assert.match((await get("/nope")).body, /Route GET:\/nope not found/);
});
