/**
 * A connection in replication mode: the one that holds the lock on our slot, and later carries the
 * stream (`replication-stream.ts`). Until the stream begins it takes ordinary SQL as well, but only
 * without parameters: a walsender does not speak the extended protocol.
 *
 * Never through a pooler: replication is a session.
 */

import pg from "pg";
import { LitzError } from "../lib/errors.ts";
import { parseLsn, type Lsn } from "../model/lsn.ts";
import {
  clientConfigOf,
  valueStartupOptions,
  type ConnectionOptions,
} from "./connection-options.ts";
import { runQuery, type Queryable, type TextRow } from "./pool.ts";
import { PostgresError } from "./postgres-error.ts";
import { shouldUseTls } from "./tls-offer.ts";

/** What tells one cluster, and one history of it, from another. */
export interface SystemIdentity {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** End of what is flushed. */
  readonly walPosition: Lsn;
}

/** The driver passes this on as a startup parameter; its types do not know it. */
interface ReplicationConfig extends pg.ClientConfig {
  readonly replication: "database";
}

/** Making a slot waits for every transaction that is running: nobody knows how long. */
const NO_TIMEOUT = 0;

/**
 * The limits that the role or the database may have for ordinary sessions, of which this is none:
 * it waits for others, and holds the lock on the slot while shapes are read from disk. Not every
 * Postgres has all of them.
 */
const LIFT_LIMITS = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN (
  'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout',
  'idle_in_transaction_session_timeout')`;

export class ReplicationConnection implements Queryable {
  /** For `ReplicationStream` alone. */
  readonly client: pg.Client;
  #error: Error | undefined;

  private constructor(client: pg.Client) {
    this.client = client;
    // An error without a listener ends the process. What is under way fails with the same error.
    client.on("error", (error) => (this.#error ??= error));
  }

  /** @throws {LitzError} */
  static async open(
    options: ConnectionOptions,
    signal?: AbortSignal,
  ): Promise<ReplicationConnection> {
    const config: ReplicationConfig = {
      ...clientConfigOf(options, await shouldUseTls(options)),
      options: valueStartupOptions(options.startupOptions),
      replication: "database",
    };
    const client = new pg.Client(config);
    const connection = new ReplicationConnection(client);
    const onAbort = () => connection.destroy();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted === true) throw aborted();
      await client.connect();
      await connection.query(LIFT_LIMITS);
      return connection;
    } catch (error) {
      connection.destroy();
      throw signal?.aborted === true
        ? aborted()
        : PostgresError.from(error, "connecting to Postgres");
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Why the connection broke, if it did. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** REQUIRES: no parameters, and the stream has not begun. */
  async query(sql: string, parameters: readonly unknown[] = []): Promise<TextRow[]> {
    if (parameters.length > 0) throw new RangeError("a replication connection takes no parameters");
    return runQuery(this.client, sql, [], NO_TIMEOUT);
  }

  async identifySystem(): Promise<SystemIdentity> {
    const [row] = await this.query("IDENTIFY_SYSTEM");
    const [systemIdentifier, timeline, walPosition] = row as string[];
    return {
      systemIdentifier: systemIdentifier!,
      timeline: Number(timeline),
      walPosition: parseLsn(walPosition!),
    };
  }

  /** Says goodbye and disconnects. Resolves also when the connection is broken already. */
  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }

  /** Disconnects without a word. What is under way fails. */
  destroy(): void {
    streamOf(this.client).destroy();
  }
}

function aborted(): LitzError {
  return new LitzError("connecting to Postgres was given up", { code: "ABORTED", retriable: true });
}

/** The socket, or the TLS stream over it. Public in practice, but untyped. */
export function streamOf(client: pg.Client): import("node:net").Socket {
  return (client as unknown as { connection: { stream: import("node:net").Socket } }).connection
    .stream;
}
