/** The `litz` command as people run it, in a process of its own, and what that process takes. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** What `npm run build` makes. */
export const BUILT_COMMAND = new URL("../dist/command/cli.js", import.meta.url).pathname;

export interface CommandOptions {
  readonly url: string;
  readonly storage: string;
  /** Of cli.js. */
  readonly path: string;
  /** Any that is free where there is none. */
  readonly port?: number;
  readonly nodeOptions?: readonly string[];
  readonly workingDirectory?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** A server that was just started; what it says is read by `served`. */
export class Command {
  readonly #process: ChildProcess;

  constructor({ url, storage, path, port = 0, ...rest }: CommandOptions) {
    const { nodeOptions = [], settings, workingDirectory } = rest;
    this.#process = spawn(process.execPath, [...nodeOptions, resolve(path)], {
      cwd: workingDirectory,
      env: {
        PATH: process.env["PATH"],
        DATABASE_URL: url,
        ELECTRIC_INSECURE: "true",
        ELECTRIC_PORT: String(port),
        ELECTRIC_STORAGE_DIR: storage,
        LITZ_HOST: "127.0.0.1",
        ...settings,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Resolves with the origin that the banner names; the output that led there goes to `onText`. */
  served(onText: (text: string) => void = () => undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = "";
      const output = this.#process.stdout!;
      output.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        const origin = / serves (http:\S+)/.exec(text)?.[1];
        if (origin === undefined) return;
        onText(text);
        resolve(origin);
      });
      output.on("end", () => reject(new Error(`the server ended:\n${text}`)));
    });
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exited;
  }
}

/** In MiB. */
export interface Usage {
  /** Every page that the process has touched. */
  readonly rss: number;
  /** The same, of what is shared with other processes only a part. */
  readonly pss: number;
  /** What nothing but the process itself asks for. */
  readonly anonymous: number;
}

export function usageOf(pid: number): Usage {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)![1]) / 1024;
  return { rss: mebibytes("Rss"), pss: mebibytes("Pss"), anonymous: mebibytes("Anonymous") };
}

/** Of the processor, that the process has used so far; exact to 10 ms. */
export function processorMsOf(pid: number): number {
  // Behind the name, which may have spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Of /proc, on every Linux there is. */
const TICK_MS = 10;
