/**
 * The environment, read once, into a typed Config. Names and meanings are those of protocol section
 * 15; what is only ours is prefixed `LITZ_`. Every limit of the engine stands here with its unit
 * and default. A wrong value stops the start with one line: its name, what it was, what is allowed.
 */

import { LitzError } from "./lib/errors.ts";

export class ConfigError extends LitzError {
  override readonly name = "ConfigError";

  constructor(variable: string, got: string, allowed: string) {
    super(`${variable} is ${got === "" ? "empty" : JSON.stringify(got)}; allowed: ${allowed}`, {
      code: "CONFIG_INVALID",
    });
  }
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Config {
  readonly databaseUrl: string;
  /** Queries may go through a pooler; replication never does. */
  readonly pooledDatabaseUrl: string;
  readonly databaseCaCertificateFile: string | undefined;
  readonly databasePoolSize: number;
  /** `single_stack` unless set; part of tag hashes (protocol 14.4). */
  readonly databaseId: string;
  /** Suffix of slot and publication. */
  readonly replicationStreamId: string;
  readonly manualTablePublishing: boolean;
  readonly dropSlotOnShutdown: boolean;
  /** How often tables are compared with the catalog: changes without a row show nowhere else. */
  readonly catalogReconcileIntervalMs: number;

  /** Undefined: insecure mode, chosen explicitly. */
  readonly secret: string | undefined;
  readonly port: number;
  readonly host: string;
  /** HTTP/2 with a certificate made here, for development; HTTP/1.1 in the clear otherwise. */
  readonly isHttpsForDevelopment: boolean;
  readonly enableDelete: boolean;
  readonly cacheMaxAgeSeconds: number;
  readonly cacheStaleAgeSeconds: number;
  readonly longPollTimeoutMs: number;
  /** How long an event stream is kept open before its client has to connect again. */
  readonly sseTimeoutMs: number;
  readonly maxConcurrentRequests: { readonly initial: number; readonly existing: number };
  /** Whether bodies are compressed for clients that accept it. Off where a proxy does that. */
  readonly isCompressing: boolean;
  /** How long a request waits for a service that is starting. */
  readonly readyTimeoutMs: number;
  /** How long a reader may take no byte of an answer before its connection is reset. */
  readonly stalledReaderTimeoutMs: number;

  readonly storageDirectory: string;
  /** `MEMORY`: a temporary directory that goes with the process. */
  readonly isStorageTemporary: boolean;
  readonly chunkBytesThreshold: number;

  /** Bytes of changes held back for one shape whose snapshot is not placed in time yet. */
  readonly snapshotBufferBytesMax: number;
  /** What may be kept in memory for rows that move into shapes with subqueries: bytes. */
  readonly moveBufferBytesMax: number;
  /** How long rows are moved before others get their turn; 0: a row. */
  readonly moveSliceMicroseconds: number;
  /** Transactions that such a shape may be behind before it is given up. */
  readonly subqueryBufferTransactionsMax: number;
  /** The largest single row change accepted from Postgres. */
  readonly rowBytesMax: number;
  /** Bytes of linear memory for shapes; where they run short, the idlest shapes go. */
  readonly coreMemoryMax: number;
  /** Bytes of the storage directory, as above. Undefined: no limit. */
  readonly storageBytesMax: number | undefined;
  /** More go within a minute, those that were asked for longest ago. Undefined: no limit. */
  readonly shapesMax: number | undefined;

  /** Where `/metrics` is answered. Undefined: nowhere. */
  readonly prometheusPort: number | undefined;
  readonly logLevel: LogLevel;
  /** Variables that ask for what upstream does and litz does not: worth a warning. */
  readonly withoutEffect: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const MIB = 1024 * 1024;
/** Ids are 24 bits wide, less what sets of shapes take (`assembly/shape-table.ts`). */
const SHAPES_MAX = 11_184_810;
/** Upstream's floor: connections are not dropped and made again all the time. */
const IDLE_TIMEOUT_MS_MIN = 30_000;

/**
 * @throws {ConfigError} for the first variable that is wrong.
 */
export function readConfig(environment: Environment): Config {
  const read = new Reader(environment);
  const databaseUrl = read.url("DATABASE_URL");
  return {
    databaseUrl,
    pooledDatabaseUrl: read.optionalUrl(
      ["ELECTRIC_POOLED_DATABASE_URL", "ELECTRIC_QUERY_DATABASE_URL"],
      databaseUrl,
    ),
    databaseCaCertificateFile: read.text("ELECTRIC_DATABASE_CA_CERTIFICATE_FILE"),
    databasePoolSize: read.integer("ELECTRIC_DB_POOL_SIZE", 20, 1, 1000),
    databaseId: read.text("ELECTRIC_DATABASE_ID") ?? "single_stack",
    replicationStreamId: read.pattern(
      "ELECTRIC_REPLICATION_STREAM_ID",
      "default",
      /^[a-z0-9_]{1,40}$/,
      "1 to 40 lower-case letters, digits and underscores",
    ),
    manualTablePublishing: read.boolean("ELECTRIC_MANUAL_TABLE_PUBLISHING"),
    dropSlotOnShutdown: read.boolean("CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN"),
    catalogReconcileIntervalMs: read.duration(
      "ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD",
      60_000,
      100,
      86_400_000,
    ),

    secret: read.secret(),
    port: read.integer("ELECTRIC_PORT", 3000, 0, 65_535),
    host: read.boolean("ELECTRIC_LISTEN_ON_IPV6") ? "::" : (read.text("LITZ_HOST") ?? "0.0.0.0"),
    isHttpsForDevelopment:
      read.pattern("LITZ_HTTPS", "off", /^(?:off|dev)$/, "off or dev") === "dev",
    enableDelete: read.boolean("ELECTRIC_ENABLE_INTEGRATION_TESTING"),
    cacheMaxAgeSeconds: read.integer("ELECTRIC_CACHE_MAX_AGE", 60, 0, 31_536_000),
    cacheStaleAgeSeconds: read.integer("ELECTRIC_CACHE_STALE_AGE", 300, 0, 31_536_000),
    longPollTimeoutMs: read.integer("ELECTRIC_LONG_POLL_TIMEOUT", 20_000, 0, 600_000),
    sseTimeoutMs: read.integer("ELECTRIC_SSE_TIMEOUT", 60_000, 1, 600_000),
    maxConcurrentRequests: read.requestLimits("ELECTRIC_MAX_CONCURRENT_REQUESTS"),
    isCompressing: read.pattern("LITZ_COMPRESSION", "on", /^(?:on|off)$/, "on or off") === "on",
    readyTimeoutMs: read.duration("LITZ_READY_TIMEOUT", 5_000, 0, 600_000),
    stalledReaderTimeoutMs: read.duration("LITZ_STALLED_READER_TIMEOUT", 60_000, 1_000, 3_600_000),

    ...readLimits(read),

    prometheusPort: read.optionalInteger(["ELECTRIC_PROMETHEUS_PORT"], 1, 65_535),
    logLevel: read.logLevel("ELECTRIC_LOG_LEVEL"),
    withoutEffect: read.withoutEffect(),
  };
}

/** Where things are kept, and how much of them. */
function readLimits(read: Reader) {
  return {
    storageDirectory: read.text("ELECTRIC_STORAGE_DIR") ?? "./persistent",
    isStorageTemporary: read.isStorageTemporary(),
    // The floor keeps a chunk above one page of the log reader's bookkeeping; the client suite uses
    // 10 kB.
    chunkBytesThreshold: read.size(
      "ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD",
      10 * MIB,
      1_000,
      1024 * MIB,
    ),

    moveBufferBytesMax: read.size("LITZ_MOVE_BUFFER_MAX", 64 * MIB, MIB, 1024 * MIB),
    // Four milliseconds: longer than nearly all moves take, and what nobody notices.
    moveSliceMicroseconds: read.integer("LITZ_MOVE_SLICE_US", 4_000, 0, 1_000_000),
    subqueryBufferTransactionsMax: read.integer(
      "ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS",
      1_000,
      1,
      1_000_000,
    ),
    snapshotBufferBytesMax: read.size("LITZ_SNAPSHOT_BUFFER_MAX", 64 * MIB, MIB, 1024 * MIB),
    rowBytesMax: read.size("LITZ_ROW_MAX", 256 * MIB, MIB, 1024 * MIB),
    coreMemoryMax: read.size("LITZ_CORE_MEMORY_MAX", 4096 * MIB, 32 * MIB, 4096 * MIB),
    // The journal is cut into sixteenths of it, which may not be too small for a frame.
    storageBytesMax: read.optionalSize("LITZ_STORAGE_MAX_BYTES", 32 * MIB, 2 ** 50),
    shapesMax: read.optionalInteger(
      ["ELECTRIC_MAX_SHAPES", "ELECTRIC_EXPERIMENTAL_MAX_SHAPES"],
      1,
      SHAPES_MAX,
    ),
  };
}

/** One variable at a time. Blank counts as absent. */
class Reader {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  text(name: string): string | undefined {
    const text = this.#environment[name]?.trim();
    return text === undefined || text === "" ? undefined : text;
  }

  url(name: string): string {
    const text = this.text(name);
    const allowed = "a Postgres URL such as postgresql://user:password@host:5432/database";
    if (text === undefined) throw new ConfigError(name, "", allowed);
    return checkedUrl(name, text, allowed);
  }

  optionalUrl(names: readonly string[], fallback: string): string {
    for (const name of names) {
      const text = this.text(name);
      if (text !== undefined) return checkedUrl(name, text, "a Postgres URL");
    }
    return fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new ConfigError(name, text, `a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** The first of the names that is set decides. */
  optionalInteger(names: readonly string[], min: number, max: number): number | undefined {
    const name = names.find((each) => this.text(each) !== undefined);
    return name === undefined ? undefined : this.integer(name, min, min, max);
  }

  /** Milliseconds, with the suffixes that upstream takes. */
  duration(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const match = /^([0-9]+(?:\.[0-9]+)?)(ms|msec|s|sec|m|min)?$/.exec(text);
    const unit = { ms: 1, msec: 1, s: 1_000, sec: 1_000, m: 60_000, min: 60_000 }[
      match?.[2] ?? "ms"
    ];
    const value = match === null ? NaN : Number(match[1]) * unit!;
    if (!(value >= min && value <= max)) {
      throw new ConfigError(
        name,
        text,
        `a duration from ${min}ms to ${max}ms, such as 500ms, 5s, 1min`,
      );
    }
    return value;
  }

  /** Bytes, with an optional binary suffix. */
  size(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const match = /^([0-9]{1,15})(KiB|MiB|GiB|TiB)?$/.exec(text);
    const unit = { KiB: 1024, MiB: MIB, GiB: 1024 * MIB, TiB: MIB * MIB }[match?.[2] ?? ""] ?? 1;
    const value = match === null ? NaN : Number(match[1]) * unit;
    if (!(value >= min && value <= max)) {
      throw new ConfigError(name, text, `bytes from ${min} to ${max}, such as 10485760 or 10MiB`);
    }
    return value;
  }

  optionalSize(name: string, min: number, max: number): number | undefined {
    return this.text(name) === undefined ? undefined : this.size(name, min, min, max);
  }

  boolean(name: string): boolean {
    const text = this.text(name);
    return text !== undefined && text !== "false" && text !== "0";
  }

  pattern(name: string, fallback: string, pattern: RegExp, allowed: string): string {
    const text = this.text(name) ?? fallback;
    if (!pattern.test(text)) throw new ConfigError(name, text, allowed);
    return text;
  }

  /**
   * Exactly one of the two has to be chosen: an open server is never an accident (protocol 1.4).
   */
  secret(): string | undefined {
    const secret = this.text("ELECTRIC_SECRET");
    const isInsecure = this.boolean("ELECTRIC_INSECURE");
    if ((secret === undefined) !== isInsecure) {
      throw new ConfigError(
        "ELECTRIC_SECRET",
        secret === undefined ? "" : "(set)",
        "either a secret here or ELECTRIC_INSECURE=true, exactly one of the two",
      );
    }
    return secret;
  }

  /** `ELECTRIC_STORAGE` goes before the older name, which alone knows FILE (protocol 15). */
  isStorageTemporary(): boolean {
    const [name, onDisk] =
      this.text("ELECTRIC_STORAGE") === undefined
        ? ["ELECTRIC_PERSISTENT_STATE", "FILE"]
        : ["ELECTRIC_STORAGE", "FAST_FILE"];
    const text = this.text(name) ?? onDisk;
    const kind = text.toUpperCase();
    if (kind === "MEMORY") return true;
    if (kind === onDisk) return false;
    throw new ConfigError(name, text, `${onDisk} or MEMORY`);
  }

  /** What is wrong is refused all the same: one day it may have an effect. */
  withoutEffect(): string[] {
    const idleTimeout = "ELECTRIC_REPLICATION_IDLE_TIMEOUT";
    const idleTimeoutMs = this.duration(idleTimeout, 0, 0, 86_400_000);
    if (idleTimeoutMs !== 0 && idleTimeoutMs < IDLE_TIMEOUT_MS_MIN) {
      throw new ConfigError(idleTimeout, this.text(idleTimeout)!, "0 (never), or 30s and more");
    }
    const randomName = "ELECTRIC_TEMPORARY_REPLICATION_SLOT_USE_RANDOM_NAME";
    return [
      ...(idleTimeoutMs === 0 ? [] : [idleTimeout]),
      ...(this.boolean(randomName) ? [randomName] : []),
    ];
  }

  requestLimits(name: string): { initial: number; existing: number } {
    const limits = { initial: 300, existing: 10_000 };
    const text = this.text(name);
    if (text === undefined) return limits;
    const allowed = `JSON such as ${JSON.stringify(limits)} with positive whole numbers`;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      throw new ConfigError(name, text, allowed);
    }
    if (typeof parsed !== "object" || parsed === null) throw new ConfigError(name, text, allowed);
    for (const [kind, limit] of Object.entries(parsed)) {
      if (kind !== "initial" && kind !== "existing") throw new ConfigError(name, text, allowed);
      if (!Number.isSafeInteger(limit) || limit < 1) throw new ConfigError(name, text, allowed);
      limits[kind] = limit as number;
    }
    return limits;
  }

  logLevel(name: string): LogLevel {
    const text = this.text(name) ?? "info";
    const level = text === "warning" ? "warn" : text;
    if (level === "debug" || level === "info" || level === "warn" || level === "error")
      return level;
    throw new ConfigError(name, text, "debug, info, warning or error");
  }
}

function checkedUrl(name: string, text: string, allowed: string): string {
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol)) {
    // The text may hold a password: it is not repeated.
    throw new ConfigError(name, "(not shown)", allowed);
  }
  return text;
}
