/**
 * What Postgres, its driver and the network throw, translated once into errors of ours.
 *
 * The driver throws errors with a five-character SQLSTATE, Node errors with a system code, and
 * plain errors that only their text tells apart. Nobody but this file looks at any of these.
 */

import { LitzError } from "../lib/errors.ts";

export type PostgresErrorCode =
  /** No connection, or it was lost. */
  | "POSTGRES_UNREACHABLE"
  /** Wrong user, password, database, or no right to connect or replicate. */
  | "POSTGRES_REFUSED"
  /** Every connection of our pool is busy. */
  | "POSTGRES_POOL_EXHAUSTED"
  /** A table is locked by somebody else for too long. */
  | "POSTGRES_LOCK_TIMEOUT"
  /** A statement took too long, or was cancelled. */
  | "POSTGRES_TIMEOUT"
  /** The role lacks a privilege on an object. */
  | "POSTGRES_PRIVILEGE"
  /** A table, column, type or function is not what the statement took it for. */
  | "SCHEMA_CHANGED"
  /** A text is no value of the type that the statement took it for. */
  | "POSTGRES_INVALID_VALUE"
  /** The server cannot be used as it is set up. */
  | "POSTGRES_UNSUITABLE"
  /** Anything else that Postgres refuses. */
  | "POSTGRES_ERROR";

const BY_SQL_STATE: readonly [prefix: string, code: PostgresErrorCode][] = [
  ["08", "POSTGRES_UNREACHABLE"],
  ["57P01", "POSTGRES_UNREACHABLE"], // admin_shutdown
  ["57P02", "POSTGRES_UNREACHABLE"], // crash_shutdown
  ["57P03", "POSTGRES_UNREACHABLE"], // cannot_connect_now
  ["53300", "POSTGRES_UNREACHABLE"], // too_many_connections
  ["28", "POSTGRES_REFUSED"], // invalid_authorization
  ["3D000", "POSTGRES_REFUSED"], // invalid_catalog_name
  ["22P02", "POSTGRES_INVALID_VALUE"], // invalid_text_representation
  ["55P03", "POSTGRES_LOCK_TIMEOUT"],
  ["57014", "POSTGRES_TIMEOUT"], // query_canceled
  ["42501", "POSTGRES_PRIVILEGE"],
  ["42P01", "SCHEMA_CHANGED"], // undefined_table
  ["3F000", "SCHEMA_CHANGED"], // invalid_schema_name
  ["42703", "SCHEMA_CHANGED"], // undefined_column
  ["42704", "SCHEMA_CHANGED"], // undefined_object
  ["42883", "SCHEMA_CHANGED"], // undefined_function: also an operator that a new type lacks
  ["0A000", "POSTGRES_ERROR"],
];

const BY_TEXT: readonly [pattern: RegExp, code: PostgresErrorCode][] = [
  [/timeout exceeded when trying to connect/, "POSTGRES_POOL_EXHAUSTED"],
  [/Query read timeout/, "POSTGRES_TIMEOUT"],
  [
    /Connection terminated|connection is closed|not queryable|timeout expired/,
    "POSTGRES_UNREACHABLE",
  ],
  [/does not support SSL connections/, "POSTGRES_REFUSED"],
];

const SYSTEM_CODES = /^(E[A-Z]+|ERR_[A-Z_]+|[A-Z_]*CERT[A-Z_]*|UNABLE_TO_[A-Z_]+)$/;

const RETRIABLE: ReadonlySet<PostgresErrorCode> = new Set<PostgresErrorCode>([
  "POSTGRES_UNREACHABLE",
  "POSTGRES_POOL_EXHAUSTED",
  "POSTGRES_LOCK_TIMEOUT",
  "POSTGRES_TIMEOUT",
]);

export class PostgresError extends LitzError {
  override readonly name = "PostgresError";
  declare readonly code: PostgresErrorCode;
  /** What Postgres itself said, without our words around it. */
  readonly postgresMessage: string;
  /** SQLSTATE, when it was Postgres who spoke. */
  readonly sqlState: string | undefined;

  private constructor(doing: string, said: string, code: PostgresErrorCode, thrown: unknown) {
    const isRetriable = RETRIABLE.has(code);
    super(`${doing}: ${said}`, {
      code,
      httpStatus: isRetriable || code === "POSTGRES_REFUSED" ? 503 : 500,
      retriable: isRetriable,
      cause: thrown,
    });
    this.postgresMessage = said;
    this.sqlState = sqlStateOf(thrown);
  }

  /**
   * @param doing what was being attempted, as the beginning of a sentence: "reading the catalog".
   *   An error that was translated already is returned as it is.
   */
  static from(thrown: unknown, doing: string): LitzError {
    if (thrown instanceof LitzError) return thrown;
    return new PostgresError(doing, textOf(thrown), classify(thrown), thrown);
  }

  /** @param reason what is wrong and what to do about it. */
  static unsuitable(reason: string): PostgresError {
    const doing = "this Postgres cannot be used";
    return new PostgresError(doing, reason, "POSTGRES_UNSUITABLE", undefined);
  }
}

function classify(thrown: unknown): PostgresErrorCode {
  const sqlState = sqlStateOf(thrown);
  if (sqlState !== undefined) {
    const entry = BY_SQL_STATE.find(([prefix]) => sqlState.startsWith(prefix));
    return entry?.[1] ?? "POSTGRES_ERROR";
  }
  if (SYSTEM_CODES.test(codeOf(thrown) ?? "")) return "POSTGRES_UNREACHABLE";
  const text = textOf(thrown);
  return BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ?? "POSTGRES_ERROR";
}

function sqlStateOf(thrown: unknown): string | undefined {
  const code = codeOf(thrown);
  // Node's own five-letter codes (EPIPE) are no SQLSTATE: those of Postgres contain a digit.
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code) ? code : undefined;
}

function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

function textOf(thrown: unknown): string {
  // Node tries several addresses of a name and throws what became of each, under an empty message.
  if (thrown instanceof AggregateError) return thrown.errors.map(textOf).join("; ");
  return thrown instanceof Error ? thrown.message : String(thrown);
}
