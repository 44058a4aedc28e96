/**
 * Goal: every variable of protocol 15 is honoured, or accepted where it says so, and a value that
 * is none stops the start with one line that names variable, value and what is allowed.
 */

import { expect, test } from "vitest";
import { ConfigError, readConfig, type Config } from "../src/config.ts";

const NEEDED = { DATABASE_URL: "postgresql://u:p@h:5432/d", ELECTRIC_INSECURE: "true" };
const MIB = 1024 * 1024;

test("with nothing but what is needed", () => {
  expect(readConfig(NEEDED)).toMatchObject({
    databaseUrl: NEEDED.DATABASE_URL,
    pooledDatabaseUrl: NEEDED.DATABASE_URL,
    databaseCaCertificateFile: undefined,
    databasePoolSize: 20,
    databaseId: "single_stack",
    replicationStreamId: "default",
    manualTablePublishing: false,
    dropSlotOnShutdown: false,
    catalogReconcileIntervalMs: 60_000,
    secret: undefined,
    port: 3000,
    host: "0.0.0.0",
    enableDelete: false,
    cacheMaxAgeSeconds: 60,
    cacheStaleAgeSeconds: 300,
    longPollTimeoutMs: 20_000,
    sseTimeoutMs: 60_000,
    maxConcurrentRequests: { initial: 300, existing: 10_000 },
    readyTimeoutMs: 5_000,
    storageDirectory: "./persistent",
    isStorageTemporary: false,
    chunkBytesThreshold: 10 * MIB,
    storageBytesMax: undefined,
    shapesMax: undefined,
    logLevel: "info",
    withoutEffect: [],
  } satisfies Partial<Config>);
});

const OTHER_URL = "postgres://pooler/d";

test.each<[name: string, text: string, expected: Partial<Config>]>([
  ["DATABASE_URL", "postgres://other/d", { databaseUrl: "postgres://other/d" }],
  ["ELECTRIC_POOLED_DATABASE_URL", OTHER_URL, { pooledDatabaseUrl: OTHER_URL }],
  ["ELECTRIC_QUERY_DATABASE_URL", OTHER_URL, { pooledDatabaseUrl: OTHER_URL }],
  ["ELECTRIC_INSECURE", "1", { secret: undefined }],
  ["ELECTRIC_PORT", " 8080 ", { port: 8080 }],
  ["ELECTRIC_LISTEN_ON_IPV6", "true", { host: "::" }],
  ["ELECTRIC_LISTEN_ON_IPV6", "0", { host: "0.0.0.0" }],
  ["ELECTRIC_ENABLE_INTEGRATION_TESTING", "yes", { enableDelete: true }],
  ["ELECTRIC_ENABLE_INTEGRATION_TESTING", "false", { enableDelete: false }],
  ["ELECTRIC_CACHE_MAX_AGE", "1", { cacheMaxAgeSeconds: 1 }],
  ["ELECTRIC_CACHE_STALE_AGE", "3", { cacheStaleAgeSeconds: 3 }],
  ["ELECTRIC_LONG_POLL_TIMEOUT", "4000", { longPollTimeoutMs: 4_000 }],
  ["ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD", "10000", { chunkBytesThreshold: 10_000 }],
  ["ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD", "2MiB", { chunkBytesThreshold: 2 * MIB }],
  [
    "ELECTRIC_MAX_CONCURRENT_REQUESTS",
    '{"initial":5}',
    { maxConcurrentRequests: { initial: 5, existing: 10_000 } },
  ],
  ["LITZ_STORAGE_MAX_BYTES", "2TiB", { storageBytesMax: 2 ** 41 }],
  ["ELECTRIC_MAX_SHAPES", "1000", { shapesMax: 1000 }],
  ["ELECTRIC_PROMETHEUS_PORT", "9090", { prometheusPort: 9090 }],
  ["ELECTRIC_EXPERIMENTAL_MAX_SHAPES", "7", { shapesMax: 7 }],
  ["ELECTRIC_STORAGE_DIR", "/data", { storageDirectory: "/data" }],
  ["ELECTRIC_STORAGE", "fast_file", { isStorageTemporary: false }],
  ["ELECTRIC_STORAGE", "memory", { isStorageTemporary: true }],
  ["ELECTRIC_PERSISTENT_STATE", "file", { isStorageTemporary: false }],
  ["ELECTRIC_PERSISTENT_STATE", "MEMORY", { isStorageTemporary: true }],
  ["ELECTRIC_DB_POOL_SIZE", "3", { databasePoolSize: 3 }],
  ["ELECTRIC_REPLICATION_STREAM_ID", "a_1", { replicationStreamId: "a_1" }],
  ["ELECTRIC_MANUAL_TABLE_PUBLISHING", "true", { manualTablePublishing: true }],
  ["CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN", "true", { dropSlotOnShutdown: true }],
  ["ELECTRIC_DATABASE_ID", "tenant", { databaseId: "tenant" }],
  ["ELECTRIC_LOG_LEVEL", "warning", { logLevel: "warn" }],
  ["ELECTRIC_DATABASE_CA_CERTIFICATE_FILE", "ca.pem", { databaseCaCertificateFile: "ca.pem" }],
  ["ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD", "2min", { catalogReconcileIntervalMs: 120_000 }],
  ["ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD", "1.5s", { catalogReconcileIntervalMs: 1_500 }],
])("%s=%s", (name, text, expected) => {
  expect(readConfig({ ...NEEDED, [name]: text })).toMatchObject(expected);
  // Blank counts as absent.
  if (name !== "DATABASE_URL" && name !== "ELECTRIC_INSECURE") {
    expect(readConfig({ ...NEEDED, [name]: " " })).toEqual(readConfig(NEEDED));
  }
});

test("the newer name goes before the older one", () => {
  const names = { ELECTRIC_MAX_SHAPES: "1", ELECTRIC_EXPERIMENTAL_MAX_SHAPES: "2" };
  expect(readConfig({ ...NEEDED, ...names }).shapesMax).toBe(1);
  const kinds = { ELECTRIC_STORAGE: "MEMORY", ELECTRIC_PERSISTENT_STATE: "FILE" };
  expect(readConfig({ ...NEEDED, ...kinds }).isStorageTemporary).toBe(true);
});

test.each([
  ["ELECTRIC_REPLICATION_IDLE_TIMEOUT", "5min"],
  ["ELECTRIC_TEMPORARY_REPLICATION_SLOT_USE_RANDOM_NAME", "true"],
])("%s=%s is accepted with a warning", (name, text) => {
  expect(readConfig({ ...NEEDED, [name]: text }).withoutEffect).toEqual([name]);
});

test.each([
  ["ELECTRIC_REPLICATION_IDLE_TIMEOUT", "0"],
  ["ELECTRIC_INSTANCE_ID", "any"],
  ["ELECTRIC_SERVICE_NAME", "any"],
  ["ELECTRIC_FEATURE_FLAGS", "some,unknown"],
  ["ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS", "1000"],
  ["ELECTRIC_LOG_COLORS", "false"],
  ["ELECTRIC_DATABASE_USE_IPV6", "true"],
  ["ELECTRIC_TWEAKS_CONN_MAX_REQUESTS", "50"],
  ["ELECTRIC_EXPERIMENTAL_MAX_TXN_SIZE", "250MiB"],
  ["ELECTRIC_SHAPE_DB_SYNCHRONOUS", "OFF"],
  ["SENTRY_DSN", "https://sentry"],
])("%s=%s changes nothing", (name, text) => {
  expect(readConfig({ ...NEEDED, [name]: text })).toEqual(readConfig(NEEDED));
});

test.each<[name: string, text: string, message: string]>([
  ["DATABASE_URL", "", "is empty; allowed: a Postgres URL such as"],
  ["DATABASE_URL", "mysql://h/d", 'is "(not shown)"; allowed: a Postgres URL'],
  ["ELECTRIC_POOLED_DATABASE_URL", "nonsense", 'is "(not shown)"; allowed: a Postgres URL'],
  ["ELECTRIC_PORT", "http", 'is "http"; allowed: a whole number from 0 to 65535'],
  ["ELECTRIC_PORT", "65536", 'is "65536"; allowed: a whole number from 0 to 65535'],
  ["ELECTRIC_CACHE_MAX_AGE", "-1", 'is "-1"; allowed: a whole number from 0'],
  ["ELECTRIC_CACHE_STALE_AGE", "1s", 'is "1s"; allowed: a whole number from 0'],
  ["ELECTRIC_LONG_POLL_TIMEOUT", "20s", 'is "20s"; allowed: a whole number from 0 to 600000'],
  ["ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD", "10MB", 'is "10MB"; allowed: bytes from 1000'],
  ["ELECTRIC_MAX_CONCURRENT_REQUESTS", "5", "allowed: JSON such as"],
  ["ELECTRIC_MAX_CONCURRENT_REQUESTS", '{"initial":0}', "allowed: JSON such as"],
  ["ELECTRIC_MAX_CONCURRENT_REQUESTS", '{"other":1}', "allowed: JSON such as"],
  ["LITZ_STORAGE_MAX_BYTES", "1MiB", "allowed: bytes from 33554432"],
  ["ELECTRIC_MAX_SHAPES", "0", 'is "0"; allowed: a whole number from 1 to 11184810'],
  ["ELECTRIC_EXPERIMENTAL_MAX_SHAPES", "many", 'is "many"; allowed: a whole number from 1'],
  ["ELECTRIC_STORAGE", "file", 'is "file"; allowed: FAST_FILE or MEMORY'],
  ["ELECTRIC_STORAGE", "legacy_file", 'is "legacy_file"; allowed: FAST_FILE or MEMORY'],
  ["ELECTRIC_PERSISTENT_STATE", "S3", 'is "S3"; allowed: FILE or MEMORY'],
  ["ELECTRIC_DB_POOL_SIZE", "0", 'is "0"; allowed: a whole number from 1 to 1000'],
  ["ELECTRIC_REPLICATION_STREAM_ID", "a-b", "allowed: 1 to 40 lower-case letters"],
  ["ELECTRIC_LOG_LEVEL", "loud", 'is "loud"; allowed: debug, info, warning or error'],
  ["ELECTRIC_REPLICATION_IDLE_TIMEOUT", "5s", 'is "5s"; allowed: 0 (never), or 30s and more'],
  ["ELECTRIC_REPLICATION_IDLE_TIMEOUT", "soon", 'is "soon"; allowed: a duration'],
  ["ELECTRIC_PROMETHEUS_PORT", "x", 'is "x"; allowed: a whole number from 1 to 65535'],
  ["ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD", "1h", 'is "1h"; allowed: a duration'],
])("%s=%s stops the start", (name, text, message) => {
  const read = () => readConfig({ ...NEEDED, [name]: text });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(`${name} ${message.startsWith("is") ? "" : "is "}`);
  expect(read).toThrow(message);
  // One line, and no password.
  expect(read).not.toThrow(/\n|:p@/);
});

test("an open server is never an accident", () => {
  const { DATABASE_URL } = NEEDED;
  expect(() => readConfig({ DATABASE_URL })).toThrow("ELECTRIC_SECRET is empty; allowed: either");
  expect(() => readConfig({ ...NEEDED, ELECTRIC_SECRET: "x1" })).toThrow(
    'ELECTRIC_SECRET is "(set)"',
  );
  expect(readConfig({ DATABASE_URL, ELECTRIC_SECRET: "x1" }).secret).toBe("x1");
});
