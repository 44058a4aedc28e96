/**
 * The publication: which tables Postgres sends us, and that it sends whole old rows of them.
 *
 * A table is added when its first shape is made, before the shape's snapshot is taken, and set to
 * REPLICA IDENTITY FULL. Both are looked at first: where nothing needs to be done no lock is taken,
 * which also is what lets an operator do it beforehand. In manual mode nothing is ever altered.
 *
 * A partitioned table is added by its root; pgoutput sends the changes of partitions under their
 * own names, and the replica identity is a property of each.
 *
 * Alterations run one after the other, since two that alter one publication at the same time make
 * Postgres refuse one of them ("tuple concurrently updated"). Another instance or an operator may
 * still cross us, so that is tried again.
 *
 * Invariant: a table in `#ready` was seen, or made, complete; `forget` is called by whoever learns
 * of a change to it.
 */

import { LitzError } from "../lib/errors.ts";
import { systemTimers, type CancelTimer, type Timers } from "../lib/timers.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import type { Pool, Queryable } from "./pool.ts";
import { PostgresError } from "./postgres-error.ts";

export interface PublicationOptions {
  readonly database: Pool;
  readonly name: string;
  /** ELECTRIC_MANUAL_TABLE_PUBLISHING: never alter anything. */
  readonly isManual: boolean;
  /** For `removeUnused`. */
  readonly timers?: Timers;
}

/**
 * ALTER TABLE needs the table for itself for a moment. While it waits, everybody else waits behind
 * it, so it must not wait long.
 */
const LOCK_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** A client that reloads its page drops its last shape and makes it again. */
const REMOVAL_DELAY_MS = 60_000;
const ATTEMPTS = 3;
const VERSION_WITH_GENERATED_COLUMNS = 180_000;

interface TableState {
  readonly isPublished: boolean;
  /** Quoted names of the table and its partitions that do not send old rows. */
  readonly withoutFull: readonly string[];
}

export class Publication {
  readonly #database: Pool;
  readonly #name: string;
  readonly #isManual: boolean;
  readonly #timers: Timers;
  readonly #ready = new Set<number>();
  readonly #pending = new Map<number, Promise<void>>();
  readonly #removals = new Map<number, CancelTimer>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PublicationOptions) {
    this.#database = options.database;
    this.#name = options.name;
    this.#isManual = options.isManual;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Makes the publication, empty, unless it is there. @throws {LitzError} PUBLICATION_MISSING */
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
      await this.#database.query(`CREATE PUBLICATION ${quoteIdentifier(this.#name)}${options}`);
    } catch (error) {
      if (sqlStateOf(error) !== DUPLICATE_OBJECT) throw error;
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
   *   SCHEMA_CHANGED when it is not there any more.
   */
  ensure(table: Table): Promise<void> {
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
   * The last shape of a table is gone: takes the table out in a while, unless `isUsed` says by then
   * that it has shapes again.
   */
  removeUnused(table: Table, isUsed: () => boolean): void {
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
      await this.#alter(`DROP TABLE ${quoteTable(table)}`).catch((error: unknown) => {
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
        return;
      } catch (error) {
        if (attempt === ATTEMPTS || !CROSSED.has(sqlStateOf(error) ?? "")) throw error;
      }
    }
  }

  async #addOnce(table: Table): Promise<void> {
    const state = await this.#inspect(this.#database, table);
    if (!state.isPublished) {
      if (this.#isManual) throw this.#mayNotAdd(table);
      try {
        await this.#alter(`ADD TABLE ${quoteTable(table)}`);
      } catch (error) {
        if (sqlStateOf(error) === UNDEFINED_OBJECT) throw this.#missing();
        if (isPrivilege(error)) throw this.#cannotAdd(table, error);
        throw error;
      }
    }
    if (state.withoutFull.length > 0) await this.#sendOldRows(table, state.withoutFull);
    else if (!state.isPublished) await this.#awaitWriters(table);
  }

  /**
   * Postgres does not send what a transaction wrote before its table was published, though it may
   * commit long after, behind our snapshot. So its writers are waited for. (ALTER TABLE, where it
   * is needed, takes a lock that does the same.)
   */
  async #awaitWriters(table: Table): Promise<void> {
    const timeouts = { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
    await this.#database.transaction(timeouts, (transaction) =>
      transaction.query(`LOCK TABLE ${quoteTable(table)} IN SHARE MODE`),
    );
  }

  async #sendOldRows(table: Table, names: readonly string[]): Promise<void> {
    if (this.#isManual) throw notFull(table);
    try {
      const timeouts = { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
      await this.#database.transaction(timeouts, async (transaction) => {
        for (const name of names) {
          await transaction.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`);
        }
      });
    } catch (error) {
      throw isPrivilege(error) ? notFull(table, error) : error;
    }
  }

  async #alter(what: string): Promise<void> {
    const timeouts = { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
    await this.#database.transaction(timeouts, (transaction) =>
      transaction.query(`ALTER PUBLICATION ${quoteIdentifier(this.#name)} ${what}`),
    );
  }

  /**
   * A publication FOR ALL TABLES or FOR TABLES IN SCHEMA names no tables; the view shows what it
   * comes to, but partitions in place of their root, which only `pg_publication_rel` knows.
   */
  async #inspect(database: Queryable, table: Table): Promise<TableState> {
    const [row] = await database.query(
      `SELECT EXISTS (SELECT FROM pg_publication p
                      WHERE p.pubname = $1 AND (p.puballtables OR EXISTS (
                        SELECT FROM pg_publication_rel r
                        WHERE r.prpubid = p.oid AND r.prrelid = c.oid)))
              OR EXISTS (SELECT FROM pg_publication_tables t
                         WHERE t.pubname = $1 AND t.schemaname = n.nspname
                           AND t.tablename = c.relname),
              n.nspname = $3 AND c.relname = $4,
              (SELECT coalesce(json_agg(format('%I.%I', pn.nspname, part.relname)), '[]')
               FROM (SELECT c.oid AS relid
                     UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) tree
               JOIN pg_class part ON part.oid = tree.relid
               JOIN pg_namespace pn ON pn.oid = part.relnamespace
               WHERE part.relkind IN ('r', 'p') AND part.relreplident <> 'f')
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = $2::oid`,
      [this.#name, `${table.oid}`, table.schema, table.name],
    );
    if (row?.[1] !== "t") {
      throw new LitzError(`the table ${quoteTable(table)} is not there any more`, {
        code: "SCHEMA_CHANGED",
        retriable: true,
      });
    }
    return { isPublished: row[0] === "t", withoutFull: JSON.parse(row[2]!) as string[] };
  }

  #missing(): LitzError {
    return unavailable(
      "PUBLICATION_MISSING",
      `Publication "${this.#name}" is missing: create it, or unset ` +
        `ELECTRIC_MANUAL_TABLE_PUBLISHING and let the role create it`,
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
/** Somebody else altered the same thing: already a member, unique violation, internal error. */
const CROSSED: ReadonlySet<string> = new Set([DUPLICATE_OBJECT, "23505", "XX000"]);

function sqlStateOf(error: unknown): string | undefined {
  return error instanceof PostgresError ? error.sqlState : undefined;
}

function isPrivilege(error: unknown): boolean {
  return error instanceof PostgresError && error.code === "POSTGRES_PRIVILEGE";
}
