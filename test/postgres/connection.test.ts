/**
 * Connections: what a URL means, how errors are told apart, and that a pool survives its server.
 *
 * Method: texts for the URL; real refusals for the errors; for TLS a server with a certificate made
 * on the spot, which needs the openssl command.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import {
  clientConfigOf,
  parseConnectionOptions,
  valueStartupOptions,
} from "../../src/postgres/connection-options.ts";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { PostgresError } from "../../src/postgres/postgres-error.ts";
import { Backoff } from "../../src/postgres/reconnect.ts";
import { ReplicationConnection } from "../../src/postgres/replication-connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.dispose();
});

test("a URL is read without anything being assumed of it", () => {
  assert.deepEqual(
    parseConnectionOptions("postgres://u%40x:p%2Fw@[::1]:6543/d%20b?sslmode=disable"),
    {
      ...{ host: "::1", port: 6543, user: "u@x", password: "p/w", database: "d b" },
      ...{ tls: "never", caCertificate: undefined, applicationName: "litz", startupOptions: "" },
    },
  );
  const bare = parseConnectionOptions("postgresql://me@db");
  assert.deepEqual([bare.port, bare.database, bare.tls], [5432, "me", "if offered"]);
});

test.each([
  ["prefer", undefined, "if offered"],
  ["allow", undefined, "if offered"],
  ["require", undefined, "unverified"],
  ["prefer", "PEM", "verified"],
  ["require", "PEM", "verified"],
])("sslmode=%s with CA %s is %s", (mode, ca, tls) => {
  assert.equal(parseConnectionOptions(`postgres://h/d?sslmode=${mode}`, ca).tls, tls);
});

test.each([
  ["postgres://u:secret@h/d?sslmode=verify-full", /CA_CERTIFICATE_FILE/],
  ["postgres://u:secret@h/d?sslmode=verify-ca", /CA_CERTIFICATE_FILE/],
  ["postgres://u:secret@h/d?sslmode=maybe", /allowed: disable, allow, prefer, require/],
  ["postgres://u:secret@h/d?replication=database", /replication/],
  ["mysql://u:secret@h/d", /must look like/],
  ["postgres://u:secret@h:99999/d", /must look like/],
  ["postgres://u:secret%@h/d", /%25/],
])("%s is refused, and the password is not told", (url, reason) => {
  assert.throws(
    () => parseConnectionOptions(url),
    (error: Error & { code?: string }) => {
      return (
        error.code === "DATABASE_URL_INVALID" &&
        reason.test(error.message) &&
        !error.message.includes("secret")
      );
    },
  );
});

test("sslmode=disable contradicts a CA certificate", () => {
  assert.throws(() => parseConnectionOptions("postgres://h/d?sslmode=disable", "PEM"), {
    code: "DATABASE_URL_INVALID",
  });
});

test("values keep their text whatever the URL's own options say", () => {
  assert.match(valueStartupOptions("-c DateStyle=SQL"), /^-c DateStyle=SQL .*DateStyle=ISO,\\ DMY/);
  assert.equal(clientConfigOf(parseConnectionOptions("postgres://h/d"), false).ssl, false);
});

test("errors have codes, be they the server's, the network's or the driver's", async () => {
  const attempt = async (change: (url: URL) => void) => {
    const url = new URL(database.url);
    change(url);
    const pool = new Pool(parseConnectionOptions(url.href), { size: 1 });
    try {
      await pool.query("SELECT 1");
    } finally {
      await pool.close();
    }
  };
  await assert.rejects(
    attempt((url) => (url.port = "1")),
    {
      code: "POSTGRES_UNREACHABLE",
      retriable: true,
      httpStatus: 503,
    },
  );
  await assert.rejects(
    attempt((url) => (url.password = "x")),
    {
      code: "POSTGRES_REFUSED",
      sqlState: "28P01",
      retriable: false,
    },
  );
  await assert.rejects(
    attempt((url) => (url.pathname = "/nowhere")),
    { code: "POSTGRES_REFUSED" },
  );
  await assert.rejects(
    attempt((url) => (url.search = "?sslmode=require")),
    {
      code: "POSTGRES_REFUSED",
    },
  );
  const translated = PostgresError.from(new Error("Connection terminated"), "x");
  assert.equal(translated.code, "POSTGRES_UNREACHABLE");
  assert.equal(PostgresError.from(translated, "y"), translated);
});

test("a pool outlives its connections, a failed transaction and a refused statement", async () => {
  const pool = new Pool(parseConnectionOptions(database.url), { size: 2 });
  await pool.query("CREATE TABLE p (id int PRIMARY KEY)");
  const timeouts = { lockTimeoutMs: 1_000, statementTimeoutMs: 1_000 };
  await assert.rejects(
    pool.transaction(timeouts, async (transaction) => {
      await transaction.query("INSERT INTO p VALUES (1)");
      await transaction.query("INSERT INTO p VALUES ($1::int)", ["1"]);
    }),
    { code: "POSTGRES_ERROR", sqlState: "23505" },
  );
  assert.deepEqual(await pool.query("SELECT count(*) FROM p"), [["0"]]);
  await assert.rejects(
    pool.transaction(timeouts, (transaction) => transaction.query("SELECT pg_sleep(3)")),
    { code: "POSTGRES_TIMEOUT" },
  );
  const holding = pool.withClient(async (client) => {
    await client.query("SELECT pg_sleep(10)");
  });
  holding.catch(() => undefined);
  await database.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE application_name = 'litz' AND datname = current_database()`,
  );
  await assert.rejects(holding, { code: "POSTGRES_UNREACHABLE", retriable: true });
  await sleep(20); // An idle connection may be lent before its end has been read.
  assert.deepEqual(await pool.query("SELECT $1::text, NULL, true", ["x"]), [["x", null, "t"]]);
  await pool.close();
  await assert.rejects(pool.query("SELECT 1"), { code: "POSTGRES_UNREACHABLE" });
});

test("opening a replication connection can be given up while the server is silent", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const options = parseConnectionOptions(`postgres://h@127.0.0.1:${port}/d?sslmode=disable`);
  const opening = ReplicationConnection.open(options, AbortSignal.timeout(50));
  await assert.rejects(opening, { code: "ABORTED" });
  silent.close();
});

const hasOpenSsl = spawnSync("openssl", ["version"]).status === 0;

test.skipIf(!hasOpenSsl)("TLS is used if offered, and verified with a CA certificate", async () => {
  const directory = mkdtempSync(join(tmpdir(), "litz-tls-"));
  chmodSync(directory, 0o755);
  const [key, certificate] = [join(directory, "key"), join(directory, "certificate")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
    ],
    { stdio: "ignore" },
  );
  if (process.getuid?.() === 0) execFileSync("chown", ["65534:65534", key]);
  chmodSync(key, 0o600);
  const server = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    durable: false,
    settings: { ssl: "on", ssl_cert_file: certificate, ssl_key_file: key },
  });
  const isEncrypted = async (host: string, mode: string, ca?: string) => {
    const url = new URL(server.url);
    url.hostname = host;
    url.search = `?sslmode=${mode}`;
    const options = parseConnectionOptions(url.href, ca);
    const connection = await ReplicationConnection.open(options);
    await connection.identifySystem();
    await connection.close();
    const pool = new Pool(options, { size: 1 });
    const rows = await pool
      .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
      .finally(() => pool.close());
    return rows[0]![0] === "t";
  };
  const ca = readFileSync(certificate, "utf8");
  assert.equal(await isEncrypted("127.0.0.1", "disable"), false);
  assert.equal(await isEncrypted("127.0.0.1", "prefer"), true);
  assert.equal(await isEncrypted("127.0.0.1", "require"), true);
  assert.equal(await isEncrypted("localhost", "prefer", ca), true);
  await assert.rejects(isEncrypted("127.0.0.1", "require", ca), /127\.0\.0\.1|altnames|match/i);
  await assert.rejects(isEncrypted("localhost", "require", otherCertificate(directory)));
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function otherCertificate(directory: string): string {
  const file = join(directory, "other");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"],
      ...["-keyout", join(directory, "other-key"), "-out", file],
    ],
    { stdio: "ignore" },
  );
  return readFileSync(file, "utf8");
}

test("waits double up to half a minute, with jitter, and begin anew after a success", () => {
  const longest = new Backoff(() => 1);
  const waits = Array.from({ length: 7 }, () => longest.nextDelayMs());
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  longest.reset();
  assert.equal(longest.nextDelayMs(), 1000);
  assert.equal(new Backoff(() => 0).nextDelayMs(), 500);
});
