/**
 * Operating errors: what can go wrong without anybody having made a mistake in this code. Each has
 * a stable code; where it can reach a client it has an HTTP status and says whether to try again.
 * Errors of other libraries are translated once, at the boundary, and kept as `cause`.
 *
 * Expected outcomes (not found, must refetch, up to date) are return values, not errors.
 * Programmer errors are assertions (`lib/assert.ts`) or a trap of the core.
 */

export interface LitzErrorOptions {
  readonly code: string;
  /** What an HTTP client is told. 500 where none is given. */
  readonly httpStatus?: number;
  /** Whether the same thing may succeed later without anything being changed. */
  readonly retriable?: boolean;
  /** Seconds after which a client may try again. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

export class LitzError extends Error {
  override readonly name: string = "LitzError";
  readonly code: string;
  readonly httpStatus: number;
  readonly retriable: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: LitzErrorOptions) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = options.code;
    this.httpStatus = options.httpStatus ?? 500;
    this.retriable = options.retriable ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** A request parameter that cannot be: answered with 400 and `errors[field]` (protocol 3.3). */
export class InvalidParameter extends LitzError {
  override readonly name = "InvalidParameter";
  readonly field: string;

  constructor(field: string, message: string) {
    super(message, { code: "INVALID_PARAMETER", httpStatus: 400 });
    this.field = field;
  }
}

/** What is under way is given up, and may be asked for again once the server is back. */
export function shuttingDown(): LitzError {
  return new LitzError("The server is shutting down, please retry", {
    code: "SHUTTING_DOWN",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}

/** Any thrown thing as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
