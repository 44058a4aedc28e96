/**
 * Gives the disk back what no shape needs any more: in the checkpoint thread, behind a checkpoint.
 *
 *     segments   those that have lost much since they were last looked at are rewritten
 *     runs       merged into one where much of them is postings of shapes that are gone
 *     litz.db    free pages at its end are cut off, the write-ahead log is emptied
 *
 * In the background that is one segment behind each checkpoint, and only what has lost half. When
 * the disk runs short it is whatever has lost anything, some segments at a time, so that
 * checkpoints come in between.
 *
 * A segment's live count says how many postings are left of it. How many bytes that is only a look
 * can tell, since bodies are shared; so a look is taken whenever the count has halved, and what it
 * was at the last look is kept (`looked_at`). That bounds what is read in vain.
 */

import { partitionPoint } from "../lib/partition-point.ts";
import { snapshotPlaceOf } from "./catalog-row.ts";
import type { SegmentState } from "./checkpoint-job.ts";
import type { SqliteDatabase } from "./database.ts";
import type { SeqRange } from "./record.ts";
import { mergeAllRuns } from "./run-merge.ts";
import { rewriteSegment, type Liveness, type RewrittenSegment } from "./segment-rewrite.ts";
import { SeqRanges } from "./seq-ranges.ts";

export interface ReclaimJob {
  /** Sealed segments that lie before the checkpoint's position, the journal's last one excepted. */
  readonly segments: readonly (SegmentState & { readonly path: string })[];
  readonly voids: readonly SeqRange[];
  /** The disk is short: give back all that can be. */
  readonly isThorough: boolean;
}

export interface ReclaimResult {
  /** To be put in the place of the old ones. */
  readonly rewritten: readonly RewrittenSegment[];
  /** Segments that were looked at: 0 means that there is nothing more to be had. */
  readonly lookedAt: number;
}

interface SegmentRow {
  readonly first_seq: number;
  readonly live: number;
  readonly looked_at: number;
}

/** Share of a segment's postings that has to be gone for a look. */
const LOST_MIN = { background: 1 / 2, thorough: 0 };
const SEGMENTS_PER_JOB = { background: 1, thorough: 8 };
/** Share of all postings in the runs that has to be gone for them to be merged. */
const DEAD_POSTINGS_MIN = { background: 1 / 2, thorough: 1 / 8 };
/** Free pages of 4 KiB that litz.db keeps for the next run: cut off and grown again they cost. */
const FREE_PAGES_MAX = { background: 4096, thorough: 0 };

export function runReclaim(database: SqliteDatabase, job: ReclaimJob): ReclaimResult {
  const mode = job.isThorough ? "thorough" : "background";
  const due = dueSegments(database, job, mode);
  const liveness = due.length === 0 ? undefined : readLiveness(database);
  const rewritten: RewrittenSegment[] = [];
  const noteLook = database.prepare("update segment set looked_at = ? where first_seq = ?");
  for (const { path, firstSeq, live } of due) {
    const result = rewriteSegment(path, liveness!);
    if (result !== undefined) rewritten.push(result);
    noteLook.run(Math.max(1, live), firstSeq);
  }
  compactRuns(database, job, DEAD_POSTINGS_MIN[mode]);
  shrinkDatabase(database, FREE_PAGES_MAX[mode]);
  return { rewritten, lookedAt: due.length };
}

/** Those that have lost most first. */
function dueSegments(database: SqliteDatabase, job: ReclaimJob, mode: keyof typeof LOST_MIN) {
  const rows = database.prepare("select first_seq, live, looked_at from segment").all();
  const byFirstSeq = new Map((rows as SegmentRow[]).map((row) => [row.first_seq, row]));
  return job.segments
    .flatMap((segment) => {
      const row = byFirstSeq.get(segment.firstSeq);
      // A checkpoint after the order was given has found it dead.
      if (row === undefined) return [];
      // Never looked at: then all its records may have been alive once.
      const before = row.looked_at || Math.max(row.live, segment.lastSeq - segment.firstSeq + 1);
      return { ...segment, live: row.live, lost: 1 - row.live / before };
    })
    .filter(({ lost }) => lost > 0 && lost >= LOST_MIN[mode])
    .sort((a, b) => b.lost - a.lost)
    .slice(0, SEGMENTS_PER_JOB[mode]);
}

/** Eight bytes for each shape, for as long as the job takes. */
function readLiveness(database: SqliteDatabase): Liveness {
  const count = database.prepare("select count(*) from shape").pluck().get() as number;
  const keys = new Float64Array(count);
  let index = 0;
  for (const key of database.prepare("select key from shape order by key").pluck().iterate()) {
    keys[index++] = key as number;
  }
  const row = database.prepare<[number], Buffer>("select row from shape where key = ?").pluck();
  return {
    hasShape: (key) => includesSorted(keys, key),
    hasSnapshotAt: (key, seq) => {
      const found = row.get(key);
      return found !== undefined && snapshotPlaceOf(found) === seq;
    },
  };
}

function includesSorted(numbers: Float64Array, wanted: number): boolean {
  return numbers[partitionPoint(numbers.length, (at) => numbers[at]! < wanted)] === wanted;
}

function compactRuns(database: SqliteDatabase, { voids }: ReclaimJob, deadMin: number): void {
  const postings = "select coalesce(sum(postings), 0) from run_info";
  const inRuns = database.prepare(postings).pluck().get() as number;
  const live = "select coalesce(sum(live), 0) from segment";
  const inSegments = database.prepare(live).pluck().get() as number;
  // Snapshots in the journal count as live, too: what is dead is more than this, if anything.
  if (inRuns === 0 || 1 - inSegments / inRuns <= deadMin) return;
  const ranges = new SeqRanges();
  for (const range of voids) ranges.add(range);
  const forget = database.prepare(
    "update segment set live = live - ? where first_seq = " +
      "(select max(first_seq) from segment where first_seq <= ?)",
  );
  database.transaction(() =>
    mergeAllRuns(database, ranges, (seq, shapes) => forget.run(shapes, seq)),
  )();
}

function shrinkDatabase(database: SqliteDatabase, freePagesMax: number): void {
  const free = database.pragma("freelist_count", { simple: true }) as number;
  if (free > freePagesMax) database.pragma(`incremental_vacuum(${free - freePagesMax})`);
  // Waits for readers at most; they take microseconds.
  if (freePagesMax === 0) database.pragma("wal_checkpoint(TRUNCATE)");
}
