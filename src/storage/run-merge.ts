/**
 * Merges the runs of a full level into one of the next, so that a lookup meets at most
 * (levels x runs per level) runs however long the journal is. Postings of shapes that are gone, and
 * those that are void, are left out: a merge is where they finally disappear.
 *
 * Invariant: the seq ranges of runs do not overlap, and a run of a higher level lies before all
 * runs of lower ones. Merging the whole level keeps it.
 */

import type { SqliteDatabase } from "./database.ts";
import { BLOCK_POSTINGS_MAX, BlockWriter, decodeBlockInto } from "./run-block.ts";
import type { SeqRanges } from "./seq-ranges.ts";

interface RunRow {
  readonly run: number;
  readonly first_seq: number;
  readonly last_seq: number;
}

interface BlockRow {
  readonly key: number;
  readonly base: number;
  readonly blob: Buffer;
}

const BLOCKS_PER_FETCH = 256;
const KEYS_PER_FETCH = 10_000;

/**
 * Merges the lowest full level, if there is one. `forget` is told of void postings that go.
 * REQUIRES: a transaction.
 */
export function mergeRuns(
  database: SqliteDatabase,
  voids: SeqRanges,
  runsPerLevel: number,
  forget: (seq: number) => void,
): boolean {
  const level = database
    .prepare("select level from run_info group by level having count(*) >= ? order by level")
    .pluck()
    .get(runsPerLevel) as number | undefined;
  if (level === undefined) return false;
  const rows = database
    .prepare("select run, first_seq, last_seq from run_info where level = ? order by first_seq")
    .all(level) as RunRow[];
  mergeInto(database, rows, level + 1, voids, forget);
  return true;
}

/**
 * Merges all runs into one of the highest level. `forget` is told of void postings that go.
 * REQUIRES: a transaction.
 */
export function mergeAllRuns(
  database: SqliteDatabase,
  voids: SeqRanges,
  forget: (seq: number) => void,
): void {
  const rows = database
    .prepare("select run, first_seq, last_seq from run_info order by first_seq")
    .all() as RunRow[];
  if (rows.length === 0) return;
  const level = database.prepare("select max(level) from run_info").pluck().get() as number;
  mergeInto(database, rows, level, voids, forget);
}

/** @param rows in the order of their seqs. */
function mergeInto(
  database: SqliteDatabase,
  rows: readonly RunRow[],
  level: number,
  voids: SeqRanges,
  forget: (seq: number) => void,
): void {
  const target = database.prepare("select max(run) + 1 from run_info").pluck().get() as number;
  const firstSeq = rows[0]!.first_seq;
  const lastSeq = rows.at(-1)!.last_seq;
  const count = writeMerged(database, rows, target, firstSeq, voids, forget);

  const removeRun = database.prepare("delete from run where run = ?");
  const removeInfo = database.prepare("delete from run_info where run = ?");
  for (const { run } of rows) {
    removeRun.run(run);
    removeInfo.run(run);
  }
  if (count > 0) {
    database
      .prepare("insert into run_info values (?, ?, ?, ?, ?)")
      .run(target, level, firstSeq, lastSeq, count);
  }
}

function writeMerged(
  database: SqliteDatabase,
  rows: readonly RunRow[],
  target: number,
  firstSeq: number,
  voids: SeqRanges,
  forget: (seq: number) => void,
): number {
  const insert = database.prepare("insert into run values (?, ?, ?, ?)");
  const writer = new BlockWriter(firstSeq, (key, base, blob) =>
    insert.run(target, key, base, blob),
  );
  const hasVoids = !voids.isEmpty;
  const cursors = rows.map((row) => new RunCursor(database, row));
  const shapes = new KeyCursor(database);
  let seqs = new Float64Array(1024);
  let count = 0;
  for (;;) {
    let key = Infinity;
    for (const cursor of cursors) if (cursor.key < key) ({ key } = cursor);
    if (key === Infinity) break;
    let size = 0;
    const isLive = shapes.has(key);
    for (const cursor of cursors) {
      while (cursor.key === key) {
        const seq = cursor.seq;
        cursor.advance();
        if (hasVoids && voids.has(seq)) {
          forget(seq);
          continue;
        }
        // Filed twice, in parts: see the posting filer.
        if (!isLive || (size > 0 && seqs[size - 1]! >= seq)) continue;
        if (size === seqs.length) seqs = doubled(seqs);
        seqs[size++] = seq;
      }
    }
    writer.add(key, seqs, 0, size);
    count += size;
  }
  writer.flush();
  return count;
}

/** Walks the postings of a run in order of (key, seq). */
class RunCursor {
  readonly #run: RunRow;
  readonly #fetch: (key: number, base: number) => BlockRow[];
  #blocks: BlockRow[] = [];
  #nextBlock = 0;
  readonly #keys = new Float64Array(BLOCK_POSTINGS_MAX);
  readonly #seqs = new Float64Array(BLOCK_POSTINGS_MAX);
  #size = 0;
  #index = 0;
  /** Infinity at the end. */
  key = Infinity;

  constructor(database: SqliteDatabase, run: RunRow) {
    this.#run = run;
    const statement = database.prepare<[number, number, number], BlockRow>(
      `select key, base, blob from run where run = ? and (key, base) > (?, ?)
       order by key, base limit ${BLOCKS_PER_FETCH}`,
    );
    this.#fetch = (key, base) => statement.all(run.run, key, base);
    this.#load();
  }

  get seq(): number {
    return this.#seqs[this.#index]!;
  }

  advance(): void {
    this.#index += 1;
    if (this.#index === this.#size) this.#load();
    else this.key = this.#keys[this.#index]!;
  }

  #load(): void {
    if (this.#nextBlock === this.#blocks.length) {
      const last = this.#blocks.at(-1);
      this.#blocks = this.#fetch(last?.key ?? -1, last?.base ?? -1);
      this.#nextBlock = 0;
    }
    const block = this.#blocks[this.#nextBlock++];
    this.#index = 0;
    this.#size = 0;
    this.key = Infinity;
    if (block === undefined) return;
    const { blob, key } = block;
    this.#size = decodeBlockInto(blob, key, this.#run.first_seq, this.#keys, this.#seqs);
    this.key = this.#keys[0]!;
  }
}

/** Answers whether a shape exists, for keys that are asked in ascending order. */
class KeyCursor {
  readonly #fetch: (after: number) => number[];
  #keys: number[] = [];
  #index = 0;
  #isExhausted = false;

  constructor(database: SqliteDatabase) {
    const statement = database
      .prepare<[number], number>(
        `select key from shape where key > ? order by key limit ${KEYS_PER_FETCH}`,
      )
      .pluck();
    this.#fetch = (after) => statement.all(after);
  }

  has(key: number): boolean {
    while (!this.#isExhausted) {
      while (this.#index < this.#keys.length && this.#keys[this.#index]! < key) this.#index += 1;
      if (this.#index < this.#keys.length) return this.#keys[this.#index] === key;
      // Nothing up to `key - 1` is asked for again, so the walk may jump.
      this.#keys = this.#fetch(key - 1);
      this.#index = 0;
      this.#isExhausted = this.#keys.length === 0;
    }
    return false;
  }
}

function doubled(seqs: Float64Array): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(seqs.length * 2);
  grown.set(seqs);
  return grown;
}
