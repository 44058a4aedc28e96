/**
 * Connections for everything but replication: the catalog, publications, snapshots.
 *
 * They may go through a pooler such as pgbouncer in transaction mode, which hands the server
 * connection to somebody else after each transaction. Hence: no startup `options`, no named
 * statements, no session state; what a transaction needs it sets itself, with SET LOCAL.
 *
 * Values come back as the text that Postgres sent: nothing is parsed.
 */

import pg from "pg";
import { silentLogger, type Logger } from "../lib/logger.ts";
import { clientConfigOf, type ConnectionOptions } from "./connection-options.ts";
import { PostgresError } from "./postgres-error.ts";
import { shouldUseTls } from "./tls-offer.ts";

export type TextRow = readonly (string | null)[];

/** Whoever can run one statement: the pool, a transaction, a replication connection. */
export interface Queryable {
  /** @throws {LitzError} */
  query(sql: string, parameters?: readonly (string | null)[]): Promise<TextRow[]>;
}

export interface PoolOptions {
  readonly size: number;
  /** How long to wait for a free connection, or for a new one. */
  readonly acquireTimeoutMs?: number;
  readonly logger?: Logger;
}

const ACQUIRE_TIMEOUT_MS = 20_000;
const IDLE_TIMEOUT_MS = 30_000;
/** For statements on the catalog. Snapshots have limits of their own. */
const QUERY_TIMEOUT_MS = 10_000;

/** The same for those that take longer than a role may allow its statements. */
export const CATALOG_TIMEOUTS = {
  lockTimeoutMs: QUERY_TIMEOUT_MS,
  statementTimeoutMs: QUERY_TIMEOUT_MS,
};

export class Pool implements Queryable {
  readonly #connection: ConnectionOptions;
  readonly #options: PoolOptions;
  #pool: Promise<pg.Pool> | undefined;
  #isClosed = false;

  /** Connects when it is first used. */
  constructor(connection: ConnectionOptions, options: PoolOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  async query(sql: string, parameters: readonly (string | null)[] = []): Promise<TextRow[]> {
    return this.withClient((client) => runQuery(client, sql, parameters));
  }

  /**
   * Runs `work` in a transaction that may write, whatever the default of the role and the database
   * is. A statement that waits for a lock longer than `lockTimeoutMs`
   * fails with POSTGRES_LOCK_TIMEOUT, one that runs longer than `statementTimeoutMs` with
   * POSTGRES_TIMEOUT.
   */
  async transaction<Result>(
    timeouts: { readonly lockTimeoutMs: number; readonly statementTimeoutMs: number },
    work: (transaction: Queryable) => Promise<Result>,
  ): Promise<Result> {
    return this.withClient(async (client) => {
      await runQuery(
        client,
        `BEGIN READ WRITE; SET LOCAL lock_timeout = ${timeouts.lockTimeoutMs};
         SET LOCAL statement_timeout = ${timeouts.statementTimeoutMs};
         ${LIFT_TRANSACTION_TIMEOUT}`,
      );
      try {
        const result = await work({
          query: (sql, parameters) => runQuery(client, sql, parameters, NO_TIMEOUT),
        });
        await runQuery(client, "COMMIT");
        return result;
      } catch (error) {
        // On a broken connection this fails as well, and says less than the first error.
        await runQuery(client, "ROLLBACK").catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * Lends a connection. One whose work fails in any other way than by a refusal of Postgres is not
   * used again: nobody knows what state it is in. REQUIRES: the work leaves no transaction open.
   */
  async withClient<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#acquire();
    let isUsable = false;
    try {
      const result = await work(client);
      isUsable = true;
      return result;
    } catch (error) {
      const translated = PostgresError.from(error, "talking to Postgres");
      isUsable = translated instanceof PostgresError && translated.sqlState !== undefined;
      throw translated;
    } finally {
      // Releasing twice throws, so the flag decides and not two calls.
      client.release(!isUsable || client.getTransactionStatus() !== "I");
    }
  }

  /** Waits for the work in hand and disconnects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.end();
  }

  async #acquire(): Promise<pg.PoolClient> {
    if (this.#isClosed) throw PostgresError.from(new Error("connection is closed"), "the pool");
    this.#pool ??= this.#open();
    try {
      return await (await this.#pool).connect();
    } catch (error) {
      // The server may have ceased to offer TLS: ask again next time.
      if (/SSL/.test(String(error))) this.#reopen();
      throw PostgresError.from(error, "connecting to Postgres");
    }
  }

  async #open(): Promise<pg.Pool> {
    const { size, acquireTimeoutMs = ACQUIRE_TIMEOUT_MS, logger = silentLogger } = this.#options;
    const pool = new pg.Pool({
      ...clientConfigOf(this.#connection, await shouldUseTls(this.#connection)),
      max: size,
      connectionTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
    });
    // An error without a listener ends the process. The pool listens to idle connections and tells
    // us; those on loan have only this listener. Their query fails as well, with the same error.
    pool.on("error", (error) => {
      // Those of a closed pool are about to say goodbye, to a server that may be faster.
      if (!this.#isClosed) logger.warn({ error: error.message }, "An idle connection broke.");
    });
    pool.on("connect", (client) => client.on("error", () => undefined));
    return pool;
  }

  #reopen(): void {
    const stale = this.#pool;
    this.#pool = undefined;
    void stale?.then((pool) => pool.end()).catch(() => undefined);
  }
}

const NO_TIMEOUT = 0;

/**
 * A transaction of ours is as long as its statements, which have limits. Postgres 17 and later let
 * the role or the database limit the whole as well.
 */
export const LIFT_TRANSACTION_TIMEOUT = `SELECT set_config('transaction_timeout', '0', true)
  WHERE current_setting('transaction_timeout', true) IS NOT NULL`;

/**
 * One statement.
 *
 * @param timeoutMs how long we wait for the answer, 0 for ever: against a dead network, where the
 *   server's own timeouts cannot tell us.
 */
export async function runQuery(
  client: pg.ClientBase,
  sql: string,
  parameters: readonly (string | null)[] = [],
  timeoutMs = QUERY_TIMEOUT_MS,
): Promise<TextRow[]> {
  const results = await runStatements(client, sql, parameters, timeoutMs);
  return results.at(-1)!;
}

/** Several statements in one round trip, which excludes parameters; the rows of each. */
export async function runStatements(
  client: pg.ClientBase,
  sql: string,
  parameters: readonly (string | null)[] = [],
  timeoutMs = QUERY_TIMEOUT_MS,
): Promise<TextRow[][]> {
  try {
    const config = { text: sql, rowMode: "array", query_timeout: timeoutMs } as const;
    const result: unknown = await client.query<(string | null)[]>(
      // With values, even none, the driver speaks the extended protocol: one statement only.
      parameters.length === 0 ? config : { ...config, values: [...parameters] },
    );
    const results = Array.isArray(result) ? result : [result];
    return results.map((one) => (one as pg.QueryArrayResult<(string | null)[]>).rows);
  } catch (error) {
    throw PostgresError.from(error, "asking Postgres");
  }
}
