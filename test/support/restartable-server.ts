/**
 * A server on a database of its own whose storage outlives it, so that it can be stopped, things
 * can happen meanwhile, and it can be started again.
 */

import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { everythingRead } from "./everything-read.ts";
import { startServer, type LiveServer, type Settings } from "./live-server.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

export class RestartableServer {
  readonly database: TestDatabase;
  readonly #settings: Settings;
  readonly #directory: TemporaryDirectory;
  #live: LiveServer;

  private constructor(
    database: TestDatabase,
    settings: Settings,
    directory: TemporaryDirectory,
    live: LiveServer,
  ) {
    this.database = database;
    this.#settings = settings;
    this.#directory = directory;
    this.#live = live;
  }

  /** @param schema statements that make the tables, before the server starts. */
  static async start(schema: string, settings: Settings = {}): Promise<RestartableServer> {
    const database = await createTestDatabase();
    await database.query(schema);
    const directory = makeTemporaryDirectory();
    const live = await startServer(database, settings, directory.path);
    return new RestartableServer(database, settings, directory, live);
  }

  /** Another one after a restart. */
  get url(): string {
    return this.#live.url;
  }

  get pipeline() {
    return this.#live.service.pipeline!;
  }

  /** Waits until it has read all that is committed now, and nothing moves. */
  async settled(): Promise<void> {
    await everythingRead(this.database, this.#live);
    await this.pipeline.moves.settled();
  }

  /** Stops the server, lets things happen, and starts it. */
  async restart(meanwhile: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    await this.#live.stop();
    await meanwhile();
    this.#live = await startServer(this.database, this.#settings, this.#directory.path);
  }

  async dispose(): Promise<void> {
    await this.#live.stop();
    this.#directory.remove();
    await this.database.dispose();
  }
}
