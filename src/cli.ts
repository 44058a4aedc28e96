#!/usr/bin/env node
/**
 * The `litz` command. Settings come from the environment alone (README, "Configuration").
 *
 * Without DATABASE_URL it brings a database of its own, for trying things out: then the server
 * listens on the loopback interface only, and needs no secret.
 */

import { setFlagsFromString } from "node:v8";
import { VERSION } from "./http/version.ts";
import { LitzError } from "./lib/errors.ts";

const HELP = `litz: a Postgres sync engine that speaks Electric's HTTP protocol

  litz            start the server; settings come from the environment
  litz report     measure what shapes cost, here or of a server; litz report --help
  litz --help     this text
  litz --version  the version

DATABASE_URL names the database to follow. Without it an embedded Postgres with a small table is
started, its data kept under ./.litz/. The README lists every variable.
`;

async function main(arguments_: readonly string[]): Promise<void> {
  const [argument, ...rest] = arguments_;
  if (argument === "--help" || argument === "-h") {
    process.stdout.write(HELP);
  } else if (argument === "--version") {
    process.stdout.write(`${VERSION}\n`);
  } else if (argument === "report") {
    // A server never loads what it is measured with.
    const { runReport } = await import("./report/command.ts");
    await runReport(rest);
  } else if (argument === undefined || argument === "start") {
    await startSmall(async () => {
      const { serve } = await import("./serve.ts");
      await serve(process.env, fail);
    });
  } else {
    process.stderr.write(`litz: unknown argument ${argument}\n\n${HELP}`);
    process.exitCode = 2;
  }
}

/**
 * A start takes from the system what V8 never gives back, a fifth of what an idle server takes, for
 * what only a start does. Two settings keep it from that, and are V8's own again afterwards, when
 * it is for what requests need:
 *
 *     young generation   may not grow for the garbage of a start          6 MiB
 *     optimized code     only of what is called very often: each of V8's
 *                        threads keeps the memory it has compiled with    6 MiB
 *
 * Restoring shapes by the hundred thousand calls its functions often enough all the same.
 */
async function startSmall(start: () => Promise<void>): Promise<void> {
  tune(AT_THE_START);
  sayWhereWeAre();
  try {
    await start();
  } finally {
    tune(USUAL);
  }
}

interface Tuning {
  readonly semiSpaceGrowthFactor: number;
  /** Bytes of bytecode that a function runs until V8 considers to optimize it. */
  readonly interruptBudget: number;
}

const AT_THE_START: Tuning = { semiSpaceGrowthFactor: 1, interruptBudget: 1_000_000 };

/** V8's own. */
const USUAL: Tuning = { semiSpaceGrowthFactor: 2, interruptBudget: 67_584 };

function tune({ semiSpaceGrowthFactor, interruptBudget }: Tuning): void {
  setFlagsFromString(`--semi-space-growth-factor=${semiSpaceGrowthFactor}`);
  setFlagsFromString(`--interrupt-budget=${interruptBudget}`);
}

/**
 * To find out where it runs, the Postgres driver asks `navigator`, which Node has from version 21
 * on; without it makes a `Response`, for which Node loads its HTTP client: 4 MiB.
 */
function sayWhereWeAre(): void {
  if ("navigator" in globalThis) return;
  const [version] = process.versions.node.split(".");
  Object.assign(globalThis, { navigator: { userAgent: `Node.js/${version!}` } });
}

/** One line for what an operator can mend, a stack for what only we can. */
function fail(error: unknown): never {
  process.stderr.write(`litz: ${textOf(error)}\n`);
  process.exit(1);
}

function textOf(error: unknown): string {
  if (error instanceof LitzError) return error.message;
  if (isListenError(error)) return `${error.message} (ELECTRIC_PORT, LITZ_HOST)`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isListenError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error && error.syscall === "listen";
}

main(process.argv.slice(2)).catch(fail);
