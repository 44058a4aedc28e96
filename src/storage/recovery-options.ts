/** What recovery is given: shared by the steps of it. */

import type { CheckpointPosition } from "./database.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SeqRanges } from "./seq-ranges.ts";

/** What the first record follows. */
export const SEQ_BEFORE_ALL = 1;

export interface RecoveryOptions {
  readonly directory: string;
  readonly uuid: Buffer;
  readonly position: CheckpointPosition;
  /** First seqs of the segments that the last checkpoint knew. */
  readonly knownSegments: readonly number[];
  /** Ranges of the last checkpoint; those of the tail are added. */
  readonly voids: SeqRanges;
  /** Empty; receives what there is. */
  readonly segments: SegmentList;
}
