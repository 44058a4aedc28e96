/**
 * A litz of its own on a Postgres of its own, both in processes of their own and gone afterwards:
 * what is measured over HTTP is not disturbed by whoever measures.
 */

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { seedShapes } from "./seeding.ts";
import type { ServerOrder, ServerReport } from "./waiting-server.ts";
import { Worker } from "./worker.ts";

export type ServerWorker = Worker<ServerOrder, ServerReport>;

type Settings = Readonly<Record<string, string>>;

/** A Postgres, and where servers on it may keep their storage. */
export interface Ground {
  readonly url: string;
  readonly database: pg.Client;
  readonly directory: string;
}

/** @param settings beside those that say where database and storage are. */
export async function withRealServer(
  settings: Settings,
  work: (database: pg.Client, server: ServerWorker) => Promise<void>,
): Promise<void> {
  await withPostgres(async ({ url, database, directory }) => {
    const server = startProcess(url, join(directory, "storage"), settings);
    try {
      await work(database, server);
    } finally {
      server.stop();
    }
  });
}

/** @param kept a directory to use and leave as it is: the next run finds everything there. */
export async function withPostgres(
  work: (ground: Ground) => Promise<void>,
  kept?: string,
): Promise<void> {
  const directory = kept ?? mkdtempSync(join(tmpdir(), "litz-bench-"));
  mkdirSync(directory, { recursive: true });
  // Postgres may run as somebody else.
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    durable: false,
    // A server that is stopped for a while is not to be taken for dead.
    settings: { wal_level: "logical", wal_sender_timeout: "10min", max_wal_size: "8GB" },
  });
  const { url } = postgres;
  const database = new pg.Client({ connectionString: url });
  try {
    await database.connect();
    await work({ url, database, directory });
  } finally {
    await database.end();
    await postgres.stop();
    if (kept === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** A server that serves. */
export interface SeededServer {
  readonly worker: ServerWorker;
  readonly port: number;
  readonly names: { readonly slot: string; readonly publication: string };
}

let serial = 0;

/**
 * A server with `count` shapes on the table `items` and the one of tenant 1, which is gone
 * afterwards with all that it had.
 *
 * @param where the WHERE of the shape of tenant 1.
 */
export async function withSeededServer(
  { url, database, directory }: Ground,
  { count, where, settings = {} }: { count: number; where: string; settings?: Settings },
  work: (server: SeededServer) => Promise<void>,
): Promise<void> {
  const streamId = `bench_${++serial}`;
  const storage = join(directory, streamId);
  const own = { ...settings, ELECTRIC_REPLICATION_STREAM_ID: streamId };
  const names = {
    slot: `electric_slot_${streamId}`,
    publication: `electric_publication_${streamId}`,
  };

  const maker = startProcess(url, storage, own);
  try {
    const { port } = await maker.ask({ kind: "start" });
    const query = new URLSearchParams({ table: "items", where, offset: "-1" });
    const response = await fetch(`http://127.0.0.1:${port}/v1/shape?${query.toString()}`);
    if (response.status !== 200) throw new Error(`no shape: ${await response.text()}`);
    await response.text();
    await maker.ask({ kind: "stop" });
  } finally {
    maker.stop();
  }
  await seedShapes(storage, count);

  const worker = startProcess(url, storage, own);
  try {
    const { port } = await worker.ask({ kind: "start" });
    await work({ worker, port, names });
    await worker.ask({ kind: "stop" });
  } finally {
    worker.stop();
  }
  await database.query("SELECT pg_drop_replication_slot($1)", [names.slot]);
  rmSync(storage, { recursive: true, force: true });
}

function startProcess(url: string, storage: string, settings: Settings): ServerWorker {
  return new Worker("./waiting-server.ts", {
    DATABASE_URL: url,
    ELECTRIC_INSECURE: "true",
    ELECTRIC_STORAGE_DIR: storage,
    ...settings,
  });
}
