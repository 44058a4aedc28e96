/**
 * Moves: rows that enter or leave a shape although they themselves did not change, because what a
 * subquery gives did (protocol 14.5, 14.6).
 *
 *     transitions ──> users of the view ──┬─ only move-outs: an event, at once
 *                                         └─ move-ins: gated, then in a batch with all others of
 *                                            the template
 *     batch   one query for the rows ─> its snapshot's place in the stream is reached ─>
 *             taped changes in front of it, old views │ events, rows │ changes behind it, new views
 *
 * Changes of a transaction are judged by the views as they were before it, and its moves follow.
 * While a batch is under way its shapes stay where they are; what views do meanwhile is made up for
 * in the next one, net: a value that entered and left is never spoken of.
 *
 * Invariants:
 *
 *   1. A shape that is not gated is where the views are, and these are where Postgres was at the
 *      last commit: whatever stands on a view that is behind is behind too.
 *   2. A gated shape's log is complete up to its gate's mark, with the views at its position.
 *
 * What makes a restart exact, be the process killed or not. Views are not stored, so a log is worth
 * something only together with the place at which its views were. The journal says that of every
 * shape, after each of its commits:
 *
 *     no record of the shape   its log is complete up to the journal's own position (the LSN of the
 *                              last commit in it), with the views as they were there
 *     since, position          its log is complete up to `since`, with the views as at `position`;
 *                              both are LSNs, so whoever starts can find these places again
 *
 *   3. What brings a shape up and the record of where it is then are one commit of the journal, and
 *      so are a transaction's changes and the records of the shapes that it leaves behind. That
 *      commit has the LSN of the last transaction read, since that is where the others are.
 *   4. Postgres confirms nothing from the least `position` on that a crash could find (`Holds`):
 *      a record is let go of when what replaces it is synced, and not when it is written.
 *   5. Behind a start every shape with subqueries is where the journal ended, but the journal goes
 *      on. So all of them are recorded before anything is appended.
 *
 * Hence any beginning of the journal that ends with a commit is a right state: it has for each
 * shape a log and the two places up to which that is right, and Postgres has all that follows.
 */

import { shuttingDown } from "../lib/errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { ShapeId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { BehindSince } from "../storage/storage.ts";
import { Appointments } from "./appointments.ts";
import { Batches } from "./batches.ts";
import type { Gate } from "./gates.ts";
import { Laggards, type LaggardsOptions } from "./laggards.ts";
import { MoveLimiter, type MoveLimits } from "./move-limits.ts";
import { SubsetWatches } from "./subset-watches.ts";
import { Replayer } from "./replayer.ts";
import { Restoration, type RestorationOutcome, type SeededView } from "./restoration.ts";
import { SlicedWork, type Steps } from "./sliced-work.ts";
import { placeOf } from "./snapshot-place.ts";
import { Splice } from "./splice.ts";
import type { Mark } from "./tape.ts";
import { TransitionSpread } from "./transition-spread.ts";
import { reasonOf, type ViewFailure } from "./view-failures.ts";
import { ViewSteps, type Step } from "./view-steps.ts";
import type { MoveQuery } from "./wanted-rows.ts";

export interface MovesOptions extends LaggardsOptions {
  readonly query: MoveQuery;
  /** The shape cannot be kept. The rest of a transaction being read does not reach it any more. */
  readonly remove: (id: ShapeId, why: string) => void;
  readonly limits: MoveLimits;
  readonly clock: Clock;
  /** See `SlicedWork`. */
  readonly sliceMicroseconds: number;
  /** Asks Postgres how far the stream has got, so that an idle one does not hold a batch up. */
  readonly askProgress: () => void;
  /** A gate has gone, which held back what is confirmed. */
  readonly onReleased: () => void;
  readonly logger: Logger;
}

export class Moves {
  readonly watches: SubsetWatches;
  readonly #options: MovesOptions;
  readonly #steps: ViewSteps;
  readonly #laggards: Laggards;
  readonly #limiter: MoveLimiter;
  readonly #spread: TransitionSpread;
  readonly #work: SlicedWork;
  readonly #replayer: Replayer;
  readonly #splice: Splice;
  readonly #batches: Batches;
  readonly #appointments = new Appointments();
  readonly #stop = new AbortController();
  #restoration: Restoration | undefined;
  /** Up to where logs are complete that have no record, when the process starts. */
  readonly #start: Lsn;
  /** Told when no shape is behind. */
  #idleWaiters: (() => void)[] = [];

  constructor(options: MovesOptions) {
    this.#options = options;
    const { limits, log, views } = options;
    this.#steps = new ViewSteps(views, limits.tapeBytesMax);
    const laggards = new Laggards(options, this.#steps.position, {
      fellBehind: (gate) => this.watches.fellBehind(gate),
      released: (gate) => this.watches.released(gate),
    });
    this.#laggards = laggards;
    this.#limiter = new MoveLimiter({ ...options, laggards });
    this.#spread = new TransitionSpread({ ...options, laggards });
    this.#start = laggards.lastCommit.lsn;
    const { tape } = laggards;
    this.#work = new SlicedWork({ ...options, relieved: () => log.relieved() });
    this.#replayer = new Replayer({ ...options, tape, steps: this.#steps });
    const isCurrent = (gate: Gate) => laggards.isCurrent(gate);
    this.#splice = new Splice({ replayer: this.#replayer, tape, log, isCurrent });
    this.watches = new SubsetWatches({
      ...{ ...options, laggards, appointments: this.#appointments },
      position: () => this.#steps.position,
    });
    this.#batches = new Batches({
      ...{ ...options, laggards, splice: this.#splice, rowBytesMax: limits.rowBytesMax },
      position: () => this.#steps.position,
      spliced: (gate, until, place) => this.watches.spliced(gate, until, place),
      step: (xids) => this.#stepBetween(xids),
      settled: () => {
        this.#commit();
        this.#settle();
      },
    });
  }

  /** Whether every commit has to be told: a shape is behind, or a subset is read. */
  get isFollowing(): boolean {
    return this.#laggards.tape.isRunning;
  }

  /** For metrics: shapes that are behind, batches under way, bytes kept, queries made so far. */
  get figures() {
    const { gates, tape } = this.#laggards;
    const { count: batches, queryCount: queries } = this.#batches;
    return { gated: gates.count, batches, tapeBytes: tape.bytes, queries };
  }

  /** Who is behind, and what each waits for. For whoever wants to know why. */
  describe(): readonly string[] {
    const { gates, tape } = this.#laggards;
    return [...gates.all()].map((gate) => {
      const { id, template, state, since, position, isInBatch } = gate;
      const waits = gates.isAboveLaggard(gate) ? "for views" : isInBatch ? "for rows" : "";
      const place = `since ${since} of ${tape.mark} at ${position}`;
      return `${id} of ${template}: ${state} ${waits} ${place}`;
    });
  }

  /** Up to where Postgres may forget; undefined: everything. */
  get lowestHeld(): Lsn | undefined {
    return this.#laggards.lowestHeld;
  }

  /** Up to where the log of a shape is complete and durable; undefined: wherever the stream is. */
  heldOf(id: ShapeId): Lsn | undefined {
    return this.#laggards.heldOf(id);
  }

  // --- The stream --------------------------------------------------------------------------------

  /** A delta body of the core. Valid during the call only. */
  takeDelta(body: Uint8Array, views: readonly ShapeId[]): void {
    const { projection } = this.#laggards.templateOf(views[0]!).template;
    this.#steps.take(body, projection!.length, views);
  }

  /**
   * A transaction has ended.
   *
   * @param nextOp the first op that none of its changes has.
   * @returns whether something was appended to logs.
   */
  committed(lsn: Lsn, xid: number, nextOp: number): boolean {
    const laggards = this.#laggards;
    if (lsn <= laggards.lastCommit.lsn) return false;
    const step = this.#step([xid], false);
    laggards.commit({ lsn, xid, position: this.#steps.position, nextOp });
    const hasAppended = step !== undefined && this.#spread.tell(step, [xid]);
    this.#limiter.enforce();
    return hasAppended;
  }

  /** Brings up whom the transaction has left behind, once it is committed to storage. */
  catchUp(): void {
    if (this.#laggards.gates.count > 0) this.#work.do(this.#batches.start());
  }

  /** The transaction being read will be sent again. */
  rolledBack(): void {
    this.#steps.rollback();
    this.#laggards.tape.rollback();
  }

  /** No transaction is being read, and every one that committed up to here has been seen. */
  progressed(received: Lsn): void {
    this.#work.do(this.#progress(received));
  }

  *#progress(received: Lsn): Steps {
    yield* this.#batches.reached(received);
    this.#appointments.reached(received);
    const { log, onReleased } = this.#options;
    this.#laggards.holds.seal(() => log.flushed(), onReleased);
  }

  /**
   * What was begun at the last boundary and has to be done before anything else is; see
   * `SlicedWork`.
   */
  get unfinished(): Promise<void> | undefined {
    return this.#work.unfinished;
  }

  get isBusy(): boolean {
    return this.unfinished !== undefined;
  }

  // --- Shapes that come and go -------------------------------------------------------------------

  /**
   * Keeps a new shape behind until it is placed. REQUIRES: a boundary; the shape is routed to.
   */
  begin(id: ShapeId): void {
    const laggards = this.#laggards;
    const gate = laggards.add(id, "placing", this.#steps.position);
    // Wherever it will be placed, that is not in front of here.
    laggards.hold(gate, laggards.lastCommit.lsn);
  }

  /**
   * Keeps a stored shape, or a view of one, behind until `restore`.
   *
   * @param bounds of the shape's snapshot, if it may lie behind where the log ends.
   * @param behind if the log is not complete up to where the journal ends.
   */
  beginRestored(id: ShapeId, bounds?: SnapshotBounds, behind?: BehindSince): void {
    const laggards = this.#laggards;
    const gate = laggards.add(id, "restored", this.#steps.position);
    gate.bounds = bounds;
    gate.behind = behind ?? { since: this.#start, position: this.#start };
    gate.held = gate.behind.position;
    // The stream begins with what the furthest behind has not had.
    if (gate.held < laggards.lastCommit.lsn) laggards.lastCommit.lsn = gate.held;
  }

  /**
   * Notes where the restored shapes are, for from now on the journal goes on without them. To be
   * called once, before anything is appended.
   */
  recordRestored(): void {
    const laggards = this.#laggards;
    if (laggards.gates.count === 0) return;
    const start = this.#start;
    const atStart = [...laggards.gates.all()].filter(({ behind }) => {
      return behind?.since === start && behind.position === start;
    });
    laggards.record(atStart, { since: start, position: start });
    this.#options.log.commitMoved(start);
  }

  /**
   * Resolves with the place of a view's snapshot as soon as the stream has got there. Undefined:
   * there is no clear place, or the stream does not get there: the snapshot has to be taken again.
   */
  whenReached(view: ShapeId, bounds: SnapshotBounds): Promise<Mark | undefined> {
    const placeOf = () => this.#placeOf(view, bounds);
    return this.#whenReached(bounds.lsn, function* () {
      yield;
      return placeOf();
    });
  }

  /**
   * Places a shape as soon as the stream has got to where its snapshot lies. Resolves with whether
   * it has a place; otherwise as `whenReached`.
   */
  async placeWhenReached(id: ShapeId, bounds: SnapshotBounds): Promise<boolean> {
    const isPlaced = await this.#whenReached(bounds.lsn, () => this.#placeAt(id, bounds));
    return isPlaced === true;
  }

  /** Whoever waits holds a connection that the stream may be waiting for: not for ever. */
  #whenReached<Result>(lsn: Lsn, act: () => Steps<Result>): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        resolve(undefined);
      }, REACHING_MS_MAX);
      const begin = function* (): Steps<Result | undefined> {
        clearTimeout(timer);
        return isLate ? undefined : yield* act();
      };
      const reached = this.#appointments.when(lsn, () => this.#work.run(begin()));
      reached.then(resolve, reject).finally(() => clearTimeout(timer));
      this.#options.askProgress();
    });
  }

  *#placeAt(id: ShapeId, bounds: SnapshotBounds): Steps<boolean> {
    const mark = this.#placeOf(id, bounds);
    if (mark !== undefined) yield* this.#place(id, mark);
    return mark !== undefined;
  }

  /**
   * The shape's snapshot lies at this place. The stream may be beyond it: the shape has been behind
   * since before. Resolves when it has what followed. REQUIRES: a boundary.
   */
  place(id: ShapeId, mark: Mark): Promise<void> {
    return this.#work.run(this.#place(id, mark));
  }

  *#place(id: ShapeId, mark: Mark): Steps {
    const laggards = this.#laggards;
    const gate = laggards.gates.get(id);
    if (gate === undefined) return;
    const { lsn, position } = laggards.tape.anchorOf(mark);
    gate.since = mark;
    gate.position = position;
    gate.state = "moving";
    laggards.hold(gate, lsn);
    if (laggards.isUpToDate(gate, position)) yield* this.#playRest(gate);
    else laggards.record([gate], { since: lsn, position: lsn });
    this.#commit();
    this.#settle();
  }

  /**
   * Makes restored views what they are, once the stream has got to where their seeds lie, and has
   * the shapes catch up that use them. Resolves with the views that have to be seeded again.
   *
   * @throws {LitzError} POSTGRES_*: to be called again, with new seeds.
   */
  async restore(seeds: readonly SeededView[]): Promise<readonly ShapeId[]> {
    const restoration = this.#restorationOf();
    let lsn = seeds.reduce((highest, { bounds }) => maxLsn(highest, bounds.lsn), LSN_ZERO);
    while (true) {
      const attempt = () => this.#work.run(this.#attempt(restoration, seeds));
      const attempted = this.#appointments.when(lsn, attempt);
      this.#options.askProgress();
      const outcome = await attempted;
      if (outcome.is === "done") return [];
      if (outcome.is === "unclear") return outcome.views;
      lsn = await restoration.fetch(outcome.moved);
    }
  }

  *#attempt(restoration: Restoration, seeds: readonly SeededView[]): Steps<RestorationOutcome> {
    const outcome = yield* restoration.attempt(seeds);
    if (outcome.is === "done") this.#settle();
    return outcome;
  }

  #restorationOf(): Restoration {
    const { limits, query, remove, router, views } = this.#options;
    const parts = { laggards: this.#laggards, replayer: this.#replayer, steps: this.#steps };
    const reading = { query, rowBytesMax: limits.rowBytesMax, signal: this.#stop.signal };
    const giveUp = (view: ShapeId, failure: ViewFailure) => this.#giveUp(view, failure);
    this.#restoration ??= new Restoration({ ...parts, ...reading, router, views, remove, giveUp });
    return this.#restoration;
  }

  /** The shape is being removed. */
  removed(id: ShapeId): void {
    const laggards = this.#laggards;
    const gate = laggards.gates.get(id);
    if (gate !== undefined) {
      laggards.release(gate);
      this.#batches.left(gate);
    }
    this.#steps.forget(id);
    laggards.transitions.forget(id);
    if (gate !== undefined) laggards.trim();
  }

  /** Resolves when no shape is behind. */
  async settled(): Promise<void> {
    if (this.#laggards.gates.count === 0) return;
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Gives up every query; nothing is fetched any more. */
  close(): void {
    this.#stop.abort(shuttingDown());
    this.#appointments.cancelAll(shuttingDown());
    this.watches.close(shuttingDown());
    this.#batches.close();
  }

  /** Leaves what is unfinished to the next start. REQUIRES: the stream is followed no more. */
  abandon(): void {
    if (this.#work.stop()) this.#options.log.forgetAppended();
  }

  // --- From transitions to moves -----------------------------------------------------------------

  /** Applies what was gathered. Undefined: nothing was. */
  #step(xids: readonly number[], isLate: boolean): Step | undefined {
    if (this.#steps.isEmpty) return undefined;
    const laggards = this.#laggards;
    // Shapes that fall behind now are still where the views were before.
    laggards.keepHistory(this.#steps.position);
    const step = this.#steps.apply();
    laggards.note(step.position, xids, step.transitions, isLate);
    for (const [view, failure] of step.failed) this.#giveUp(view, failure);
    return step;
  }

  /** What a view has is not what its subquery gives: it goes, and who stands on it. */
  #giveUp(view: ShapeId, failure: ViewFailure): void {
    const { logger, remove, router } = this.#options;
    if (!router.isRouted(view)) return;
    const why = reasonOf(failure);
    const { schema, name } = this.#laggards.templateOf(view).relation.table;
    if (failure === "uncounted") logger.error({ schema, table: name }, why);
    remove(view, why);
  }

  /**
   * The same between two transactions: a view was brought up. Nobody has to be told, for whoever
   * stands on it is behind, and looks for itself what has changed.
   */
  #stepBetween(xids: readonly number[]): void {
    this.#step(xids, true);
    this.#laggards.lastCommit.position = this.#steps.position;
  }

  // --- Catching up -------------------------------------------------------------------------------

  /** Undefined: there is no clear place, or a view that the shape stands on was behind there. */
  #placeOf(id: ShapeId, bounds: SnapshotBounds): Mark | undefined {
    const { gates, tape } = this.#laggards;
    const gate = gates.get(id);
    if (gate === undefined) return undefined;
    const mark = placeOf(bounds, gate.since, tape, this.#options.router);
    if (mark === undefined || mark < this.#laggards.restoredAt) return undefined;
    return this.#laggards.standsFirm(id, tape.anchorOf(mark).position) ? mark : undefined;
  }

  /** What the shape has missed is judged by views that have not changed meanwhile. */
  *#playRest(gate: Gate): Steps {
    const laggards = this.#laggards;
    const { since } = gate;
    // It may go between two slices, and would have the tape trimmed.
    laggards.tape.followFrom(since);
    try {
      yield* this.#splice.playRest(laggards.templateOf(gate.id), gate, this.#steps.position);
    } finally {
      laggards.unfollow(since);
    }
    this.#stepBetween([]);
    laggards.release(gate);
  }

  #commit(): void {
    this.#options.log.commitMoved(this.#laggards.lastCommit.lsn);
  }

  /** After gates have gone or moved on. */
  #settle(): void {
    this.#laggards.trim();
    this.catchUp();
    this.#options.onReleased();
    if (this.#laggards.gates.count > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** For which a snapshot's connection is held while the stream gets to where the snapshot lies. */
const REACHING_MS_MAX = 10_000;
