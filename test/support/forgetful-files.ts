/**
 * The file layer of a disk that can lose what was not synced, or refuse. It writes to real files
 * and remembers how much of each is durable; `copyAfterCrash` makes the directory that a machine
 * would find after losing power at this moment.
 */

import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { nodeFiles, type Files } from "../../src/storage/files.ts";
import { temporaryDirectory } from "./store-harness.ts";

export class ForgetfulFiles implements Files {
  readonly #paths = new Map<number, string>();
  readonly #written = new Map<string, number>();
  readonly #synced = new Map<string, number>();
  /** A sync waits for it first. */
  gate: Promise<void> = Promise.resolve();
  /** How many wait for it now. */
  syncsWaiting = 0;
  /** Fails with this on the next sync, and counts down to it. */
  syncFailure: { after: number; error: Error } | undefined;

  async create(path: string): Promise<number> {
    const descriptor = await nodeFiles.create(path);
    this.#paths.set(descriptor, path);
    this.#written.set(path, 0);
    return descriptor;
  }

  async write(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
    const path = this.#paths.get(descriptor);
    await nodeFiles.write(descriptor, buffers, position);
    if (path === undefined) return;
    const end = position + buffers.reduce((size, buffer) => size + buffer.length, 0);
    this.#written.set(path, Math.max(this.#written.get(path) ?? 0, end));
  }

  async sync(descriptor: number): Promise<void> {
    const path = this.#paths.get(descriptor);
    const written = path === undefined ? undefined : this.#written.get(path);
    if (this.syncFailure !== undefined && this.syncFailure.after-- <= 0) {
      throw this.syncFailure.error;
    }
    this.syncsWaiting += 1;
    await this.gate;
    this.syncsWaiting -= 1;
    await nodeFiles.sync(descriptor);
    if (path !== undefined) this.#synced.set(path, written!);
  }

  syncDirectory(path: string): Promise<void> {
    return nodeFiles.syncDirectory(path);
  }

  async close(descriptor: number): Promise<void> {
    this.#paths.delete(descriptor);
    await nodeFiles.close(descriptor);
  }

  unlink(path: string): Promise<void> {
    return nodeFiles.unlink(path);
  }

  renameNow(from: string, to: string): void {
    nodeFiles.renameNow(from, to);
    // What takes its place was synced by the thread that wrote it.
    this.#written.delete(to);
    this.#synced.delete(to);
  }

  /**
   * Bytes that were not synced are kept up to a random point and damaged in a random place.
   * `random` answers with a number from 0 to 1.
   */
  copyAfterCrash(directory: string, random: () => number): string {
    const copy = temporaryDirectory();
    cpSync(directory, copy, { recursive: true });
    const journal = join(copy, "journal");
    for (const name of existsSync(journal) ? readdirSync(journal) : []) {
      const original = join(directory, "journal", basename(name));
      // A segment that was there at the start is opened by recovery, which syncs all of it.
      const isTracked = this.#written.has(original);
      if (!isTracked) continue;
      const synced = this.#synced.get(original) ?? 0;
      const path = join(journal, name);
      const size = statSync(path).size;
      if (size <= synced) continue;
      const bytes = readFileSync(path);
      const kept = synced + Math.floor(random() * (size - synced + 1));
      if (kept > synced && random() < 0.5) {
        const at = synced + Math.floor(random() * (kept - synced));
        bytes[at] = bytes[at]! ^ (1 + Math.floor(random() * 255));
      }
      writeFileSync(path, bytes.subarray(0, kept));
    }
    return copy;
  }
}
