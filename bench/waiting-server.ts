/** The server of what is measured over HTTP: says what it uses and how long its loop is away. */

import { setTimeout as sleep } from "node:timers/promises";
import { readConfig } from "../src/config.ts";
import { parseLsn, type Lsn } from "../src/model/lsn.ts";
import { GcWatch } from "../src/report/measure.ts";
import { mainThreadMoment } from "../src/report/processor-waits.ts";
import { PipelineService } from "../src/sync-service.ts";

export type ServerOrder =
  | { readonly kind: "start" | "stop" | "bare" | "memory" | "count" | "watch" | "watched" }
  /** To be answered when a transaction is durable that commits beyond this LSN. */
  | { readonly kind: "drain"; readonly beyond: string };

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
  /** The same without what a turn waited for a processor that others had. */
  readonly longestOwnTurnMs: number;
  /** Of the garbage collections between `watch` and `watched`. */
  readonly longestCollectionMs: number;
  /** Since `watch` or `count`, or of `drain`. */
  readonly cpuMs: number;
  /** Of the last `drain`: from when the core was seen to have read a transaction. */
  readonly drainMs: number;
  /** Changes read meanwhile: a socket that has much may be read for long before anybody looks. */
  readonly drainedCount: number;
  /** By the journal and by snapshots, since the start. */
  readonly writtenBytes: number;
}

let port = 0;
let service: PipelineService | undefined;
let stop = (): Promise<void> => Promise.resolve();
let bare = { heapUsed: 0, rss: 0, external: 0 };
let isWatching = false;
let longestTurnMs = 0;
let longestOwnTurnMs = 0;
const now = () => performance.now();
let turnBegan = mainThreadMoment(now);
let collections = new GcWatch();
let cpuBefore = process.cpuUsage();
let drainMs = 0;
let drainedCount = 0;

process.once("disconnect", () => process.exit(0));

process.on("message", (order: ServerOrder) => {
  void obey(order).then((report) => process.send!(report));
});

async function obey(order: ServerOrder): Promise<ServerReport> {
  const { kind } = order;
  if (kind === "start") await start();
  if (kind === "stop") await stop();
  if (kind === "memory" || kind === "bare") await collect();
  if (kind === "bare") bare = process.memoryUsage();
  if (kind === "watch") watch();
  if (kind === "watched") {
    isWatching = false;
    await collections.stop();
  }
  if (kind === "drain") await drain(parseLsn(order.beyond));
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
    longestOwnTurnMs,
    longestCollectionMs: collections.longestMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    drainMs,
    drainedCount,
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

async function drain(beyond: Lsn): Promise<void> {
  const { store, stream } = service!.pipeline!;
  const known = stream.changeCount;
  while (stream.changeCount === known) await sleep(1);
  const began = performance.now();
  const begun = stream.changeCount;
  cpuBefore = process.cpuUsage();
  while (store.position <= beyond) await sleep(1);
  drainMs = performance.now() - began;
  drainedCount = stream.changeCount - begun;
}

async function collect(): Promise<void> {
  for (let n = 0; n < 4; n++) {
    globalThis.gc!();
    await sleep(20);
  }
}

/** An immediate per turn: the time between two is that of everything else in the turn. */
function watch(): void {
  longestTurnMs = 0;
  longestOwnTurnMs = 0;
  collections = new GcWatch();
  collections.start();
  cpuBefore = process.cpuUsage();
  turnBegan = mainThreadMoment(now);
  isWatching = true;
  setImmediate(turn);
}

function turn(): void {
  const moment = mainThreadMoment(now);
  const turnMs = moment.nowMs - turnBegan.nowMs;
  const waitedMs = moment.waitedMs - turnBegan.waitedMs;
  longestTurnMs = Math.max(longestTurnMs, turnMs);
  longestOwnTurnMs = Math.max(longestOwnTurnMs, turnMs - waitedMs);
  turnBegan = moment;
  if (isWatching) setImmediate(turn);
}
