/**
 * A litz of its own on a Postgres of its own, both in processes of their own and gone afterwards:
 * what is measured over HTTP is not disturbed by whoever measures.
 */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import type { ServerOrder, ServerReport } from "./waiting-server.ts";
import { Worker } from "./worker.ts";

export type ServerWorker = Worker<ServerOrder, ServerReport>;

/** @param settings beside those that say where database and storage are. */
export async function withRealServer(
  settings: Readonly<Record<string, string>>,
  work: (database: pg.Client, server: ServerWorker) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "litz-bench-"));
  // Postgres may run as somebody else.
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    durable: false,
    settings: { wal_level: "logical" },
  });
  const server: ServerWorker = new Worker("./waiting-server.ts", {
    DATABASE_URL: postgres.url,
    ELECTRIC_INSECURE: "true",
    ELECTRIC_STORAGE_DIR: join(directory, "storage"),
    ...settings,
  });
  const database = new pg.Client({ connectionString: postgres.url });
  try {
    await database.connect();
    await work(database, server);
  } finally {
    await database.end();
    server.stop();
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
