/**
 * Goal: the command as a user meets it: help, one line for a wrong setting, and `npm start` without
 * a database, which brings one, is stopped by Ctrl-C and starts again on the same data.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../support/child-server.ts";

const CLI = new URL("../../dist/command/cli.js", import.meta.url).pathname;

function run(environment: Record<string, string>, ...args: string[]) {
  return spawnSync(process.execPath, [CLI, ...args], {
    env: { PATH: process.env["PATH"], ...environment },
    encoding: "utf8",
  });
}

test("help and version", () => {
  expect(run({}, "--help").stdout).toContain("DATABASE_URL");
  expect(run({}, "--version").stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(run({}, "--nonsense")).toMatchObject({ status: 2 });
});

test.each([
  [{ ELECTRIC_PORT: "http" }, /^litz: ELECTRIC_PORT is "http"; allowed: a whole number/],
  [{ ELECTRIC_LONG_POLL_TIMEOUT: "20s" }, /^litz: ELECTRIC_LONG_POLL_TIMEOUT is "20s"/],
  [{ ELECTRIC_SECRET: "x", ELECTRIC_INSECURE: "true" }, /^litz: ELECTRIC_SECRET .*exactly one/],
  [{ ELECTRIC_STORAGE: "tape" }, /^litz: ELECTRIC_STORAGE is "tape"; allowed: FAST_FILE or MEMORY/],
  [{ ELECTRIC_MAX_CONCURRENT_REQUESTS: "{" }, /^litz: ELECTRIC_MAX_CONCURRENT_REQUESTS/],
  [{ DATABASE_URL: "mysql://u:geheim@h/d", ELECTRIC_INSECURE: "1" }, /^litz: DATABASE_URL/],
  [{ DATABASE_URL: "postgresql://h/d" }, /^litz: ELECTRIC_SECRET is empty/],
])("a wrong setting stops the start with one line: %j", (environment, line) => {
  const { status, stderr } = run(environment);
  expect(status).toBe(1);
  expect(stderr).toMatch(line);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).not.toContain("geheim");
});

test("without a database it brings one, keeps it, and leaves nothing running", async () => {
  const directory = mkdtempSync(join(tmpdir(), "litz-demo-"));
  // Under root the database runs as nobody, who has to get there.
  chmodSync(directory, 0o755);
  const port = await freePort();
  const title = async () => {
    const url = `http://127.0.0.1:${port}/v1/shape?table=items&where=tenant_id=1&offset=-1`;
    const [first] = (await (await fetch(url)).json()) as [{ value: { title: string } }];
    return first.value.title;
  };
  try {
    for (let round = 0; round < 2; round++) {
      const child = spawn(process.execPath, [CLI], {
        cwd: directory,
        env: { PATH: process.env["PATH"], ELECTRIC_PORT: String(port) },
      });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      const exited = once(child, "exit");
      while (!output.includes("curl")) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(child.exitCode).toBeNull();
      }
      expect(await title()).toBe("item 1 of tenant 1");
      child.kill("SIGINT");
      expect(await exited).toEqual([0, null]);
      const databasePort = /@127\.0\.0\.1:(\d+)/.exec(output)![1]!;
      await expect(fetch(`http://127.0.0.1:${databasePort}`)).rejects.toThrow();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
