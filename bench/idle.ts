/**
 * What a litz takes that does nothing: the command, freshly started on an embedded Postgres, with
 * its replication stream up and no shape; then with one; then after a few hundred requests. In
 * front of that what Node takes by itself, and with the packages that a server loads.
 *
 *     npm run build && npx tsx bench/idle.ts [--cli path of cli.js] [--repetitions 3]
 *
 * RSS counts every page that the process has touched, PSS those of shared libraries in part;
 * *anonymous* is what nothing but the process itself asks for. Read after a pause, for the kernel's
 * word on a process that has just started is not its last.
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { median } from "../src/report/measure.ts";
import { BUILT_COMMAND, Command, usageOf, type Usage } from "./command.ts";
import { describeEnvironment } from "./environment.ts";
import { withPostgres, type Ground } from "./real-server.ts";

const { values } = parseArgs({
  options: {
    cli: { type: "string", default: BUILT_COMMAND },
    repetitions: { type: "string", default: "3" },
  },
});
const repetitions = Number(values.repetitions);

const SETTLE_MS = 5_000;
const REQUESTS = 300;
const STAY = "setInterval(() => undefined, 1e6);";
const PACKAGES = ["fastify", "pg", "better-sqlite3", "pino"];

async function main(): Promise<void> {
  await withPostgres(async (ground) => {
    await ground.database.query(
      "CREATE TABLE items (id int PRIMARY KEY, tenant_id int, name text)",
    );
    await ground.database.query(
      "INSERT INTO items SELECT n, n % 9, 'item ' || n FROM generate_series(1, 99) n",
    );
    const runs: Record<string, Usage>[] = [];
    for (let run = 0; run < repetitions; run++) {
      const bare = await usageOfScript(STAY);
      const imports = PACKAGES.map((name) => `await import("${name}");`).join("");
      const packages = await usageOfScript(
        `globalThis.navigator = { userAgent: "" }; ${imports} ${STAY}`,
      );
      const server = await measureServer(ground, run);
      runs.push({ "Node, doing nothing": bare, "and packages": packages, ...server });
    }
    print(runs);
  });
}

async function measureServer({ url, directory }: Ground, run: number) {
  const command = new Command({
    url,
    storage: join(directory, `storage-${run}`),
    path: values.cli,
    settings: { CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN: "true" },
  });
  try {
    const origin = await command.served();
    const usages: Record<string, Usage> = {};
    usages["a server, connected, no shape"] = await settledUsage(command.pid);
    await ask(`${origin}/v1/shape?table=items&offset=-1`);
    usages["one shape without a WHERE"] = await settledUsage(command.pid);
    await ask(`${origin}/v1/shape?table=items&where=tenant_id%3D1&offset=-1`);
    usages["and one with"] = await settledUsage(command.pid);
    for (let n = 0; n < REQUESTS; n++) {
      await ask(`${origin}/v1/shape?table=items&where=tenant_id%3D${n}&offset=-1`);
    }
    usages[`after ${REQUESTS} more`] = await settledUsage(command.pid);
    return usages;
  } finally {
    await command.stop();
  }
}

async function ask(url: string): Promise<void> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
}

async function usageOfScript(script: string): Promise<Usage> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
  try {
    return await settledUsage(child.pid!);
  } finally {
    child.kill();
  }
}

async function settledUsage(pid: number): Promise<Usage> {
  await sleep(SETTLE_MS);
  return usageOf(pid);
}

function print(runs: readonly Record<string, Usage>[]): void {
  const lines = Object.keys(runs[0]!).map((name) => {
    const middle = (pick: (usage: Usage) => number) =>
      median(runs.map((run) => pick(run[name]!))).toFixed(1);
    const cells = [middle(({ rss }) => rss), middle(({ pss }) => pss)];
    return `| ${name} | ${cells.join(" | ")} | ${middle(({ anonymous }) => anonymous)} |`;
  });
  process.stdout.write(
    `${describeEnvironment("npx tsx bench/idle.ts", new Date())}\n\n` +
      `MiB, the median of ${repetitions}:\n\n` +
      `| | RSS | PSS | anonymous |\n|---|---|---|---|\n${lines.join("\n")}\n`,
  );
}

await main();
