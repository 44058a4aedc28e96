/**
 * The one place where errors become responses (protocol 3.2 and 3.3).
 *
 * An error of ours says its status, and its message is meant for clients unless the table below has
 * other words. A status of 500 is for what nobody foresaw: it tells nothing, whatever was thrown,
 * with the two exceptions that the protocol makes.
 */

import { InvalidParameter, LitzError } from "../lib/errors.ts";

/** By field. Those of a subset are one level down; a text alone is what Postgres said of one. */
export interface FieldErrors {
  readonly [field: string]: readonly string[] | string | FieldErrors;
}

/** Parameters that cannot be, several at once: `errors` of the 400 envelope. */
export class InvalidRequest extends LitzError {
  override readonly name = "InvalidRequest";
  readonly errors: FieldErrors;

  constructor(errors: FieldErrors) {
    const texts = `invalid request: ${JSON.stringify(errors)}`;
    super(texts, { code: "INVALID_REQUEST", httpStatus: 400 });
    this.errors = errors;
  }
}

/** The body of a POST that cannot be (protocol 2.4): `{"error":...,"details":...}`. */
export class InvalidBody extends LitzError {
  override readonly name = "InvalidBody";
  readonly details: string | undefined;

  constructor(message: string, httpStatus: 400 | 413, details?: string) {
    super(message, { code: "INVALID_BODY", httpStatus });
    this.details = details;
  }
}

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

interface CatalogueEntry {
  /** Where the error does not say it itself. */
  readonly retryAfterSeconds?: number;
  /** Clients are told that this is no reason for alarm: `electric-internal-known-error`. */
  readonly isKnown?: true;
  readonly body?: (message: string) => object;
}

const DATABASE_UNREACHABLE: CatalogueEntry = {
  retryAfterSeconds: 10,
  body: () => ({ code: "database_unreachable", error: "Database is unreachable" }),
};

/** By code: what clients are told beside the status of the error, or in the place of its words. */
const CATALOGUE: Readonly<Record<string, CatalogueEntry>> = {
  CONCURRENT_REQUEST_LIMIT: {
    isKnown: true,
    body: (message) => ({ code: "concurrent_request_limit_exceeded", message }),
  },
  NOT_READY: { retryAfterSeconds: 5 },
  /** While a table is inspected. */
  DATABASE_UNAVAILABLE: { retryAfterSeconds: 1 },
  SHAPE_NOT_CREATED: { retryAfterSeconds: 1 },
  /** The snapshot failures that the protocol lists. */
  SNAPSHOT_FAILED: { retryAfterSeconds: 10, isKnown: true },
  PUBLICATION_MISSING: { retryAfterSeconds: 10, isKnown: true },
  TABLE_NOT_PUBLISHED: { retryAfterSeconds: 10, isKnown: true },
  TABLE_LOCKED: { retryAfterSeconds: 10, isKnown: true },
  REPLICA_IDENTITY_NOT_FULL: { retryAfterSeconds: 10, isKnown: true },
  /** Any other, which is told although it is a 500. */
  SNAPSHOT_FAILED_UNEXPECTEDLY: {},
  // The reasons name files.
  STORE_FAILED: { body: () => ({ message: "Storage is unavailable, please retry" }) },
  STORE_CORRUPT: {
    body: () => ({ message: "Unable to retrieve shape log: what is stored of it is damaged" }),
  },
  // Postgres' own words are for the log: they may quote rows.
  POSTGRES_UNREACHABLE: DATABASE_UNREACHABLE,
  POSTGRES_REFUSED: DATABASE_UNREACHABLE,
  POSTGRES_POOL_EXHAUSTED: DATABASE_UNREACHABLE,
  POSTGRES_LOCK_TIMEOUT: DATABASE_UNREACHABLE,
  POSTGRES_TIMEOUT: DATABASE_UNREACHABLE,
};

const INTERNAL: ErrorResponse = {
  status: 500,
  headers: {},
  body: { error: "Internal server error" },
};

/** Whether the error was foreseen: any other belongs in the log, with its stack. */
export function isForeseen(thrown: unknown): thrown is LitzError {
  return (
    thrown instanceof LitzError &&
    (thrown.httpStatus !== 500 || Object.hasOwn(CATALOGUE, thrown.code))
  );
}

export function errorResponse(thrown: unknown): ErrorResponse {
  if (thrown instanceof InvalidRequest) return invalid(thrown.errors);
  if (thrown instanceof InvalidParameter) return invalid({ [thrown.field]: [thrown.message] });
  if (thrown instanceof InvalidBody) return invalidBody(thrown);
  if (!isForeseen(thrown)) return frameworkResponse(thrown) ?? INTERNAL;

  const entry = Object.hasOwn(CATALOGUE, thrown.code) ? CATALOGUE[thrown.code]! : {};
  const retryAfter = thrown.retryAfterSeconds ?? entry.retryAfterSeconds;
  return {
    status: thrown.httpStatus,
    headers: {
      ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
      ...(entry.isKnown === true ? { "electric-internal-known-error": "true" } : {}),
    },
    body: entry.body?.(thrown.message) ?? { message: thrown.message },
  };
}

function invalid(errors: FieldErrors): ErrorResponse {
  return { status: 400, headers: {}, body: { message: "Invalid request", errors } };
}

function invalidBody({ httpStatus, message, details }: InvalidBody): ErrorResponse {
  const body = { error: message, ...(details === undefined ? {} : { details }) };
  return { status: httpStatus, headers: {}, body };
}

/** What Fastify itself refuses, such as a content type that it cannot read. */
function frameworkResponse(thrown: unknown): ErrorResponse | undefined {
  if (!(thrown instanceof Error) || !("statusCode" in thrown)) return undefined;
  const { statusCode } = thrown;
  if (typeof statusCode !== "number" || statusCode < 400 || statusCode >= 500) return undefined;
  return { status: statusCode, headers: {}, body: { message: thrown.message } };
}
