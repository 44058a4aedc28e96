/**
 * Protocol section 15: the variables that a server is set up with. What they do to answers is shown
 * where the answers are: secret and DELETE in 1, limits in 3, cache ages in 4, timeouts in 5,
 * chunks in 6.
 */

import { describe, expect, test } from "vitest";
import { createSyncService, readConfig } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { listenBeforeStart, serveLitz } from "./subject.ts";

const DATABASE = { DATABASE_URL: "postgresql://u:geheim@127.0.0.1:1/d" };
const OPEN = { ...DATABASE, ELECTRIC_INSECURE: "true" };

describe("§15 what a server does not start with", () => {
  test.each<[Record<string, string>, RegExp]>([
    [{ ELECTRIC_INSECURE: "true" }, /DATABASE_URL/],
    [{ ...OPEN, DATABASE_URL: "mysql://u:geheim@h/d" }, /DATABASE_URL/],
    [DATABASE, /ELECTRIC_SECRET/],
    [{ ...DATABASE, ELECTRIC_INSECURE: "false" }, /ELECTRIC_SECRET/],
    [{ ...DATABASE, ELECTRIC_INSECURE: "0" }, /ELECTRIC_SECRET/],
    [{ ...OPEN, ELECTRIC_SECRET: "x" }, /ELECTRIC_SECRET/],
    [{ ...OPEN, ELECTRIC_PORT: "http" }, /ELECTRIC_PORT/],
    [{ ...OPEN, ELECTRIC_LONG_POLL_TIMEOUT: "20s" }, /ELECTRIC_LONG_POLL_TIMEOUT/],
    [{ ...OPEN, ELECTRIC_MAX_CONCURRENT_REQUESTS: "{" }, /ELECTRIC_MAX_CONCURRENT_REQUESTS/],
    [{ ...OPEN, ELECTRIC_REPLICATION_STREAM_ID: "a-b" }, /ELECTRIC_REPLICATION_STREAM_ID/],
    [{ ...OPEN, ELECTRIC_LOG_LEVEL: "loud" }, /ELECTRIC_LOG_LEVEL/],
    [{ ...OPEN, ELECTRIC_STORAGE: "file" }, /ELECTRIC_STORAGE/],
    [{ ...OPEN, ELECTRIC_STORAGE: "legacy_file" }, /ELECTRIC_STORAGE/],
    [{ ...OPEN, ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: "5 h" }, /RECONCILER_PERIOD/],
  ])("§15 %j", (environment, named) => {
    expect(() => readConfig(environment)).toThrow(named);
    expect(() => readConfig(environment)).not.toThrow(/geheim/);
  });

  test.each([
    ["sslmode=verify-ca", "sslmode=verify-ca is not supported"],
    ["sslmode=verify-full", "sslmode=verify-full is not supported"],
    ["sslmode=other", "sslmode=other is unknown"],
    ["replication=database", 'must not set "replication"'],
  ])("§15.1 DATABASE_URL with %s", async (option, message) => {
    const environment = { ...OPEN, DATABASE_URL: `${DATABASE.DATABASE_URL}?${option}` };
    const service = createSyncService({ config: readConfig(environment) });
    await expect(service.start()).rejects.toThrow(message);
    await service.stop();
  });

  test("§15 a certificate and sslmode=disable", async () => {
    const service = createSyncService({
      config: readConfig({
        ...OPEN,
        DATABASE_URL: `${DATABASE.DATABASE_URL}?sslmode=disable`,
        ELECTRIC_DATABASE_CA_CERTIFICATE_FILE: new URL(import.meta.url).pathname,
      }),
    });
    await expect(service.start()).rejects.toThrow("contradicts");
    await service.stop();
  });
});

describe("§15 what is understood", () => {
  test("§15.1 the defaults", () => {
    expect(readConfig(OPEN)).toMatchObject({
      port: 3000,
      enableDelete: false,
      cacheMaxAgeSeconds: 60,
      cacheStaleAgeSeconds: 300,
      longPollTimeoutMs: 20_000,
      chunkBytesThreshold: 10_485_760,
      maxConcurrentRequests: { initial: 300, existing: 10_000 },
      storageDirectory: "./persistent",
      isStorageTemporary: false,
      databasePoolSize: 20,
      replicationStreamId: "default",
      manualTablePublishing: false,
      dropSlotOnShutdown: false,
      databaseId: "single_stack",
      logLevel: "info",
      sseTimeoutMs: 60_000,
      readyTimeoutMs: 5_000,
    });
  });

  test.each([
    ["500ms", 500],
    ["500msec", 500],
    ["2s", 2_000],
    ["2sec", 2_000],
    ["1.5s", 1_500],
    ["2m", 120_000],
    ["2min", 120_000],
    ["700", 700],
  ])("§15 the duration %s", (text, milliseconds) => {
    const environment = { ...OPEN, ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: text };
    expect(readConfig(environment).catalogReconcileIntervalMs).toBe(milliseconds);
  });

  test.each([
    ["false", false],
    ["0", false],
    ["", false],
    ["true", true],
    ["1", true],
    ["yes", true],
  ])("§15 the boolean %j", (text, value) => {
    const environment = { ...OPEN, ELECTRIC_MANUAL_TABLE_PUBLISHING: text };
    expect(readConfig(environment).manualTablePublishing).toBe(value);
  });

  test.each([
    ["20000", 20_000],
    ["10KiB", 10_240],
    ["1MiB", 1_048_576],
  ])("§15 the size %s", (text, bytes) => {
    const environment = { ...OPEN, ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: text };
    expect(readConfig(environment).chunkBytesThreshold).toBe(bytes);
  });

  test("§15 names of old and variables of others", () => {
    const pooled = "postgresql://pooler/d";
    expect(readConfig({ ...OPEN, ELECTRIC_QUERY_DATABASE_URL: pooled })).toMatchObject({
      pooledDatabaseUrl: pooled,
    });
    const ignored = {
      ELECTRIC_FEATURE_FLAGS: "allow_subqueries,tagged_subqueries",
      ELECTRIC_INSTANCE_ID: "x",
      ELECTRIC_SERVICE_NAME: "x",
      ELECTRIC_LOG_COLORS: "false",
      ELECTRIC_TWEAKS_CONN_MAX_REQUESTS: "1",
      ELECTRIC_CLEANUP_INTERVAL_MS: "1",
      ELECTRIC_STATSD_HOST: "x",
      SENTRY_DSN: "x",
    };
    expect(readConfig({ ...OPEN, ...ignored })).toEqual(readConfig(OPEN));
  });
});

describe("§15.1 what it does", () => {
  const subject = serveLitz({
    schema: "CREATE TABLE items (id int PRIMARY KEY)",
    settings: { ELECTRIC_PERSISTENT_STATE: "MEMORY", ELECTRIC_LONG_POLL_TIMEOUT: "1" },
  });

  test("§15.1 a long-poll of a millisecond ends at once, with a cursor that is a number", async () => {
    const reader = await subject.read({ table: "items" });
    const answer = await reader.step({ live: "true" });
    expect(answer.header("electric-cursor")).toMatch(/^\d+$/);
  });

  test("§15.1 MEMORY: a restart forgets the shapes", async () => {
    const { handle, position } = await subject.read({ table: "items" });
    await subject.restart();
    const answer = await subject.get({ table: "items", ...position });
    expect(answer.status).toBe(409);
    expect(answer.header("electric-handle")).not.toBe(handle);
  });

  test.each([
    ["true", 0],
    ["false", 1],
  ])("§15.1 CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN=%s", async (value, count) => {
    const database = await createTestDatabase();
    try {
      const other = await listenBeforeStart(database, {
        CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN: value,
      });
      await other.start();
      await other.dispose();
      await eventually(async () => {
        const slots = await database.query(
          "SELECT FROM pg_replication_slots WHERE database = current_database()",
        );
        expect(slots).toHaveLength(count);
      });
    } finally {
      await database.dispose();
    }
  });
});
