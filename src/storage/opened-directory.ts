import type { Catalog } from "./catalog.ts";
import type { CheckpointThread } from "./checkpoint-thread.ts";
import type { CheckpointPosition } from "./database.ts";
import type { Files } from "./files.ts";
import type { Journal } from "./journal.ts";
import type { StoreLimits } from "./limits.ts";
import type { RecoveredJournal } from "./recovery.ts";
import type { Runs } from "./runs.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { DurabilityListener, PostingBuffer } from "./storage.ts";

/** What `Store` is given. */
export interface OpenedDirectory {
  readonly path: string;
  readonly epochMicroseconds: number;
  readonly postings: PostingBuffer;
  readonly listener: DurabilityListener;
  readonly limits: StoreLimits;
  readonly files: Files;
  readonly chunkBytesThreshold: number;
  readonly catalog: Catalog;
  readonly runs: Runs;
  readonly runCount: number;
  readonly voids: SeqRanges;
  readonly segments: SegmentList;
  readonly journal: Journal;
  readonly recovered: RecoveredJournal;
  readonly position: CheckpointPosition;
  /** The argument is told of what no checkpoint is waiting for. */
  readonly makeThread: (failed: (error: Error) => void) => CheckpointThread;
  readonly snapshotDirectory: string;
  readonly snapshotPath: (key: number) => string;
  /** Deletes snapshot files that no shape of the catalog has. */
  readonly removeOrphanedSnapshots: () => void;
  readonly close: () => void;
}
