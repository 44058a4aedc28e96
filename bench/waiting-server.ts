/** The server of what is measured over HTTP: says what it uses and how long its loop is away. */

import { readConfig } from "../src/config.ts";
import { PipelineService } from "../src/sync-service.ts";

export type ServerOrder = {
  readonly kind: "start" | "stop" | "bare" | "memory" | "count" | "watch" | "watched";
};

export interface ServerReport {
  readonly port: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly externalBytes: number;
  /** Before anybody had connected. */
  readonly bareHeapBytes: number;
  readonly bareRssBytes: number;
  readonly bareExternalBytes: number;
  /** Since `watch`, which takes a turn of the loop after another and all the time there is. */
  readonly longestTurnMs: number;
  /** Since `watch` or `count`. */
  readonly cpuMs: number;
  /** By the journal and by snapshots, since the start. */
  readonly writtenBytes: number;
}

let port = 0;
let service: PipelineService | undefined;
let stop = (): Promise<void> => Promise.resolve();
let bare = { heapUsed: 0, rss: 0, external: 0 };
let isWatching = false;
let longestTurnMs = 0;
let turnBegan = 0;
let cpuBefore = process.cpuUsage();

process.once("disconnect", () => process.exit(0));

process.on("message", (order: ServerOrder) => {
  void obey(order).then((report) => process.send!(report));
});

async function obey({ kind }: ServerOrder): Promise<ServerReport> {
  if (kind === "start") await start();
  if (kind === "stop") await stop();
  if (kind === "memory" || kind === "bare") await collect();
  if (kind === "bare") bare = process.memoryUsage();
  if (kind === "watch") watch();
  if (kind === "watched") isWatching = false;
  const { heapUsed, rss, external } = process.memoryUsage();
  const cpu = process.cpuUsage(cpuBefore);
  if (kind === "count") cpuBefore = process.cpuUsage();
  return {
    port,
    heapBytes: heapUsed,
    rssBytes: rss,
    externalBytes: external,
    bareHeapBytes: bare.heapUsed,
    bareRssBytes: bare.rss,
    bareExternalBytes: bare.external,
    longestTurnMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    writtenBytes: service?.pipeline?.store.writtenBytes ?? 0,
  };
}

async function start(): Promise<void> {
  const starting = new PipelineService({ config: readConfig(process.env) });
  service = starting;
  const app = starting.httpServer();
  stop = async () => {
    await app.close();
    await starting.stop();
  };
  await app.listen({ port: 0, host: "127.0.0.1" });
  await starting.start();
  port = (app.server.address() as { port: number }).port;
}

async function collect(): Promise<void> {
  for (let n = 0; n < 4; n++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An immediate per turn: the time between two is that of everything else in the turn. */
function watch(): void {
  longestTurnMs = 0;
  cpuBefore = process.cpuUsage();
  turnBegan = performance.now();
  isWatching = true;
  setImmediate(turn);
}

function turn(): void {
  const now = performance.now();
  longestTurnMs = Math.max(longestTurnMs, now - turnBegan);
  turnBegan = now;
  if (isWatching) setImmediate(turn);
}
