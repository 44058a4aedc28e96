/**
 * Keeps a second process out of a data directory.
 *
 * The lock is a write lock that SQLite holds on a file of its own, so it is the kernel's: it goes
 * when its owner does, however that ends. A file with a process id would outlive a crash, and in a
 * container, where every process is number 1, nobody could tell whether its owner lives.
 */

import Database from "better-sqlite3";
import { StoreLocked } from "./errors.ts";

export class DirectoryLock {
  readonly #database: Database.Database;

  /** @throws {StoreLocked} when another process, or another store of this one, holds it. */
  constructor(directory: string, path: string) {
    this.#database = new Database(path, { timeout: 0 });
    try {
      this.#database.pragma("journal_mode = MEMORY");
      this.#database.exec("begin exclusive");
    } catch (error) {
      this.#database.close();
      throw new StoreLocked(directory, error);
    }
  }

  release(): void {
    this.#database.close();
  }
}
