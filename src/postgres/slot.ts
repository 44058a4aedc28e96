/**
 * The replication slot: Postgres' memory of how far we have read.
 *
 * A slot and the shapes on our disk belong together. Shapes made before the slot was have missed
 * what happened in between, so they must be purged before it is made, in this order: a crash
 * between the two leaves no slot, and the next start purges once more. The other way round it would
 * leave a slot beside shapes that nobody knows to be stale.
 */

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { LitzError } from "../lib/errors.ts";
import { parseLsn, type Lsn } from "../model/lsn.ts";
import { PostgresError } from "./postgres-error.ts";
import type { Queryable } from "./pool.ts";

export interface ReplicationNames {
  readonly slot: string;
  readonly publication: string;
}

/**
 * @param streamId ELECTRIC_REPLICATION_STREAM_ID.
 * @throws {LitzError} when no slot can be called so.
 */
export function replicationNamesOf(streamId: string): ReplicationNames {
  // Names have at most 63 bytes, the longer prefix has 21; slots know no capital letters.
  if (!/^[a-z0-9_]{1,42}$/.test(streamId)) {
    throw new LitzError(
      `"${streamId}" cannot be a replication stream id: 1 to 42 lower-case letters, digits and "_"`,
      { code: "CONFIG_INVALID" },
    );
  }
  return { slot: `electric_slot_${streamId}`, publication: `electric_publication_${streamId}` };
}

export interface SlotState {
  /** Where the stream will begin at the earliest. */
  readonly confirmedFlushLsn: Lsn;
  /** Why the slot was made just now; undefined: it was there. */
  readonly madeBecause: "missing" | "invalidated" | undefined;
}

/**
 * Makes the slot unless a usable one is there. Waits for the transactions that are running, all of
 * them, for as long as they take.
 *
 * @param beforeMaking awaited before a slot is made: purges everything that knows of an older one.
 */
export async function ensureSlot(
  database: Queryable,
  slot: string,
  beforeMaking: (reason: "missing" | "invalidated") => Promise<void>,
): Promise<SlotState> {
  const found = await inspectSlot(database, slot);
  if (found !== undefined && !found.isLost) {
    return { confirmedFlushLsn: found.confirmedFlushLsn, madeBecause: undefined };
  }
  const madeBecause = found === undefined ? "missing" : "invalidated";
  await beforeMaking(madeBecause);
  if (found !== undefined) await dropSlot(database, slot);
  const [row] = await database.query(
    `SELECT lsn FROM pg_create_logical_replication_slot(${pg.escapeLiteral(slot)}, 'pgoutput')`,
  );
  return { confirmedFlushLsn: parseLsn(row![0]!), madeBecause };
}

/** Undefined: there is no such slot. */
async function inspectSlot(
  database: Queryable,
  slot: string,
): Promise<{ confirmedFlushLsn: Lsn; isLost: boolean } | undefined> {
  const [row] = await database.query(
    `SELECT plugin, database, current_database(), wal_status, coalesce(confirmed_flush_lsn, '0/0')
     FROM pg_replication_slots WHERE slot_name = ${pg.escapeLiteral(slot)}`,
  );
  if (row === undefined) return undefined;
  const [plugin, ownDatabase, currentDatabase, walStatus, confirmedFlushLsn] = row as string[];
  if (plugin !== "pgoutput" || ownDatabase !== currentDatabase) {
    throw PostgresError.unsuitable(
      `the replication slot "${slot}" belongs to plugin "${plugin}" and database ` +
        `"${ownDatabase}", not to pgoutput and "${currentDatabase}": ` +
        `drop it, or set ELECTRIC_REPLICATION_STREAM_ID`,
    );
  }
  return { confirmedFlushLsn: parseLsn(confirmedFlushLsn!), isLost: walStatus === "lost" };
}

/** How long the walsender of a connection that was just closed may take to let go. */
const RELEASE_TIMEOUT_MS = 5_000;
const RELEASE_POLL_MS = 50;
const OBJECT_IN_USE = "55006";

/** Returns whether there was one. @throws {LitzError} when it stays in use. */
export async function dropSlot(database: Queryable, slot: string): Promise<boolean> {
  for (let waited = 0; ; waited += RELEASE_POLL_MS) {
    try {
      const rows = await database.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name = ${pg.escapeLiteral(slot)}`,
      );
      return rows.length > 0;
    } catch (error) {
      const isInUse = error instanceof PostgresError && error.sqlState === OBJECT_IN_USE;
      if (!isInUse || waited >= RELEASE_TIMEOUT_MS) throw error;
      await sleep(RELEASE_POLL_MS);
    }
  }
}

const LOCK_POLL_MS = 1_000;

/**
 * Waits until this session is the only one that works with the slot. The lock ends with the
 * session.
 * Electric takes the same lock, so that the two engines exclude each other as well.
 *
 * Asks again and again instead of waiting inside Postgres: a backend that waits for a lock does not
 * notice that its client has gone, and would be given the lock later, for nobody.
 *
 * REQUIRES: `database` is one session. @throws {LitzError} ABORTED.
 */
export async function acquireSlotLock(
  database: Queryable,
  slot: string,
  options: { readonly signal?: AbortSignal; readonly onWait?: () => void } = {},
): Promise<void> {
  const { signal, onWait } = options;
  const sql = `SELECT pg_try_advisory_lock(hashtext(${pg.escapeLiteral(slot)}))`;
  for (let attempt = 1; ; attempt++) {
    const [row] = await database.query(sql);
    if (row![0] === "t") return;
    if (attempt === 1) onWait?.();
    try {
      await sleep(LOCK_POLL_MS, undefined, { ...(signal === undefined ? {} : { signal }) });
    } catch {
      throw new LitzError(`waiting for the lock on "${slot}" was given up`, { code: "ABORTED" });
    }
  }
}
