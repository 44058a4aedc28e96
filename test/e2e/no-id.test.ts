/**
 * Goal: no id leaves the process (law 7): none in a response, a header or a stored byte.
 * Method: ids are pushed up to where they are numbers that nothing else would be (six digits, three
 * bytes), shapes are made, changed, checkpointed and removed, and everything that came out is
 * searched for each id as text and as bytes. To exclude a coincidence with an LSN or a clock, an
 * id counts as found only if two runs with different ids both have it.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { startServer } from "../support/live-server.ts";
import { createTestDatabase } from "../support/postgres.ts";

const SHAPES = 8;

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

function encodings(id: number): Buffer[] {
  const little = Buffer.alloc(4);
  little.writeUInt32LE(id);
  const big = Buffer.alloc(4);
  big.writeUInt32BE(id);
  const varint = Buffer.of((id & 0x7f) | 0x80, ((id >> 7) & 0x7f) | 0x80, id >> 14);
  return [Buffer.from(String(id)), little, big, Buffer.from(id.toString(16)), varint];
}

/** Everything that a run sends and stores, and the ids that its shapes had. */
async function traceOfRun(firstId: number): Promise<{ ids: ShapeId[]; bytes: Buffer }> {
  const database = await createTestDatabase();
  const directory = makeTemporaryDirectory();
  const server = await startServer(database, {}, directory.path);
  const seen: Buffer[] = [];
  try {
    await database.query(`
      CREATE TABLE items (id int PRIMARY KEY, tenant_id int NOT NULL, title text);
      INSERT INTO items SELECT n, n % ${SHAPES}, 'a' FROM generate_series(1, 40) n`);
    const { registry } = server.service.pipeline!;
    while (registry.count < firstId - 1) {
      registry.add((2 ** 39 + registry.count) as StorageKey, 0);
    }
    const handles: string[] = [];
    const get = async (query: string, method = "GET"): Promise<Response> => {
      const response = await fetch(`${server.url}/v1/shape?${query}`, { method });
      seen.push(Buffer.from(JSON.stringify([...response.headers])));
      seen.push(Buffer.from(await response.arrayBuffer()));
      return response;
    };
    const definition = (tenant: number) => `table=items&where=tenant_id%3D${tenant}`;
    for (let tenant = 0; tenant < SHAPES; tenant++) {
      const response = await get(`${definition(tenant)}&offset=-1`);
      handles.push(response.headers.get("electric-handle")!);
    }
    await database.query("UPDATE items SET title = 'b'; DELETE FROM items WHERE id > 30");
    for (const [tenant, handle] of handles.entries()) {
      await get(`${definition(tenant)}&offset=0_inf&handle=${handle}&live=true`);
      await get(`${definition(tenant)}&offset=0_0&handle=${handle}`);
      await get(`${definition(tenant)}&offset=0_0&handle=1-1`);
    }
    const ids = handles.map((handle) => idOf(server.service.pipeline!.registry, handle, firstId));
    await get(`handle=${handles[0]!}`, "DELETE");
    await get(`${definition(1)}&offset=now`);
    seen.push(Buffer.from(await (await fetch(`${server.url}/v1/health`)).arrayBuffer()));
    await server.stop();
    seen.push(...filesUnder(directory.path).map((path) => readFileSync(path)));
    return { ids, bytes: Buffer.concat(seen) };
  } finally {
    await database.dispose();
    directory.remove();
  }
}

function idOf(
  registry: { handleOf(id: ShapeId): string | undefined },
  handle: string,
  firstId: number,
): ShapeId {
  for (let id = firstId; id < firstId + 4 * SHAPES; id++) {
    if (registry.handleOf(id as ShapeId) === handle) return id as ShapeId;
  }
  throw new Error(`no id has the handle ${handle}`);
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
