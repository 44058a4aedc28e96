/**
 * What the rest of the engine knows of storage: shapes are created and removed, changes are
 * appended once for all the shapes they reach, and a shape's log is read in chunks.
 *
 * One journal is synced; everything else is a cache of it (FORMAT.md). Storage speaks of a shape as
 * a `StorageKey`, which is what stands on disk, and of its place in the in-memory index as a
 * `LogSlot`. It knows neither handles nor ids.
 */

import type { LogSlot, Seq, StorageKey } from "../model/ids.ts";
import type { LogOffset } from "../model/log-offset.ts";
import type { Lsn } from "../model/lsn.ts";
import type { PartitionTree } from "../model/partition-tree.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";

/** What a shape is made of, in the form in which it is kept. */
export interface ShapeRecord {
  readonly key: StorageKey;
  /** The first half of the handle, 24 bits. */
  readonly hash: number;
  /** `ShapeTemplate.text`. Kept once for all the shapes that share it. */
  readonly template: string;
  /** See `model/constants-codec.ts`. */
  readonly constants: Uint8Array;
}

/**
 * Receives every shape that survived, in ascending order of keys, and answers with the slot that it
 * shall have from now on. The slot's `lastSeq` is undefined at that moment. Undefined: it gets
 * none, because it is of no use any more; whoever says so removes it.
 */
export type RestoreVisitor = (
  key: StorageKey,
  hash: number,
  /** The same string object for every shape of a template. */
  template: string,
  /** Valid during the call only. */
  constants: Uint8Array,
  /** `bounds.lsn` of its snapshot: it decides whether the rest of the bounds matter. */
  snapshotLsn: Lsn,
) => LogSlot | undefined;

/** Where a log ends that is not complete. */
export interface BehindSince {
  readonly since: Lsn;
  readonly position: Lsn;
}

export interface ShapeStore {
  /** Microseconds since 1970 at which the directory was made: handle = hash-(epoch + key). */
  readonly epochMicroseconds: number;

  /** Commit LSN of the last transaction that is durable here, 0 for none. */
  readonly position: Lsn;

  /** Bytes and pairs appended and not yet durable. The collector stops reading Postgres on them. */
  readonly isCongested: boolean;

  /** Resolves when `isCongested` has become false. */
  relieved(): Promise<void>;

  /**
   * Visits every complete shape, then files what the journal holds beyond the last checkpoint. To
   * be called once, before anything is appended. Shapes whose snapshot was never completed are
   * gone: their handles are unknown from now on. Asynchronous because what the journal holds may be
   * more than the posting buffer: then a checkpoint is written on the way.
   */
  restore(visit: RestoreVisitor): Promise<void>;

  /** Issues the key of a shape to be. Not durable by itself: a key that no record names is lost. */
  issueKey(): StorageKey;

  /** Records a shape. Resolves when that is durable: only then may its handle be given out. */
  createShape(record: ShapeRecord, slot: LogSlot): Promise<void>;

  /**
   * Records that a shape is gone and frees its snapshot. Resolves when durable. Readers that are
   * in the middle of the log may finish.
   * REQUIRES: the slot, if it has one, stays this shape's until then, and nothing is appended for
   * the key any more.
   */
  removeShape(key: StorageKey, slot?: LogSlot): Promise<void>;

  /**
   * The definition of a shape by its key: the way from a handle alone. Undefined: no such shape.
   */
  findShape(key: StorageKey): ShapeRecord | undefined;

  /**
   * Records which partitions of a table the logs of its shapes account for; undefined: it has none
   * any more. As durable as whatever is recorded after it.
   */
  recordPartitions(oid: number, partitions: PartitionTree | undefined): void;

  /** What was recorded, by the oid of the table, as far as it is durable. */
  readonly partitions: ReadonlyMap<number, PartitionTree>;

  /**
   * Records that the logs of these shapes are complete up to `since` only, with their subqueries as
   * they were at `position`; undefined: that they are complete again. Takes effect with the next
   * `commit`, together with what was appended: nothing in between is ever found after a crash.
   */
  recordBehind(keys: readonly StorageKey[], behind: BehindSince | undefined): void;

  /** What was recorded, as far as it is durable. */
  readonly behind: ReadonlyMap<number, BehindSince>;

  /**
   * Records that Postgres may be told to forget what committed up to `lsn`. Resolves when durable.
   */
  recordConfirmed(lsn: Lsn): Promise<void>;

  /** The largest LSN of which that is durable, or that is durable itself. */
  readonly confirmed: Lsn;

  /** The snapshot's bounds, undefined while it is not complete. */
  snapshotBounds(key: StorageKey): SnapshotBounds | undefined;

  /** Begins the snapshot of a shape that has none. At most one writer per shape. */
  writeSnapshot(key: StorageKey): SnapshotWriter;

  /**
   * Appends one body to the logs of `count` shapes: `keys[i]` and `slots[i]` for i < count. Copies
   * all it is given. The body is a JSON object that ends with `}}`, the close of its headers and
   * its own: the reader inserts `"last":true` before it where it belongs.
   *
   * Never blocks; see `isCongested`.
   * REQUIRES: per shape, (lsn, op) ascends; the body has at most `BODY_SIZE_MAX` bytes (limits.ts).
   */
  append(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
  ): Seq;

  /**
   * The same, for an entry that no transaction wrote: an event, a row that moved in, the end of
   * such rows (protocol 14.5). It comes behind what the transaction did and is not its last.
   */
  appendMoved(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
  ): Seq;

  /**
   * Ends a transaction: what was appended since the last one becomes durable and visible as one.
   */
  commit(lsn: Lsn): void;

  /**
   * Forgets what was appended since the last `commit`: the connection broke in the middle of a
   * transaction, which Postgres will send again from its beginning. Frames of it that are in the
   * journal already are void, on replay too.
   */
  rollback(): void;

  /**
   * Resolves when everything that was committed before the call is durable. Creations, removals and
   * snapshots that are recorded in the middle of a transaction become durable with its end.
   */
  flushed(): Promise<void>;

  /**
   * A shape's log, for one request. Cheap: a few fields.
   * REQUIRES: the shape has been created, and the slot is its own whenever the log is asked.
   */
  openLog(key: StorageKey, slot: LogSlot): ShapeLog;

  /** Makes everything durable, writes a checkpoint and closes all files. */
  close(): Promise<void>;
}

/** Told when transactions have become durable and visible, on the main thread, in order. */
export interface DurabilityListener {
  /**
   * @param position commit LSN of the last transaction that is now durable.
   * @param slots whose logs have grown, valid during the call only; one may stand more than once.
   */
  durable(position: Lsn, slots: Uint32Array, count: number): void;

  /** The disk refused: nothing more will become durable. The process has to stop. */
  failed(error: Error): void;
}

/** Writes a snapshot while readers already follow it. */
export interface SnapshotWriter {
  /**
   * Appends a JSON object, or several that are separated by `,\n`: a line feed occurs nowhere else.
   * What it returns, if anything, is to be awaited before the next call.
   */
  write(messages: Uint8Array): Promise<void> | undefined;
  /**
   * Appends the snapshot-end message and makes the snapshot complete; resolves when it is durable.
   * A snapshot that is small enough to lie in the journal can be read to its end at once.
   */
  finish(bounds: SnapshotBounds): Promise<void>;
  /** Gives up; readers that wait get the error. */
  abort(error: Error): Promise<void>;
}

/** One shape's log, snapshot included, as a request sees it (protocol section 5). */
export interface ShapeLog {
  /** `0_inf` until the first change; then the offset of the last one. */
  latestOffset(): LogOffset;

  /**
   * The chunk that follows `after` (protocol 5.3, 5.4). For an offset inside the snapshot this
   * waits until the snapshot has got that far, and rejects when it is aborted. At the end of the
   * log the chunk is empty and its `end` is `max(latest, after)`.
   *
   * @param patience whose signal aborts the wait. It is not asked for unless there is one.
   */
  readChunk(after: LogOffset, patience?: Patience): Promise<LogChunk>;
}

/** Whoever may not want to wait any longer. To make a signal costs as much as to read a chunk. */
export interface Patience {
  readonly signal: AbortSignal;
}

export interface LogChunk {
  /** What `electric-offset` will say. */
  readonly end: LogOffset;
  /** Whether the end of the log, as it was at the call, lies in this chunk (never after `-1`). */
  readonly isUpToDate: boolean;
  /** Whether there is no message in it. */
  readonly isEmpty: boolean;
  /** The only page of `pages`, if it is the only one and in memory. */
  readonly page: Uint8Array | undefined;
  /**
   * Messages as JSON objects, separated by `,\n`, in pages of at most about 64 KiB, a longer
   * message alone in a page of its own. The pages joined are the chunk: every page but the first
   * begins with the separator. A line feed occurs nowhere else, so messages can be told apart
   * without parsing them. To be consumed once; ends early, with an error, when the shape's files
   * are gone.
   */
  pages(): AsyncGenerator<Uint8Array, void, void>;
}

/**
 * The in-memory index over what is durable and not yet checkpointed; in the core, implemented by
 * `router/posting-buffer.ts`. All seqs are below 2^39.
 */
export interface PostingBuffer {
  /** How many postings fit in one half before it must be frozen. */
  readonly capacity: number;
  /** How many postings the active half holds. */
  readonly count: number;
  /** Whether a frozen half is waiting for `retire`. */
  readonly hasFrozen: boolean;

  /**
   * Files postings in the active half: `groups` is a run of (seq - base, n, slot x n) words.
   * REQUIRES: they fit; seqs ascend per slot.
   */
  file(base: Seq, groups: Uint32Array): void;

  /**
   * What is known of the slot's last posting: its seq, 0 when its log is known to be empty,
   * undefined when nobody has looked since the start.
   */
  lastSeq(slot: LogSlot): Seq | 0 | undefined;

  /** Remembers what is in the runs. No effect if as much is known or buffered. */
  setLastSeq(slot: LogSlot, seq: Seq | 0): void;

  /** The slot's buffered seqs greater than `after`, ascending. Allocates the result. */
  seqsAfter(slot: LogSlot, after: number): Float64Array;

  /** Freezes the active half: what is filed from now on goes to the other. REQUIRES: none is. */
  freeze(): void;

  /**
   * The postings of the frozen half for the checkpoint, as (key, seq) pairs in order of filing,
   * copied some in a turn of the event loop; those of shapes removed meanwhile are left out.
   * REQUIRES: once for each `freeze`.
   */
  copyFrozen(): Promise<FrozenPostings>;

  /** Forgets the frozen half: its postings are in a run by now. */
  retire(): void;
}

export interface FrozenPostings {
  readonly count: number;
  readonly base: Seq;
  readonly keys: Float64Array;
  /** Relative to `base`. */
  readonly seqs: Uint32Array;
}
