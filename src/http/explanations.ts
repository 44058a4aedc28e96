/**
 * What Postgres refused, in the words that the protocol has for the moment at which it did (3.2).
 * The same lost connection is told in three ways: while a table is looked up, while a shape is
 * made, and while its first rows are read. What comes of it has the status that clients are told;
 * errors.ts makes it a response.
 *
 * The errors are known by their code and not by their class, which is the affair of `postgres/`.
 */

import { InvalidParameter, LitzError } from "../lib/errors.ts";

export type Stage = "definition" | "creation" | "snapshot";

interface Explanation {
  readonly code: string;
  /** 503 where none is given. */
  readonly httpStatus?: number;
  readonly message: string;
  /** Postgres' own words complete it. */
  readonly isCompleted?: true;
}

const NOT_VERIFIED: Explanation = {
  code: "DATABASE_UNAVAILABLE",
  message: "Cannot connect to the database to verify the shape. Please try again later.",
};

const NOT_CREATED: Explanation = {
  code: "SHAPE_NOT_CREATED",
  message: "Failed to create shape, please retry",
};

const NOT_CONNECTED: Explanation = {
  code: "SNAPSHOT_FAILED",
  message: "Database connection not available",
};

const TOO_SLOW: Explanation = {
  code: "SNAPSHOT_FAILED",
  message:
    "Snapshot query took too long to return data (cancelled after 30000ms). Please ensure " +
    "snapshot queries are using an index to avoid taking up all database connections.",
};

const NOT_PERMITTED: Explanation = {
  code: "SNAPSHOT_FAILED",
  message: "Unable to create initial snapshot: ",
  isCompleted: true,
};

const NOT_FORESEEN: Explanation = {
  code: "SNAPSHOT_FAILED_UNEXPECTEDLY",
  httpStatus: 500,
  message: "Unexpected error while creating snapshot: ",
  isCompleted: true,
};

const EXPLANATIONS: Readonly<Record<Stage, Readonly<Record<string, Explanation>>>> = {
  definition: withoutDatabase(NOT_VERIFIED),
  creation: {
    ...withoutDatabase(NOT_CREATED),
    // A snapshot may fail before its shape's record is durable.
    POSTGRES_PRIVILEGE: NOT_PERMITTED,
    POSTGRES_ERROR: NOT_FORESEEN,
  },
  snapshot: {
    POSTGRES_UNREACHABLE: NOT_CONNECTED,
    POSTGRES_REFUSED: NOT_CONNECTED,
    POSTGRES_POOL_EXHAUSTED: {
      code: "SNAPSHOT_FAILED",
      message: "Snapshot creation failed because of a connection pool queue timeout",
    },
    POSTGRES_LOCK_TIMEOUT: {
      code: "SNAPSHOT_FAILED",
      message: "Snapshot timed out while waiting for a table lock",
    },
    POSTGRES_TIMEOUT: TOO_SLOW,
    POSTGRES_PRIVILEGE: NOT_PERMITTED,
    POSTGRES_ERROR: NOT_FORESEEN,
  },
};

/** The same words for every reason not to be served by the database in time. */
function withoutDatabase(explanation: Explanation): Readonly<Record<string, Explanation>> {
  return {
    POSTGRES_UNREACHABLE: explanation,
    POSTGRES_REFUSED: explanation,
    POSTGRES_POOL_EXHAUSTED: explanation,
    POSTGRES_LOCK_TIMEOUT: explanation,
    POSTGRES_TIMEOUT: explanation,
  };
}

/** The promise, with its error in the words of the stage; what is no promise as it is. */
export function explain<Value>(
  stage: Stage,
  promise: Promise<Value> | Value,
): Promise<Value> | Value {
  if (!(promise instanceof Promise)) return promise;
  return promise.catch((error: unknown) => {
    throw explained(stage, error);
  });
}

export function explained(stage: Stage, error: unknown): unknown {
  if (!(error instanceof LitzError)) return error;
  if (error.code === "SNAPSHOT_FAILED_EARLY") return explained("snapshot", error.cause);
  // The statement is ours but for the values of the clause: it fails whatever rows there are, where
  // a division by zero, say, is told as the protocol tells what is not foreseen.
  if (error.code === "POSTGRES_INVALID_VALUE") {
    return new InvalidParameter("where", postgresWords(error));
  }
  const entries = EXPLANATIONS[stage];
  if (!Object.hasOwn(entries, error.code)) return error;
  const { code, httpStatus = 503, message, isCompleted } = entries[error.code]!;
  return new LitzError(isCompleted === true ? message + postgresWords(error) : message, {
    code,
    httpStatus,
    retriable: error.retriable,
    cause: error,
  });
}

function postgresWords(error: LitzError): string {
  const words = "postgresMessage" in error ? error.postgresMessage : undefined;
  return typeof words === "string" ? words : error.message;
}
