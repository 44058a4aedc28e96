/**
 * Snapshots and subsets of shapes with subqueries.
 *
 * Goal: rows carry tags with the hash of their own shape and their active conditions (protocol
 * 14.3), be they read together or alone; a subquery's table is held as the shape's own is, and has
 * to be the one that was defined.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { LitzError } from "../../src/lib/errors.ts";
import type { ShapeDefinition } from "../../src/model/shape-definition.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { SnapshotBatcher } from "../../src/postgres/snapshot-batch.ts";
import { SnapshotReader } from "../../src/postgres/snapshot-query.ts";
import { SubsetReader } from "../../src/postgres/subset-query.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let pool: Pool;
let alone: SnapshotReader;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool(parseConnectionOptions(database.url), { size: 4 });
  alone = new SnapshotReader(pool);
});
beforeEach(async () => {
  await database.query(`
    DROP TABLE IF EXISTS tasks, orgs;
    CREATE TABLE orgs (id int PRIMARY KEY, plan text);
    CREATE TABLE tasks (id int PRIMARY KEY, org int, done bool);
    INSERT INTO orgs SELECT n, 'plan ' || n % 3 FROM generate_series(1, 6) n;
    INSERT INTO tasks SELECT n, nullif(n % 8, 0), n % 2 = 0 FROM generate_series(1, 40) n`);
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

async function define(where: string): Promise<ShapeDefinition> {
  const inspector = new Inspector(pool);
  const [tasks, orgs] = await Promise.all(
    ["tasks", "orgs"].map(async (name) => (await inspector.findTable("public", name))!),
  );
  const facts = { publishesGeneratedColumns: false, innerTables: [orgs!] };
  const rest = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
  return defineShape(tasks!, { where, ...rest }, facts);
}

interface Message {
  readonly value: { readonly id: string; readonly org: string | null };
  readonly headers: { readonly tags: string[]; readonly active_conditions: boolean[] };
}

async function read(
  source: Pick<SnapshotReader, "read">,
  definition: ShapeDefinition,
  prefix: string,
): Promise<Message[]> {
  const rows: Message[] = [];
  const take = (messages: Uint8Array) =>
    void rows.push(...(JSON.parse(`[${Buffer.from(messages).toString()}]`) as Message[]));
  await source.read(definition, () => undefined, take, new AbortController().signal, prefix);
  return rows.sort((a, b) => Number(a.value.id) - Number(b.value.id));
}

const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const inputOf = ({ value: { org } }: Message) => (org === null ? "NULL" : `v:${org}`);

test("shapes of one template that are read together have hashes of their own", async () => {
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  const plans = [0, 1, 2, 3];
  const definitions = await Promise.all(
    plans.map((plan) => define(`org IN (SELECT id FROM orgs WHERE plan = 'plan ${plan}')`)),
  );
  const together = await Promise.all(
    definitions.map((definition, plan) => read(batcher, definition, `stack${plan}-1`)),
  );
  for (const [plan, rows] of together.entries()) {
    assert.deepEqual(await read(alone, definitions[plan]!, `stack${plan}-1`), rows);
    for (const row of rows) {
      assert.deepEqual(row.headers.tags, [md5(`stack${plan}-1${inputOf(row)}`)]);
      assert.deepEqual(row.headers.active_conditions, [true]);
    }
  }
  assert.deepEqual(
    together.map((rows) => rows.length > 0),
    [true, true, true, false],
  );
});

test("each disjunct has a tag, and each condition says whether it is true", async () => {
  const definition = await define("org NOT IN (SELECT id FROM orgs) AND org > 0 OR done");
  const subsets = new SubsetReader(pool, { concurrency: 1 });
  const subset = { where: undefined, parameters: [], orderBy: undefined };
  const signal = new AbortController().signal;
  const { pages } = await subsets.read(
    definition,
    { ...subset, limit: undefined, offset: undefined },
    signal,
    "stack7-1",
  );
  let text = "";
  for await (const page of pages) text += Buffer.from(page).toString();
  const rows = JSON.parse(`[${text}]`) as Message[];
  assert.ok(rows.length > 20);
  for (const row of rows) {
    const org = row.value.org === null ? undefined : Number(row.value.org);
    const isDone = Number(row.value.id) % 2 === 0;
    const isOutside = org !== undefined && (org < 1 || org > 6);
    assert.deepEqual(row.headers.tags, [`${md5(`stack7-1${inputOf(row)}`)}/1/`, "//1"]);
    assert.deepEqual(row.headers.active_conditions, [isOutside, (org ?? 0) > 0, isDone]);
  }
});

test.each([
  ["is another one", "DROP TABLE orgs; CREATE TABLE orgs (id int PRIMARY KEY, plan text)"],
  ["has another column", "ALTER TABLE orgs RENAME plan TO tariff"],
  ["is gone", "DROP TABLE orgs"],
])("a snapshot is refused whose subquery's table %s", async (_, change) => {
  const definition = await define("org IN (SELECT id FROM orgs WHERE plan = 'plan 1')");
  await database.query(change);
  const batcher = new SnapshotBatcher(pool, alone, systemClock);
  for (const source of [alone, batcher]) {
    const error: unknown = await read(source, definition, "").catch((thrown: unknown) => thrown);
    assert.ok(error instanceof LitzError);
    expect(["SCHEMA_CHANGED", "POSTGRES_SCHEMA_CHANGED"]).toContain(error.code);
  }
});
