/**
 * How a litz with very many shapes comes back: until a known shape is read, until the stream runs,
 * what it then takes, and how many objects are on its heap; beside the same with no shapes.
 *
 *     npm run build && npx tsx bench/restart.ts [shapes] [path of cli.js]
 *
 * One shape is made over HTTP. The others are written by the storage layer itself, as the service
 * would have: created, with a snapshot of one row, and checkpointed.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, loadavg } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { describeEnvironment } from "./environment.ts";
import { seedShapes } from "./seeding.ts";

const SHAPES = Number(process.argv[2] ?? "100000");
const CLI = resolve(process.argv[3] ?? new URL("../dist/cli.js", import.meta.url).pathname);
const PORT = 34_117;
const ORIGIN = `http://127.0.0.1:${PORT}`;
const SETTLE_MS = 5_000;
const SNAPSHOT_TIMEOUT_MS = 600_000;

interface Start {
  readonly knownShapeMs: number;
  readonly activeMs: number;
  readonly rss: number;
  readonly heapObjects: number;
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "litz-restart-"));
  // Postgres may run as somebody else.
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    durable: false,
    settings: { wal_level: "logical" },
  });
  try {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query("CREATE TABLE items (id int PRIMARY KEY, tenant_id int, name text)");
    await client.end();
    const storage = join(directory, "storage");
    const handle = await firstShape(postgres.url, storage);
    const few = await start(postgres.url, storage, handle, directory);
    const began = performance.now();
    await seedShapes(storage, SHAPES);
    const seedingSeconds = (performance.now() - began) / 1000;
    const many = await start(postgres.url, storage, handle, directory);
    print(few, many, seedingSeconds);
  } finally {
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes the directory, the slot and one shape, whose handle it returns. */
async function firstShape(url: string, storage: string): Promise<string> {
  const server = spawnServer(url, storage, ".");
  try {
    const response = await answered(shapeUrl("offset=-1"));
    const handle = response.headers.get("electric-handle");
    if (handle === null) throw new Error(`no shape: ${await response.text()}`);
    return handle;
  } finally {
    await stop(server);
  }
}

async function start(
  url: string,
  storage: string,
  handle: string,
  directory: string,
): Promise<Start> {
  const snapshots = mkdtempSync(join(directory, "heap-"));
  mkdirSync(snapshots, { recursive: true });
  const began = performance.now();
  const server = spawnServer(url, storage, snapshots);
  try {
    const known = answered(shapeUrl(`offset=0_0&handle=${handle}`)).then(
      () => performance.now() - began,
    );
    const active = answered(`${ORIGIN}/v1/health`).then(() => performance.now() - began);
    const [knownShapeMs, activeMs] = await Promise.all([known, active]);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const rss = rssOf(server.pid!);
    const heapObjects = await heapObjectsOf(server.pid!, snapshots);
    return { knownShapeMs, activeMs, rss, heapObjects };
  } finally {
    await stop(server);
  }
}

function spawnServer(url: string, storage: string, workingDirectory: string) {
  return spawn(process.execPath, ["--heapsnapshot-signal=SIGUSR2", CLI], {
    cwd: workingDirectory,
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: url,
      ELECTRIC_INSECURE: "true",
      ELECTRIC_LOG_LEVEL: "warn",
      ELECTRIC_PORT: String(PORT),
      ELECTRIC_STORAGE_DIR: storage,
      LITZ_HOST: "127.0.0.1",
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function stop(server: ReturnType<typeof spawnServer>): Promise<void> {
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  await exited;
}

function shapeUrl(query: string): string {
  return `${ORIGIN}/v1/shape?table=items&where=tenant_id%3D1&${query}`;
}

/** The first answer with 200. Asks every 10 ms: whoever is starting may refuse the connection. */
async function answered(url: string): Promise<Response> {
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.status === 200) return response;
    await response?.text();
    if (response?.status === 409) throw new Error("the known shape is not known any more");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function rssOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)![1]) * 1024;
}

/** How many objects a heap snapshot lists. */
async function heapObjectsOf(pid: number, directory: string): Promise<number> {
  process.kill(pid, "SIGUSR2");
  const end = performance.now() + SNAPSHOT_TIMEOUT_MS;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [name] = readdirSync(directory);
    const text = name === undefined ? "" : readFileSync(join(directory, name), "utf8");
    if (text.endsWith("]}\n") || text.endsWith("]}")) {
      return Number(/"node_count":(\d+)/.exec(text)![1]);
    }
  }
  throw new Error("no heap snapshot was written");
}

function print(few: Start, many: Start, seedingSeconds: number): void {
  const row = (name: string, start: Start) =>
    `| ${name} | ${start.knownShapeMs.toFixed(0)} | ${start.activeMs.toFixed(0)} | ` +
    `${(start.rss / 2 ** 20).toFixed(1)} | ${start.heapObjects} |`;
  process.stdout.write(
    [
      describeEnvironment(`npx tsx bench/restart.ts ${SHAPES}`, new Date()),
      `- load: ${loadavg()[0]!.toFixed(1)}; shapes written in ${seedingSeconds.toFixed(1)} s`,
      "",
      "| shapes | known shape read, ms | active, ms | RSS, MiB | objects on the heap |",
      "|---|---|---|---|---|",
      row("1", few),
      row(String(SHAPES + 1), many),
      "",
      `Per shape: ${((many.rss - few.rss) / SHAPES).toFixed(1)} B of RSS, ` +
        `${((many.heapObjects - few.heapObjects) / SHAPES).toFixed(4)} objects.`,
      "",
    ].join("\n"),
  );
}

await main();
