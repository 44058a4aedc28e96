/**
 * Every limit of storage with its unit, its default and where the default comes from. Tests shrink
 * them, so that a run of a few hundred operations meets every boundary.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

export interface StoreLimits {
  /**
   * Bytes of a segment before the next one is begun. Small enough to be rewritten in one go,
   * large enough that its footer and directory entry do not matter.
   */
  readonly segmentBytes: number;
  /** Bytes of a frame. Bounds what is held back for one write; a longer body is a frame alone. */
  readonly frameBytes: number;
  /**
   * Bodies of a frame, and shapes of its lists: (body, shape) pairs, but a list that comes again in
   * the frame counts once. Filing them takes 5 ns each: 1.3 ms of the event loop.
   */
  readonly framePairs: number;
  /**
   * Bytes appended and not yet durable before the collector is stopped: four full frames, a second
   * of a slow disk (32 MiB/s).
   */
  readonly pendingBytes: number;
  /** Pairs appended and not yet durable before the collector is stopped: what the buffer holds. */
  readonly pendingPairs: number;
  /** Postings filed before a checkpoint is begun. Capped by the posting buffer's capacity. */
  readonly checkpointPostings: number;
  /** Bytes of journal before a checkpoint is begun: bounds the replay at a start (0.2 s). */
  readonly checkpointBytes: number;
  /** Shapes created, completed or removed before a checkpoint: 300 B of heap each, 20 MiB. */
  readonly checkpointShapes: number;
  /** Bytes of a snapshot that is kept in the journal; a larger one gets a file of its own. */
  readonly snapshotInlineBytes: number;
  /** Runs of one level before they are merged: a lookup costs 6 us per run. */
  readonly runsPerLevel: number;
  /** Shapes of the shortest list that is kept once for all its bodies: one saves little. */
  readonly sharedListSize: number;
  /** Such lists that a shape is in between two checkpoints: some 50 ns each for its readers. */
  readonly listsPerShape: number;
  /** Bytes of a page that a reader is handed: one page per stalled reader is what it may hold. */
  readonly pageBytes: number;
  /** Segments whose file descriptors are open. The usual limit of a process is 1024. */
  readonly openSegments: number;
}

export const DEFAULT_LIMITS: StoreLimits = {
  segmentBytes: 64 * MIB,
  frameBytes: 8 * MIB,
  framePairs: 256 * KIB,
  pendingBytes: 32 * MIB,
  pendingPairs: 1024 * KIB,
  checkpointPostings: 1024 * KIB,
  checkpointBytes: 64 * MIB,
  checkpointShapes: 64 * KIB,
  snapshotInlineBytes: 256 * KIB,
  runsPerLevel: 8,
  sharedListSize: 16,
  listsPerShape: 64,
  pageBytes: 64 * KIB,
  openSegments: 256,
};

/**
 * Limits for a directory of so many bytes: the last segment cannot be given back, and neither can
 * what no checkpoint has seen yet, so both are a sixteenth of it at most.
 */
export function limitsWithin(bytesMax: number | undefined): Partial<StoreLimits> {
  if (bytesMax === undefined) return {};
  const share = Math.floor(bytesMax / 16);
  return {
    segmentBytes: Math.min(DEFAULT_LIMITS.segmentBytes, share),
    checkpointBytes: Math.min(DEFAULT_LIMITS.checkpointBytes, share),
  };
}

/** Protocol section 6: JSON bytes after which a chunk is closed. */
export const CHUNK_BYTES_THRESHOLD_DEFAULT = 10 * MIB;

/** A body's size is a u32 on disk, and a Buffer must hold the frame around it. */
export const BODY_SIZE_MAX = 1024 * MIB;
