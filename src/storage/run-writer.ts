/**
 * Writes the postings of a checkpoint as a run: sorted by key, in blocks. What is void, what
 * belongs to a shape that this very checkpoint removes, and what was filed twice is left out.
 *
 * It is the bound on how many postings a second can be filed for long: each posting is sorted,
 * looked at and encoded here once, and merged three or four times in its life.
 */

import type { SqliteDatabase } from "./database.ts";
import { sortKeys } from "./posting-sort.ts";
import { BlockWriter } from "./run-block.ts";
import type { SeqRanges } from "./seq-ranges.ts";

export interface FrozenPostings {
  readonly count: number;
  readonly base: number;
  readonly keys: Float64Array;
  /** Relative to the base. In the order of filing. */
  readonly seqs: Uint32Array;
}

export interface RunSettings {
  readonly voids: SeqRanges;
  readonly removedKeys: ReadonlySet<number>;
  /** Told of the seqs of what is kept, `seqs[start .. end)`. */
  readonly kept: (seqs: Float64Array, start: number, end: number) => void;
}

/** REQUIRES: a transaction. */
export function writeRun(
  database: SqliteDatabase,
  { count, base, keys: unsorted, seqs: filed }: FrozenPostings,
  { voids, removedKeys, kept }: RunSettings,
): void {
  if (count === 0) return;
  const { keys, order } = sortKeys(unsorted, count);
  let first = Infinity;
  let last = 0;
  const seqs = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const seq = base + filed[order[index]!]!;
    seqs[index] = seq;
    if (seq < first) first = seq;
    if (seq > last) last = seq;
  }
  const run = nextRun(database);
  const insert = database.prepare("insert into run values (?, ?, ?, ?)");
  const writer = new BlockWriter(first, (key, start, blob) => insert.run(run, key, start, blob));
  let keptCount = 0;
  for (let start = 0; start < count;) {
    const key = keys[start]!;
    let end = start + 1;
    while (end < count && keys[end] === key) end += 1;
    if (!removedKeys.has(key)) {
      const target = compact(seqs, start, end, voids);
      kept(seqs, start, target);
      writer.add(key, seqs, start, target);
      keptCount += target - start;
    }
    start = end;
  }
  writer.flush();
  if (keptCount === 0) return;
  database.prepare("insert into run_info values (?, 0, ?, ?, ?)").run(run, first, last, keptCount);
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
