/**
 * A checkpoint: what is in the journal and was in memory becomes rows, in one transaction with the
 * position up to which that holds. Runs in a worker thread (`checkpoint-worker.ts`); tests may run
 * it in place.
 *
 * The job also keeps the number of live postings per segment: a posting lives while its shape does,
 * and so does a snapshot that lies in the journal. A sealed segment without any is dead.
 */

import { partitionPoint } from "../lib/partition-point.ts";
import type { CatalogChanges } from "./catalog.ts";
import type { SqliteDatabase, CheckpointPosition } from "./database.ts";
import { setMeta, writePosition, writeVoids } from "./database.ts";
import { snapshotPlaceOf } from "./catalog-row.ts";
import { encodedRows, type EncodedShapes } from "./encoded-shapes.ts";
import type { SeqRange } from "./record.ts";
import { mergeRuns } from "./run-merge.ts";
import { writeRun, type FrozenRun } from "./run-writer.ts";
import { Runs } from "./runs.ts";
import { SeqRanges } from "./seq-ranges.ts";

export interface CheckpointJob {
  readonly position: CheckpointPosition;
  readonly postings: FrozenRun;
  readonly templates: CatalogChanges["templates"];
  readonly removedTemplates: CatalogChanges["removedTemplates"];
  /** Those that are new or have changed, and those that are gone. */
  readonly shapes: EncodedShapes;
  readonly partitions: CatalogChanges["partitions"];
  readonly behind: CatalogChanges["behind"];
  readonly confirmed: CatalogChanges["confirmed"];
  readonly segments: readonly SegmentState[];
  readonly voids: readonly SeqRange[];
}

export interface SegmentState {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly isSealed: boolean;
}

export interface CheckpointResult {
  /** Segments without anything alive: their rows are gone, their files may go. */
  readonly deadSegments: readonly number[];
  readonly runCount: number;
}

/** Runs the transaction. Everything or nothing. */
export function runCheckpoint(database: SqliteDatabase, job: CheckpointJob): CheckpointResult {
  const voids = new SeqRanges();
  for (const range of job.voids) voids.add(range);
  let deadSegments: number[] = [];
  database.transaction(() => {
    const live = new LiveCounts(database, job.segments);
    writeTemplates(database, job);
    writePartitions(database, job);
    setMeta(database, "behind", job.behind);
    setMeta(database, "confirmed", job.confirmed.toString());
    writeShapes(database, job, live);
    writeRun(database, job.postings, {
      voids,
      removedKeys: new Set(job.shapes.removedKeys),
      kept: (seqs, start, end, shapes) => live.addAll(seqs, start, end, shapes),
    });
    removeShapes(database, job, voids, live);
    deadSegments = live.save(job.position.committedSeq);
    // Of a rollback that is not durable yet the journal may know nothing after a crash, and then
    // gives its seqs again.
    const { committedSeq } = job.position;
    writeVoids(
      database,
      job.voids.filter((range) => range.last < committedSeq),
    );
    writePosition(database, job.position);
  })();
  database.pragma("wal_checkpoint(PASSIVE)");
  const runCount = database.prepare("select count(*) from run_info").pluck().get() as number;
  return { deadSegments, runCount };
}

/** Merges where a level is full. Apart from the checkpoint, whose end somebody is waiting for. */
export function runMerges(
  database: SqliteDatabase,
  job: CheckpointJob,
  runsPerLevel: number,
): number {
  const voids = new SeqRanges();
  for (const range of job.voids) voids.add(range);
  database.transaction(() => {
    const live = new LiveCounts(database, job.segments);
    while (mergeRuns(database, voids, runsPerLevel, (seq, shapes) => live.add(seq, -shapes)));
    live.save(0);
  })();
  database.pragma("wal_checkpoint(PASSIVE)");
  return database.prepare("select count(*) from run_info").pluck().get() as number;
}

/** How many postings of live shapes each segment holds. */
class LiveCounts {
  readonly #database: SqliteDatabase;
  readonly #segments: readonly SegmentState[];
  readonly #counts: Float64Array;
  readonly #saved: Map<number, number>;
  #hint = 0;

  constructor(database: SqliteDatabase, segments: readonly SegmentState[]) {
    this.#database = database;
    this.#segments = segments;
    const rows = database.prepare("select first_seq, live from segment").raw().all();
    this.#saved = new Map(rows as [number, number][]);
    this.#counts = Float64Array.from(segments, ({ firstSeq }) => this.#saved.get(firstSeq) ?? 0);
  }

  add(seq: number, delta: number): void {
    const index = this.#indexOf(seq);
    if (index >= 0) this.#counts[index]! += delta;
  }

  /** Counts `seqs[start .. end)`, which ascend: nearly always of one segment. */
  addAll(seqs: Float64Array, start: number, end: number, shapes: number): void {
    for (let index = start; index < end;) {
      const segment = this.#indexOf(seqs[index]!);
      const next = this.#segments[segment + 1]?.firstSeq ?? Infinity;
      const from = index;
      while (index < end && seqs[index]! < next) index += 1;
      if (segment >= 0) this.#counts[segment]! += (index - from) * shapes;
    }
  }

  /** Writes the counts; returns the dead segments that end at or before `upTo`. */
  save(upTo: number): number[] {
    const put = this.#database.prepare(
      "insert into segment (first_seq, live) values (?, ?) " +
        "on conflict do update set live = excluded.live",
    );
    const remove = this.#database.prepare("delete from segment where first_seq = ?");
    const dead: number[] = [];
    this.#segments.forEach((segment, index) => {
      const count = this.#counts[index]!;
      if (segment.isSealed && segment.lastSeq <= upTo && count <= 0) {
        dead.push(segment.firstSeq);
        remove.run(segment.firstSeq);
      } else if (count !== this.#saved.get(segment.firstSeq)) {
        // A merge that follows the deletion of a segment must not bring its row back.
        if (upTo > 0 || this.#saved.has(segment.firstSeq)) put.run(segment.firstSeq, count);
      }
    });
    return dead;
  }

  #indexOf(seq: number): number {
    const segments = this.#segments;
    const hinted = segments[this.#hint];
    const isHinted =
      hinted !== undefined &&
      seq >= hinted.firstSeq &&
      seq < (segments[this.#hint + 1]?.firstSeq ?? Infinity);
    if (isHinted) return this.#hint;
    const last = partitionPoint(segments.length, (at) => segments[at]!.firstSeq <= seq) - 1;
    this.#hint = Math.max(0, last);
    return last;
  }
}

function writeTemplates(database: SqliteDatabase, job: CheckpointJob): void {
  const remove = database.prepare("delete from template where id = ?");
  for (const id of job.removedTemplates) remove.run(id);
  const insert = database.prepare("insert into template values (?, ?) on conflict (id) do nothing");
  for (const { id, text } of job.templates) insert.run(id, text);
}

function writePartitions(database: SqliteDatabase, { partitions }: CheckpointJob): void {
  const put = database.prepare("insert or replace into partitions values (?, ?)");
  const remove = database.prepare("delete from partitions where oid = ?");
  for (const { oid, blob } of partitions) {
    if (blob.length === 0) remove.run(oid);
    else put.run(oid, blob);
  }
}

function writeShapes(database: SqliteDatabase, job: CheckpointJob, live: LiveCounts): void {
  const get = database.prepare("select row from shape where key = ?").pluck();
  const put = database.prepare("insert or replace into shape values (?, ?)");
  for (const [key, row] of encodedRows(job.shapes)) {
    const place = placeIn(row);
    const before = get.get(key) as Buffer | undefined;
    const placeBefore = before === undefined ? 0 : placeIn(before);
    if (place !== placeBefore) live.add(place, 1);
    put.run(key, row);
  }
}

/** The seq that keeps a segment alive, 0 for none. */
function placeIn(row: Buffer): number {
  return snapshotPlaceOf(row) ?? 0;
}

function removeShapes(
  database: SqliteDatabase,
  job: CheckpointJob,
  voids: SeqRanges,
  live: LiveCounts,
): void {
  const get = database.prepare("select row from shape where key = ?").pluck();
  const remove = database.prepare("delete from shape where key = ?");
  const runs = new Runs(database, voids);
  for (const key of job.shapes.removedKeys) {
    const row = get.get(key) as Buffer | undefined;
    // Without a row it was created since the last checkpoint, and then none of its postings is in
    // a run, or it was removed by one already: nothing must be counted off twice.
    if (row === undefined) continue;
    const place = placeIn(row);
    if (place !== 0) live.add(place, -1);
    for (const seq of runs.seqsAfter(key, 0, Infinity)) live.add(seq, -1);
    remove.run(key);
  }
}
