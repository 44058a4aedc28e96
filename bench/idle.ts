/**
 * What a litz takes that does nothing: the command, freshly started on an embedded Postgres, with
 * its replication stream up and no shape; then with one; then after a few hundred requests.
 *
 *     npm run build && npx tsx bench/idle.ts [path of cli.js]
 *
 * RSS counts every page that the process has touched, PSS those of shared libraries in part;
 * *anonymous* is what nothing but the process itself asks for. Read after a pause, for the kernel's
 * word on a process that has just started is not its last.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { describeEnvironment } from "./environment.ts";

const REPETITIONS = 3;
const SETTLE_MS = 5_000;
const REQUESTS = 300;
const CLI = resolve(process.argv[2] ?? new URL("../dist/cli.js", import.meta.url).pathname);

interface Usage {
  readonly rss: number;
  readonly pss: number;
  readonly anonymous: number;
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "litz-idle-"));
  // Postgres may run as somebody else.
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    durable: false,
    settings: { wal_level: "logical" },
  });
  try {
    await withDatabase(postgres.url, async (database) => {
      await database.query("CREATE TABLE items (id int PRIMARY KEY, tenant_id int, name text)");
      await database.query(
        "INSERT INTO items SELECT n, n % 9, 'item ' || n FROM generate_series(1, 99) n",
      );
    });
    const bare = await usageOf(["-e", "setInterval(() => {}, 1e6)"]);
    const runs: Record<string, Usage>[] = [];
    for (let run = 0; run < REPETITIONS; run++) {
      runs.push(await measure(postgres.url, join(directory, `storage-${run}`)));
    }
    print({ "Node, doing nothing": [bare], ...transposed(runs) });
  } finally {
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(url: string, storage: string): Promise<Record<string, Usage>> {
  const child = spawn(process.execPath, [CLI], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: url,
      ELECTRIC_INSECURE: "true",
      ELECTRIC_PORT: "0",
      ELECTRIC_STORAGE_DIR: storage,
      CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN: "true",
      LITZ_HOST: "127.0.0.1",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const origin = await serving(child.stdout);
    const usages: Record<string, Usage> = {};
    usages["connected, no shape"] = await settledUsage(child.pid!);
    await ask(`${origin}/v1/shape?table=items&offset=-1`);
    usages["one shape without a WHERE"] = await settledUsage(child.pid!);
    await ask(`${origin}/v1/shape?table=items&where=tenant_id%3D1&offset=-1`);
    usages["and one with"] = await settledUsage(child.pid!);
    for (let n = 0; n < REQUESTS; n++) {
      await ask(`${origin}/v1/shape?table=items&where=tenant_id%3D${n}&offset=-1`);
    }
    usages[`after ${REQUESTS} more`] = await settledUsage(child.pid!);
    return usages;
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
}

/** The origin that the banner names. */
function serving(output: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    output.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const origin = / serves (http:\S+)/.exec(text)?.[1];
      if (origin !== undefined) resolve(origin);
    });
    output.on("end", () => reject(new Error(`the server ended:\n${text}`)));
  });
}

async function ask(url: string): Promise<void> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
}

async function usageOf(parameters: readonly string[]): Promise<Usage> {
  const child = spawn(process.execPath, parameters, { stdio: "ignore" });
  try {
    return await settledUsage(child.pid!);
  } finally {
    child.kill();
  }
}

async function settledUsage(pid: number): Promise<Usage> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)![1]) / 1024;
  return { rss: mebibytes("Rss"), pss: mebibytes("Pss"), anonymous: mebibytes("Anonymous") };
}

async function withDatabase(url: string, work: (client: pg.Client) => Promise<void>) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function transposed(runs: readonly Record<string, Usage>[]): Record<string, Usage[]> {
  const names = Object.keys(runs[0]!);
  return Object.fromEntries(names.map((name) => [name, runs.map((run) => run[name]!)]));
}

function print(usages: Record<string, readonly Usage[]>): void {
  const lines = Object.entries(usages).map(([name, each]) => {
    const median = (pick: (usage: Usage) => number) =>
      each
        .map(pick)
        .sort((a, b) => a - b)
        [Math.floor(each.length / 2)]!.toFixed(1);
    const cells = [median(({ rss }) => rss), median(({ pss }) => pss)];
    return `| ${name} | ${cells.join(" | ")} | ${median(({ anonymous }) => anonymous)} |`;
  });
  process.stdout.write(
    `${describeEnvironment("npx tsx bench/idle.ts", new Date())}\n\n` +
      `MiB, the median of ${REPETITIONS}:\n\n` +
      `| | RSS | PSS | anonymous |\n|---|---|---|---|\n${lines.join("\n")}\n`,
  );
}

await main();
