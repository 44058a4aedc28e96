/**
 * Some rows of a shape, as a client asks for them besides the log (protocol 12): checked, in the
 * form in which Postgres is asked.
 */

import type { SnapshotBounds } from "./snapshot-bounds.ts";

export interface Subset {
  /** A condition over the columns of the table, with `$1`, `$2`, ... for `parameters`. */
  readonly where: string | undefined;
  readonly parameters: readonly string[];
  /** What follows ORDER BY. Undefined: any order. */
  readonly orderBy: string | undefined;
  readonly limit: number | undefined;
  readonly offset: number | undefined;
}

/** A subset as one snapshot of Postgres shows it. */
export interface SubsetSnapshot {
  /** `lsn` is the position in the WAL that was read within the snapshot. */
  readonly bounds: SnapshotBounds;
  /** Stands in the headers of every row (protocol 7.3). */
  readonly mark: number;
  /** The rows as JSON messages; every page but the first begins with its own `,\n`. */
  readonly pages: AsyncGenerator<Uint8Array, void, void>;
}
