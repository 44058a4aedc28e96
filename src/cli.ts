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
 * A start makes garbage, for which V8 would enlarge its young generation; it never gives that back,
 * and it is a tenth of what an idle server takes. So it may not grow meanwhile, and may afterwards,
 * when it is for what requests need.
 */
async function startSmall(start: () => Promise<void>): Promise<void> {
  setFlagsFromString("--semi-space-growth-factor=1");
  sayWhereWeAre();
  try {
    await start();
  } finally {
    setFlagsFromString(`--semi-space-growth-factor=${USUAL_GROWTH_FACTOR}`);
  }
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

/** V8's own. */
const USUAL_GROWTH_FACTOR = 2;

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
