/**
 * The publication: which tables Postgres sends us, and that it sends whole old rows of them.
 *
 * A table is added when its first shape is made, before the shape's snapshot is taken, and set to
 * REPLICA IDENTITY FULL. Both are looked at first: where nothing needs to be done no lock is taken,
 * which also is what lets an operator do it beforehand. In manual mode nothing is ever altered.
 *
 * A partitioned table is added by its root. `publish_via_partition_root` stays off: pgoutput sends
 * the changes of partitions under their own names, so that one stream serves shapes of the root and
 * of a partition, and TRUNCATE of a partition is sent at all; the core knows whose partition a
 * table is. The replica identity is a property of each partition. A partition with shapes of its
 * own is added by name too, since its root may be taken out.
 *
 * Alterations run one after the other, since two that alter one publication at the same time make
 * Postgres refuse one of them ("tuple concurrently updated"). Another instance or an operator may
 * still cross us, so that is tried again.
 *
 * Invariant: a table in `#ready` was seen, or made, complete; `forget` is called by whoever learns
 * of a change to it.
 */

import { LitzError } from "../lib/errors.ts";
import { silentLogger, type Logger } from "../lib/logger.ts";
import { systemTimers, type CancelTimer, type Timers } from "../lib/timers.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import type { Pool, Queryable } from "./pool.ts";
import { PostgresError } from "./postgres-error.ts";
import { readPublishedTables } from "./publication-state.ts";
import { lockHolders } from "./running-transactions.ts";

export interface PublicationOptions {
  readonly database: Pool;
  readonly name: string;
  /** ELECTRIC_MANUAL_TABLE_PUBLISHING: never alter anything. */
  readonly isManual: boolean;
  /** For `removeUnused`. */
  readonly timers?: Timers;
  readonly logger?: Logger;
}

/**
 * ALTER TABLE needs the table for itself for a moment. While it waits, everybody else waits behind
 * it, writers, the shapes of other tables and with REPLICA IDENTITY FULL readers as well, so it
 * must not wait long: a second, and twice as long after each time that it was in vain, for there
 * are tables that somebody always uses for some seconds. Whoever asked comes back in ten.
 */
const LOCK_TIMEOUT_MS = 1_000;
const LOCK_TIMEOUT_MS_MAX = 5_000;
const TIMEOUTS = { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: 30_000 };
/** A client that reloads its page drops its last shape and makes it again. */
const REMOVAL_DELAY_MS = 60_000;
const ATTEMPTS = 3;
const VERSION_WITH_GENERATED_COLUMNS = 180_000;

/** What is wrong with a table that shapes live on. */
export type PublicationFault =
  /** Changes were lost. */
  | "not sent"
  /** Old rows may be missing, which shows when they are. */
  | "without old rows";

/**
 * Is told, and waited for, where nothing was sent of a table, or (undefined) of all tables, until
 * now: what lives on them has lost changes.
 */
export type UnsentListener = (oid: number | undefined) => Promise<void>;

export class Publication {
  readonly #database: Pool;
  readonly #name: string;
  readonly #isManual: boolean;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #ready = new Set<number>();
  readonly #pending = new Map<number, Promise<void>>();
  readonly #removals = new Map<number, CancelTimer>();
  /** Of tables that were locked for too long: how long they are waited for next. */
  readonly #lockTimeouts = new Map<number, number>();
  #onUnsent: UnsentListener = () => Promise.resolve();
  #queue: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: PublicationOptions) {
    this.#database = options.database;
    this.#name = options.name;
    this.#isManual = options.isManual;
    this.#timers = options.timers ?? systemTimers;
    this.#logger = options.logger ?? silentLogger;
  }

  /** @param onUnsent who has to know; one at a time. */
  listen(onUnsent: UnsentListener): void {
    this.#onUnsent = onUnsent;
  }

  /**
   * Makes the publication, empty, unless it is there.
   *
   * @throws {LitzError} PUBLICATION_MISSING in manual mode.
   */
  async ensureExists(): Promise<void> {
    const [row] = await this.#database.query(
      `SELECT current_setting('server_version_num'),
              EXISTS (SELECT FROM pg_publication WHERE pubname = $1)`,
      [this.#name],
    );
    if (row![1] === "t") return;
    if (this.#isManual) throw this.#missing();
    const options =
      Number(row![0]) >= VERSION_WITH_GENERATED_COLUMNS
        ? " WITH (publish_generated_columns = stored)"
        : "";
    try {
      const sql = `CREATE PUBLICATION ${quoteIdentifier(this.#name)}${options}`;
      await this.#database.transaction(TIMEOUTS, (transaction) => transaction.query(sql));
    } catch (error) {
      if (!IS_THERE.has(sqlStateOf(error) ?? "")) throw error;
    }
  }

  /** Whether stored generated columns are replicated (protocol 7.10). */
  async publishesGeneratedColumns(): Promise<boolean> {
    const [row] = await this.#database.query(
      "SELECT to_json(p) ->> 'pubgencols' FROM pg_publication p WHERE pubname = $1",
      [this.#name],
    );
    return row?.[0] === "s";
  }

  /**
   * Resolves when Postgres sends the table's changes, old rows included. Concurrent calls for one
   * table are one.
   *
   * @throws {LitzError} in the words of protocol 3.2 when the table may not be altered;
   *   TABLE_LOCKED when somebody uses it for too long; SCHEMA_CHANGED when it is not there any
   *   more.
   */
  ensure(table: Table): Promise<void> {
    this.#removals.get(table.oid)?.();
    this.#removals.delete(table.oid);
    if (this.#ready.has(table.oid)) return Promise.resolve();
    const pending = this.#pending.get(table.oid);
    if (pending !== undefined) return pending;
    const work = this.#enqueue(() => this.#add(table)).finally(() => {
      this.#pending.delete(table.oid);
    });
    this.#pending.set(table.oid, work);
    return work;
  }

  /** What was seen of the table may not hold any more: the next `ensure` looks again. */
  forget(oid: number): void {
    this.#ready.delete(oid);
  }

  /**
   * Looks at tables that were complete once: somebody may have altered them, or the publication.
   * Those that are not there any more are left out.
   *
   * @throws {LitzError}
   */
  async audit(oids: readonly number[]): Promise<ReadonlyMap<number, PublicationFault>> {
    const faults = new Map<number, PublicationFault>();
    for (const [oid, state] of await readPublishedTables(this.#database, this.#name, oids)) {
      if (!state.isSent || state.defect !== undefined) faults.set(oid, "not sent");
      else if (state.withoutFull.length > 0) faults.set(oid, "without old rows");
    }
    return faults;
  }

  /**
   * The last shape of a table is gone: takes the table out in a while, unless `isUsed` says by then
   * that it has shapes again.
   */
  removeUnused(table: Table, isUsed: () => boolean): void {
    if (this.#isManual || this.#isClosed) return;
    this.#removals.get(table.oid)?.();
    const cancel = this.#timers.after(REMOVAL_DELAY_MS, () => {
      this.#removals.delete(table.oid);
      // Nobody waits for it; a table that stays published costs bandwidth and nothing else.
      if (!isUsed()) this.remove(table).catch(() => undefined);
    });
    this.#removals.set(table.oid, cancel);
  }

  /** Forgets the removals that are due. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#removals.values()) cancel();
    this.#removals.clear();
  }

  /**
   * Takes a table out that no shape uses. Its replica identity stays: whether it was ours to change
   * nobody remembers. Does nothing in manual mode, or when it cannot be done.
   */
  async remove(table: Table): Promise<void> {
    this.forget(table.oid);
    if (this.#isManual) return;
    await this.#enqueue(async () => {
      const publication = quoteIdentifier(this.#name);
      const sql = `ALTER PUBLICATION ${publication} DROP TABLE ${quoteTable(table)}`;
      await this.#database
        .transaction(this.#timeoutsOf(table), (transaction) => transaction.query(sql))
        .catch((error: unknown) => {
          if (!(error instanceof PostgresError)) throw error;
        });
    });
  }

  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #add(table: Table): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#addOnce(table);
        this.#ready.add(table.oid);
        this.#lockTimeouts.delete(table.oid);
        return;
      } catch (error) {
        if (isLockTimeout(error)) throw await this.#locked(table, error);
        if (attempt === ATTEMPTS) throw error;
        if (isMissing(error) && !this.#isManual) await this.#makeAgain();
        else if (!CROSSED.has(sqlStateOf(error) ?? "")) throw error;
      }
    }
  }

  /** Somebody has dropped the publication, and with it every table. */
  async #makeAgain(): Promise<void> {
    await this.#onUnsent(undefined);
    await this.ensureExists();
    this.#ready.clear();
  }

  async #addOnce(table: Table): Promise<void> {
    const states = await readPublishedTables(this.#database, this.#name, [table.oid]);
    const state = states.get(table.oid);
    if (state?.schema !== table.schema || state.name !== table.name) throw isGone(table);
    if (state.defect !== undefined) throw this.#defective(table, state.defect);
    const { isSent, isSentAsPartition, withoutFull } = state;
    const isComplete = isSent && withoutFull.length === 0;
    if (this.#isManual && !isComplete) throw isSent ? notFull(table) : this.#mayNotAdd(table);
    if (isSentAsPartition) {
      await this.#complete(table, true, withoutFull).catch((error: unknown) => {
        // It is sent as it is, for as long as its root is published.
        if (withoutFull.length > 0 || !isRefusedToAdd(error)) throw error;
      });
    } else if (!isComplete) {
      // Before, or a process that ends in between would take them for complete; and once more for
      // those that come meanwhile.
      if (!isSent) await this.#onUnsent(table.oid);
      await this.#complete(table, !isSent, withoutFull);
      if (!isSent) await this.#onUnsent(table.oid);
    }
  }

  /**
   * All in one transaction: were a table without a key published before it sends old rows, Postgres
   * would refuse every UPDATE of it for a moment; and were one published whose writers were not
   * waited for, whoever comes next would not wait for them either.
   */
  async #complete(table: Table, isToAdd: boolean, withoutFull: readonly string[]): Promise<void> {
    await this.#database.transaction(this.#timeoutsOf(table), async (transaction) => {
      if (isToAdd) {
        await this.#addTo(transaction, table);
        await awaitWriters(transaction, table);
      }
      for (const name of withoutFull) {
        try {
          await transaction.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`);
        } catch (error) {
          throw isPrivilege(error) ? notFull(table, error) : error;
        }
      }
    });
  }

  async #addTo(transaction: Queryable, table: Table): Promise<void> {
    try {
      await transaction.query(
        `ALTER PUBLICATION ${quoteIdentifier(this.#name)} ADD TABLE ${quoteTable(table)}`,
      );
    } catch (error) {
      if (sqlStateOf(error) === UNDEFINED_OBJECT) throw this.#missing();
      if (isPrivilege(error)) throw this.#cannotAdd(table, error);
      throw error;
    }
  }

  #timeoutsOf({ oid }: Table) {
    const lockTimeoutMs = this.#lockTimeouts.get(oid);
    return lockTimeoutMs === undefined ? TIMEOUTS : { ...TIMEOUTS, lockTimeoutMs };
  }

  async #locked(table: Table, cause: PostgresError): Promise<LitzError> {
    const what = `Database table "${table.schema}.${table.name}" cannot be published`;
    const { lockTimeoutMs } = this.#timeoutsOf(table);
    this.#lockTimeouts.set(table.oid, Math.min(2 * lockTimeoutMs, LOCK_TIMEOUT_MS_MAX));
    const holders = await lockHolders(this.#database, table.oid).catch(() => []);
    this.#logger.warn({ holders }, `${what} while these transactions use it`);
    const why = "a transaction that uses it has been running for too long, please retry";
    return unavailable("TABLE_LOCKED", `${what}: ${why}`, cause);
  }

  #missing(): LitzError {
    const advice = this.#isManual
      ? "create it, or unset ELECTRIC_MANUAL_TABLE_PUBLISHING and let the role create it"
      : "it was made again, and somebody drops it each time";
    return unavailable("PUBLICATION_MISSING", `Publication "${this.#name}" is missing: ${advice}`);
  }

  #defective(table: Table, defect: string): LitzError {
    return unavailable(
      "TABLE_NOT_PUBLISHED",
      `Database table "${table.schema}.${table.name}" cannot be followed: the publication ` +
        `"${this.#name}" ${defect}`,
    );
  }

  #mayNotAdd(table: Table): LitzError {
    return unavailable(
      "TABLE_NOT_PUBLISHED",
      `Database table "${table.schema}.${table.name}" is missing from the publication ` +
        `"${this.#name}" and the ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from ` +
        `adding it`,
    );
  }

  #cannotAdd(table: Table, cause: unknown): LitzError {
    return unavailable(
      "TABLE_NOT_PUBLISHED",
      `Database table "${table.schema}.${table.name}" is missing from the publication ` +
        `"${this.#name}" and Electric lacks privileges to add it`,
      cause,
    );
  }
}

/**
 * Postgres does not send what a transaction wrote before its table was published, though it may
 * commit long after, behind our snapshot. So its writers are waited for; behind the lock that
 * adding the table took, or two who add it would wait for each other.
 */
async function awaitWriters(transaction: Queryable, table: Table): Promise<void> {
  await transaction.query(`LOCK TABLE ${quoteTable(table)} IN SHARE MODE`);
}

function isGone(table: Table): LitzError {
  return new LitzError(`the table ${quoteTable(table)} is not there any more`, {
    code: "SCHEMA_CHANGED",
    retriable: true,
  });
}

function notFull(table: Table, cause?: unknown): LitzError {
  return unavailable(
    "REPLICA_IDENTITY_NOT_FULL",
    `Database table "${table.schema}.${table.name}" does not have its replica identity set to FULL`,
    cause,
  );
}

/** Known snapshot failures: 503, and worth trying again once somebody has acted. */
function unavailable(code: string, message: string, cause?: unknown): LitzError {
  return new LitzError(message, {
    code,
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 10,
    cause,
  });
}

const DUPLICATE_OBJECT = "42710";
const UNDEFINED_OBJECT = "42704";
const UNIQUE_VIOLATION = "23505";
/** Somebody else has made the same thing, before or at the same time. */
const IS_THERE: ReadonlySet<string> = new Set([DUPLICATE_OBJECT, UNIQUE_VIOLATION]);
/** Somebody else altered the same thing: already a member, or an internal error. */
const CROSSED: ReadonlySet<string> = new Set([...IS_THERE, "XX000"]);

function isLockTimeout(error: unknown): error is PostgresError {
  return error instanceof PostgresError && error.code === "POSTGRES_LOCK_TIMEOUT";
}

function sqlStateOf(error: unknown): string | undefined {
  return error instanceof PostgresError ? error.sqlState : undefined;
}

function isRefusedToAdd(error: unknown): boolean {
  return error instanceof LitzError && error.code === "TABLE_NOT_PUBLISHED";
}

function isMissing(error: unknown): boolean {
  return error instanceof LitzError && error.code === "PUBLICATION_MISSING";
}

function isPrivilege(error: unknown): boolean {
  return error instanceof PostgresError && error.code === "POSTGRES_PRIVILEGE";
}
