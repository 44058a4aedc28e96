/**
 * The OpenAPI document against the server that serves it.
 *
 * Goal: whatever the server answers, the document describes: status, headers, body; and it knows
 * the parameters that the server reads, and no others. Method: requests of every kind, each answer
 * held against the schemas of its operation.
 */

import assert from "node:assert/strict";
import { fastify, type LightMyRequestResponse } from "fastify";
import fastifySwagger from "@fastify/swagger";
import { beforeEach, test } from "vitest";
import { parseShapeParameters } from "../../src/http/parameters.ts";
import type { QueryValue } from "../../src/http/query.ts";
import { shapeRoutes } from "../../src/http/routes.ts";
import { parseSubsetParameters } from "../../src/http/subset-parameters.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { LitzError } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { MemoryShapeService } from "../support/memory-shape-service.ts";
import { OpenApi, type OpenApiDocument } from "../support/openapi.ts";
import { makeFixture, shapeUrl, testConfigWith, type Fixture } from "./edge-fixture.ts";

let fixture: Fixture;
let openApi: OpenApi;
beforeEach(async () => {
  fixture = makeFixture({ config: { enableDelete: true } });
  openApi = new OpenApi((await fixture.app.inject("/openapi.json")).json<OpenApiDocument>());
});

function assertDescribed(method: string, path: string, response: LightMyRequestResponse): void {
  const { statusCode: status, headers, body } = response;
  openApi.assertDescribes(method, path, {
    status,
    headers: headers as Record<string, string>,
    body,
  });
}

const ITEMS = { table: "items", offset: "-1" };

test("requests for shapes are answered as described", async () => {
  const first = await fixture.get(ITEMS);
  const handle = first.headers["electric-handle"] as string;
  const etag = first.headers["etag"] as string;
  const live = { ...ITEMS, offset: "0_inf", handle, live: "true" };
  const seen = new Set<string>();
  const send = async (
    method: "GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS",
    parameters: Record<string, string>,
    headers: Record<string, string> = {},
    body = "",
  ): Promise<void> => {
    const url = shapeUrl(parameters);
    const response = await fixture.app.inject({ method, url, headers, body });
    seen.add(`${method} ${response.statusCode}`);
    assertDescribed(method, "/v1/shape", response);
  };

  for (const method of ["GET", "HEAD", "POST"] as const) {
    await send(method, ITEMS);
    await send(method, { ...ITEMS, offset: "now" });
    await send(method, { ...ITEMS, offset: "0_0", handle });
    await send(method, live);
    await send(method, { ...ITEMS, offset: "0_0", handle: "1-1" });
    await send(method, { table: "items" });
    await send(method, { ...ITEMS, subset__order_by: "id", subset__limit: "1" });
    await send(method, { ...ITEMS, subset__limit: "0" });
    await send(method, { ...ITEMS, where: "x".repeat(130 * 1024) });
    fixture.service.nextFailure = { at: "define", error: new Error("x") };
    await send(method, ITEMS);
    const unreachable = new LitzError("x", { code: "POSTGRES_UNREACHABLE", httpStatus: 503 });
    fixture.service.nextFailure = { at: "define", error: unreachable };
    await send(method, ITEMS);
  }
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  await send("GET", live);
  await send("GET", ITEMS, { "if-none-match": etag });
  await send("POST", ITEMS, {}, '{"limit":1,"order_by":"id"}');
  await send("POST", ITEMS, {}, "[]");
  await send("POST", ITEMS, {}, "{");
  await send("POST", ITEMS, {}, " ".repeat(8_000_001));
  await send("OPTIONS", {}, { "access-control-request-headers": "authorization" });
  await send("DELETE", { table: "items" });
  await send("DELETE", { table: "items" });
  await send("DELETE", {});
  const codes = [200, 409, 400, 414, 500, 503];
  const expected = ["GET", "HEAD", "POST"].flatMap((method) =>
    codes.map((code) => `${method} ${code}`),
  );
  const others = ["GET 304", "POST 413", "OPTIONS 204", "DELETE 202", "DELETE 404", "DELETE 400"];
  assert.deepEqual([...seen].sort(), [...expected, ...others].sort());
});

test("requests that are not authorized, or not allowed, are answered as described", async () => {
  fixture = makeFixture({ config: { secret: "s" } });
  for (const method of ["GET", "HEAD", "POST", "DELETE"] as const) {
    const response = await fixture.app.inject({ method, url: "/v1/shape" });
    assert.equal(response.statusCode, 401);
    assertDescribed(method, "/v1/shape", response);
  }
  const refused = await fixture.app.inject({ method: "DELETE", url: "/v1/shape?secret=s" });
  assert.equal(refused.statusCode, 405);
  assertDescribed("DELETE", "/v1/shape", refused);
  assertDescribed("GET", "/admin/memory", await fixture.app.inject("/admin/memory"));
  assertDescribed("GET", "/admin/memory", await fixture.app.inject("/admin/memory?secret=s"));
  assertDescribed("GET", "/admin/status", await fixture.app.inject("/admin/status"));
  assertDescribed("GET", "/admin/status", await fixture.app.inject("/admin/status?secret=s"));
});

test("the other routes are answered as described", async () => {
  for (const method of ["GET", "HEAD"] as const) {
    for (const status of ["active", "waiting", "starting"] as const) {
      fixture.service.status = status;
      const response = await fixture.app.inject({ method, url: "/v1/health" });
      assertDescribed(method, "/v1/health", response);
    }
    assertDescribed(
      method,
      "/openapi.json",
      await fixture.app.inject({ method, url: "/openapi.json" }),
    );
  }
  assert.equal(openApi.document.openapi, "3.1.0");
});

/** Remembers which parameters were asked for. */
class Watched extends Map<string, QueryValue> {
  readonly asked = new Set<string>();

  override get(name: string): QueryValue | undefined {
    this.asked.add(name);
    return super.get(name);
  }
}

test("the parameters described are those that are read", () => {
  const query = new Watched([
    ["table", "t"],
    ["offset", "-1"],
    ["subset__where", "x"],
  ]);
  const { subset } = parseShapeParameters(query);
  const members = new Watched(subset);
  parseSubsetParameters(members);
  // `subset` is another spelling, and nothing of its own.
  query.asked.delete("subset");
  const names = [...query.asked, ...[...members.asked].map((name) => `subset__${name}`)];
  const { parameters } = openApi.document.paths["/v1/shape"]!["get"]!;
  const described = parameters!.map(({ name }) => name);
  assert.deepEqual(described.sort(), [...names, "secret", "api_secret"].sort());
});

test("headers that are always there are required", () => {
  const { responses } = openApi.document.paths["/v1/shape"]!["get"]!;
  const { headers } = responses[200]!;
  const required = Object.keys(headers).filter((name) => headers[name]!.required === true);
  assert.deepEqual(required.sort(), [
    "cache-control",
    "electric-handle",
    "electric-offset",
    "electric-server",
    "x-request-id",
  ]);
  assert.doesNotMatch(JSON.stringify(openApi.document), /x-required/);
});

test("params are written with brackets", () => {
  const { parameters } = openApi.document.paths["/v1/shape"]!["get"]!;
  const params = parameters!.find(({ name }) => name === "params") as object;
  assert.deepEqual(
    { ...params, description: "", schema: {} },
    {
      ...{ in: "query", name: "params", required: false, style: "deepObject", explode: true },
      description: "",
      schema: {},
    },
  );
});

test("a host that describes itself keeps its own document", async () => {
  const host = fastify();
  await host.register(fastifySwagger, { openapi: { info: { title: "mine", version: "1" } } });
  await host.register(shapeRoutes, {
    prefix: "/sync",
    service: new MemoryShapeService(),
    config: testConfigWith({}),
    memoryReport: () => ({}),
    logger: silentLogger,
    clock: systemClock,
  });
  await host.ready();
  assert.equal(host.swagger().info.title, "mine");
  const ours = (await host.inject("/sync/openapi.json")).json<OpenApiDocument>();
  assert.ok("/sync/v1/shape" in ours.paths);
  await host.close();
});
