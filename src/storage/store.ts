/**
 * The store: one journal that is synced, everything else is a cache of it. This file puts the parts
 * together and keeps what belongs to none of them; see FORMAT.md for what is on disk.
 *
 *     append, commit ──> GroupCommit ──> Journal ──> (durable) ──> PostingFiler, Catalog, listener
 *                                                                       │
 *     ShapeLog <── LogIndex <── postings, runs <── Checkpoints <────────┘
 */

import { assert } from "../lib/assert.ts";
import { TransientMap } from "../lib/transient-map.ts";
import type { LogSlot, Seq, StorageKey } from "../model/ids.ts";
import { STORAGE_KEY_MAX } from "../model/ids.ts";
import { nextTurn } from "../lib/next-turn.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import type { PartitionTree } from "../model/partition-tree.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Catalog } from "./catalog.ts";
import type { CatalogChange } from "./catalog-change.ts";
import { encodeInlineSnapshot, encodeSnapshotFile } from "./catalog-record.ts";
import type { CheckpointThread } from "./checkpoint-thread.ts";
import { Checkpoints } from "./checkpoints.ts";
import { diskUsage } from "./disk-usage.ts";
import { StoreClosed } from "./errors.ts";
import type { FrameBuilder } from "./frame-builder.ts";
import { GroupCommit } from "./group-commit.ts";
import { GrownSlots } from "./grown-slots.ts";
import { LogIndex } from "./log-index.ts";
import type { OpenedDirectory } from "./opened-directory.ts";
import { PostingFiler } from "./posting-filer.ts";
import { encodeBehind } from "./behind.ts";
import { encodeCreated, encodePartitions, encodeVoid, RecordKind } from "./record.ts";
import { replayPostings, RestoredSlots } from "./replay.ts";
import { SharedLists } from "./shared-lists.ts";
import { StoredShapeLog, type ShapeLogSources } from "./shape-log.ts";
import { SnapshotProgress, type SnapshotSettings } from "./snapshot-progress.ts";
import type {
  BehindSince,
  RestoreVisitor,
  ShapeLog,
  ShapeRecord,
  ShapeStore,
  SnapshotWriter,
} from "./storage.ts";

const NO_BYTES = new Uint8Array(0);
/** Of shapes, that are applied at once: 1 us each, or 6 where the row of a removed one is read. */
const CHANGES_PER_TURN = 500;

/** What `/admin/memory` shows of storage. */
export interface StoreStatistics {
  readonly position: Lsn;
  readonly durableSeq: number;
  readonly segments: number;
  readonly pendingBytes: number;
  readonly pendingPairs: number;
  readonly bufferedPostings: number;
  readonly runs: number;
  readonly isCheckpointRunning: boolean;
  /** Shapes that have changed since the last checkpoint. */
  readonly changedShapes: number;
  readonly templates: number;
  readonly snapshotsInProgress: number;
  readonly snapshotBytes: number;
  /** Of lists that several bodies are for (`shared-lists.ts`). */
  readonly sharedListBytes: number;
  readonly indexBytes: number;
}

export class Store implements ShapeStore {
  readonly #directory: Omit<OpenedDirectory, "recovered">;
  /** What a start has found, until it is restored. */
  #recovered: OpenedDirectory["recovered"] | undefined;
  readonly #catalog: Catalog;
  readonly #commits: GroupCommit;
  readonly #thread: CheckpointThread;
  readonly #checkpoints: Checkpoints;
  readonly #filer: PostingFiler;
  readonly #lists: SharedLists;
  readonly #index: LogIndex;
  readonly #logSources: ShapeLogSources;
  readonly #snapshotSettings: SnapshotSettings;
  readonly #snapshots = new TransientMap<StorageKey, SnapshotProgress>();
  #nextKey: number;
  #writtenBytes = 0;
  #isClosed = false;

  /** What frames of a transaction that has not ended yet will do. */
  #changes: { readonly change: CatalogChange }[] = [];
  readonly #grown = new GrownSlots();

  constructor({ recovered, ...directory }: OpenedDirectory) {
    this.#directory = directory;
    this.#recovered = recovered;
    const { catalog, journal, segments, voids, limits, postings, runs } = directory;
    this.#catalog = catalog;
    this.#lists = new SharedLists(postings, limits);
    this.#thread = directory.makeThread((error) => this.#commits.fail(error));
    this.#snapshotSettings = {
      directory: directory.snapshotDirectory,
      pathOf: directory.snapshotPath,
      files: directory.files,
      inlineBytes: limits.snapshotInlineBytes,
      pageBytes: limits.pageBytes,
      chunkBytesThreshold: directory.chunkBytesThreshold,
    };
    this.#nextKey = catalog.highestKey + 1;
    this.#commits = new GroupCommit({
      journal,
      limits,
      lastSeq: recovered.lastSeq,
      position: recovered.lastCommitLsn,
      settle: (frame, writtenBytes) => this.#settle(frame, writtenBytes),
      announce: (position) => this.#announce(position),
      failed: (error) => directory.listener.failed(error),
    });
    this.#checkpoints = new Checkpoints(
      {
        postings,
        lists: this.#lists,
        catalog,
        segments,
        voids,
        thread: this.#thread,
        files: directory.files,
        limits,
        position: () => ({
          // During a restore, what is durable has not all been filed.
          committedSeq: Math.min(this.#commits.durableSeq, this.#filer.filedSeq),
          filedSeq: this.#filer.filedSeq,
          lsn: this.#commits.position,
          highestKey: catalog.highestKey,
        }),
        failed: (error) => this.#commits.fail(error),
      },
      directory.runCount,
      directory.position.filedSeq,
    );
    const { filedSeq } = directory.position;
    this.#filer = new PostingFiler(postings, this.#lists, voids, this.#checkpoints, filedSeq);
    this.#index = new LogIndex({
      postings,
      lists: this.#lists,
      runs,
      segments,
      voids,
      durableSeq: () => this.#commits.durableSeq,
      filedSeq: () => this.#checkpoints.filedSeq,
    });
    this.#logSources = {
      index: this.#index,
      segments,
      chunkBytesThreshold: directory.chunkBytesThreshold,
      pageBytes: limits.pageBytes,
      progressOf: (key) => this.#snapshots.get(key),
      snapshotOf: (key) => catalog.find(key)?.snapshot,
      snapshotPath: directory.snapshotPath,
    };
  }

  get epochMicroseconds(): number {
    return this.#directory.epochMicroseconds;
  }
  get position(): Lsn {
    return this.#commits.position;
  }
  get isCongested(): boolean {
    return this.#commits.isCongested;
  }

  relieved(): Promise<void> {
    return this.#commits.relieved();
  }

  async restore(visit: RestoreVisitor): Promise<void> {
    const recovered = this.#recovered;
    assert(recovered !== undefined, "a store is restored once");
    this.#recovered = undefined;
    await this.#applyInTurns(recovered.changes);
    const slots = new RestoredSlots();
    const incomplete: number[] = [];
    await this.#catalog.visitAll((key, hash, templateId, constants, snapshotLsn) => {
      if (snapshotLsn === undefined) {
        incomplete.push(key);
        return;
      }
      const template = this.#catalog.templateText(templateId);
      const slot = visit(key as StorageKey, hash, template, constants, snapshotLsn);
      if (slot !== undefined) slots.add(key, slot);
    });
    // Not recorded: the next start would find them incomplete again.
    for (const key of incomplete) this.#catalog.apply({ type: "removed", key });
    this.#nextKey = this.#catalog.highestKey + 1;
    this.#directory.removeOrphanedSnapshots();
    await replayPostings(recovered.tail(), slots, this.#filer, (bytes) =>
      this.#checkpoints.countBytes(bytes),
    );
    this.#checkpoints.considerStart();
  }

  issueKey(): StorageKey {
    if (this.#nextKey > STORAGE_KEY_MAX) throw new RangeError("storage keys are used up");
    return this.#nextKey++ as StorageKey;
  }

  createShape(record: ShapeRecord, slot: LogSlot): Promise<void> {
    this.#throwIfClosed();
    const { key, hash } = record;
    assert(!this.#snapshots.has(key), "a shape is created once");
    const constants = Buffer.from(record.constants);
    const template = this.#catalog.internTemplate(record.template);
    if (template.isNew) {
      const text = Buffer.from(record.template, "utf8");
      const seq = this.#commits.record(RecordKind.template, template.id, LSN_ZERO, text);
      this.#commits.attach(seq, { type: "template", id: template.id, text: record.template });
    }
    const payload = encodeCreated({ hash, templateId: template.id, constants });
    const seq = this.#commits.record(RecordKind.created, key, LSN_ZERO, payload);
    const templateId = template.id;
    this.#commits.attach(seq, { type: "created", key, hash, templateId, constants });
    this.#snapshots.set(key, new SnapshotProgress(key, this.#snapshotSettings));
    this.#directory.postings.setLastSeq(slot, 0);
    return this.#commits.durable(seq);
  }

  async removeShape(key: StorageKey): Promise<void> {
    this.#throwIfClosed();
    const seq = this.#commits.record(RecordKind.removed, key, LSN_ZERO, NO_BYTES);
    this.#commits.attach(seq, { type: "removed", key });
    const snapshot = this.#catalog.find(key)?.snapshot;
    const progress = this.#snapshots.get(key);
    this.#snapshots.delete(key);
    await this.#commits.durable(seq);
    this.#lists.forget(key);
    await progress?.abort(new StoreClosed());
    if (progress?.hasFile === true || snapshot?.seq === 0) {
      await this.#directory.files.unlink(this.#directory.snapshotPath(key));
    }
  }

  findShape(key: StorageKey): ShapeRecord | undefined {
    const shape = this.#catalog.find(key);
    if (shape === undefined) return undefined;
    const { hash, templateId, constants } = shape;
    return { key, hash, template: this.#catalog.templateText(templateId), constants };
  }

  recordPartitions(oid: number, tree: PartitionTree | undefined): void {
    this.#throwIfClosed();
    const payload = encodePartitions(tree);
    const seq = this.#commits.record(RecordKind.partitions, oid, LSN_ZERO, payload);
    this.#commits.attach(seq, { type: "partitions", oid, partitions: tree && new Map(tree) });
  }

  recordBehind(keys: readonly StorageKey[], behind: BehindSince | undefined): void {
    const payload = { keys: [...keys], ...(behind ?? { since: LSN_ZERO, position: LSN_ZERO }) };
    const bytes = encodeBehind(payload);
    const seq = this.#commits.recordWithCommit(RecordKind.behind, 0, LSN_ZERO, bytes);
    this.#commits.attach(seq, { type: "behind", behind: payload });
  }

  get behind(): ReadonlyMap<number, BehindSince> {
    return this.#catalog.behind;
  }

  async recordConfirmed(lsn: Lsn): Promise<void> {
    this.#throwIfClosed();
    const seq = this.#commits.record(RecordKind.confirmed, 0, lsn, NO_BYTES);
    this.#commits.attach(seq, { type: "confirmed", lsn });
    await this.#commits.durable(seq);
  }

  get confirmed(): Lsn {
    return maxLsn(this.#catalog.confirmed, this.#commits.position);
  }

  get partitions(): ReadonlyMap<number, PartitionTree> {
    return this.#catalog.partitions;
  }

  snapshotBounds(key: StorageKey): SnapshotBounds | undefined {
    return this.#catalog.find(key)?.snapshot?.bounds;
  }

  writeSnapshot(key: StorageKey): SnapshotWriter {
    this.#throwIfClosed();
    const progress = this.#snapshots.get(key);
    assert(progress !== undefined, "a snapshot belongs to a shape that has none");
    return {
      write: (row) => progress.write(row),
      finish: (bounds) => this.#finishSnapshot(key, progress, bounds),
      abort: (error) => progress.abort(error),
    };
  }

  append(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
  ): Seq {
    return this.#commits.append(lsn, op, body, keys, slots, count, RecordKind.change) as Seq;
  }

  appendMoved(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
  ): Seq {
    return this.#commits.append(lsn, op, body, keys, slots, count, RecordKind.moved) as Seq;
  }

  commit(lsn: Lsn): void {
    this.#commits.commit(lsn);
  }

  rollback(): void {
    const range = this.#commits.rollback(RecordKind.void, encodeVoid);
    if (range !== undefined) this.#directory.voids.add(range);
  }

  flushed(): Promise<void> {
    return this.#commits.flushed();
  }

  openLog(key: StorageKey, slot: LogSlot): ShapeLog {
    return new StoredShapeLog(this.#logSources, key, slot);
  }

  /** Bytes that were written to the journal and to snapshot files since the start. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Bytes of all files of the directory, as the file system tells; some 20 us each. */
  diskBytes(): Promise<number> {
    return diskUsage(this.#directory.path);
  }

  /**
   * Gives the disk back what no shape needs any more. Resolves when that is done: some 0.5 s for
   * each segment that has to be written again. What is appended meanwhile waits for at most eight.
   */
  async reclaim(): Promise<void> {
    this.#throwIfClosed();
    await this.#commits.flushed();
    await this.#checkpoints.reclaim();
  }

  statistics(): StoreStatistics {
    const { segments, postings } = this.#directory;
    const snapshots = [...this.#snapshots.values()];
    return {
      position: this.#commits.position,
      durableSeq: this.#commits.durableSeq,
      segments: segments.all.length,
      pendingBytes: this.#commits.pendingBytes,
      pendingPairs: this.#commits.pendingPairs,
      bufferedPostings: postings.count + this.#lists.count,
      runs: this.#checkpoints.runCount,
      isCheckpointRunning: this.#checkpoints.isRunning,
      changedShapes: this.#catalog.changeCount,
      templates: this.#catalog.templateCount,
      snapshotsInProgress: snapshots.length,
      snapshotBytes: snapshots.reduce((sum, snapshot) => sum + snapshot.memoryBytes, 0),
      sharedListBytes: this.#lists.memoryBytes,
      indexBytes: segments.indexBytes,
    };
  }

  /**
   * Stops for good, as after a failed sync: what lies in memory cannot be trusted, so nothing of it
   * is written any more, nor a checkpoint when it is closed. What is durable stays as it is.
   */
  distrust(cause: Error): void {
    this.#commits.fail(cause);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      const aborted = [...this.#snapshots.values()];
      await Promise.all(aborted.map((progress) => progress.abort(new StoreClosed())));
      await this.#commits.idle();
      this.#commits.throwIfFailed();
      // Without a restore, what the journal holds beyond the last one is not known here.
      if (this.#recovered === undefined) await this.#checkpoints.finish();
      this.#commits.throwIfFailed();
    } finally {
      await this.#thread.close();
      await this.#checkpoints.idle();
      this.#directory.close();
    }
  }

  async #finishSnapshot(
    key: StorageKey,
    progress: SnapshotProgress,
    bounds: SnapshotBounds,
  ): Promise<void> {
    const closing = progress.finish(bounds);
    if (closing !== undefined) await closing;
    if (progress.hasFile) this.#writtenBytes += progress.visibleSize;
    // Removed meanwhile: nobody will ask for it.
    if (this.#snapshots.get(key) !== progress) return;
    const meta = { bounds, chunkEnds: progress.chunkEnds };
    const kind = progress.hasFile ? RecordKind.snapshotFile : RecordKind.inlineSnapshot;
    const payload = progress.hasFile
      ? encodeSnapshotFile(meta)
      : encodeInlineSnapshot(progress.rows, meta);
    const seq = this.#commits.record(kind, key, bounds.lsn, payload);
    const snapshot = { ...meta, seq: progress.hasFile ? 0 : seq };
    this.#commits.attach(seq, { type: "snapshot", key, snapshot });
    await this.#commits.durable(seq);
    if (this.#snapshots.get(key) === progress) this.#snapshots.delete(key);
  }

  /** A frame is on disk: files its postings; what it does to shapes waits for its transaction. */
  async #settle(frame: FrameBuilder, writtenBytes: number): Promise<void> {
    this.#checkpoints.countBytes(writtenBytes);
    this.#writtenBytes += writtenBytes;
    await this.#filer.file({
      firstSeq: frame.firstSeq,
      count: frame.count,
      listOf: (index) => frame.listOf(index),
      keysOf: (list) => frame.lists.keysOf(list),
      slotsOf: (list) => frame.lists.slotsOf(list),
    });
    for (const { change } of frame.catalogChanges) this.#changes.push({ change });
    this.#grown.add(frame.lists.allSlots);
    if (!frame.isCommitted) return;
    await this.#applyInTurns(this.#changes);
    this.#changes = [];
  }

  /** What may be much at once, as others wait for their turn. The changes are durable. */
  async #applyInTurns(changes: readonly { readonly change: CatalogChange }[]): Promise<void> {
    for (const [index, { change }] of changes.entries()) {
      this.#catalog.apply(change);
      if (index % CHANGES_PER_TURN === CHANGES_PER_TURN - 1) await nextTurn();
    }
  }

  #announce(position: Lsn): void {
    this.#directory.listener.durable(position, this.#grown.slots, this.#grown.count);
    this.#grown.clear();
    this.#checkpoints.considerStart();
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw new StoreClosed();
  }
}
