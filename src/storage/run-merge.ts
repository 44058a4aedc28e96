/**
 * Merges the runs of a full level into one of the next, so that a lookup meets at most
 * (levels x runs per level) runs however long the journal is. Postings of shapes that are gone, and
 * those that are void, are left out: a merge is where they finally disappear. So are shared lists
 * of which no shape is left.
 *
 * Invariant: the seq ranges of runs do not overlap, and a run of a higher level lies before all
 * runs of lower ones. Merging the whole level keeps it.
 */

import { grownFloats } from "./bytes.ts";
import type { SqliteDatabase } from "./database.ts";
import { BLOCK_POSTINGS_MAX, BlockWriter, decodeBlockInto } from "./run-block.ts";
import type { RunTable } from "./run-section.ts";
import { insertInfo } from "./run-writer.ts";
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

/** Told of void seqs that go, and for how many shapes. */
export type Forget = (seq: number, shapes: number) => void;

/** Merges the lowest full level, if there is one. REQUIRES: a transaction. */
export function mergeRuns(
  database: SqliteDatabase,
  voids: SeqRanges,
  runsPerLevel: number,
  forget: Forget,
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

/** Merges all runs into one of the highest level. REQUIRES: a transaction. */
export function mergeAllRuns(database: SqliteDatabase, voids: SeqRanges, forget: Forget): void {
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
  forget: Forget,
): void {
  const target = database.prepare("select max(run) + 1 from run_info").pluck().get() as number;
  const firstSeq = rows[0]!.first_seq;
  const lastSeq = rows.at(-1)!.last_seq;
  const merge = { database, rows, target, firstSeq };
  const lists = mergeMembers(merge);
  const forgetOf = (list: number) => (seq: number) => forget(seq, lists.sizeBefore(list));
  let postings = 0;
  mergeTable(merge, "run_shared", (list, seqs, size) => {
    const kept = keepSeqs(seqs, size, voids, forgetOf(list));
    postings += kept * lists.sizeOf(list);
    return lists.sizeOf(list) === 0 ? 0 : kept;
  });
  const shapes = new KeyCursor(database);
  mergeTable(merge, "run", (key, seqs, size) => {
    const kept = keepSeqs(seqs, size, voids, (seq) => forget(seq, 1));
    const live = shapes.has(key) ? kept : 0;
    postings += live;
    return live;
  });

  for (const table of ["run", "run_member", "run_shared", "run_info"]) {
    const remove = database.prepare(`delete from ${table} where run = ?`);
    for (const { run } of rows) remove.run(run);
  }
  const info = [target, level, firstSeq, lastSeq, postings, lists.memberCount];
  if (postings > 0) insertInfo(database, info);
  else database.prepare("delete from run_member where run = ?").run(target);
}

interface Merge {
  readonly database: SqliteDatabase;
  readonly rows: readonly RunRow[];
  readonly target: number;
  readonly firstSeq: number;
}

/** How many shapes were in each list, and how many still are. */
interface ListSizes {
  readonly memberCount: number;
  sizeBefore(list: number): number;
  sizeOf(list: number): number;
}

function mergeMembers(merge: Merge): ListSizes {
  const shapes = new KeyCursor(merge.database);
  const before = new Map<number, number>();
  const after = new Map<number, number>();
  let memberCount = 0;
  mergeTable(merge, "run_member", (key, lists, size) => {
    const isLive = shapes.has(key);
    for (let index = 0; index < size; index++) {
      const list = lists[index]!;
      before.set(list, (before.get(list) ?? 0) + 1);
      if (isLive) after.set(list, (after.get(list) ?? 0) + 1);
    }
    if (!isLive) return 0;
    memberCount += size;
    return size;
  });
  return {
    memberCount,
    sizeBefore: (list) => before.get(list) ?? 0,
    sizeOf: (list) => after.get(list) ?? 0,
  };
}

/** Leaves out what is void or was there; how many stay. */
function keepSeqs(
  seqs: Float64Array,
  size: number,
  voids: SeqRanges,
  forget: (seq: number) => void,
): number {
  const hasVoids = !voids.isEmpty;
  let kept = 0;
  for (let index = 0; index < size; index++) {
    const seq = seqs[index]!;
    if (hasVoids && voids.has(seq)) forget(seq);
    // Filed twice, in parts: see the posting filer.
    else if (kept === 0 || seqs[kept - 1]! < seq) seqs[kept++] = seq;
  }
  return kept;
}

/**
 * Merges one table. `keep` is given the seqs of each key, in the order of the runs; it moves what
 * is to stay to the front and returns how many that are.
 */
function mergeTable(
  { database, rows, target, firstSeq }: Merge,
  table: RunTable,
  keep: (key: number, seqs: Float64Array, size: number) => number,
): void {
  const insert = database.prepare(`insert into ${table} values (?, ?, ?, ?)`);
  const writer = new BlockWriter(firstSeq, (key, base, blob) =>
    insert.run(target, key, base, blob),
  );
  const cursors = rows.map((row) => new RunCursor(database, table, row));
  let seqs = new Float64Array(1024);
  for (;;) {
    let key = Infinity;
    for (const cursor of cursors) if (cursor.key < key) ({ key } = cursor);
    if (key === Infinity) break;
    let size = 0;
    for (const cursor of cursors) {
      while (cursor.key === key) {
        if (size === seqs.length) seqs = grownFloats(seqs, size + 1);
        seqs[size++] = cursor.seq;
        cursor.advance();
      }
    }
    writer.add(key, seqs, 0, keep(key, seqs, size));
  }
  writer.flush();
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

  constructor(database: SqliteDatabase, table: RunTable, run: RunRow) {
    this.#run = run;
    const statement = database.prepare<[number, number, number], BlockRow>(
      `select key, base, blob from ${table} where run = ? and (key, base) > (?, ?)
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
