/**
 * How a litz with very many shapes comes back: until a known shape is read, until the stream runs,
 * what it then takes, and how many objects are on its heap; beside the same with one shape.
 *
 *     npm run build && npx tsx bench/restart.ts [--shapes 100000] [--starts 5] [--keep directory]
 *                                               [--profile directory] [--cli path of cli.js]
 *
 * One shape is made over HTTP. The others are written by the storage layer itself, as the service
 * would have: created, with a snapshot of one row, and checkpointed. A directory to *keep* has
 * Postgres and both storages, and is used as it is where it has them. Starts of the two take turns;
 * times are medians. *profile* leaves a processor profile of each start there, which costs time.
 */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { median } from "../src/report/measure.ts";
import { BUILT_COMMAND, Command, processorMsOf, usageOf } from "./command.ts";
import { describeEnvironment } from "./environment.ts";
import { withPostgres, type Ground } from "./real-server.ts";
import { seedShapes } from "./seeding.ts";

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "100000" },
    starts: { type: "string", default: "5" },
    keep: { type: "string" },
    profile: { type: "string" },
    cli: { type: "string", default: BUILT_COMMAND },
  },
});
const shapeCount = Number(values.shapes);
const startCount = Number(values.starts);

const PORT = 34_117;
const ORIGIN = `http://127.0.0.1:${PORT}`;
const SETTLE_MS = 3_000;
const SNAPSHOT_TIMEOUT_MS = 600_000;

interface Start {
  readonly knownShapeMs: number;
  readonly activeMs: number;
  /** Of the processor until then, which other work on the machine changes less. */
  readonly processorMs: number;
  readonly rss: number;
}

interface Starts {
  readonly each: readonly Start[];
  readonly heapObjects: number;
}

/** A storage directory, and the slot that it stands on. */
interface Place {
  readonly storage: string;
  readonly streamId: string;
}

async function main(): Promise<void> {
  const kept = values.keep === undefined ? undefined : resolve(values.keep);
  await withPostgres(async (ground) => {
    await ground.database.query(
      "CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, tenant_id int, name text)",
    );
    const few = await prepare(ground, 1);
    const many = await prepare(ground, shapeCount);
    const starts = new Map<Place, Start[]>([few, many].map((place) => [place, []]));
    for (let n = 0; n < startCount; n++) {
      for (const [place, list] of starts) list.push(await start(ground, place));
    }
    const told = async (place: Place): Promise<Starts> => ({
      each: starts.get(place)!,
      heapObjects: await heapObjectsOf(ground, place),
    });
    print(await told(few), await told(many));
  }, kept);
}

/** Makes `count` shapes where there are none. */
async function prepare(ground: Ground, count: number): Promise<Place> {
  const streamId = `restart_${count}`;
  const place = { storage: join(ground.directory, streamId), streamId };
  if (existsSync(place.storage)) return place;
  const server = startServer(ground, place);
  try {
    await answered(shapeUrl("offset=-1"));
  } finally {
    await server.stop();
  }
  if (count > 1) await seedShapes(place.storage, count - 1);
  return place;
}

async function start(ground: Ground, place: Place): Promise<Start> {
  const nodeOptions: string[] = [];
  if (values.profile !== undefined) {
    const directory = resolve(values.profile, place.streamId);
    mkdirSync(directory, { recursive: true });
    nodeOptions.push("--cpu-prof", `--cpu-prof-dir=${directory}`);
  }
  const began = performance.now();
  const server = startServer(ground, place, nodeOptions);
  try {
    // Whatever handle it has: a shape that is not made again answers before the stream runs.
    const known = answered(shapeUrl("offset=-1")).then(() => performance.now() - began);
    const active = answered(`${ORIGIN}/v1/health`).then(() => performance.now() - began);
    const [knownShapeMs, activeMs] = await Promise.all([known, active]);
    const processorMs = processorMsOf(server.pid);
    await sleep(SETTLE_MS);
    return { knownShapeMs, activeMs, processorMs, rss: usageOf(server.pid).rss };
  } finally {
    await server.stop();
  }
}

function startServer(
  { url }: Ground,
  { storage, streamId }: Place,
  nodeOptions: readonly string[] = [],
  workingDirectory?: string,
): Command {
  return new Command({
    url,
    storage,
    nodeOptions,
    path: values.cli,
    port: PORT,
    settings: { ELECTRIC_LOG_LEVEL: "warn", ELECTRIC_REPLICATION_STREAM_ID: streamId },
    ...(workingDirectory === undefined ? {} : { workingDirectory }),
  });
}

function shapeUrl(query: string): string {
  return `${ORIGIN}/v1/shape?table=items&where=tenant_id%3D1&${query}`;
}

/** The first answer with 200. Asks every 10 ms: whoever is starting may refuse the connection. */
async function answered(url: string): Promise<void> {
  while (true) {
    const response = await fetch(url).catch(() => undefined);
    await response?.text();
    if (response?.status === 200) return;
    await sleep(10);
  }
}

/** How many objects a heap snapshot lists. */
async function heapObjectsOf(ground: Ground, place: Place): Promise<number> {
  const directory = mkdtempSync(join(ground.directory, "heap-"));
  const server = startServer(ground, place, ["--heapsnapshot-signal=SIGUSR2"], directory);
  try {
    await answered(`${ORIGIN}/v1/health`);
    await sleep(SETTLE_MS);
    process.kill(server.pid, "SIGUSR2");
    const end = performance.now() + SNAPSHOT_TIMEOUT_MS;
    while (performance.now() < end) {
      await sleep(500);
      const [name] = readdirSync(directory);
      const text = name === undefined ? "" : readFileSync(join(directory, name), "utf8");
      if (text.trimEnd().endsWith("]}")) return Number(/"node_count":(\d+)/.exec(text)![1]);
    }
    throw new Error("no heap snapshot was written");
  } finally {
    await server.stop();
  }
}

function print(few: Starts, many: Starts): void {
  const middle = ({ each }: Starts, pick: (start: Start) => number) => median(each.map(pick));
  const row = (name: string, starts: Starts) =>
    `| ${name} | ${middle(starts, ({ knownShapeMs }) => knownShapeMs).toFixed(0)} | ` +
    `${middle(starts, ({ activeMs }) => activeMs).toFixed(0)} | ` +
    `${middle(starts, ({ processorMs }) => processorMs).toFixed(0)} | ` +
    `${middle(starts, ({ rss }) => rss).toFixed(1)} | ${starts.heapObjects} |`;
  const rss = (starts: Starts) => middle(starts, (start) => start.rss) * 2 ** 20;
  const command = `npx tsx bench/restart.ts ${process.argv.slice(2).join(" ")}`.trim();
  process.stdout.write(
    [
      describeEnvironment(command, new Date()),
      `- load: ${loadavg()[0]!.toFixed(1)}; medians of ${startCount} starts, in turns`,
      "",
      "| shapes | known shape read, ms | active, ms | processor, ms | RSS, MiB | heap objects |",
      "|---|---|---|---|---|---|",
      row("1", few),
      row(String(shapeCount), many),
      "",
      `Per shape: ${((rss(many) - rss(few)) / shapeCount).toFixed(1)} B of RSS, ` +
        `${((many.heapObjects - few.heapObjects) / shapeCount).toFixed(4)} objects.`,
      "",
    ].join("\n"),
  );
}

await main();
