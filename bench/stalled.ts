/**
 * Readers who ask for ten megabytes and stop reading: what each costs the server, and when it is
 * rid of them.
 *
 *     npx tsx bench/stalled.ts [--readers 400] [--encoding identity|gzip|br]
 *
 * The server, Postgres and the readers are processes of their own. The readers ask for the first
 * chunk of one shape and take nothing from their sockets. The server's memory is read after a full
 * collection while they stall; then the time is taken until the last of them has been reset.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { describeEnvironment } from "./environment.ts";
import { withRealServer } from "./real-server.ts";
import type { ReaderOrder } from "./stalled-readers.ts";
import type { ServerOrder, ServerReport } from "./waiting-server.ts";
import { Worker } from "./worker.ts";

const { values } = parseArgs({
  options: {
    readers: { type: "string", default: "400" },
    encoding: { type: "string", default: "identity" },
  },
});
const readerCount = Number(values.readers);
const { encoding } = values;

const CHUNK_ROWS = 10_000;
/** Random text, which no encoding shrinks by much more than a quarter. */
const TEXT_SQL = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 32 + n * 0)";
const STALLED_TIMEOUT_MS = 15_000;
/** Until everything has been written that the kernel takes. */
const SETTLE_MS = 4_000;

async function main(): Promise<void> {
  const settings = {
    ELECTRIC_MAX_CONCURRENT_REQUESTS: '{"initial":100000,"existing":100000}',
    LITZ_STALLED_READER_TIMEOUT: `${STALLED_TIMEOUT_MS}ms`,
  };
  await withRealServer(settings, async (database, server) => {
    const readers = new Worker<ReaderOrder, unknown>("./stalled-readers.ts");
    try {
      await database.query("CREATE TABLE items (id int PRIMARY KEY, text text)");
      await database.query(
        `INSERT INTO items SELECT n, (${TEXT_SQL}) FROM generate_series(1, ${CHUNK_ROWS}) n`,
      );
      await measure(server, readers);
    } finally {
      readers.stop();
    }
  });
}

async function measure(
  server: Worker<ServerOrder, ServerReport>,
  readers: Worker<ReaderOrder, unknown>,
): Promise<void> {
  const { port } = await server.ask({ kind: "start" });
  let size = 0;
  for (let round = 0; round < 5; round++) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/shape?table=items&offset=-1`);
    size = (await response.arrayBuffer()).byteLength;
  }
  await server.ask({ kind: "bare" });
  const begun = performance.now();
  await readers.ask({ port, count: readerCount, encoding });
  await sleep(SETTLE_MS);
  const stalled = await server.ask({ kind: "memory" });
  // The readers do not see it: whoever does not read does not see a reset either.
  while ((await requestsAt(port)) > 0) await sleep(100);
  const seconds = (performance.now() - begun) / 1000;
  const after = await server.ask({ kind: "memory" });
  const perReader = (bytes: number): string => `${(bytes / readerCount / 1024).toFixed(1)} KiB`;
  const rows = [
    ["RSS per stalled reader", perReader(stalled.rssBytes - stalled.bareRssBytes)],
    ["heap per stalled reader", perReader(stalled.heapBytes - stalled.bareHeapBytes)],
    [
      "external memory per stalled reader",
      perReader(stalled.externalBytes - stalled.bareExternalBytes),
    ],
    ["all ended by the server after", `${seconds.toFixed(1)} s`],
    ["RSS left afterwards, of each", perReader(after.rssBytes - after.bareRssBytes)],
  ];
  const command = `npx tsx bench/stalled.ts ${process.argv.slice(2).join(" ")}`.trim();
  process.stdout.write(`\n${describeEnvironment(command, new Date())}\n`);
  process.stdout.write(
    `- ${readerCount} readers of ${(size / 2 ** 20).toFixed(1)} MiB (${encoding}), ` +
      `time limit ${STALLED_TIMEOUT_MS / 1000} s\n\n| | |\n| --- | ---: |\n`,
  );
  for (const [name, value] of rows) process.stdout.write(`| ${name} | ${value} |\n`);
}

async function requestsAt(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/admin/memory`);
  return ((await response.json()) as { http: { requests: number } }).http.requests;
}

await main();
