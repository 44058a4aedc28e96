#!/usr/bin/env node
/**
 * The `litz` command. Settings come from the environment alone (README, "Configuration").
 *
 * Without DATABASE_URL it brings a database of its own, for trying things out: then the server
 * listens on the loopback interface only, and needs no secret.
 */

import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { ConfigError, readConfig, type Config } from "./config.ts";
import { DEMO_DIRECTORY, startDemoDatabase } from "./demo.ts";
import { developmentCertificate, type Certificate } from "./http/https-certificate.ts";
import { systemClock } from "./lib/clock.ts";
import { LitzError } from "./lib/errors.ts";
import { createSyncService } from "./sync-service.ts";

const HELP = `litz: a Postgres sync engine that speaks Electric's HTTP protocol

  litz            start the server; settings come from the environment
  litz --help     this text
  litz --version  the version

DATABASE_URL names the database to follow. Without it an embedded Postgres with a small table is
started, its data kept under ${DEMO_DIRECTORY}/. The README lists every variable.
`;

/** Whoever presses Ctrl-C twice wants out now. */
const EXIT_INTERRUPTED = 130;

type Environment = Record<string, string | undefined>;

async function main(arguments_: readonly string[]): Promise<void> {
  const [argument] = arguments_;
  if (argument === "--help" || argument === "-h") {
    process.stdout.write(HELP);
  } else if (argument === "--version") {
    process.stdout.write(`${version()}\n`);
  } else if (argument === undefined || argument === "start") {
    await serve(process.env);
  } else {
    process.stderr.write(`litz: unknown argument ${argument}\n\n${HELP}`);
    process.exitCode = 2;
  }
}

async function serve(environment: Environment): Promise<void> {
  const isDemo = (environment["DATABASE_URL"] ?? "").trim() === "";
  const draft = isDemo ? demoEnvironment(environment) : environment;
  // Before anything is started: a wrong value must not leave a database behind.
  const { logLevel } = readConfig(draft);
  const logger = pino({ level: logLevel, serializers: { error: pino.stdSerializers.err } });

  const stops: (() => Promise<void>)[] = [];
  const stop = stopOnce(stops);
  try {
    const postgres = isDemo ? await startDemoDatabase(demoPort(environment), logger) : undefined;
    if (postgres !== undefined) stops.unshift(() => postgres.stop());
    const config = readConfig({ ...draft, ...(postgres && { DATABASE_URL: postgres.url }) });
    const service = createSyncService({ config, logger });
    stops.unshift(() => service.stop());
    const certificate = config.isHttpsForDevelopment ? await certificateFor(config) : undefined;
    const server = service.httpServer(certificate);
    stops.unshift(() => server.close());
    await server.listen({ port: config.port, host: config.host });
    await service.start();
    const port = listeningPort(server.addresses()) ?? config.port;
    process.stdout.write(banner(config, port, { demoUrl: postgres?.url, certificate }));
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs the stops in order, once, at the first signal; the second signal ends the process. */
function stopOnce(stops: readonly (() => Promise<void>)[]): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      for (const each of stops) await each();
    })());
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) process.exit(EXIT_INTERRUPTED);
      process.stdout.write("litz: stopping\n");
      stop().then(() => process.exit(), fail);
    });
  }
  return stop;
}

function demoEnvironment(environment: Environment): Environment {
  const isOpen = !environment["ELECTRIC_SECRET"] && !environment["ELECTRIC_INSECURE"];
  return {
    // Stands in until the embedded database has told its own.
    ELECTRIC_STORAGE_DIR: `${DEMO_DIRECTORY}/storage`,
    LITZ_HOST: "127.0.0.1",
    ...(isOpen && { ELECTRIC_INSECURE: "true" }),
    ...environment,
    DATABASE_URL: "postgresql://localhost/demo",
  };
}

function demoPort(environment: Environment): number | undefined {
  const text = (environment["LITZ_POSTGRES_PORT"] ?? "").trim();
  if (text === "" || text === "0") return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new ConfigError("LITZ_POSTGRES_PORT", text, "a port from 0 (any that is free) to 65535");
}

/** Kept beside the data, so that whoever trusted it once is not asked again. */
async function certificateFor(config: Config): Promise<Certificate> {
  const directory = config.isStorageTemporary ? undefined : join(config.storageDirectory, "https");
  return developmentCertificate(directory, systemClock);
}

interface BannerParts {
  readonly demoUrl: string | undefined;
  readonly certificate: Certificate | undefined;
}

function banner(config: Config, port: number, { demoUrl, certificate }: BannerParts): string {
  const host = config.host === "::" || config.host === "0.0.0.0" ? "localhost" : config.host;
  const secret = config.secret === undefined ? "" : "&secret=$ELECTRIC_SECRET";
  const origin = `${certificate === undefined ? "http" : "https"}://${host}:${port}`;
  const curl = certificate === undefined ? "curl -i" : "curl -ik";
  const url = `${origin}/v1/shape?table=items&where=tenant_id=1&offset=-1${secret}`;
  const lines = [
    "",
    `  litz ${version()} serves ${origin}`,
    `  storage   ${config.isStorageTemporary ? "temporary" : config.storageDirectory}`,
  ];
  if (certificate !== undefined) {
    const where = certificate.path ?? "kept nowhere";
    lines.push(`  https     HTTP/2 for development, with a certificate of its own: ${where}`);
  }
  if (demoUrl === undefined) {
    lines.push("  database  the one in DATABASE_URL", "");
    lines.push(`  try       ${curl} '${url.replace("items&where=tenant_id=1", "<table>")}'`);
  } else {
    lines.push(`  database  ${demoUrl}  (embedded, kept in ${DEMO_DIRECTORY}/postgres)`, "");
    lines.push(`  try       ${curl} '${url}'`);
  }
  lines.push("  stop      Ctrl-C", "", "");
  return lines.join("\n");
}

function listeningPort(addresses: readonly (string | AddressInfo)[]): number | undefined {
  return addresses.map((address) => (typeof address === "string" ? undefined : address.port))[0];
}

function version(): string {
  const manifest = createRequire(import.meta.url)("../package.json") as { version: string };
  return manifest.version;
}

/** One line for what an operator can mend, a stack for what only we can. */
function fail(error: unknown): never {
  const isExpected = error instanceof LitzError || isListenError(error);
  const text = isExpected ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`litz: ${text}\n`);
  process.exit(1);
}

function isListenError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error && error.syscall === "listen";
}

main(process.argv.slice(2)).catch(fail);
