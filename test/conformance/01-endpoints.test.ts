/** Protocol section 1: routes, health, CORS, DELETE, authentication. */

import { describe, expect, test } from "vitest";
import { RawClient } from "../http/raw-client.ts";
import { eventually } from "../support/eventually.ts";
import {
  errorsIn,
  JSON_TYPE,
  listenBeforeStart,
  serveLitz,
  shapeTarget,
  type Answer,
} from "./subject.ts";

const SECRET = "s3cret";
const PATHS = ["/v1/shape", "/v1/shape/", "/v1//shape", "//v1/shape", "/v1/%73hape"];
const FRAMEWORK_DEFAULT = "max-age=0, private, must-revalidate";
const INITIAL = { table: "items", offset: "-1" };
const UNKNOWN_HANDLE = { ...INITIAL, offset: "0_0", handle: "1-1" };
const SHAPE_METHODS = "GET, POST, HEAD, DELETE, OPTIONS";

const schema = `
  CREATE TABLE items (id int PRIMARY KEY, title text);
  INSERT INTO items VALUES (1, 'a');`;
const subject = serveLitz({ schema });
const closed = serveLitz({
  schema,
  settings: {
    ELECTRIC_INSECURE: "false",
    ELECTRIC_SECRET: SECRET,
    ELECTRIC_ENABLE_INTEGRATION_TESTING: "false",
  },
});

describe("§1 routes", () => {
  test.each([
    ["GET", "/", 200, ""],
    ["HEAD", "/", 200, ""],
    ["GET", "/v1/health", 200, '{"status":"active"}'],
    ["HEAD", "/v1/health", 200, ""],
    ["GET", "/nope", 404, "Not found"],
    ["GET", "/v1/shapes", 404, "Not found"],
    ["GET", "/v1/shape/items", 404, "Not found"],
    ["PUT", "/v1/shape", 404, "Not found"],
    ["POST", "/v1/health", 404, "Not found"],
  ])("§1 %s %s is answered %i, with and without a secret", async (method, path, status, text) => {
    for (const server of [subject, closed]) {
      expect(await server.send(method, path)).toMatchObject({ status, text });
    }
  });

  test("§1 HEAD has the status and the headers of GET, and no body", async () => {
    await subject.get(INITIAL);
    const varying =
      /^(?:date|x-request-id|content-length|transfer-encoding|connection|keep-alive)$/;
    const headersOf = ({ headers }: Answer) => [...headers].filter(([name]) => !varying.test(name));
    for (const parameters of [INITIAL, UNKNOWN_HANDLE, { offset: "x" }]) {
      const identity = { "accept-encoding": "identity" };
      const got = await subject.get(parameters, identity);
      const head = await subject.send("HEAD", shapeTarget(parameters), { headers: identity });
      expect(head.status).toBe(got.status);
      expect(head.text).toBe("");
      expect(headersOf(head)).toEqual(headersOf(got));
    }
  });

  test("§1 every spelling of the path reaches the shape, and none passes the secret by", async () => {
    for (const path of PATHS) {
      const target = `${path}?table=items&offset=-1`;
      expect(await subject.send("GET", target), path).toMatchObject({ status: 200 });
      for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
        expect(await closed.send(method, target), path).toMatchObject({ status: 401 });
      }
      const preflight = await closed.send("OPTIONS", path);
      expect(preflight.status).toBe(204);
      expect(preflight.header("access-control-allow-methods")).toBe(SHAPE_METHODS);
    }
  });

  test("§1 every response names the server and the request", async () => {
    const targets = ["/", "/nope", "/v1/health", "/v1/shape", shapeTarget(INITIAL)];
    const ids = new Set<string>();
    for (const server of [subject, closed]) {
      for (const target of targets) {
        const answer = await server.send("GET", target);
        expect(answer.header("electric-server")).toMatch(/^ElectricSQL\/\d+\.\d+\.\d+/);
        const id = answer.header("x-request-id")!;
        expect(id.length).toBeGreaterThanOrEqual(20);
        ids.add(id);
      }
    }
    expect(ids.size).toBe(2 * targets.length);
  });

  test.each([
    [19, false],
    [20, true],
    [200, true],
    [201, false],
  ])("§1 a request id of %i bytes is echoed: %s", async (size, isEchoed) => {
    const id = "i".repeat(size);
    const answer = await subject.get(INITIAL, { "x-request-id": id });
    expect(answer.header("x-request-id") === id).toBe(isEchoed);
  });

  test("§1 401, 404 and / have the default cache-control of the framework", async () => {
    for (const target of ["/", "/nope", "/v1/shape?table=items&offset=-1"]) {
      const answer = await closed.send("GET", target);
      expect(answer.header("cache-control"), target).toBe(FRAMEWORK_DEFAULT);
    }
  });

  test("§1 HTTP/1.0 clients get no chunks: the body ends with the connection", async () => {
    const client = await RawClient.connect(subject.port);
    client.get(shapeTarget(INITIAL), "1.0");
    const received = await client.closed();
    expect(received).toMatch(/^HTTP\/1\.1 200/);
    expect(received).not.toMatch(/transfer-encoding/i);
    const body = received.slice(received.indexOf("\r\n\r\n") + 4);
    expect(JSON.parse(body)).toHaveLength(2);
  });

  test("§1 long URLs are read, and too long ones refused with 414 or 431", async () => {
    const padded = (size: number) => subject.get({ ...INITIAL, unknown: "x".repeat(size) });
    expect(await padded(60_000)).toMatchObject({ status: 200 });
    expect([414, 431]).toContain((await padded(140_000)).status);
    expect([414, 431]).toContain((await padded(400_000)).status);
  });
});

test("§1.1 health: JSON that nobody keeps, for everybody", async () => {
  const answer = await closed.send("GET", "/v1/health", { headers: { origin: "http://o.test" } });
  expect(answer.header("content-type")).toBe(JSON_TYPE);
  expect(answer.header("cache-control")).toBe("no-cache, no-store, must-revalidate");
  expect(answer.header("access-control-allow-methods")).toBe("GET, HEAD");
  expect(answer.header("access-control-allow-origin")).toBe("http://o.test");
});

test("§1.1 health: 202 while there is nothing to serve, or another server does it", async () => {
  const healthOf = async (url: string) => {
    const response = await fetch(`${url}/v1/health`);
    return { status: response.status, json: (await response.json()) as unknown };
  };
  const second = await listenBeforeStart(subject.database);
  try {
    expect(await healthOf(second.url)).toEqual({ status: 202, json: { status: "starting" } });
    const started = second.start();
    const waiting = { status: 202, json: { status: "waiting" } };
    await eventually(async () => expect(await healthOf(second.url)).toEqual(waiting));
    await subject.stop();
    await started;
    expect(await healthOf(second.url)).toEqual({ status: 200, json: { status: "active" } });
  } finally {
    await second.dispose();
    await subject.restart();
  }
});

describe("§1.2 CORS", () => {
  test("§1.2 whatever a request is answered, a page may read it", async () => {
    const live = { ...INITIAL, offset: "0_0", live: "true" };
    const answers: [number, Promise<Answer>][] = [
      [200, subject.get(INITIAL)],
      [400, subject.get({})],
      [409, subject.get(UNKNOWN_HANDLE)],
      [400, subject.get(live)],
      [405, closed.delete({ ...INITIAL, secret: SECRET })],
      [200, subject.post(INITIAL, {})],
    ];
    for (const [status, pending] of answers) {
      const answer = await pending;
      expect(answer.status).toBe(status);
      expect(answer.header("access-control-allow-origin")).toBe("*");
      expect(answer.header("access-control-allow-methods")).toBe(SHAPE_METHODS);
      expect(answer.header("access-control-expose-headers")).toBe(
        "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema," +
          "electric-up-to-date,electric-internal-known-error,retry-after",
      );
      expect(answer.header("access-control-allow-credentials")).toBeNull();
    }
  });

  test("§1.2 the origin is echoed as it is", async () => {
    const answer = await subject.get(INITIAL, { origin: "https://App.Example:8443" });
    expect(answer.header("access-control-allow-origin")).toBe("https://App.Example:8443");
  });

  test("§1.2 a preflight needs no secret and is kept for a day", async () => {
    const answer = await closed.send("OPTIONS", "/v1/shape", { headers: { origin: "http://o" } });
    expect(answer).toMatchObject({ status: 204, text: "" });
    expect(answer.header("access-control-allow-origin")).toBe("http://o");
    expect(answer.header("access-control-max-age")).toBe("86400");
    expect(answer.header("connection")).toBe("keep-alive");
    expect(answer.header("cache-control")).toBeNull();
    expect(answer.header("access-control-allow-headers")).toBeNull();
  });
});

describe("§1.3 DELETE", () => {
  const FILTERED = { table: "items", where: "id = 1" };
  const notFound = { message: "No existing shape found" };

  test("§1.3 where it is not enabled it is 405, whatever its parameters", async () => {
    for (const parameters of [{}, { table: "items" }, { live: "banana" }]) {
      const answer = await closed.delete({ ...parameters, secret: SECRET });
      expect(answer.status).toBe(405);
      expect(answer.json).toEqual({ message: "DELETE not allowed" });
    }
  });

  test("§1.3 a definition removes exactly its own shape", async () => {
    const all = await subject.read({ table: "items" });
    const some = await subject.read(FILTERED);
    const answer = await subject.delete({ table: "items" });
    expect(answer).toMatchObject({ status: 202, text: "" });
    expect(answer.header("cache-control")).toBe("no-cache");
    expect((await subject.read(FILTERED)).handle).toBe(some.handle);
    expect((await subject.read({ table: "items" })).handle).not.toBe(all.handle);
  });

  test("§1.3 a handle alone, or with its definition, removes the shape; again, it is 404", async () => {
    for (const definition of [{}, FILTERED]) {
      const { handle } = await subject.read(FILTERED);
      expect((await subject.delete({ ...definition, handle })).status).toBe(202);
      const again = await subject.delete({ ...definition, handle });
      expect(again.status).toBe(404);
      expect(again.json).toEqual(notFound);
    }
  });

  test.each([
    { table: "items", where: "id = 4711" },
    { handle: "1-1" },
    { handle: "no handle at all" },
  ])("§1.3 what there is not is 404: %j", async (parameters) => {
    const answer = await subject.delete(parameters);
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual(notFound);
  });

  test("§1.3 a handle of another definition is 400", async () => {
    const { handle } = await subject.read(FILTERED);
    await subject.read({ table: "items" });
    const answer = await subject.delete({ table: "items", handle });
    expect(answer.status).toBe(400);
    expect(answer.header("cache-control")).toBe("no-cache");
    expect(answer.json).toEqual({
      message:
        "The specified shape definition and handle do not match. Please ensure the shape " +
        "definition is correct or omit the shape handle from the request to obtain a new one.",
    });
  });

  test.each([
    [{}, { handle: ["can't be blank when shape definition is missing"] }],
    [{ table: "items", live: "banana" }, { live: ["is invalid"] }],
    [
      { table: "nope" },
      {
        table: [
          'Table "public"."nope" does not exist. If the table name contains capitals or special ' +
            "characters you must quote it.",
        ],
      },
    ],
  ])("§1.3 %j is 400", async (parameters: Record<string, string>, errors) => {
    const answer = await subject.delete(parameters);
    expect(errorsIn(answer)).toEqual(errors);
    expect(answer.header("cache-control")).toBe("no-cache");
  });

  test("§1.3 live requests get a 409, and the next request a new handle and fresh rows", async () => {
    const reader = await subject.read(FILTERED);
    const held = subject.get({ ...FILTERED, ...reader.position, live: "true" });
    await subject.delete({ handle: reader.handle });
    expect((await held).status).toBe(409);
    const fresh = await subject.read(FILTERED);
    expect(fresh.handle).not.toBe(reader.handle);
    expect(fresh.rows).toHaveLength(1);
  });
});

describe("§1.4 authentication", () => {
  test.each([
    [{ secret: SECRET }, 200],
    [{ api_secret: SECRET }, 200],
    [{ secret: SECRET, api_secret: "wrong" }, 200],
    [{ secret: "wrong", api_secret: SECRET }, 401],
    [{ secret: "wrong" }, 401],
    [{ secret: `${SECRET}x` }, 401],
    [{ secret: "" }, 401],
    [{}, 401],
  ])("§1.4 %j is %i", async (parameters: Record<string, string>, status) => {
    const query = { ...INITIAL, ...parameters };
    expect((await closed.get(query)).status).toBe(status);
    expect((await closed.post(query, {})).status).toBe(status);
    expect((await closed.head(query)).status).toBe(status);
    expect((await closed.delete(query)).status).toBe(status === 200 ? 405 : 401);
  });

  test("§1.4 the 401 says why; an Authorization header does not help", async () => {
    const answer = await closed.get(INITIAL, { authorization: `Bearer ${SECRET}` });
    expect(answer.status).toBe(401);
    expect(answer.json).toEqual({ message: "Unauthorized - Invalid API secret" });
    const preferred = await closed.get({ ...INITIAL, offset: "x" });
    expect(preferred.status).toBe(401);
  });

  test("§1.4 an open server takes no offence at a secret", async () => {
    expect((await subject.get({ ...INITIAL, secret: "any" })).status).toBe(200);
  });
});
