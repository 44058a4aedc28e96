/**
 * Looks up a shape's postings in the runs: its own, and those of the lists that it is in. Used by
 * the event loop for readers and by the checkpoint to see what a removed shape leaves behind.
 *
 * A lookup is one read transaction, because a merge replaces runs by another one: the list of runs
 * and the blocks have to be of the same moment. It costs about 6 us a run, and as much again for
 * each list that is looked into. A merged run may name a thousand lists of a shape, of which most
 * end too early to matter: names ascend, of `listsPerShape + 1` in a row the last is of a later
 * checkpoint than the first, and whatever the first has lies in front of that.
 */

import type { SqliteDatabase } from "./database.ts";
import { RunSection, type RunInfo } from "./run-section.ts";
import type { SeqRanges } from "./seq-ranges.ts";

export class Runs {
  readonly #inTransaction: <T>(lookup: () => T) => T;
  readonly #infos: () => RunInfo[];
  readonly #own: RunSection;
  readonly #members: RunSection;
  readonly #shared: RunSection;
  readonly #listsPerShape: number;

  /** @param listsPerShape of one checkpoint, at most; Infinity: all lists are looked into. */
  constructor(database: SqliteDatabase, voids: SeqRanges, listsPerShape = Infinity) {
    this.#listsPerShape = listsPerShape;
    const infos = database.prepare<[], RunInfo>(
      "select run, first_seq, last_seq, members from run_info order by first_seq",
    );
    this.#infos = () => infos.all();
    this.#own = new RunSection(database, "run", voids);
    // A list keeps its name, even where the body that it is named by was taken back.
    this.#members = new RunSection(database, "run_member");
    this.#shared = new RunSection(database, "run_shared", voids);
    const run = database.transaction((lookup: () => unknown) => lookup());
    this.#inTransaction = <T>(lookup: () => T) =>
      database.inTransaction ? lookup() : (run(lookup) as T);
  }

  /** The seqs of `key` greater than `after`, ascending; at least `limit` of them if there are. */
  seqsAfter(key: number, after: number, limit: number): number[] {
    return this.#inTransaction(() => {
      const seqs: number[] = [];
      for (const info of this.#infos()) {
        if (seqs.length >= limit) break;
        const last = Math.max(after, seqs.at(-1) ?? 0);
        if (info.last_seq <= last) continue;
        for (const seq of this.#seqsIn(info, key, last, limit)) seqs.push(seq);
      }
      return seqs;
    });
  }

  /** The last seq of `key` that is at most `upTo`, or 0. */
  lastSeq(key: number, upTo: number): number {
    return this.#inTransaction(() => {
      for (const info of this.#infos().reverse()) {
        if (info.first_seq > upTo) continue;
        let last = this.#own.lastSeq(info, key, upTo);
        const lists = this.#listsIn(info, key);
        for (let index = lists.length - 1; index >= 0; index--) {
          if (lists[index + this.#listsPerShape]! <= last) break;
          last = Math.max(last, this.#shared.lastSeq(info, lists[index]!, upTo));
        }
        if (last !== 0) return last;
      }
      return 0;
    });
  }

  #seqsIn(info: RunInfo, key: number, after: number, limit: number): number[] {
    const own = this.#own.seqsAfter(info, key, after, limit);
    const all = this.#listsIn(info, key);
    const lists = all.filter((_, index) => !(all[index + this.#listsPerShape]! <= after));
    if (lists.length === 0) return own;
    const shared = lists.map((list) => this.#shared.seqsAfter(info, list, after, limit));
    const parts = [own, ...shared].filter((part) => part.length > 0);
    if (parts.length < 2) return parts[0] ?? [];
    // Where one may go on, nothing behind its end is known to be next.
    const cut = parts.filter((part) => part.length >= limit).map((part) => part.at(-1)!);
    const horizon = Math.min(...cut, Infinity);
    const seqs = Float64Array.from(parts.flat().filter((seq) => seq <= horizon)).sort();
    return Array.from(seqs.filter((seq, index) => seq !== seqs[index - 1]));
  }

  /** Names of the lists that a shape is in. */
  #listsIn(info: RunInfo, key: number): number[] {
    return info.members === 0 ? [] : this.#members.seqsAfter(info, key, -1, Infinity);
  }
}
