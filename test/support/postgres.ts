/**
 * A database per test, on the one Postgres of the run.
 *
 * Databases are cheap (some 30 ms) and isolate everything but roles and replication slots, which
 * belong to the whole server: hence the unique stream id, of which slot names are made.
 */

import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

export type Row = Record<string, unknown>;

export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Unique: for `electric_slot_<stream id>` and `electric_publication_<stream id>`. */
  readonly streamId: string;
  /** Runs SQL, several statements if there are no parameters; the rows of the last one. */
  query(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** A connection of its own, closed by `dispose`. */
  connect(): Promise<pg.Client>;
  /** Ends every session of the database, drops its slots, then the database itself. */
  dispose(): Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const suffix = randomBytes(6).toString("hex");
  const name = `litz_test_${suffix}`;
  const adminUrl = inject("postgresUrl");
  await administer(adminUrl, async (admin) => {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  });

  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = new pg.Client({ connectionString: url.href });
    client.on("error", () => undefined); // `dispose` ends sessions from the server's side.
    await client.connect();
    clients.push(client);
    return client;
  };
  const main = await connect();

  return {
    name,
    url: url.href,
    streamId: `test_${suffix}`,
    connect,
    query: async (sql, parameters) => {
      const result: unknown = await main.query(sql, parameters as unknown[] | undefined);
      const last: unknown = Array.isArray(result) ? result.at(-1) : result;
      return (last as pg.QueryResult<Row>).rows;
    },
    dispose: async () => {
      await administer(adminUrl, (admin) => dropDatabase(admin, name));
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    },
  };
}

async function administer(url: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** A slot cannot be dropped while its walsender lives, and a database not while it has a slot. */
async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  await admin.query(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1",
    [name],
  );
  await admin.query(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1",
    [name],
  );
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
