/** The `litz` command as a process of its own, which a test may kill at any moment. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { settingsFor, type Settings } from "./live-server.ts";
import type { TestDatabase } from "./postgres.ts";

const CLI = new URL("../../dist/command/cli.js", import.meta.url).pathname;

export interface ChildServer {
  readonly url: string;
  readonly pid: number;
  /** Everything it has written so far. */
  output(): string;
  /** kill -9, or as the signal says; resolves with the exit code when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Resolves when it serves. REQUIRES: `npm run build`. */
export async function startChildServer(
  database: TestDatabase,
  directory: string,
  port: number,
  settings: Settings = {},
): Promise<ChildServer> {
  const child = spawn(process.execPath, [CLI], {
    env: {
      PATH: process.env["PATH"],
      ...settingsFor(database, directory, settings),
      ELECTRIC_PORT: String(port),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  let text = "";
  const collect = (chunk: Buffer) => void (text += chunk.toString());
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  await untilServing(child, exited, () => text);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    output: () => text,
    kill: async (signal = "SIGKILL") => {
      child.kill(signal);
      const [code] = await exited;
      return code;
    },
  };
}

async function untilServing(
  child: ChildProcess,
  exited: Promise<[number | null]>,
  output: () => string,
): Promise<void> {
  const serving = new Promise<void>((resolve) => {
    const look = () => {
      if (output().includes(" serves http://")) resolve();
    };
    child.stdout?.on("data", look);
  });
  const failed = exited.then(([code]) => {
    throw new Error(`the server ended with ${code} before it served:\n${output()}`);
  });
  await Promise.race([serving, failed]);
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
