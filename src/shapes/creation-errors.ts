/** Why a shape, or a view of one, cannot be made just now: whoever asks tries again. */

import { LitzError } from "../lib/errors.ts";

/** Room is being made meanwhile (`eviction.ts`). */
export function outOfMemory(): LitzError {
  return new LitzError("Failed to create shape, please retry", {
    code: "CORE_MEMORY_EXHAUSTED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}

/** The snapshot does not show what the stream has brought already (ARCHITECTURE, Durability). */
export class SnapshotTooEarly extends LitzError {
  override readonly name = "SnapshotTooEarly";

  constructor() {
    super("A transaction that was sent already is not visible yet, please retry", {
      code: "SNAPSHOT_TOO_EARLY",
      httpStatus: 503,
      retriable: true,
      retryAfterSeconds: 1,
    });
  }
}
