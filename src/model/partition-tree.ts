/** Which tables are the partitions of another, and how they came to be. */

/**
 * The partitions of a table, at any depth, by oid. With each goes the transaction that made it a
 * part of its parent, as 32 bits: one that was detached and attached again is another, since what
 * was written to it in between was not sent.
 */
export type PartitionTree = ReadonlyMap<number, number>;

/** How a table came under those above it. */
export interface PartitionOrigin {
  /** Oids of the tables that it is a part of, itself left out. */
  readonly ancestors: readonly number[];
  /** Whether it and all of these were made as partitions: it had no row that was not sent. */
  readonly isMadeAsPartition: boolean;
  /** The transaction, as in `PartitionTree`; 0: it is no part of any. */
  readonly since: number;
}
