/**
 * A whole server for a test: the real pipeline on a test database, inside this process.
 * `child-server.ts` runs it as a process of its own, to be killed.
 */

import { readConfig } from "../../src/config.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { PipelineService } from "../../src/sync-service.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import type { TestDatabase } from "./postgres.ts";

export interface LiveServer {
  /** Of the server; `shapeUrl` is where clients go. */
  readonly url: string;
  readonly shapeUrl: string;
  readonly service: PipelineService;
  /** Stops it; storage stays for the next `startServer` with the same directory. */
  stop(): Promise<void>;
}

/** What a server needs to know of its database. */
export type DatabaseAddress = Pick<TestDatabase, "url" | "streamId">;

export type Settings = Readonly<Record<string, string>>;

export function settingsFor(database: DatabaseAddress, directory: string, settings: Settings = {}) {
  return {
    DATABASE_URL: database.url,
    ELECTRIC_INSECURE: "true",
    ELECTRIC_PORT: "0",
    ELECTRIC_ENABLE_INTEGRATION_TESTING: "true",
    ELECTRIC_REPLICATION_STREAM_ID: database.streamId,
    ELECTRIC_STORAGE_DIR: directory,
    ELECTRIC_DB_POOL_SIZE: "4",
    LITZ_HOST: "127.0.0.1",
    ...settings,
  };
}

/**
 * Resolves when it is active.
 *
 * @param directory where storage is; a temporary one unless given.
 * @param logger takes what is logged; nobody unless given.
 */
export async function startServer(
  database: DatabaseAddress,
  settings?: Settings,
  directory?: string,
  logger?: Logger,
): Promise<LiveServer> {
  const server = await beginServer(database, settings, directory, logger);
  await server.started;
  return server;
}

/** The same; resolves when it listens, which is long before it is active. */
export async function beginServer(
  database: DatabaseAddress,
  settings: Settings = {},
  directory?: string,
  logger?: Logger,
): Promise<LiveServer & { readonly started: Promise<void> }> {
  const temporary = directory === undefined ? makeTemporaryDirectory() : undefined;
  const config = readConfig(settingsFor(database, directory ?? temporary!.path, settings));
  const service = new PipelineService({ config, ...(logger && { logger }) });
  const app = service.httpServer();
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    started: service.start(),
    url,
    shapeUrl: `${url}/v1/shape`,
    service,
    stop: async () => {
      await app.close();
      await service.stop();
      temporary?.remove();
    },
  };
}
