/**
 * The acknowledging path: what is appended in one turn of the loop becomes one frame, and while it
 * is being written and synced the next one is gathered. The slower the disk, the larger the groups.
 *
 *     append ──> open frame ──> full frames ──> write + sync ──> settle ──> durable
 *                    └── cut at the last commit ──┘
 *
 * Invariants:
 *
 *   1. Frames are written, settled and announced in the order of their seqs, one group at a time.
 *   2. `durableSeq` is the end of a transaction: it moves when a frame that ends on a commit has
 *      been synced and all postings up to it are filed.
 *   3. After a failure nothing is written any more, and everybody who waits is told.
 */

import { assert } from "../lib/assert.ts";
import { asError } from "../lib/errors.ts";
import { nextTurn } from "../lib/next-turn.ts";
import type { Lsn } from "../model/lsn.ts";
import { StoreFailed } from "./errors.ts";
import { FrameBuilder } from "./frame-builder.ts";
import type { CatalogChange } from "./catalog-change.ts";
import type { Journal } from "./journal.ts";
import { BODY_SIZE_MAX, type StoreLimits } from "./limits.ts";
import type { BodyKind, RecordKind, SeqRange } from "./record.ts";

/** Frames of one write: more would only delay the first one's readers. */
const FRAMES_PER_WRITE = 8;
/** Builders that are kept for reuse: one gathers, one is written, one waits. */
const SPARE_BUILDERS = 3;

export interface GroupCommitOptions {
  readonly journal: Journal;
  readonly limits: StoreLimits;
  readonly lastSeq: number;
  readonly position: Lsn;
  /** Makes a synced frame's content known: postings, catalog. In order, one at a time. */
  readonly settle: (frame: FrameBuilder, writtenBytes: number) => Promise<void>;
  /** A transaction's end has been settled: `durableSeq` and `position` have moved. */
  readonly announce: (position: Lsn) => void;
  readonly failed: (error: Error) => void;
}

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #builder = new FrameBuilder();
  readonly #spare: FrameBuilder[] = [];
  #full: FrameBuilder[] = [];
  /** Whether the builder holds a commit that nobody has written. */
  #isDirty = false;
  /** The first seq after the last commit, where a rollback would begin. */
  #openFirstSeq: number;
  #hasOpenChanges = false;

  #pendingBytes = 0;
  /** Of frames that are cut. */
  #cutPairs = 0;
  readonly #relieved: (() => void)[] = [];

  #durableSeq: number;
  #position: Lsn;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #failure: StoreFailed | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#durableSeq = options.lastSeq;
    this.#position = options.position;
    this.#openFirstSeq = options.lastSeq + 1;
    this.#builder.begin(options.lastSeq + 1, options.position);
  }

  get durableSeq(): number {
    return this.#durableSeq;
  }
  get position(): Lsn {
    return this.#position;
  }
  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  get pendingPairs(): number {
    return this.#cutPairs + this.#builder.pairCount;
  }
  get isCongested(): boolean {
    const { pendingBytes, pendingPairs } = this.#options.limits;
    return this.#pendingBytes > pendingBytes || this.pendingPairs > pendingPairs;
  }

  append(
    lsn: Lsn,
    op: number,
    body: Uint8Array,
    keys: Float64Array,
    slots: Uint32Array,
    count: number,
    kind: BodyKind,
  ): number {
    this.throwIfFailed();
    if (body.length > BODY_SIZE_MAX) {
      throw new RangeError(`a body has at most ${BODY_SIZE_MAX} bytes, got ${body.length}`);
    }
    const { frameBytes, framePairs } = this.#options.limits;
    const isFull =
      this.#builder.recordBytes + body.length > frameBytes ||
      this.#builder.pairCount + count > framePairs;
    if (isFull) this.#cut();
    const bytesBefore = this.#builder.recordBytes;
    const seq = this.#builder.addChange(lsn, op, body, keys, slots, count, kind);
    this.#pendingBytes += this.#builder.recordBytes - bytesBefore;
    this.#hasOpenChanges = true;
    // A caller that waits for relief may not come to the commit: what is open must go as it is.
    if (this.isCongested) this.#cut();
    return seq;
  }

  /** Adds a record about shapes. Outside of a transaction it is a commit by itself. */
  record(kind: RecordKind, op: number, lsn: Lsn, payload: Uint8Array): number {
    const seq = this.#add(kind, op, lsn, payload);
    if (!this.#hasOpenChanges) this.#markCommitted(this.#builder.lastCommitLsn);
    return seq;
  }

  /** Adds a record that takes effect with the commit to come and whatever else belongs to it. */
  recordWithCommit(kind: RecordKind, op: number, lsn: Lsn, payload: Uint8Array): number {
    this.#hasOpenChanges = true;
    return this.#add(kind, op, lsn, payload);
  }

  #add(kind: RecordKind, op: number, lsn: Lsn, payload: Uint8Array): number {
    this.throwIfFailed();
    if (this.#builder.recordBytes + payload.length > this.#options.limits.frameBytes) this.#cut();
    const bytesBefore = this.#builder.recordBytes;
    const seq = this.#builder.addControl(kind, op, lsn, payload);
    this.#pendingBytes += this.#builder.recordBytes - bytesBefore;
    return seq;
  }

  /** What the catalog shall do once the record just added is durable. */
  attach(seq: number, change: CatalogChange): void {
    this.#builder.attach(seq, change);
  }

  commit(lsn: Lsn): void {
    this.throwIfFailed();
    this.#hasOpenChanges = false;
    this.#markCommitted(lsn);
  }

  /** Ends the open transaction as if it had had no changes; returns the seqs they had taken. */
  rollback(kind: RecordKind, encode: (range: SeqRange) => Uint8Array): SeqRange | undefined {
    if (!this.#hasOpenChanges) return undefined;
    const range = { first: this.#openFirstSeq, last: this.#builder.nextSeq - 1 };
    this.record(kind, 0, 0n as Lsn, encode(range));
    this.#hasOpenChanges = false;
    this.#markCommitted(this.#builder.lastCommitLsn);
    return range;
  }

  /** Resolves when `seq` is durable. */
  durable(seq: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (seq <= this.#durableSeq) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ seq, resolve, reject }));
  }

  /** Resolves when the last commit is durable. */
  flushed(): Promise<void> {
    return this.durable(this.#openFirstSeq - 1);
  }

  relieved(): Promise<void> {
    if (!this.isCongested || this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#relieved.push(resolve));
  }

  /** Returns when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Stops for good. Only the first call has an effect. */
  fail(thrown: unknown): void {
    if (this.#failure !== undefined) return;
    const failure = new StoreFailed(asError(thrown));
    this.#failure = failure;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(failure);
    this.#relieve();
    this.#options.failed(failure);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #markCommitted(lsn: Lsn): void {
    this.#builder.markCommitted(lsn);
    this.#openFirstSeq = this.#builder.nextSeq;
    this.#isDirty = true;
    this.#schedule();
  }

  /** Puts the builder aside as a full frame: up to its last commit, if it has one. */
  #cut(): void {
    const builder = this.#builder;
    if (builder.count === 0 && !this.#isDirty) return;
    const next = this.#spare.pop() ?? new FrameBuilder();
    if (builder.committedCount > 0 || this.#isDirty) builder.moveOpenTo(next);
    else next.begin(builder.nextSeq, builder.lastCommitLsn);
    this.#cutPairs += builder.pairCount;
    this.#full.push(builder);
    this.#builder = next;
    this.#isDirty = false;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#failure !== undefined) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // Not at once: what the rest of this turn appends goes with it.
    await nextTurn();
    try {
      for (let group = this.#take(); group.length > 0; group = this.#take()) {
        const written = await this.#options.journal.write(group);
        for (const frame of group) await this.#settle(frame, written / group.length);
      }
    } catch (error) {
      this.fail(error);
    }
    this.#running = undefined;
  }

  #take(): FrameBuilder[] {
    if (this.#failure !== undefined) return [];
    if (this.#full.length === 0 && this.#isDirty) this.#cut();
    const group = this.#full.slice(0, FRAMES_PER_WRITE);
    this.#full = this.#full.slice(FRAMES_PER_WRITE);
    return group;
  }

  async #settle(frame: FrameBuilder, writtenBytes: number): Promise<void> {
    await this.#options.settle(frame, writtenBytes);
    this.#pendingBytes -= frame.recordBytes;
    this.#cutPairs -= frame.pairCount;
    if (frame.isCommitted) {
      assert(frame.nextSeq > this.#durableSeq, "what is durable only grows");
      this.#durableSeq = frame.nextSeq - 1;
      this.#position = frame.lastCommitLsn;
      this.#options.announce(this.#position);
      this.#resolveWaiters();
    }
    if (!this.isCongested) this.#relieve();
    frame.clear(this.#options.limits.frameBytes);
    if (this.#spare.length < SPARE_BUILDERS) this.#spare.push(frame);
  }

  #resolveWaiters(): void {
    // Seqs were taken in order, but somebody may ask for an older one later.
    const waiting: Waiter[] = [];
    const done: Waiter[] = [];
    for (const waiter of this.#waiters) {
      (waiter.seq <= this.#durableSeq ? done : waiting).push(waiter);
    }
    this.#waiters = waiting;
    for (const waiter of done) waiter.resolve();
  }

  #relieve(): void {
    for (const resolve of this.#relieved.splice(0)) resolve();
  }
}
