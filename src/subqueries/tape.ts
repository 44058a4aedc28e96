/**
 * The tape: raw row changes of tables, kept for as long as some shape of theirs is gated because of
 * a subquery. What the changes mean for such a shape depends on where the snapshot of its rows lies
 * among them, which is known only later; then they are played to it.
 *
 *     commits   │ 41 │ 42 │ 43 │ 44 │ ...      in the order of the stream, every one
 *     items     │    │ ██ │    │ █  │          changes of a table, by the number of their commit
 *     orgs      │    │ █  │    │    │
 *                 ^ a mark is the number of the next commit: a place between two transactions
 *
 * A table's changes are kept once, however many shapes wait for them, and only while somebody
 * holds the table. What is in front of every holder's mark is forgotten.
 *
 * Invariants:
 *
 *   1. A commit on the tape is whole: changes of the transaction that is being read have the number
 *      of the commit to come, and are taken back if it does not come.
 *   2. In front of the first mark that is held stands at least one commit, the *anchor*: what is
 *      written at a mark gets its offset behind the anchor's changes.
 *   3. Whoever walks changes gets all that are kept for them when they begin, whoever lets go of
 *      others meanwhile. Nothing is recorded meanwhile.
 */

import { assert } from "../lib/assert.ts";
import { partitionPoint } from "../lib/partition-point.ts";
import type { RelationId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ViewPosition } from "../model/view.ts";
import { LeastOf } from "./least-of.ts";

/** Number of a commit; as a mark, the place in front of it. */
export type Mark = number;

export interface TapedCommit {
  lsn: Lsn;
  readonly xid: number;
  /** Of the views, when everything had been done that was done between it and the next. */
  position: ViewPosition;
  /** The first op that nothing in a log has with this LSN. Grows as moves are written behind it. */
  nextOp: number;
}

export interface TapedChange {
  readonly commit: Mark;
  readonly op: number;
  /** A message of the replication protocol, from its type on. */
  readonly message: Uint8Array;
}

/** What an object and its places in lists come to, roughly. */
const CHANGE_OVERHEAD_BYTES = 150;

interface Track {
  holderCount: number;
  changes: TapedChange[];
  bytes: number;
}

export class Tape {
  readonly #setTaped: (relation: RelationId, isTaped: boolean) => void;
  readonly #tracks = new Map<RelationId, Track>();
  /** From number `#first` on. */
  #commits: TapedCommit[] = [];
  #first: Mark = 0;
  /** From where on commits are kept for those who follow. */
  readonly #followed = new LeastOf<Mark>();
  #bytes = 0;

  /** @param setTaped asks for a relation's changes, and for no more of them. */
  constructor(setTaped: (relation: RelationId, isTaped: boolean) => void) {
    this.#setTaped = setTaped;
  }

  /** Whether every commit has to be told. */
  get isRunning(): boolean {
    return this.#tracks.size > 0 || !this.#followed.isEmpty;
  }

  /** The place behind all commits so far. */
  get mark(): Mark {
    return this.#first + this.#commits.length;
  }

  /** What is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Begins to keep a table's changes, for one more holder. REQUIRES: no transaction is being read.
   *
   * @param anchor the last commit, should the tape not have it.
   */
  hold(relation: RelationId, anchor: TapedCommit): void {
    if (this.#commits.length === 0) this.#commits.push(anchor);
    const track = this.#tracks.get(relation);
    if (track !== undefined) {
      track.holderCount += 1;
      return;
    }
    this.#tracks.set(relation, { holderCount: 1, changes: [], bytes: 0 });
    this.#setTaped(relation, true);
  }

  /** One holder less. The last one's going forgets the table's changes. */
  release(relation: RelationId): void {
    const track = this.#tracks.get(relation);
    assert(track !== undefined, "a table is released that somebody holds");
    track.holderCount -= 1;
    if (track.holderCount > 0) return;
    this.#bytes -= track.bytes;
    this.#tracks.delete(relation);
    this.#setTaped(relation, false);
    this.#forgetUnlessRunning();
  }

  /**
   * Begins to keep commits for somebody who wants no changes. REQUIRES: no transaction is being
   * read.
   *
   * @param anchor the last commit, should the tape not have it.
   * @returns from where on commits are kept.
   */
  follow(anchor: TapedCommit): Mark {
    if (this.#commits.length === 0) this.#commits.push(anchor);
    const { mark } = this;
    this.#followed.add(mark);
    return mark;
  }

  /** The same for somebody who goes back as far as others do already, and wants their changes. */
  followFrom(mark: Mark): void {
    this.#followed.add(mark);
  }

  /** @param since what `follow` returned, or `followFrom` was told. */
  unfollow(since: Mark): void {
    this.#followed.remove(since);
    this.#forgetUnlessRunning();
  }

  #forgetUnlessRunning(): void {
    if (this.isRunning) return;
    this.#first = this.mark;
    this.#commits = [];
  }

  /** A change of a table that is held, in a copy. */
  record(relation: RelationId, op: number, message: Uint8Array): void {
    const track = this.#tracks.get(relation);
    if (track === undefined) return;
    track.changes.push({ commit: this.mark, op, message: new Uint8Array(message) });
    this.#count(track, message.length + CHANGE_OVERHEAD_BYTES);
  }

  /** The transaction that was being read has committed. */
  commit(commit: TapedCommit): void {
    if (this.isRunning) this.#commits.push(commit);
  }

  /** It will be sent again. */
  rollback(): void {
    for (const track of this.#tracks.values()) {
      while (track.changes.at(-1)?.commit === this.mark) {
        this.#count(track, -track.changes.pop()!.message.length - CHANGE_OVERHEAD_BYTES);
      }
    }
  }

  /** How many transactions behind a mark changed the table. */
  transactionsSince(relation: RelationId, mark: Mark): number {
    const changes = this.#tracks.get(relation)?.changes ?? [];
    let count = 0;
    for (let index = changes.length - 1; index >= 0; index--) {
      const { commit } = changes[index]!;
      if (commit < mark) break;
      if (commit !== changes[index + 1]?.commit) count += 1;
    }
    return count;
  }

  /** Whether a commit changed the table. */
  hasChange(relation: RelationId, commit: Mark): boolean {
    const changes = this.#tracks.get(relation)?.changes ?? [];
    return changes[indexOf(changes, commit)]?.commit === commit;
  }

  /**
   * Nobody but who follows goes back in front of `needed` any more, except to its anchor.
   *
   * @param needed undefined: nobody else goes back at all.
   */
  trim(needed: Mark | undefined): void {
    const mark = Math.min(needed ?? Infinity, this.#followed.least ?? Infinity);
    const count = Math.min(mark - 1 - this.#first, this.#commits.length - 1);
    if (count <= 0) return;
    this.#commits.splice(0, count);
    this.#first += count;
    for (const relation of this.#tracks.keys()) this.forget(relation, mark);
  }

  /** Nobody who holds the table goes back in front of `mark` any more. */
  forget(relation: RelationId, mark: Mark): void {
    const track = this.#tracks.get(relation);
    if (track === undefined) return;
    const count = indexOf(track.changes, mark);
    if (count === 0) return;
    for (let index = 0; index < count; index++) {
      const { message } = track.changes[index]!;
      this.#count(track, -message.length - CHANGE_OVERHEAD_BYTES);
    }
    // Who follows may be walking the list: he goes on in the one that was there when he began.
    if (this.#followed.isEmpty) track.changes.splice(0, count);
    else track.changes = track.changes.slice(count);
  }

  /** The table of whose changes most is kept. */
  largest(): { readonly relation: RelationId; readonly bytes: number } | undefined {
    let largest: { relation: RelationId; bytes: number } | undefined;
    for (const [relation, { bytes }] of this.#tracks) {
      if (bytes > (largest?.bytes ?? 0)) largest = { relation, bytes };
    }
    return largest;
  }

  #count(track: Track, bytes: number): void {
    track.bytes += bytes;
    this.#bytes += bytes;
  }

  /** REQUIRES: the tape has it. */
  commitAt(number: Mark): TapedCommit {
    const commit = this.#commits[number - this.#first];
    assert(commit !== undefined, `commit ${number} is on the tape`);
    return commit;
  }

  /** The place behind everything that committed up to `lsn`; `from` at least. */
  markBehind(lsn: Lsn, from: Mark): Mark {
    let mark = from;
    while (mark < this.mark && this.commitAt(mark).lsn <= lsn) mark += 1;
    return mark;
  }

  /** What is written at the mark comes behind this one's changes. */
  anchorOf(mark: Mark): TapedCommit {
    return this.commitAt(mark - 1);
  }

  /** Changes of a table in commits from `from` to `to`, the latter not included. */
  *changes(relation: RelationId, from: Mark, to: Mark): Generator<TapedChange, void, void> {
    const changes = this.#tracks.get(relation)?.changes ?? [];
    for (let index = indexOf(changes, from); index < changes.length; index++) {
      const change = changes[index]!;
      if (change.commit >= to) return;
      yield change;
    }
  }
}

/** Of the first change in a commit from `mark` on. */
function indexOf(changes: readonly TapedChange[], mark: Mark): number {
  return partitionPoint(changes.length, (at) => changes[at]!.commit < mark);
}
