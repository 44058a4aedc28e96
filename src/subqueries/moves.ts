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
import type { Logger } from "../lib/logger.ts";
import type { ShapeId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { previousViewPosition, type ViewPosition } from "../model/view.ts";
import type { BehindSince } from "../storage/storage.ts";
import { Appointments } from "./appointments.ts";
import { Batches, INEXPRESSIBLE } from "./batches.ts";
import { EventGroups } from "./event-groups.ts";
import { moveEvents } from "./events.ts";
import type { Gate } from "./gates.ts";
import { Laggards, type LaggardsOptions } from "./laggards.ts";
import { MoveLimiter, type MoveLimits } from "./move-limits.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import { Pages } from "./pages.ts";
import { Replayer } from "./replayer.ts";
import { Restoration, type SeededView } from "./restoration.ts";
import { movesOf, type ShapeMoves } from "./shape-moves.ts";
import { placeOf } from "./snapshot-place.ts";
import { Splice } from "./splice.ts";
import type { Mark } from "./tape.ts";
import { netOfStep, type NetTransition } from "./transition-log.ts";
import { reasonOf, type ViewFailure } from "./view-failures.ts";
import { ViewSteps, type Step } from "./view-steps.ts";
import type { MoveQuery } from "./wanted-rows.ts";

export interface MovesOptions extends LaggardsOptions {
  readonly query: MoveQuery;
  /** The shape cannot be kept. The rest of a transaction being read does not reach it any more. */
  readonly remove: (id: ShapeId, why: string) => void;
  readonly limits: MoveLimits;
  /** Asks Postgres how far the stream has got, so that an idle one does not hold a batch up. */
  readonly askProgress: () => void;
  /** A gate has gone, which held back what is confirmed. */
  readonly onReleased: () => void;
  readonly logger: Logger;
}

export class Moves {
  readonly pages: Pages;
  readonly #options: MovesOptions;
  readonly #steps: ViewSteps;
  readonly #laggards: Laggards;
  readonly #limiter: MoveLimiter;
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
    const { limits, log, router, views } = options;
    this.#steps = new ViewSteps(views, limits.tapeBytesMax);
    const laggards = new Laggards(options, this.#steps.position);
    this.#laggards = laggards;
    this.#limiter = new MoveLimiter({ ...options, laggards });
    this.#start = laggards.lastCommit.lsn;
    this.#replayer = new Replayer(router, laggards.tape, this.#steps, log);
    const isCurrent = (gate: Gate) => laggards.isCurrent(gate);
    this.#splice = new Splice({ replayer: this.#replayer, tape: laggards.tape, log, isCurrent });
    this.pages = new Pages({
      ...{ ...options, laggards, appointments: this.#appointments },
      position: () => this.#steps.position,
    });
    this.#batches = new Batches({
      ...{ ...options, laggards, splice: this.#splice, rowBytesMax: limits.rowBytesMax },
      position: () => this.#steps.position,
      spliced: (gate, until, place) => this.pages.spliced(gate, until, place),
      step: (xids) => this.#stepBetween(xids),
      settled: () => {
        this.#commit();
        this.#settle();
      },
    });
  }

  /** Whether every commit has to be told: a shape is behind, or a page is taken. */
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
    const hasAppended = step !== undefined && this.#spread(step, [xid]);
    this.#limiter.enforce();
    this.#batches.start();
    return hasAppended;
  }

  /** The transaction being read will be sent again. */
  rolledBack(): void {
    this.#steps.rollback();
    this.#laggards.tape.rollback();
  }

  /** No transaction is being read, and every one that committed up to here has been seen. */
  progressed(received: Lsn): void {
    this.#batches.reached(received);
    this.#appointments.reached(received);
    const { log, onReleased } = this.#options;
    this.#laggards.holds.seal(() => log.flushed(), onReleased);
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
   * Calls `act` with the place of a snapshot as soon as the stream has got there, at a boundary.
   * Resolves with false if there is no clear place, or the stream does not get there: the snapshot
   * has to be taken again. Whoever waits holds a connection that the stream may be waiting for.
   */
  async whenReached(
    id: ShapeId,
    bounds: SnapshotBounds,
    act: (mark: Mark) => void,
  ): Promise<boolean> {
    let isOver = false;
    const reached = this.#appointments.when(bounds.lsn, () => {
      const mark = isOver ? undefined : this.#placeOf(id, bounds);
      if (mark !== undefined) act(mark);
      return mark !== undefined;
    });
    this.#options.askProgress();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        isOver = true;
        resolve(false);
      }, REACHING_MS_MAX);
    });
    return Promise.race([reached, late]).finally(() => clearTimeout(timer));
  }

  /**
   * The shape's rows, or a view's values, are those of this place: it gets what follows. The stream
   * may be beyond it: the shape has been behind since before the place. REQUIRES: a boundary.
   */
  place(id: ShapeId, mark: Mark): void {
    const laggards = this.#laggards;
    const gate = laggards.gates.get(id);
    if (gate === undefined) return;
    const { lsn, position } = laggards.tape.anchorOf(mark);
    gate.since = mark;
    gate.position = position;
    gate.state = "moving";
    laggards.hold(gate, lsn);
    if (laggards.isUpToDate(gate)) this.#catchUp(gate);
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
      const attempted = this.#appointments.when(lsn, () => {
        const outcome = restoration.attempt(seeds);
        if (outcome.is === "done") this.#settle();
        return outcome;
      });
      this.#options.askProgress();
      const outcome = await attempted;
      if (outcome.is === "done") return [];
      if (outcome.is === "unclear") return outcome.views;
      lsn = await restoration.fetch(outcome.moved);
    }
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

  /** Gives up every query; nothing is begun any more. */
  close(): void {
    this.#stop.abort(shuttingDown());
    this.#appointments.cancelAll(shuttingDown());
    this.pages.close(shuttingDown());
    this.#batches.close();
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

  /** Tells the shapes that use the views. Returns whether something was appended. */
  #spread({ transitions, position }: Step, xids: readonly number[]): boolean {
    const laggards = this.#laggards;
    const { router } = this.#options;
    const changed = netOfStep(transitions, xids);
    const groups = new EventGroups();
    const behind: Gate[] = [];
    const users = [...laggards.usersOf(changed.keys())];
    // Views first: whatever stands on one that falls behind falls behind with it.
    for (const areViews of [true, false]) {
      for (const id of users) {
        if (laggards.gates.has(id) || !router.isRouted(id)) continue;
        const template = laggards.templateOf(id);
        if (isView(template) !== areViews) continue;
        const views = laggards.viewsOf(id);
        const find = () => this.#movesBetween(template, views, changed);
        const moves = groups.movesOf(template, views, (view) => changed.has(view), find);
        if (moves.isInexpressible) {
          this.#options.remove(id, INEXPRESSIBLE);
        } else if (moves.ins.length > 0 || (areViews && moves.outs.length > 0)) {
          this.#fallBehind(id, previousViewPosition(position), behind);
        } else if (moves.outs.length > 0) {
          groups.add(template, moves, id);
        }
      }
    }
    const hasAppended = this.#appendMoveOuts(groups);
    const { lsn } = laggards.lastCommit;
    // Some may have gone with a view that could not be kept.
    const present = behind.filter((gate) => laggards.isCurrent(gate));
    laggards.record(present, { since: lsn, position: justBefore(lsn) });
    laggards.trim();
    return hasAppended || behind.length > 0;
  }

  /** With the shapes that stand on it, if it is a view. What they miss begins with this step. */
  #fallBehind(id: ShapeId, position: ViewPosition, behind: Gate[]): void {
    const laggards = this.#laggards;
    const gate = laggards.add(id, "moving", position);
    laggards.hold(gate, justBefore(laggards.lastCommit.lsn));
    behind.push(gate);
    if (!isView(laggards.templateOf(id))) return;
    for (const user of [...laggards.usersOf([id])]) {
      if (!laggards.gates.has(user)) this.#fallBehind(user, position, behind);
    }
  }

  #movesBetween(
    template: MovingTemplate,
    views: readonly ShapeId[],
    changed: ReadonlyMap<ShapeId, readonly NetTransition[]>,
  ): ShapeMoves {
    const net = (view: ShapeId) => changed.get(view) ?? [];
    const state = { hasNull: (view: ShapeId) => this.#options.views.hasNull(view) };
    return movesOf(template.template.where!.subqueries!, views, net, state);
  }

  #appendMoveOuts(groups: EventGroups): boolean {
    const { lastCommit } = this.#laggards;
    let hasAppended = false;
    for (const { template, moves, ids } of groups.all()) {
      const { table } = template.relation;
      for (const body of moveEvents("move-out", table, moves.outs, moves.xids)) {
        this.#options.log.appendMoved(lastCommit.lsn, lastCommit.nextOp, body, ids);
        lastCommit.nextOp += 1;
        hasAppended = true;
      }
    }
    return hasAppended;
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
  #catchUp(gate: Gate): void {
    const laggards = this.#laggards;
    this.#splice.playRest(laggards.templateOf(gate.id), gate, this.#steps.position);
    this.#stepBetween([]);
    laggards.release(gate);
  }

  #commit(): void {
    this.#options.log.commitMoved(this.#laggards.lastCommit.lsn);
  }

  /** After gates have gone or moved on. */
  #settle(): void {
    this.#laggards.trim();
    this.#batches.start();
    this.#options.onReleased();
    if (this.#laggards.gates.count > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** For which a snapshot's connection is held while the stream gets to where the snapshot lies. */
const REACHING_MS_MAX = 10_000;

function justBefore(lsn: Lsn): Lsn {
  return (lsn - 1n) as Lsn;
}
