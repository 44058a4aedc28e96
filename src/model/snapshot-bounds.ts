/**
 * Where a Postgres snapshot lies in time: `pg_current_snapshot()` and the WAL insert position read
 * just after it (Postgres manual, section 9.28 "Transaction ID and Snapshot Information").
 */

import type { Lsn } from "./lsn.ts";

export interface SnapshotBounds {
  /** Every transaction below is finished and visible, if it committed. 64-bit. */
  readonly xmin: bigint;
  /** Every transaction from here on is invisible. 64-bit. */
  readonly xmax: bigint;
  /** Transactions between the two that were still running, hence invisible. 64-bit. */
  readonly xip: readonly bigint[];
  /**
   * `pg_current_wal_insert_lsn()` after the snapshot was taken. A transaction that commits beyond
   * it is invisible whatever its xid, so from there on nothing need be tested (protocol 10, step
   * 4).
   */
  readonly lsn: Lsn;
}

/** Whether every one of these transactions shows in the snapshot. */
export function areVisibleInSnapshot(xids: Uint32Array, bounds: SnapshotBounds): boolean {
  const xmin = Number(BigInt.asUintN(32, bounds.xmin));
  // Nearly all of them are older than whatever runs: no bigint is made for those.
  return xids.every((xid) => ((xid - xmin) | 0) < 0 || isVisibleInSnapshot(xid, bounds));
}

/**
 * Whether the snapshot already shows what transaction `xid` did. Replication carries 32-bit xids
 * and snapshots 64-bit ones: the epoch is the one that brings the xid nearest to xmax.
 */
export function isVisibleInSnapshot(xid: number, bounds: SnapshotBounds): boolean {
  const distance = BigInt.asIntN(32, BigInt(xid >>> 0) - BigInt.asUintN(32, bounds.xmax));
  const wide = bounds.xmax + distance;
  return wide < bounds.xmin || (wide < bounds.xmax && !bounds.xip.includes(wide));
}

/** What stands behind the rows that a snapshot shows (protocol 7.2). */
export function snapshotEndMessage(bounds: SnapshotBounds): string {
  const list = bounds.xip.map((xid) => `"${xid}"`).join(",");
  return (
    `{"headers":{"control":"snapshot-end","xmin":"${bounds.xmin}","xmax":"${bounds.xmax}",` +
    `"xip_list":[${list}]}}`
  );
}
