/**
 * Ten thousand requests that wait for the same commit: what each costs, how soon they are answered,
 * and how long the event loop is away meanwhile.
 *
 *     npx tsx bench/waiting.ts [--waiters 10000] [--mode poll|sse] [--shapes 1] [--clients 2]
 *                              [--rounds 5]
 *
 * The server, Postgres and the load generators are processes of their own. Every waiter is a
 * connection that sends what a browser would. In a round all of them wait, the server's memory is
 * read after a full collection, one transaction is committed that concerns all of them, and every
 * answer is timed from the moment at which the INSERT was sent. The next round is on the same
 * connections. `--shapes n` spreads the waiters over n shapes, all of which the commit reaches.
 *
 * The longest turn of the loop is measured by an immediate that follows itself, while answers go
 * out (nobody asks again before all have theirs) and, apart from that, while all ask again.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { describeEnvironment } from "./environment.ts";
import { median } from "../src/report/measure.ts";
import { withRealServer } from "./real-server.ts";
import type { ClientOrder, ClientReport } from "./waiting-clients.ts";
import type { ServerOrder, ServerReport } from "./waiting-server.ts";
import { Worker } from "./worker.ts";

const { values } = parseArgs({
  options: {
    waiters: { type: "string", default: "10000" },
    mode: { type: "string", default: "poll" },
    shapes: { type: "string", default: "1" },
    clients: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
  },
});
const waiterCount = Number(values.waiters);
const shapeCount = Number(values.shapes);
const clientCount = Number(values.clients);
const roundCount = Number(values.rounds);
const mode = values.mode === "sse" ? "sse" : "poll";

async function main(): Promise<void> {
  const settings = {
    ELECTRIC_MAX_CONCURRENT_REQUESTS: '{"initial":1000000,"existing":1000000}',
    ELECTRIC_LONG_POLL_TIMEOUT: "600000",
    ELECTRIC_SSE_TIMEOUT: "600000",
  };
  await withRealServer(settings, async (database, server) => {
    const clients = Array.from(
      { length: clientCount },
      () => new Worker<ClientOrder, ClientReport>("./waiting-clients.ts"),
    );
    try {
      await database.query("CREATE TABLE items (id int PRIMARY KEY, shape int, text text)");
      await measure(database, server, clients);
    } finally {
      for (const client of clients) client.stop();
    }
  });
}

async function measure(
  database: pg.Client,
  server: Worker<ServerOrder, ServerReport>,
  clients: readonly Worker<ClientOrder, ClientReport>[],
): Promise<void> {
  const { port } = await server.ask({ kind: "start" });
  await warmUp(database, server, clients, port);
  const share = Math.ceil(waiterCount / clientCount);
  await Promise.all(
    clients.map((client, index) =>
      client.ask({ kind: "connect", port, mode, shapeCount, first: index * share, count: share }),
    ),
  );
  const total = share * clientCount;
  const idle = await server.ask({ kind: "memory" });
  print("", ["idle, connected", memoryText(idle, idle, total)]);

  const all: Round[] = [];
  for (let round = 0; round < roundCount; round++) {
    await server.ask({ kind: "watch" });
    await Promise.all(clients.map((client) => client.ask({ kind: "wait" })));
    await untilWaiting(port, total);
    const asking = await server.ask({ kind: "watched" });
    const waiting = await server.ask({ kind: "memory" });
    await server.ask({ kind: "watch" });
    const answered = Promise.all(clients.map((client) => client.ask({ kind: "answers" })));
    const sent = performance.timeOrigin + performance.now();
    await database.query(
      "INSERT INTO items SELECT $1::int + n, n, repeat('x', 100) FROM generate_series(0, $2) n",
      [round * shapeCount, shapeCount - 1],
    );
    const times = (await answered).flatMap((report) => report.times).map((time) => time - sent);
    const watched = await server.ask({ kind: "watched" });
    times.sort((a, b) => a - b);
    all.push({ times, waiting, asking, watched });
    print(`round ${round + 1}`, [
      "waiting",
      memoryText(waiting, idle, total),
      `answers p50 ${ms(percentile(times, 0.5))}, p99 ${ms(percentile(times, 0.99))}, ` +
        `first ${ms(times[0]!)}, last ${ms(times.at(-1)!)}`,
      `longest turn ${ms(watched.longestTurnMs)} answering, ${ms(asking.longestTurnMs)} asking`,
      `server CPU ${((watched.cpuMs * 1000) / total).toFixed(1)} us an answer`,
    ]);
  }
  const after = await server.ask({ kind: "memory" });
  print("", ["answered, idle", memoryText(after, idle, total)]);
  summarize(all, idle, total);
}

/** What the code itself takes, compiled and with its feedback, is no part of a waiter. */
async function warmUp(
  database: pg.Client,
  server: Worker<ServerOrder, ServerReport>,
  clients: readonly Worker<ClientOrder, ClientReport>[],
  port: number,
): Promise<void> {
  const [client] = clients;
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    const order = { port, mode, shapeCount: 1, first: 0, count: WARM_UP_WAITERS } as const;
    await client!.ask({ kind: "connect", ...order });
    for (let times = 0; times < 3; times++) {
      await client!.ask({ kind: "wait" });
      await untilWaiting(port, WARM_UP_WAITERS);
      const answered = client!.ask({ kind: "answers" });
      await database.query("INSERT INTO items VALUES ($1, 0, '')", [-1 - round * 3 - times]);
      await answered;
    }
    await client!.ask({ kind: "close" });
  }
  await sleep(500);
  await server.ask({ kind: "bare" });
}

const WARM_UP_ROUNDS = 10;
const WARM_UP_WAITERS = 200;

interface Round {
  readonly times: readonly number[];
  readonly waiting: ServerReport;
  readonly asking: ServerReport;
  readonly watched: ServerReport;
}

function summarize(rounds: readonly Round[], idle: ServerReport, total: number): void {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const perWaiter = (bytes: number): string => `${Math.round(bytes / total)} B`;
  const rows = [
    [
      "heap per waiter, over no connections",
      perWaiter(middle((r) => r.waiting.heapBytes) - idle.bareHeapBytes),
    ],
    [
      "RSS per waiter, over no connections",
      perWaiter(middle((r) => r.waiting.rssBytes) - idle.bareRssBytes),
    ],
    ["answers, p50", ms(middle((r) => percentile(r.times, 0.5)))],
    ["answers, p99", ms(middle((r) => percentile(r.times, 0.99)))],
    ["all answered after", ms(middle((r) => r.times.at(-1)!))],
    ["from the first answer to the last", ms(middle((r) => r.times.at(-1)! - r.times[0]!))],
    ["longest turn while answering", ms(middle((r) => r.watched.longestTurnMs))],
    ["longest turn while all ask again", ms(middle((r) => r.asking.longestTurnMs))],
    ["server CPU per answer", `${((middle((r) => r.watched.cpuMs) * 1000) / total).toFixed(1)} us`],
  ];
  const command = `npx tsx bench/waiting.ts ${process.argv.slice(2).join(" ")}`.trim();
  process.stdout.write(`\n${describeEnvironment(command, new Date())}\n`);
  process.stdout.write(
    `- ${total} waiters (${mode}), ${shapeCount} shapes, the median of ${rounds.length} rounds\n\n`,
  );
  process.stdout.write("| | |\n| --- | ---: |\n");
  for (const [name, value] of rows) process.stdout.write(`| ${name} | ${value} |\n`);
}

async function untilWaiting(port: number, count: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/admin/memory`);
    const { http } = (await response.json()) as {
      http: { pollsOnLanes: number; streamsOnLanes: number };
    };
    if (http.pollsOnLanes + http.streamsOnLanes >= count) return;
    await sleep(50);
  }
}

function memoryText(now: ServerReport, idle: ServerReport, total: number): string {
  const heap = (now.heapBytes - idle.bareHeapBytes) / total;
  const rss = (now.rssBytes - idle.bareRssBytes) / total;
  return `heap ${Math.round(heap)} B, RSS ${Math.round(rss)} B per waiter`;
}

/** REQUIRES: sorted. */
function percentile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function print(title: string, parts: readonly string[]): void {
  process.stdout.write(`${title === "" ? "" : `${title}: `}${parts.join("; ")}\n`);
}

await main();
