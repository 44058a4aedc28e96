/**
 * Opens a data directory: lock, identity, catalog, journal; and purges one.
 *
 *     lock             held while the store is open
 *     litz.db          catalog, runs, position
 *     journal/         segments
 *     snapshots/<key>  rows of large snapshots
 */

import * as fs from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import type { DurationHistogram } from "../lib/duration-histogram.ts";
import { Catalog } from "./catalog.ts";
import type { CheckpointThread } from "./checkpoint-thread.ts";
import { InlineCheckpointThread, WorkerCheckpointThread } from "./checkpoint-thread.ts";
import {
  createSchema,
  getMeta,
  hasSchema,
  openForReading,
  openForWriting,
  readPosition,
  readVoids,
  setMeta,
  writeVoids,
  type CheckpointPosition,
  type SqliteDatabase,
} from "./database.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { StoreIdentityMismatch, StoreUnusable, StoreVersionUnknown } from "./errors.ts";
import { nodeFiles, syncDirectoryNow, type Files } from "./files.ts";
import { Journal } from "./journal.ts";
import { CHUNK_BYTES_THRESHOLD_DEFAULT, DEFAULT_LIMITS, type StoreLimits } from "./limits.ts";
import { measuredFiles } from "./measured-files.ts";
import { recoverJournal, type RecoveredJournal } from "./recovery.ts";
import type { OpenedDirectory } from "./opened-directory.ts";
import { Runs } from "./runs.ts";
import { FORMAT_VERSION } from "./segment-format.ts";
import type { Segment } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import { SeqRanges } from "./seq-ranges.ts";
import type { DurabilityListener, PostingBuffer } from "./storage.ts";
import { Store } from "./store.ts";

export interface StoreOptions {
  readonly directory: string;
  readonly postings: PostingBuffer;
  readonly listener: DurabilityListener;
  /** System identifier, timeline and slot: what makes an LSN mean the same tomorrow. */
  readonly databaseIdentity: string;
  readonly clock: Clock;
  readonly chunkBytesThreshold?: number;
  readonly limits?: Partial<StoreLimits>;
  /** Is told how long the journal's syncs take. */
  readonly syncs?: DurationHistogram;
  /** For tests: the disk, and checkpoints without a thread. */
  readonly files?: Files;
  readonly isCheckpointInline?: boolean;
}

/**
 * Opens the directory, or makes it. Blocks while it reads: nobody is being served yet. Call
 * `restore` next.
 *
 * @throws {StoreUnusable} it cannot be made or written.
 * @throws {StoreLocked} another process has it open.
 * @throws {StoreIdentityMismatch} it belongs to another database: purge it, or stop.
 * @throws {StoreVersionUnknown} another version wrote it.
 * @throws {StoreCorrupt} what was acknowledged is not there any more.
 */
export function openStore(options: StoreOptions): Store {
  try {
    return open(options);
  } catch (error) {
    throw isOfTheDisk(error) ? new StoreUnusable(options.directory, error) : error;
  }
}

function open(options: StoreOptions): Store {
  const { directory } = options;
  makeDirectories(directory);
  const lock = new DirectoryLock(directory, join(directory, "lock"));
  let writer: SqliteDatabase | undefined;
  let reader: SqliteDatabase | undefined;
  try {
    const databasePath = join(directory, "litz.db");
    writer = openForWriting(databasePath);
    prepareDatabase(writer, options);
    reader = openForReading(databasePath);
    const opened = openDirectory(options, writer, reader, lock);
    // From here on the checkpoint thread is the only writer.
    writer.close();
    return new Store(opened);
  } catch (error) {
    writer?.close();
    reader?.close();
    lock.release();
    throw error;
  }
}

/** What files and SQLite throw where whoever runs us has to do something. */
const OF_THE_DISK =
  /^(E(NOSPC|DQUOT|ACCES|PERM|ROFS|NOTDIR|EXIST)|SQLITE_(FULL|READONLY|CANTOPEN|PERM|IOERR).*)$/;

function isOfTheDisk(error: unknown): error is Error {
  return error instanceof Error && "code" in error && OF_THE_DISK.test(String(error.code));
}

/** Deletes everything in the directory that is a store's. REQUIRES: no store has it open. */
export function purgeStore(directory: string): void {
  if (!fs.existsSync(directory)) return;
  const lock = new DirectoryLock(directory, join(directory, "lock"));
  try {
    // The catalog last: while it is there, an interrupted purge is a store that refuses to start.
    for (const name of ["snapshots", "journal", "litz.db-wal", "litz.db-shm", "litz.db"]) {
      fs.rmSync(join(directory, name), { recursive: true, force: true });
    }
    syncDirectoryNow(directory);
  } finally {
    lock.release();
  }
}

function makeDirectories(directory: string): void {
  for (const path of [directory, join(directory, "journal"), join(directory, "snapshots")]) {
    fs.mkdirSync(path, { recursive: true, mode: 0o750 });
  }
  syncDirectoryNow(directory);
}

/** Makes the tables of a new directory, or checks that an old one is ours. */
function prepareDatabase(database: SqliteDatabase, options: StoreOptions): void {
  const { directory, databaseIdentity, clock } = options;
  if (!hasSchema(database)) {
    database.transaction(() => {
      createSchema(database);
      setMeta(database, "version", String(FORMAT_VERSION));
      setMeta(database, "identity", databaseIdentity);
      setMeta(database, "uuid", randomUUID());
      setMeta(database, "epoch", String(clock.nowMicroseconds()));
    })();
    return;
  }
  const version = getMeta(database, "version") ?? "none";
  if (version !== String(FORMAT_VERSION)) {
    throw new StoreVersionUnknown(directory, version, FORMAT_VERSION);
  }
  const identity = getMeta(database, "identity") ?? "none";
  if (identity !== databaseIdentity) {
    throw new StoreIdentityMismatch(directory, databaseIdentity, identity);
  }
}

function openDirectory(
  options: StoreOptions,
  writer: SqliteDatabase,
  reader: SqliteDatabase,
  lock: DirectoryLock,
): OpenedDirectory {
  const { directory, postings, listener } = options;
  const files = options.files ?? nodeFiles;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const uuid = Buffer.from(getMeta(writer, "uuid")!.replaceAll("-", ""), "hex");
  const position = readPosition(writer);
  const voids = new SeqRanges();
  for (const range of readVoids(writer)) voids.add(range);
  const segments = new SegmentList(limits.openSegments);
  const journalDirectory = join(directory, "journal");
  const recovered = recoverJournal({
    directory: journalDirectory,
    uuid,
    position,
    knownSegments: writer.prepare("select first_seq from segment").pluck().all() as number[],
    voids,
    segments,
  });
  const lastSeq = forgetWhatWasCutOff(writer, position, recovered, voids, segments.last);
  const journal = new Journal({
    directory: journalDirectory,
    files: options.syncs === undefined ? files : measuredFiles(files, options.clock, options.syncs),
    segments,
    uuid,
    segmentBytes: limits.segmentBytes,
    open: recovered.open,
    lastSeq,
    highestLsn: recovered.highestLsn,
    lastCommitLsn: recovered.lastCommitLsn,
  });
  const catalog = new Catalog(reader, position.highestKey);
  const snapshotDirectory = join(directory, "snapshots");
  return {
    path: directory,
    epochMicroseconds: Number(getMeta(writer, "epoch")),
    postings,
    listener,
    limits,
    files,
    chunkBytesThreshold: options.chunkBytesThreshold ?? CHUNK_BYTES_THRESHOLD_DEFAULT,
    catalog,
    runs: new Runs(reader, voids, limits.listsPerShape),
    runCount: writer.prepare("select count(*) from run_info").pluck().get() as number,
    voids,
    segments,
    journal,
    recovered: { ...recovered, lastSeq },
    position,
    makeThread: (failed) => makeThread(options, limits, failed),
    snapshotDirectory,
    snapshotPath: (key) => join(snapshotDirectory, String(key)),
    removeOrphanedSnapshots: () => removeOrphanedSnapshots(snapshotDirectory, catalog),
    close: () => {
      journal.close();
      segments.closeAll();
      reader.close();
      lock.release();
    },
  };
}

function removeOrphanedSnapshots(directory: string, catalog: Catalog): void {
  for (const name of fs.readdirSync(directory)) {
    // Complete, and in a file: anything else is a snapshot that was never finished.
    if (catalog.find(Number(name))?.snapshot?.seq === 0) continue;
    fs.rmSync(join(directory, name), { force: true });
  }
}

/**
 * Makes the tables forget what recovery has cut off behind the last commit: segments that the
 * checkpoint had seen, and postings that it had filed in the middle of a large transaction. The
 * seqs of those are never given again, so what names them in a run means nothing. Returns the last
 * seq there was.
 */
function forgetWhatWasCutOff(
  writer: SqliteDatabase,
  { filedSeq }: CheckpointPosition,
  { committedSeq, lastSeq }: RecoveredJournal,
  voids: SeqRanges,
  lastSegment: Segment | undefined,
): number {
  if (filedSeq > lastSeq) voids.add({ first: lastSeq + 1, last: filedSeq });
  writer.transaction(() => {
    const remove = writer.prepare("delete from segment where first_seq > ? returning live").pluck();
    const live = (remove.all(committedSeq) as number[]).reduce((sum, count) => sum + count, 0);
    // Their postings are still in the runs and are counted off when a merge drops them: from the
    // segment in front of them, so that is where they have to be counted now.
    if (lastSegment !== undefined && live !== 0) {
      const move =
        "insert into segment (first_seq, live) values (?, ?) " +
        "on conflict do update set live = live + excluded.live";
      writer.prepare(move).run(lastSegment.firstSeq, live);
    }
    writeVoids(writer, voids.all);
  })();
  return Math.max(filedSeq, lastSeq);
}

function makeThread(
  options: StoreOptions,
  limits: StoreLimits,
  failed: (error: Error) => void,
): CheckpointThread {
  const databasePath = join(options.directory, "litz.db");
  const data = { databasePath, runsPerLevel: limits.runsPerLevel };
  if (options.isCheckpointInline === true) return new InlineCheckpointThread(data);
  return new WorkerCheckpointThread(data, failed);
}
