/**
 * What a walsender alone can send: a client of a slot of its own that throws everything away, and
 * only looks for the end.
 */

import { randomBytes } from "node:crypto";
import type pg from "pg";
import { systemClock } from "../src/lib/clock.ts";
import { systemTimers } from "../src/lib/timers.ts";
import { LSN_ZERO } from "../src/model/lsn.ts";
import { parseConnectionOptions } from "../src/postgres/connection-options.ts";
import { ReplicationConnection } from "../src/postgres/replication-connection.ts";
import { ReplicationStream } from "../src/postgres/replication-stream.ts";

export interface RawStream {
  /** Reads until the text has come past; in milliseconds. */
  drain(text: string): Promise<number>;
  close(): Promise<void>;
}

/** Begins, and does not read before `drain`: as a server does that is stopped. */
export async function openRawStream(
  url: string,
  database: pg.Client,
  publication: string,
): Promise<RawStream> {
  const slot = `bench_raw_${randomBytes(4).toString("hex")}`;
  await database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const connection = await ReplicationConnection.open(parseConnectionOptions(url));
  let look: (chunk: Uint8Array) => void = () => undefined;
  const stream = await ReplicationStream.start(connection, {
    ...{ slot, publication, startLsn: LSN_ZERO, walSenderTimeoutMs: 0 },
    sink: { onBytes: (chunk) => look(chunk) },
    clock: systemClock,
    timers: systemTimers,
  });
  stream.pause();
  return {
    drain: (text) =>
      new Promise((resolve) => {
        const began = performance.now();
        look = finder(text, () => {
          look = () => undefined;
          resolve(performance.now() - began);
        });
        stream.resume();
      }),
    close: async () => {
      await stream.close();
      await database.query("SELECT pg_drop_replication_slot($1)", [slot]);
    },
  };
}

/** Calls back at the end of the text, be it cut by chunks. */
function finder(text: string, found: () => void): (chunk: Uint8Array) => void {
  const wanted = Buffer.from(text);
  let last = Buffer.alloc(0);
  return (chunk) => {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const seam = Buffer.concat([last, bytes.subarray(0, wanted.length)]);
    if (seam.includes(wanted) || bytes.includes(wanted)) found();
    // The chunk is valid during the call only.
    last = Buffer.from(bytes.subarray(Math.max(0, bytes.length - wanted.length + 1)));
  };
}
