/**
 * What a walsender alone can send: a client of a slot of its own that throws everything away, and
 * only looks for two texts.
 */

import { randomBytes } from "node:crypto";
import type pg from "pg";
import { systemClock } from "../src/lib/clock.ts";
import { systemTimers } from "../src/lib/timers.ts";
import { LSN_ZERO } from "../src/model/lsn.ts";
import { parseConnectionOptions } from "../src/postgres/connection-options.ts";
import { ReplicationConnection } from "../src/postgres/replication-connection.ts";
import { ReplicationStream } from "../src/postgres/replication-stream.ts";

/** A slot from which nothing has been read. */
export class RawSlot {
  readonly #url: string;
  readonly #database: pg.Client;
  readonly #name: string;

  private constructor(url: string, database: pg.Client, name: string) {
    this.#url = url;
    this.#database = database;
    this.#name = name;
  }

  static async create(url: string, database: pg.Client): Promise<RawSlot> {
    const name = `bench_raw_${randomBytes(4).toString("hex")}`;
    await database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
    return new RawSlot(url, database, name);
  }

  /** Milliseconds from when the first text has come past until the second has. Once. */
  async drain(publication: string, first: string, last: string): Promise<number> {
    const connection = await ReplicationConnection.open(parseConnectionOptions(this.#url));
    const texts = [Buffer.from(first), Buffer.from(last)] as const;
    let began = 0;
    let finish: (elapsedMs: number) => void;
    const finished = new Promise<number>((resolve) => (finish = resolve));
    let seam = Buffer.alloc(0);
    const stream = await ReplicationStream.start(connection, {
      slot: this.#name,
      publication,
      startLsn: LSN_ZERO,
      walSenderTimeoutMs: 0,
      sink: {
        onBytes: (chunk) => {
          const wanted = began === 0 ? texts[0] : texts[1];
          const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
          // The text may be cut by chunks, which are valid during the call only.
          const ends = Buffer.concat([seam, bytes.subarray(0, wanted.length)]);
          seam = Buffer.from(bytes.subarray(Math.max(0, bytes.length - wanted.length)));
          if (!ends.includes(wanted) && !bytes.includes(wanted)) return;
          if (began === 0) began = performance.now();
          else finish(performance.now() - began);
        },
      },
      clock: systemClock,
      timers: systemTimers,
    });
    const elapsedMs = await finished;
    await stream.close();
    await connection.close();
    return elapsedMs;
  }

  async drop(): Promise<void> {
    await this.#database.query("SELECT pg_drop_replication_slot($1)", [this.#name]);
  }
}
