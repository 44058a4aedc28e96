/** Why the core stops, and what it found wrong: the numbers of `assembly/run-state.ts`. */

/** Why `run` stopped. Bodies may wait in the output at every stop, whatever its reason. */
export const RunOutcome = {
  /** Every complete frame has been consumed: `receive` more. */
  NEEDS_INPUT: 0,
  /** A transaction ended. Take its bodies and `clearOutput` before the next `run`. */
  COMMIT: 1,
  /** The next change does not fit beside those that wait. Take them, `clearOutput`, `run`. */
  OUTPUT_FULL: 2,
  /** A Relation or Truncate message: see `messageKind`. It is consumed; `run` goes on after it. */
  MESSAGE: 3,
  /** Postgres is alive: see `walEnd`, `isReplyRequested`. */
  KEEPALIVE: 4,
  /** Not CopyData: see `messageKind`, the frame's type, and `message`, what follows its size. */
  FOREIGN_FRAME: 5,
  /**
   * A change of `unroutableRelation` could not be routed exactly, `unroutableReason` says why. It
   * is counted and passed over, so every shape of that relation has to be invalidated. Reported
   * once per relation and transaction.
   */
  UNROUTABLE: 6,
  /** One change is bigger than the whole output: `grow`, then `run`, which starts it again. */
  NEEDS_GROWTH: 7,
  /** The bytes are not what Postgres sends: see `malformedReason`. Only `resetStream` helps. */
  MALFORMED: 8,
} as const;
export type RunOutcome = (typeof RunOutcome)[keyof typeof RunOutcome];

export const UnroutableReason = {
  /** An update or delete came without its whole old row: the table needs REPLICA IDENTITY FULL. */
  OLD_ROW_MISSING: 1,
  /** A value was left out as unchanged and the old row has none to fill it with. */
  TOAST_MISSING: 2,
  /** The row has fewer columns than the layout says: a Relation message was not acted upon. */
  ROW_TOO_NARROW: 3,
  /** A WHERE needs a value that is no text of its type, or a column that is not sent. */
  VALUE_UNREADABLE: 4,
} as const;
export type UnroutableReason = (typeof UnroutableReason)[keyof typeof UnroutableReason];

export const MalformedReason = {
  /** A frame's type is no letter or its size is impossible. */
  FRAME: 1,
  /** CopyData that is neither WAL data nor a keepalive, or too short to be either. */
  COPY_DATA: 2,
  /** A message that was not asked for, or none that exists. */
  MESSAGE_KIND: 3,
  /** A message ends before what it announces. */
  MESSAGE_CUT_SHORT: 4,
  /** A row outside a transaction, a Begin inside one, or a Commit that is not its Begin's. */
  TRANSACTION: 5,
  /** A column of a kind that does not exist, or one in binary, which was not asked for. */
  COLUMN_KIND: 6,
} as const;
export type MalformedReason = (typeof MalformedReason)[keyof typeof MalformedReason];
