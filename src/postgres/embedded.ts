/**
 * A Postgres of our own, from the programs that npm installs: for tests, demonstrations and
 * benchmarks, never for data that matters.
 *
 *     <directory>/
 *       data/        the cluster, kept and reused
 *       password     of the only role, `postgres`; readable by the owner alone
 *       launcher     process id of the Node process that started the server last
 *       log          what the server said since its last start
 *
 * The server listens on the loopback interface alone and opens no Unix socket. It runs in a session
 * of its own, so that Ctrl-C in a terminal reaches it through `stop` and not before us. A process
 * that is killed leaves its server behind; the next start on the directory finds it, makes sure
 * that it is ours (invariant 1) and stops it.
 *
 * Postgres refuses to run as root, so root starts it as `nobody` (which has a passwd entry
 * everywhere, unlike any user we would have to create) and gives it the directory.
 *
 * Invariants:
 *  1. A signal is sent only to a process whose command line is a `postgres -D <our data>`.
 *  2. A server whose launcher is alive is not an orphan: a second start is refused.
 */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LitzError } from "../lib/errors.ts";
import { findPostgresBinaries, type PostgresBinaries } from "./embedded-binaries.ts";

export interface EmbeddedPostgresOptions {
  /** Made when missing. Reused with all its data when not. */
  readonly directory: string;
  /** A free one by default. */
  readonly port?: number;
  /** Whether data survives a crash of the machine. Costs a disk sync per commit. */
  readonly durable: boolean;
  /** Further settings of the server, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** Of the database `postgres`, with the password. */
  readonly url: string;
  readonly port: number;
  /** Disconnects everybody and shuts down cleanly. May be called more than once. */
  stop(): Promise<void>;
}

const NOBODY = 65534;
/** Starting takes 35 ms, and minutes of recovery only after a crash in the middle of big writes. */
const START_TIMEOUT_MS = 30_000;
/** A fast shutdown waits for walsenders to be told everything; after this it is made to end. */
const STOP_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 10;
/** Somebody may take the free port between our look and the server's. */
const PORT_ATTEMPTS = 3;

/** @throws {LitzError} EMBEDDED_POSTGRES_*, with what the server said. */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const binaries = findPostgresBinaries();
  const directory = resolve(options.directory);
  await reapOrphan(directory);

  mkdirSync(directory, { recursive: true });
  if (isRoot()) chownSync(directory, NOBODY, NOBODY);
  writeFileSync(join(directory, "launcher"), `${process.pid}\n`);
  if (!existsSync(join(directory, "data"))) initialise(binaries, directory);

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await findFreePort());
    try {
      return await launch(binaries, directory, port, options);
    } catch (error) {
      const isPortTaken = readLog(directory).includes("Address already in use");
      if (options.port !== undefined || !isPortTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/**
 * Stops the server that a killed process has left behind in `directory`, if there is one. Returns
 * whether there was.
 *
 * @throws {LitzError} EMBEDDED_POSTGRES_IN_USE when the server's launcher is alive.
 */
export async function reapOrphan(directory: string): Promise<boolean> {
  const data = join(resolve(directory), "data");
  const pid = readPid(join(data, "postmaster.pid"));
  if (pid === undefined || !isOurServer(pid, data)) return false;
  const launcher = readPid(join(resolve(directory), "launcher"));
  // A process whose parent died is given to another one, so its parent is its launcher or nobody.
  if (launcher !== undefined && parentOf(pid) === launcher) {
    throw new LitzError(
      `the embedded Postgres in ${directory} is in use by process ${launcher}: stop that, ` +
        `or use another directory`,
      { code: "EMBEDDED_POSTGRES_IN_USE", retriable: true },
    );
  }
  await terminate(pid, () => isOurServer(pid, data));
  return true;
}

function initialise(binaries: PostgresBinaries, directory: string): void {
  // Under its final name it is complete: what a killed initdb has left looks like a cluster.
  const data = join(directory, "data.new");
  rmSync(data, { recursive: true, force: true });
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, `${randomBytes(18).toString("hex")}\n`);
  chmodSync(passwordFile, 0o600);
  if (isRoot()) chownSync(passwordFile, NOBODY, NOBODY);

  const result = spawnSync(
    binaries.initdb,
    [
      ...["-D", data, "-U", "postgres", "-E", "UTF8", "--no-sync", "--no-instructions"],
      ...["--auth=scram-sha-256", `--pwfile=${passwordFile}`],
      ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
    ],
    { ...runAs(), cwd: directory, env: environment(), encoding: "utf8" },
  );
  if (result.status === 0) {
    renameSync(data, join(directory, "data"));
    return;
  }
  rmSync(data, { recursive: true, force: true });
  throw failure(`initdb failed in ${directory}`, result.error?.message ?? result.stderr);
}

async function launch(
  binaries: PostgresBinaries,
  directory: string,
  port: number,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const data = join(directory, "data");
  const log = openSync(join(directory, "log"), "w");
  const settings = settingsOf(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(binaries.postgres, ["-D", data, "-p", `${port}`, ...settings], {
    ...runAs(),
    cwd: directory,
    env: environment(),
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);

  const ended = new Promise<string>((resolve) => {
    server.once("error", (error) => resolve(error.message));
    server.once("exit", (code, signal) => resolve(`it ended with ${signal ?? `status ${code}`}`));
  });
  const isAlive = () => server.pid !== undefined && server.exitCode === null && !server.signalCode;
  if (!(await becomesReady(data, server, ended))) {
    const reason = isAlive() ? `it was not ready after ${START_TIMEOUT_MS} ms` : await ended;
    if (isAlive()) await terminate(server.pid!, isAlive);
    throw failure(`Postgres did not start in ${directory}: ${reason}`, readLog(directory));
  }

  // A program that ends without stopping its server leaves no orphan, unless it is killed.
  const onExit = () => void server.kill("SIGINT");
  process.once("exit", onExit);
  void ended.then(() => process.removeListener("exit", onExit));
  server.unref();

  const password = readFileSync(join(directory, "password"), "utf8").trim();
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    stop: async () => {
      if (isAlive()) await terminate(server.pid!, isAlive);
    },
  };
}

/** Overridden by the caller's settings, which come later on the command line. */
function settingsOf(options: EmbeddedPostgresOptions): [name: string, value: string][] {
  return Object.entries({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    wal_level: "logical",
    max_wal_senders: "40",
    max_replication_slots: "40",
    // Without fsync a torn page is as likely as anything else, so its protection buys nothing.
    // Commits stay synchronous: an asynchronous one reaches replication up to 600 ms later.
    ...(options.durable ? {} : { fsync: "off", full_page_writes: "off" }),
    ...options.settings,
  });
}

/** The last line of postmaster.pid is the server's state, which is also what pg_ctl waits for. */
async function becomesReady(
  data: string,
  server: ChildProcess,
  ended: Promise<unknown>,
): Promise<boolean> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_INTERVAL_MS) {
    const isOver = await Promise.race([ended.then(() => true), sleep(POLL_INTERVAL_MS, false)]);
    if (isOver) return false;
    const lines = readLines(join(data, "postmaster.pid"));
    if (lines[0] === `${server.pid}` && lines[7]?.trim() === "ready") return true;
  }
  return false;
}

/** Fast shutdown first, then an immediate one. REQUIRES: the process is ours. */
async function terminate(pid: number, isAlive: () => boolean): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // It has ended meanwhile.
    }
    for (let waited = 0; waited < STOP_TIMEOUT_MS; waited += POLL_INTERVAL_MS) {
      if (!isAlive()) return;
      await sleep(POLL_INTERVAL_MS);
    }
  }
  throw failure(`the Postgres with process id ${pid} does not end`, "");
}

function isOurServer(pid: number, data: string): boolean {
  const command = inspectProcess(pid, "command");
  return command !== undefined && /postgres/.test(command) && command.includes(` -D ${data} `);
}

function parentOf(pid: number): number {
  return Number(inspectProcess(pid, "ppid"));
}

/** What the system knows of a process; undefined when there is none. A zombie counts as none. */
function inspectProcess(pid: number, what: "command" | "ppid"): string | undefined {
  if (process.platform === "linux") {
    try {
      if (what === "command") {
        const text = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return text === "" ? undefined : text;
      }
      return /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    } catch {
      return undefined;
    }
  }
  const result = spawnSync("ps", ["-o", `${what}=`, "-p", `${pid}`], { encoding: "utf8" });
  const text = result.stdout.trim();
  return result.status === 0 && text !== "" ? `${text} ` : undefined;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function runAs(): { uid?: number; gid?: number } {
  return isRoot() ? { uid: NOBODY, gid: NOBODY } : {};
}

/** Nothing of ours: PG* variables would be obeyed and a locale would translate the log. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" };
}

function readPid(file: string): number | undefined {
  const pid = Number(readLines(file)[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

function readLog(directory: string): string {
  return readLines(join(directory, "log")).slice(-20).join("\n");
}

function failure(what: string, said: string): LitzError {
  const hint = /permission denied|EACCES/i.test(said)
    ? "\nEvery folder above it, and above node_modules, must be open (x) to the user it runs as" +
      (isRoot() ? ", which for root is nobody." : ".")
    : "";
  return new LitzError(said === "" ? what : `${what}\n${said.trim()}${hint}`, {
    code: "EMBEDDED_POSTGRES_FAILED",
  });
}
