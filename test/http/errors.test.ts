/**
 * The error catalogue of protocol 3.2, as responses.
 *
 * Goal: for everything that can go wrong on the way to an answer, the status, the body and the
 * headers that the protocol lists, at the place in the order of 3.1 where it belongs. Method: a
 * service that fails in each way once; the whole response is compared.
 */

import assert from "node:assert/strict";
import { beforeEach, test } from "vitest";
import { LitzError } from "../../src/lib/errors.ts";
import { makeFixture, type Fixture } from "./edge-fixture.ts";

const ITEMS = { table: "items", offset: "-1" };
const KNOWN = "electric-internal-known-error";

let fixture: Fixture;
beforeEach(() => {
  fixture = makeFixture();
});

/** As `postgres/postgres-error.ts` makes them. */
function postgresError(code: string, httpStatus: number, postgresMessage = "row 7"): LitzError {
  const error = new LitzError(`asking Postgres: ${postgresMessage}`, { code, httpStatus });
  return Object.assign(error, { postgresMessage });
}

const TOO_SLOW =
  "Snapshot query took too long to return data (cancelled after 30000ms). Please ensure snapshot " +
  "queries are using an index to avoid taking up all database connections.";
const NOT_VERIFIED = "Cannot connect to the database to verify the shape. Please try again later.";
const NOT_CREATED = "Failed to create shape, please retry";

type At = "define" | "create" | "snapshot" | "read";
interface Expected {
  readonly status: number;
  readonly body: object;
  readonly retryAfter?: string;
  readonly isKnown?: true;
}

const snapshotFailure = (message: string): Expected => ({
  status: 503,
  body: { message },
  retryAfter: "10",
  isKnown: true,
});

const UNAVAILABLE = ["POSTGRES_UNREACHABLE", "POSTGRES_REFUSED", "POSTGRES_POOL_EXHAUSTED"];

test.for<[At, LitzError | Error, Expected]>([
  ...UNAVAILABLE.flatMap((code): [At, LitzError, Expected][] => [
    [
      "define",
      postgresError(code, 503),
      { status: 503, body: { message: NOT_VERIFIED }, retryAfter: "1" },
    ],
    [
      "create",
      postgresError(code, 503),
      { status: 503, body: { message: NOT_CREATED }, retryAfter: "1" },
    ],
  ]),
  [
    "snapshot",
    postgresError("POSTGRES_LOCK_TIMEOUT", 503),
    snapshotFailure("Snapshot timed out while waiting for a table lock"),
  ],
  [
    "snapshot",
    postgresError("POSTGRES_UNREACHABLE", 503),
    snapshotFailure("Database connection not available"),
  ],
  [
    "snapshot",
    postgresError("POSTGRES_POOL_EXHAUSTED", 503),
    snapshotFailure("Snapshot creation failed because of a connection pool queue timeout"),
  ],
  ["snapshot", postgresError("POSTGRES_TIMEOUT", 503), snapshotFailure(TOO_SLOW)],
  ["read", postgresError("POSTGRES_TIMEOUT", 503), snapshotFailure(TOO_SLOW)],
  [
    "snapshot",
    postgresError("POSTGRES_PRIVILEGE", 500, "permission denied for table items"),
    snapshotFailure("Unable to create initial snapshot: permission denied for table items"),
  ],
  [
    "snapshot",
    postgresError("POSTGRES_ERROR", 500, "division by zero"),
    {
      status: 500,
      body: { message: "Unexpected error while creating snapshot: division by zero" },
    },
  ],
  [
    "read",
    new LitzError("/data/segments/7 ends at 12", { code: "STORE_CORRUPT" }),
    {
      status: 500,
      body: { message: "Unable to retrieve shape log: what is stored of it is damaged" },
    },
  ],
  [
    "read",
    new LitzError("ENOSPC /data", { code: "STORE_FAILED", httpStatus: 503 }),
    { status: 503, body: { message: "Storage is unavailable, please retry" } },
  ],
  ["define", new Error("row 7"), { status: 500, body: { error: "Internal server error" } }],
] as const)("3.2: at %s: %s", async ([at, error, expected]) => {
  fixture.service.nextFailure = { at, error };
  const response = await fixture.get(ITEMS);
  const { headers } = response;
  assert.deepEqual([response.statusCode, response.json()], [expected.status, expected.body]);
  assert.equal(headers["retry-after"], expected.retryAfter);
  assert.equal(headers[KNOWN], expected.isKnown === true ? "true" : undefined);
  assert.equal(headers["content-type"], "application/json; charset=utf-8");
  assert.equal(headers["cache-control"], "no-store");
  assert.equal(headers["surrogate-control"], "no-store");
  for (const name of ["electric-handle", "electric-offset", "electric-schema", "etag"]) {
    assert.equal(headers[name], undefined);
  }
});

test("a line of the log says the status that the client was told, and no other", async () => {
  const error = postgresError("POSTGRES_ERROR", 500, "division by zero");
  fixture.service.nextFailure = { at: "snapshot", error };
  const { statusCode } = await fixture.get(ITEMS);
  const logged = fixture.log.map((line) => JSON.parse(line) as LoggedFailure);
  const statuses = logged.map(({ status, error }) => [status, error.httpStatus]);
  assert.deepEqual([statusCode, statuses], [500, [[500, 500]]]);
});

interface LoggedFailure {
  readonly status: number;
  readonly error: { readonly httpStatus: number };
}

test("3.2: the database is lost where nothing else is known of it", async () => {
  fixture.service.ready = () => Promise.reject(postgresError("POSTGRES_UNREACHABLE", 503));
  const response = await fixture.get(ITEMS);
  assert.equal(response.statusCode, 503);
  assert.deepEqual(response.json(), {
    code: "database_unreachable",
    error: "Database is unreachable",
  });
  assert.equal(response.headers["retry-after"], "10");
});

test("3.2: a change of schema is a 409 without a handle, wherever it is found", async () => {
  for (const at of ["create", "snapshot", "read"] as const) {
    const error = new LitzError("x", { code: "SCHEMA_CHANGED", httpStatus: 409 });
    fixture.service.nextFailure = { at, error };
    const response = await fixture.get(ITEMS);
    assert.equal(response.statusCode, 409, at);
    assert.deepEqual(response.json(), [{ headers: { control: "must-refetch" } }]);
    assert.equal(response.headers["electric-handle"], undefined);
    assert.equal(response.headers["cache-control"], "public, max-age=1, must-revalidate");
  }
});

test("3.1: each step comes before the next", async () => {
  const config = { secret: "s", maxConcurrentRequests: { initial: 1, existing: 1 } };
  fixture = makeFixture({ config });
  const wrong = { table: "nope", replica: "x", offset: "y", subset__limit: "0" };
  const status = async (parameters: Record<string, string>): Promise<unknown> => {
    const response = await fixture.get(parameters);
    return [response.statusCode, response.json<{ errors?: unknown }>().errors];
  };
  assert.deepEqual(await status(wrong), [401, undefined]);
  const secret = { ...wrong, secret: "s" };
  fixture.service.status = "starting";
  assert.deepEqual(await status(secret), [503, undefined]);
  fixture.service.status = "active";
  const invalid = ["is invalid"];
  assert.deepEqual(await status(secret), [400, { replica: invalid }]);
  const cast = { ...secret, replica: "full" };
  assert.deepEqual(await status(cast), [400, { offset: ["has invalid format"] }]);
  const placed = { ...cast, offset: "0_0" };
  const noHandle = ["can't be blank when offset != -1"];
  assert.deepEqual(await status(placed), [400, { handle: noHandle }]);
  const defined = { ...placed, handle: "1-1" };
  const noTable = ['Table "public"."nope" does not exist.'];
  assert.deepEqual(await status(defined), [400, { table: noTable }]);
  const limit = ["must be greater than 0"];
  const found = { ...defined, table: "items" };
  assert.equal(
    JSON.stringify(await status({ ...found, subset__order_by: "id" })),
    JSON.stringify([400, { subset: { limit } }]),
  );
  const sound = { ...found, subset__limit: "1", subset__order_by: "id" };
  assert.deepEqual(await status(sound), [409, undefined]);
});
