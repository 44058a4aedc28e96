/**
 * Records what `pgoutput.test.ts` decodes, from a real Postgres of a moment:
 *
 *     npx tsx test/decoder/record-fixtures.ts
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";

const sql = [
  `CREATE TABLE "odd ""name"".dot" (id int8 PRIMARY KEY, "title é" varchar(8), tags text[])`,
  `ALTER TABLE "odd ""name"".dot" REPLICA IDENTITY FULL`,
  "CREATE TABLE other (id int4 PRIMARY KEY)",
  `CREATE PUBLICATION fixtures FOR TABLE "odd ""name"".dot", other`,
  "SELECT pg_create_logical_replication_slot('fixtures', 'pgoutput')",
  `INSERT INTO "odd ""name"".dot" VALUES (1, 'one', '{a,b}')`,
  `TRUNCATE "odd ""name"".dot", other`,
];

const directory = mkdtempSync(join(tmpdir(), "litz-fixtures-"));
const postgres = await startEmbeddedPostgres({ directory, durable: false });
const client = new pg.Client({ connectionString: postgres.url });
await client.connect();
for (const statement of sql) await client.query(statement);
const { rows } = await client.query<{ data: Buffer }>(
  `SELECT data FROM pg_logical_slot_get_binary_changes(
     'fixtures', NULL, NULL, 'proto_version', '1', 'publication_names', 'fixtures')`,
);
await client.end();
await postgres.stop();
rmSync(directory, { recursive: true });

const firstOf = (type: string) => rows.find(({ data }) => data.toString("latin1", 0, 1) === type)!;
const messages = {
  relation: firstOf("R").data.toString("hex"),
  truncate: firstOf("T").data.toString("hex"),
};
const text = JSON.stringify({ sql, messages }, undefined, 2);
writeFileSync(new URL("fixtures/messages.json", import.meta.url), `${text}\n`);
