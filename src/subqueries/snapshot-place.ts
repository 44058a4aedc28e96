/**
 * Where in the stream a snapshot lies: in front of which commit.
 *
 *     commits     41  42  43  44  45
 *     visible?     x   x   x   -   -      the place is in front of 44
 *     visible?     x   -   x   -   -      no place: 43 became visible before 42 did
 *
 * Postgres sends a transaction and lets others see it in two steps, so two that commit at the same
 * moment may become visible in the other order, and a transaction that was sent long ago (by a
 * computer's measure) may not be visible yet. Then the snapshot is taken again.
 */

import { areVisibleInSnapshot, isVisibleInSnapshot } from "../model/snapshot-bounds.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Router } from "../router/router.ts";
import type { Mark, Tape, TapedCommit } from "./tape.ts";

/**
 * Undefined: there is no such place behind `from`. REQUIRES: everything that the snapshot shows has
 * been read; the tape has run since `from`.
 */
export function placeOf(
  bounds: SnapshotBounds,
  from: Mark,
  tape: Tape,
  router: Pick<Router, "readCount" | "xidsRead">,
): Mark | undefined {
  const readBefore = router.readCount - (tape.mark - from);
  if (!areVisibleInSnapshot(router.xidsRead(readBefore), bounds)) return undefined;
  let place = from;
  while (place < tape.mark && shows(bounds, tape.commitAt(place))) place += 1;
  for (let number = place + 1; number < tape.mark; number++) {
    if (shows(bounds, tape.commitAt(number))) return undefined;
  }
  return place;
}

function shows(bounds: SnapshotBounds, { lsn, xid }: TapedCommit): boolean {
  return lsn <= bounds.lsn && isVisibleInSnapshot(xid, bounds);
}
