/**
 * Subsets over HTTP (protocol 12).
 *
 * Goal: what a request for a subset is answered, by GET and by POST: rows, metadata, headers, the
 * offset to go on from, errors. Method: the server over the in-memory service; what Postgres does
 * with a subset is in test/postgres/subset-query.test.ts, the whole in test/e2e/subset.test.ts.
 */

import assert from "node:assert/strict";
import type { LightMyRequestResponse } from "fastify";
import { beforeEach, test } from "vitest";
import { InvalidParameter, LitzError } from "../../src/lib/errors.ts";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { eventually } from "../support/eventually.ts";
import { makeFixture, shapeUrl, type Fixture } from "./edge-fixture.ts";
import { RawClient } from "./raw-client.ts";

const ITEMS = { table: "items", offset: "-1" };

let fixture: Fixture;
beforeEach(() => {
  fixture = makeFixture();
});

const get = (parameters: Record<string, string>) => fixture.get({ ...ITEMS, ...parameters });
const post = (body: object, parameters: Record<string, string> = {}) =>
  fixture.app.inject({
    method: "POST",
    url: shapeUrl({ ...ITEMS, ...parameters }),
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

interface SubsetBody {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly data: readonly { readonly value: { readonly id: string } }[];
}

const idsOf = (response: LightMyRequestResponse): string[] =>
  response.json<SubsetBody>().data.map(({ value }) => value.id);
const subsetErrors = (response: LightMyRequestResponse): unknown => {
  assert.equal(response.statusCode, 400, response.body);
  const { message, errors } = response.json<{ message: string; errors: { subset: unknown } }>();
  assert.equal(message, "Invalid request");
  return errors.subset;
};

test("12: metadata, then the rows as messages of a shape, each with the mark", async () => {
  const response = await get({ subset__where: "id = 2" });
  assert.equal(response.statusCode, 200);
  assert.deepEqual(response.json(), {
    metadata: { xmin: "7", xmax: "9", xip_list: ["8"], snapshot_mark: 42, database_lsn: "100" },
    data: [
      {
        key: '"public"."items"/"2"',
        value: { id: "2" },
        headers: { operation: "insert", relation: ["public", "items"], snapshot_mark: 42 },
      },
    ],
  });
});

test("4.1, 12: its headers are these and no others", async () => {
  const { headers } = await get({ subset__where: "" });
  const own = Object.keys(headers).filter((name) => !name.startsWith("access-control"));
  assert.deepEqual(own.sort(), [
    "cache-control",
    "connection",
    "content-type",
    "date",
    "electric-handle",
    "electric-offset",
    "electric-schema",
    "electric-server",
    "electric-snapshot",
    "transfer-encoding",
    "x-request-id",
  ]);
  assert.equal(headers["cache-control"], "no-cache");
  assert.equal(headers["electric-snapshot"], "true");
  assert.equal(headers["content-type"], "application/json; charset=utf-8");
});

test("12: none, some and all of the rows, by every spelling", async () => {
  const page = { order_by: "id", limit: 2, offset: 1 };
  for (const response of [
    await get({ subset__order_by: "id", subset__limit: "2", subset__offset: "1" }),
    await get({ "subset[order_by]": "id", "subset[limit]": "2", "subset[offset]": "1" }),
    await post(page),
    await post({ subset: page }),
    await post({ limit: 2, offset: 1 }, { subset__order_by: "id" }),
  ]) {
    assert.deepEqual(idsOf(response), ["2", "3"]);
    assert.equal(response.headers["cache-control"], "no-cache");
  }
  assert.deepEqual(idsOf(await post({ where: "id = $1", params: { 1: 3 } })), ["3"]);
  const asJson = { subset__where: "id = $1", subset__params: '{"1":"3"}' };
  assert.deepEqual(idsOf(await get(asJson)), ["3"]);
  assert.deepEqual(idsOf(await get({ subset__where: "id = 7" })), []);
  assert.deepEqual(idsOf(await get({ subset__where: "" })), ["1", "2", "3"]);
});

test("12: works for every kind of log, and within the shape", async () => {
  assert.deepEqual(idsOf(await get({ log: "changes_only", subset__where: "" })), ["1", "2", "3"]);
  assert.deepEqual(idsOf(await get({ where: "id = 2", subset__where: "" })), ["2"]);
  assert.deepEqual(idsOf(await get({ where: "id = 2", subset__where: "id = 1" })), []);
  assert.equal(fixture.service.shapeCount, 2);
});

test("12: HEAD is answered as GET, and nothing stays open", async () => {
  const url = shapeUrl({ ...ITEMS, subset__where: "" });
  const head = await fixture.app.inject({ method: "HEAD", url });
  assert.equal(head.statusCode, 200);
  assert.equal(head.body, "");
  assert.equal(head.headers["electric-snapshot"], "true");
  assert.equal(fixture.service.openGenerators, 0);
});

test("12: the offset to go on from skips nothing", async () => {
  const { headers } = await get({});
  const handle = headers["electric-handle"] as string;
  const offsetFor = async (offset: string): Promise<unknown> => {
    const response = await get({ offset, handle, subset__where: "" });
    assert.equal(response.statusCode, 200);
    return response.headers["electric-offset"];
  };
  assert.equal(await offsetFor("-1"), "0_0");
  assert.equal(await offsetFor("now"), "0_inf");
  assert.equal(await offsetFor("0_0"), "0_0");
  assert.equal(await offsetFor("0_inf"), "0_inf");
  // From a log that is no more: never out of bounds.
  assert.equal(await offsetFor("999_4"), "0_inf");
  fixture.service.commit(200n, "items", [{ id: "4" }, { id: "5" }]);
  assert.equal(await offsetFor("-1"), "0_0");
  assert.equal(await offsetFor("now"), "200_2");
  assert.equal(await offsetFor("0_inf"), "0_inf");
  assert.equal(await offsetFor("200_0"), "200_0");
  assert.equal(await offsetFor("999_4"), "200_2");
});

test("12: the offset is that of before the rows were read", async () => {
  const handle = (await get({})).headers["electric-handle"] as string;
  let open: () => void = () => undefined;
  fixture.service.snapshotGate = new Promise((resolve) => (open = resolve));
  const reading = get({ offset: "now", handle, subset__where: "" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  open();
  const response = await reading;
  assert.equal(response.headers["electric-offset"], "0_inf");
  assert.deepEqual(idsOf(response), ["1", "2", "3", "4"]);
});

test("12: a handle of another shape is a 409 with the right one", async () => {
  const { headers } = await get({});
  for (const response of [
    await get({ offset: "0_0", handle: "1-1", subset__where: "" }),
    await post({ limit: 1, order_by: "id" }, { offset: "0_0", handle: "1-1" }),
  ]) {
    assert.equal(response.statusCode, 409);
    assert.deepEqual(response.json(), [{ headers: { control: "must-refetch" } }]);
    assert.equal(response.headers["electric-handle"], headers["electric-handle"]);
  }
});

test("20: `live` and entity tags mean nothing to a subset", async () => {
  const handle = (await get({})).headers["electric-handle"] as string;
  const parameters = { offset: "0_inf", handle, live: "true", live_sse: "true" };
  const response = await get({ ...parameters, subset__where: "" });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers["electric-snapshot"], "true");
  assert.equal(response.headers["electric-schema"], undefined);
  assert.equal(response.headers["electric-cursor"], undefined);
  const tag = { "if-none-match": `"${handle}:-1:0_0"` };
  const conditional = await fixture.get({ ...ITEMS, subset__where: "" }, tag);
  assert.equal(conditional.statusCode, 200);
});

test("3.3: the subset is looked at after the shape, stage by stage", async () => {
  const wrong = { subset__limit: "0", subset__order_by: "random()", subset__where: "1 x" };
  const first = await get({ ...wrong, table: "nope" });
  assert.deepEqual(Object.keys(first.json<{ errors: object }>().errors), ["table"]);
  assert.deepEqual(subsetErrors(await get(wrong)), { limit: ["must be greater than 0"] });
  assert.deepEqual(subsetErrors(await get({ ...wrong, subset__limit: "1" })), {
    order_by: ["At location 0: unknown reference random()"],
  });
  assert.deepEqual(subsetErrors(await post({ where: "1 x" })), {
    where: ["At location 0: syntax error"],
  });
  assert.deepEqual(subsetErrors(await post({ limit: 1, offset: -1 })), {
    offset: ["must be greater than or equal to 0"],
    order_by: ["order_by is required when limit or offset is present"],
  });
  assert.equal(fixture.service.shapeCount, 0);
});

test("3.3: what Postgres finds wrong with a value is a text alone", async () => {
  const said = 'invalid input value for enum mood: "bored"';
  fixture.service.nextFailure = { at: "subset", error: new InvalidParameter("where", said) };
  assert.deepEqual(subsetErrors(await get({ subset__where: "" })), { where: said });
});

test("3.2: a database that does not answer", async () => {
  for (const [code, message] of [
    ["POSTGRES_UNREACHABLE", "Database connection not available"],
    [
      "POSTGRES_POOL_EXHAUSTED",
      "Snapshot creation failed because of a connection pool queue timeout",
    ],
    ["POSTGRES_LOCK_TIMEOUT", "Snapshot timed out while waiting for a table lock"],
  ] as const) {
    const error = new LitzError("x", { code, httpStatus: 503 });
    fixture.service.nextFailure = { at: "subset", error };
    const response = await get({ subset__where: "" });
    assert.equal(response.statusCode, 503);
    assert.deepEqual(response.json(), { message });
    assert.equal(response.headers["retry-after"], "10");
    assert.equal(response.headers["electric-internal-known-error"], "true");
  }
});

test("4.4: a table that is not what it was is a 409 without a handle", async () => {
  const error = new LitzError("x", { code: "SCHEMA_CHANGED", httpStatus: 409 });
  fixture.service.nextFailure = { at: "subset", error };
  const response = await get({ subset__where: "" });
  assert.equal(response.statusCode, 409);
  assert.equal(response.headers["electric-handle"], undefined);
});

test("11.3: a subset of a shape that is not there creates it", async () => {
  const response = await get({ subset__where: "" });
  const handle = response.headers["electric-handle"] as ShapeHandle;
  assert.notEqual(fixture.service.definitionOf(handle), undefined);
});

test("a client that goes away takes its subset with it, before the rows and among them", async () => {
  const rows = Array.from({ length: 200 }, (_, id) => ({ id: `${id}`, x: "x".repeat(50_000) }));
  fixture = makeFixture({ rows });
  const port = await fixture.listen();
  const target = shapeUrl({ ...ITEMS, subset__where: "" });
  let open: () => void = () => undefined;
  await get({});
  fixture.service.snapshotGate = new Promise((resolve) => (open = resolve));
  const early = await RawClient.connect(port);
  early.get(target);
  await new Promise((resolve) => setTimeout(resolve, 20));
  early.leave();
  await new Promise((resolve) => setTimeout(resolve, 20));
  open();
  fixture.service.snapshotGate = undefined;
  const late = await RawClient.connect(port, false);
  late.get(target);
  await eventually(() => assert.equal(fixture.service.openGenerators, 1));
  late.leave();
  await eventually(() => assert.equal(fixture.service.openGenerators, 0));
  assert.deepEqual(fixture.log, []);
});
