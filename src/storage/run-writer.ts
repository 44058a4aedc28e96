/**
 * Writes the postings of a checkpoint as a run: sorted by key, in blocks. What is void, what
 * belongs to a shape that this very checkpoint removes, and what was filed twice is left out.
 *
 * It is the bound on how many postings a second can be filed for long: each posting is sorted,
 * looked at and encoded here once, and merged three or four times in its life. A posting of a
 * shared list stands for one of each of its shapes.
 */

import type { SqliteDatabase } from "./database.ts";
import type { FrozenLists } from "./list-half.ts";
import { sortKeys } from "./posting-sort.ts";
import { BlockWriter } from "./run-block.ts";
import type { RunTable } from "./run-section.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { FrozenPostings } from "./storage.ts";

export interface FrozenRun extends FrozenLists {
  /** Postings of shapes. */
  readonly own: FrozenPostings;
}

export interface RunSettings {
  readonly voids: SeqRanges;
  readonly removedKeys: ReadonlySet<number>;
  /** Told of the seqs of what is kept, `seqs[start .. end)`, and for how many shapes each. */
  readonly kept: (seqs: Float64Array, start: number, end: number, shapes: number) => void;
}

interface Sorted {
  readonly keys: Float64Array;
  readonly seqs: Float64Array;
}

/** REQUIRES: a transaction. */
export function writeRun(
  database: SqliteDatabase,
  frozen: FrozenRun,
  { voids, removedKeys, kept }: RunSettings,
): void {
  const [own, members, shared] = [frozen.own, frozen.members, frozen.shared].map(sorted);
  const [first, last] = rangeOf([own!.seqs, shared!.seqs]);
  const run = nextRun(database);
  const write = (
    table: RunTable,
    { keys, seqs }: Sorted,
    keep: (key: number, start: number, end: number) => number,
  ): void => {
    const insert = database.prepare(`insert into ${table} values (?, ?, ?, ?)`);
    const writer = new BlockWriter(first, (key, base, blob) => insert.run(run, key, base, blob));
    for (let start = 0, end = 0; start < keys.length; start = end) {
      const key = keys[start]!;
      end = start + 1;
      while (end < keys.length && keys[end] === key) end += 1;
      writer.add(key, seqs, start, keep(key, start, end));
    }
    writer.flush();
  };

  let postings = 0;
  const keep = (seqs: Float64Array, start: number, end: number, shapes: number): number => {
    const target = shapes === 0 ? start : compact(seqs, start, end, voids);
    kept(seqs, start, target, shapes);
    postings += (target - start) * shapes;
    return target;
  };
  const sizes = namedLists(shared!, voids);
  write("run_member", members!, (key, start, end) =>
    removedKeys.has(key) ? start : countMembers(members!.seqs, start, end, sizes),
  );
  write("run_shared", shared!, (list, start, end) =>
    keep(shared!.seqs, start, end, sizes.get(list) ?? 0),
  );
  write("run", own!, (key, start, end) =>
    keep(own!.seqs, start, end, removedKeys.has(key) ? 0 : 1),
  );
  if (postings === 0) return;
  const memberCount = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  insertInfo(database, [run, 0, first, last, postings, memberCount]);
}

/**
 * The lists that have a posting, each with 0 for the number of its members. One that has none must
 * leave no trace: after a crash its name may be given again.
 */
function namedLists({ keys, seqs }: Sorted, voids: SeqRanges): Map<number, number> {
  const lists = new Map<number, number>();
  let previous = -1;
  for (let index = 0; index < keys.length; index++) {
    if (keys[index] === previous || (!voids.isEmpty && voids.has(seqs[index]!))) continue;
    previous = keys[index]!;
    lists.set(previous, 0);
  }
  return lists;
}

/** Counts a shape in for its lists, `lists[start .. end)`; the end of those that are kept. */
function countMembers(
  lists: Float64Array,
  start: number,
  end: number,
  sizes: Map<number, number>,
): number {
  let target = start;
  for (let index = start; index < end; index++) {
    const list = lists[index]!;
    const size = sizes.get(list);
    if (size === undefined) continue;
    sizes.set(list, size + 1);
    lists[target++] = list;
  }
  return target;
}

/** @param info run, level, first seq, last seq, postings of shapes, members of shared lists. */
export function insertInfo(database: SqliteDatabase, info: readonly number[]): void {
  database.prepare("insert into run_info values (?, ?, ?, ?, ?, ?)").run(...info);
}

function sorted({ count, base, keys: unsorted, seqs: filed }: FrozenPostings): Sorted {
  const { keys, order } = sortKeys(unsorted, count);
  const seqs = new Float64Array(count);
  for (let index = 0; index < count; index++) seqs[index] = base + filed[order[index]!]!;
  return { keys, seqs };
}

function rangeOf(columns: readonly Float64Array[]): [number, number] {
  let first = Infinity;
  let last = 0;
  for (const seqs of columns) {
    for (let index = 0; index < seqs.length; index++) {
      const seq = seqs[index]!;
      if (seq < first) first = seq;
      if (seq > last) last = seq;
    }
  }
  return [first, last];
}

/** Leaves out of `seqs[start .. end)` what is void or was there; the end of what stays. */
function compact(seqs: Float64Array, start: number, end: number, voids: SeqRanges): number {
  const hasVoids = !voids.isEmpty;
  let target = start;
  let previous = -1;
  for (let index = start; index < end; index++) {
    const seq = seqs[index]!;
    if (seq <= previous || (hasVoids && voids.has(seq))) continue;
    previous = seq;
    seqs[target++] = seq;
  }
  return target;
}

function nextRun(database: SqliteDatabase): number {
  return database.prepare("select coalesce(max(run), 0) + 1 from run_info").pluck().get() as number;
}
