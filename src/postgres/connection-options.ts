/**
 * A DATABASE_URL, read by ourselves: the driver's own reading treats `sslmode=require` as
 * `verify-full`, takes what is missing from PG* variables of the environment, and opens files.
 *
 * `sslmode` means what it means to libpq, with one simplification: `allow` is `prefer`. Both ask
 * the server whether it speaks TLS, and go without when it does not.
 *
 *     sslmode     no CA certificate          with a CA certificate
 *     disable     plain                      refused here: it contradicts itself
 *     allow       TLS if offered             TLS, certificate and host name verified
 *     prefer      TLS if offered (default)   TLS, certificate and host name verified
 *     require     TLS, nobody verified       TLS, certificate and host name verified
 */

import type { ClientConfig } from "pg";
import { LitzError } from "../lib/errors.ts";

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: "never" | "if offered" | "unverified" | "verified";
  /** PEM text. */
  readonly caCertificate: string | undefined;
  readonly applicationName: string;
  /** What the URL itself wants to be sent as `options`; some hosted databases route by it. */
  readonly startupOptions: string;
}

/**
 * The text form of values, equal on every connection that reads any (protocol 8.2): what the
 * snapshot shows and what replication sends must be the same bytes.
 */
export const VALUE_SETTINGS: Readonly<Record<string, string>> = {
  bytea_output: "hex",
  DateStyle: "ISO, DMY",
  TimeZone: "UTC",
  extra_float_digits: "1",
  IntervalStyle: "iso_8601",
};

const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_IDLE_MS = 10_000;

/**
 * @param caCertificate contents of the file that ELECTRIC_DATABASE_CA_CERTIFICATE_FILE names.
 * @throws {LitzError} DATABASE_URL_INVALID; the message never contains the password.
 */
export function parseConnectionOptions(url: string, caCertificate?: string): ConnectionOptions {
  const parsed = parseUrl(url);
  const query = parsed.searchParams;
  if (query.has("replication")) {
    throw invalid(`it must not set "replication": litz opens replication connections by itself`);
  }
  const user = decode(parsed.username) || "postgres";
  return {
    host: decode(parsed.hostname.replace(/^\[(.+)\]$/, "$1")) || "localhost",
    port: Number(parsed.port || 5432),
    user,
    password: decode(parsed.password),
    database: decode(parsed.pathname.slice(1)) || user,
    tls: readTls(query.get("sslmode") ?? "prefer", caCertificate !== undefined),
    caCertificate,
    applicationName: query.get("application_name") ?? "litz",
    startupOptions: query.get("options") ?? "",
  };
}

function parseUrl(url: string): URL {
  let parsed: URL | undefined;
  try {
    parsed = new URL(url);
  } catch {
    // The text may contain a password, and the error would repeat it.
  }
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw invalid(`it must look like postgresql://user:password@host:5432/database`);
  }
  return parsed;
}

function readTls(sslMode: string, hasCaCertificate: boolean): ConnectionOptions["tls"] {
  switch (sslMode) {
    case "disable":
      if (!hasCaCertificate) return "never";
      throw invalid(`sslmode=disable contradicts ELECTRIC_DATABASE_CA_CERTIFICATE_FILE`);
    case "allow":
    case "prefer":
      return hasCaCertificate ? "verified" : "if offered";
    case "require":
      return hasCaCertificate ? "verified" : "unverified";
    case "verify-ca":
    case "verify-full":
      throw invalid(
        `sslmode=${sslMode} is not supported: use sslmode=require and set ` +
          `ELECTRIC_DATABASE_CA_CERTIFICATE_FILE, which verifies certificate and host name`,
      );
    default:
      throw invalid(`sslmode=${sslMode} is unknown; allowed: disable, allow, prefer, require`);
  }
}

/**
 * What the driver is given. Of the PG* variables it is left with two, for what the URL does not
 * say: PGPASSWORD and PGOPTIONS.
 *
 * @param useTls the decision, see `tls-offer.ts`.
 */
export function clientConfigOf(options: ConnectionOptions, useTls: boolean): ClientConfig {
  const { caCertificate } = options;
  const ssl = caCertificate === undefined ? { rejectUnauthorized: false } : { ca: caCertificate };
  return {
    host: options.host,
    port: options.port,
    user: options.user,
    password: options.password,
    database: options.database,
    ssl: useTls ? ssl : false,
    application_name: options.applicationName,
    ...(options.startupOptions === "" ? {} : { options: options.startupOptions }),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_IDLE_MS,
    types: { getTypeParser: () => (text: string | Buffer) => text },
  };
}

/**
 * `VALUE_SETTINGS` as the startup parameter `options`, for connections that no pooler stands
 * behind.
 */
export function valueStartupOptions(own: string): string {
  const settings = Object.entries(VALUE_SETTINGS).map(
    ([name, value]) => `-c ${name}=${value.replaceAll(" ", "\\ ")}`,
  );
  return [own, ...settings].filter((text) => text !== "").join(" ");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`a "%" in it must be followed by two hexadecimal digits; write %25 for "%"`);
  }
}

function invalid(reason: string): LitzError {
  return new LitzError(`the database URL cannot be used: ${reason}`, {
    code: "DATABASE_URL_INVALID",
  });
}
