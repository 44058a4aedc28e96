/** What can go wrong with a data directory. Codes are stable. */

import { LitzError } from "../lib/errors.ts";

/** The directory belongs to another database, timeline or slot. The caller may purge it. */
export class StoreIdentityMismatch extends LitzError {
  override readonly name = "StoreIdentityMismatch";
  readonly expected: string;
  readonly found: string;

  constructor(directory: string, expected: string, found: string) {
    super(
      `${directory} holds the shapes of ${found}, but the database is ${expected}. ` +
        `Purge it, or point to another directory.`,
      { code: "STORE_IDENTITY_MISMATCH" },
    );
    this.expected = expected;
    this.found = found;
  }
}

/** Another process has the directory open. */
export class StoreLocked extends LitzError {
  override readonly name = "StoreLocked";

  constructor(directory: string, cause: unknown) {
    super(`${directory} is in use by another process. Stop it, or choose another directory.`, {
      code: "STORE_LOCKED",
      cause,
    });
  }
}

/** The directory can be neither made nor written: no room, no right, or no directory. */
export class StoreUnusable extends LitzError {
  override readonly name = "StoreUnusable";

  constructor(directory: string, cause: Error) {
    super(
      `${directory} cannot be used for storage: ${cause.message}. Make room for it or give it to ` +
        `this user, or choose another directory (ELECTRIC_STORAGE_DIR).`,
      { code: "STORE_UNUSABLE", cause },
    );
  }
}

/** What is on disk cannot be what was written: bytes have changed or files are missing. */
export class StoreCorrupt extends LitzError {
  override readonly name = "StoreCorrupt";

  constructor(message: string, cause?: unknown) {
    super(message, { code: "STORE_CORRUPT", cause });
  }
}

/** The directory was written by another version of the format (FORMAT.md, Versions). */
export class StoreVersionUnknown extends LitzError {
  override readonly name = "StoreVersionUnknown";

  constructor(directory: string, found: string, known: number) {
    super(`${directory} has format ${found}, this version reads ${known}. Purge it or upgrade.`, {
      code: "STORE_VERSION_UNKNOWN",
    });
  }
}

/** The disk refused a write or a sync; nothing more becomes durable until the process restarts. */
export class StoreFailed extends LitzError {
  override readonly name = "StoreFailed";

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`storage has failed: ${reason}`, { code: "STORE_FAILED", httpStatus: 503, cause });
  }
}

/** The store is closing or closed. */
export class StoreClosed extends LitzError {
  override readonly name = "StoreClosed";

  constructor() {
    super("storage is closed", { code: "STORE_CLOSED", httpStatus: 503, retriable: true });
  }
}

/** No such shape, or no longer. An outcome for a reader that was faster than the removal. */
export class ShapeGone extends LitzError {
  override readonly name = "ShapeGone";

  constructor(key: number) {
    super(`the log of storage key ${key} is gone`, { code: "SHAPE_GONE", httpStatus: 409 });
  }
}
