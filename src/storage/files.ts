/**
 * What the acknowledging path asks of the file system, so that a test can be the disk that refuses
 * or forgets. All of it runs in libuv's pool; nothing here blocks the event loop.
 */

import * as fs from "node:fs";
import { promisify } from "node:util";

const open = promisify(fs.open);
const writev = promisify(fs.writev);
const fdatasync = promisify(fs.fdatasync);
const fsync = promisify(fs.fsync);
const close = promisify(fs.close);

export interface Files {
  /** Opens a new file for writing. Rejects when it exists. */
  create(path: string): Promise<number>;
  /** Writes all of it at `position`. */
  write(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Returns when the bytes and the size of the file are on the disk. Never to be retried. */
  sync(descriptor: number): Promise<void>;
  /** Returns when the names in a directory are on the disk. */
  syncDirectory(path: string): Promise<void>;
  close(descriptor: number): Promise<void>;
  unlink(path: string): Promise<void>;
  /**
   * Puts a file in another's place. Returns when it is done, some 20 us later, so that whoever
   * knows the other one learns of it in the same turn.
   */
  renameNow(from: string, to: string): void;
}

export const nodeFiles: Files = {
  create: (path) => open(path, "wx", 0o640),

  async write(descriptor, buffers, position) {
    let rest = buffers.map((buffer) => buffer);
    while (rest.length > 0) {
      const { bytesWritten } = await writev(descriptor, rest, position);
      if (bytesWritten === 0) throw new Error("the disk took no bytes");
      position += bytesWritten;
      rest = afterBytes(rest, bytesWritten);
    }
  },

  sync: (descriptor) => fdatasync(descriptor),

  async syncDirectory(path) {
    const descriptor = await open(path, "r");
    try {
      await fsync(descriptor);
    } finally {
      await close(descriptor);
    }
  },

  close: (descriptor) => close(descriptor),

  async unlink(path) {
    await fs.promises.rm(path, { force: true });
  },

  renameNow: (from, to) => fs.renameSync(from, to),
};

/** The same for a start, when there is nobody to keep waiting. */
export function syncDirectoryNow(path: string): void {
  const descriptor = fs.openSync(path, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function afterBytes(buffers: readonly Uint8Array[], size: number): Uint8Array[] {
  let index = 0;
  while (index < buffers.length && size >= buffers[index]!.length) {
    size -= buffers[index]!.length;
    index += 1;
  }
  const rest = buffers.slice(index);
  if (size > 0) rest[0] = rest[0]!.subarray(size);
  return rest;
}
