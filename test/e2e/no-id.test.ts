/**
 * Goal: no id leaves the process (law 7): none in a response, a header or a stored byte.
 * Method: ids are pushed up to where they are numbers that nothing else would be (six digits, three
 * bytes), shapes are made, changed, moved in and out of, explained, checkpointed and removed, and
 * everything that came out is searched for each id as text and as bytes. To exclude a coincidence
 * with an LSN or a clock, an id counts as found only if two runs with different ids both have it.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { viewsOf } from "../../src/subqueries/views-of.ts";
import { everythingRead } from "../support/everything-read.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase } from "../support/postgres.ts";

const SHAPES = 8;
/** More than there are shapes and views. */
const RETIRED = 100;
const OF_OPEN_TENANTS = "tenant_id IN (SELECT id FROM tenants WHERE is_open)";
const OF_OPEN_PLANS = `tenant_id NOT IN (SELECT id FROM tenants WHERE plan IN
  (SELECT id FROM plans WHERE is_open))`;
const OF_TENANTS = Array.from({ length: SHAPES }, (_, tenant) => `tenant_id = ${tenant}`);
const WHERES = [...OF_TENANTS, OF_OPEN_TENANTS, OF_OPEN_PLANS];
const ADMIN = ["/admin/memory", "/admin/shapes", "/admin/templates"];

test("no id is in any response, header or stored byte", async () => {
  const runs = [await traceOfRun(613_579), await traceOfRun(874_321)];
  const found = runs.map(({ ids, bytes }) =>
    ids.map((id) => encodings(id).some((pattern) => bytes.includes(pattern))),
  );
  const foundInBoth = found[0]!.map((isFound, index) => isFound && found[1]![index]!);
  expect(foundInBoth).toEqual(foundInBoth.map(() => false));
}, 120_000);

test("the search finds what is there", () => {
  const id = 613_580 as ShapeId;
  const bytes = Buffer.concat([Buffer.from("before"), encodings(id)[1]!, Buffer.from("after")]);
  expect(encodings(id).some((pattern) => bytes.includes(pattern))).toBe(true);
});

type Pipeline = NonNullable<LiveServer["service"]["pipeline"]>;

function encodings(id: number): Buffer[] {
  const little = Buffer.alloc(4);
  little.writeUInt32LE(id);
  const big = Buffer.alloc(4);
  big.writeUInt32BE(id);
  const varint = Buffer.of((id & 0x7f) | 0x80, ((id >> 7) & 0x7f) | 0x80, id >> 14);
  return [Buffer.from(String(id)), little, big, Buffer.from(id.toString(16)), varint];
}

/** Everything that a run sends and stores, and the ids that its shapes and their views had. */
async function traceOfRun(firstId: number): Promise<{ ids: ShapeId[]; bytes: Buffer }> {
  const database = await createTestDatabase();
  const directory = makeTemporaryDirectory();
  const server = await startServer(database, {}, directory.path);
  const seen: Buffer[] = [];
  try {
    await database.query(`
      CREATE TABLE items (id int PRIMARY KEY, tenant_id int NOT NULL, title text);
      CREATE TABLE tenants (id int PRIMARY KEY, is_open bool NOT NULL, plan int);
      CREATE TABLE plans (id int PRIMARY KEY, is_open bool NOT NULL);
      INSERT INTO items SELECT n, n % ${SHAPES}, 'a' FROM generate_series(1, 40) n;
      INSERT INTO tenants SELECT n, n < 4, n % 2 FROM generate_series(0, ${SHAPES - 1}) n;
      INSERT INTO plans VALUES (0, true), (1, false)`);
    const pipeline = server.service.pipeline!;
    const { registry } = pipeline;
    while (registry.count < firstId - 1) {
      registry.add((2 ** 39 + registry.count) as StorageKey, 0);
    }
    // How many shapes there are may be told, and is no id then.
    for (let id = 1; id <= RETIRED; id++) registry.retire(id as ShapeId);
    const handles: string[] = [];
    const send = async (target: string, init?: RequestInit): Promise<Response> => {
      const response = await fetch(server.url + target, init);
      seen.push(Buffer.from(JSON.stringify([...response.headers])));
      seen.push(Buffer.from(await response.arrayBuffer()));
      return response;
    };
    const get = (query: string, method = "GET") => send(`/v1/shape?${query}`, { method });
    for (const where of WHERES) {
      const response = await get(`${definition(where)}&offset=-1`);
      handles.push(response.headers.get("electric-handle")!);
    }
    await database.query("UPDATE items SET title = 'b'; DELETE FROM items WHERE id > 30");
    await database.query("UPDATE tenants SET is_open = NOT is_open");
    await database.query("UPDATE plans SET is_open = NOT is_open");
    await everythingRead(database, server);
    await pipeline.moves.settled();
    for (const [index, handle] of handles.entries()) {
      const shape = definition(WHERES[index]!);
      await get(`${shape}&offset=0_inf&handle=${handle}&live=true`);
      await get(`${shape}&offset=0_0&handle=${handle}`);
      await get(`${shape}&offset=0_0&handle=1-1`);
      await send("/admin/explain", explanation(WHERES[index]!));
    }
    const shapeIds = handles.map((handle) => idOf(registry, handle, firstId));
    const ids = shapeIds.flatMap((id) => [id, ...viewsUnder(pipeline, id)]);
    expect(ids).toHaveLength(SHAPES + 2 + 3);
    await get(`handle=${handles[0]!}`, "DELETE");
    await get(`handle=${handles.at(-1)!}`, "DELETE");
    await get(`${definition(WHERES[1]!)}&offset=now`);
    for (const target of ["/v1/health", ...ADMIN]) await send(target);
    await server.stop();
    seen.push(...filesUnder(directory.path).map((path) => readFileSync(path)));
    return { ids, bytes: Buffer.concat(seen) };
  } finally {
    await database.dispose();
    directory.remove();
  }
}

function definition(where: string): string {
  return new URLSearchParams({ table: "items", where }).toString();
}

function explanation(where: string): RequestInit {
  const body = JSON.stringify({ table: "items", where, row: { id: 1, tenant_id: 2, title: "b" } });
  return { method: "POST", headers: { "content-type": "application/json" }, body };
}

/** The views that a shape stands on, and those that these stand on. */
function viewsUnder(pipeline: Pipeline, id: ShapeId): readonly ShapeId[] {
  const { router, templates } = pipeline;
  const views = viewsOf(router, templates.get(router.templateOf(id)), id);
  return views.flatMap((view) => [view, ...viewsUnder(pipeline, view)]);
}

function idOf(
  registry: { handleOf(id: ShapeId): string | undefined },
  handle: string,
  firstId: number,
): ShapeId {
  for (let id = firstId; id < firstId + 8 * SHAPES; id++) {
    if (registry.handleOf(id as ShapeId) === handle) return id as ShapeId;
  }
  throw new Error(`no id has the handle ${handle}`);
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
