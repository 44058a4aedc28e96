/**
 * The server as a command: a database where none is named, what it says when it serves, and how a
 * signal ends it.
 */

import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { ConfigError, readConfig, type Config } from "./config.ts";
import { DEMO_DIRECTORY, startDemoDatabase } from "./demo.ts";
import { developmentCertificate, type Certificate } from "./http/https-certificate.ts";
import { VERSION } from "./http/version.ts";
import { systemClock } from "./lib/clock.ts";
import { createSyncService } from "./sync-service.ts";

/** Whoever presses Ctrl-C twice wants out now. */
const EXIT_INTERRUPTED = 130;

type Environment = Record<string, string | undefined>;

/**
 * Resolves when the server serves. It stops at SIGINT or SIGTERM.
 *
 * @param onFailure is told when the stop fails.
 * @throws {LitzError} when the server cannot start; whatever was started is stopped.
 */
export async function serve(
  environment: Environment,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const isDemo = (environment["DATABASE_URL"] ?? "").trim() === "";
  const draft = isDemo ? demoEnvironment(environment) : environment;
  // Before anything is started: a wrong value must not leave a database behind.
  const { logLevel } = readConfig(draft);
  const logger = pino({ level: logLevel, serializers: { error: pino.stdSerializers.err } });

  const stops: (() => Promise<void>)[] = [];
  const stop = stopOnce(stops, onFailure);
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
function stopOnce(
  stops: readonly (() => Promise<void>)[],
  onFailure: (error: unknown) => void,
): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      for (const each of stops) await each();
    })());
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) process.exit(EXIT_INTERRUPTED);
      process.stdout.write("litz: stopping\n");
      stop().then(() => process.exit(), onFailure);
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
    `  litz ${VERSION} serves ${origin}`,
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
