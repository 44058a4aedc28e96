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
 *   1. A shape that is not gated is where the views are.
 *   2. A gated shape's log is complete up to its gate's mark, with the views at its position.
 */

import { LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { ShapeId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { previousViewPosition, type ViewTransition } from "../model/view.ts";
import type { BehindSince } from "../storage/storage.ts";
import { Appointments } from "./appointments.ts";
import { Batches, INEXPRESSIBLE } from "./batches.ts";
import { EventGroups } from "./event-groups.ts";
import { moveEvents } from "./events.ts";
import type { Gate } from "./gates.ts";
import { Laggards, type LaggardsOptions } from "./laggards.ts";
import type { MoveQuery } from "./move-batch.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import { Replayer } from "./replayer.ts";
import { restore, type Seed, type SeededView } from "./restoration.ts";
import { movesOf, type ShapeMoves } from "./shape-moves.ts";
import { placeOf } from "./snapshot-place.ts";
import { Splice } from "./splice.ts";
import type { Mark } from "./tape.ts";
import { ViewSteps, type Step } from "./view-steps.ts";

export interface MovesOptions extends LaggardsOptions {
  readonly query: MoveQuery;
  /** Asks Postgres how far the stream has got, so that an idle one does not hold a batch up. */
  readonly askProgress: () => void;
  /** A gate has gone, which held back what is confirmed. */
  readonly onReleased: () => void;
  readonly logger: Logger;
}

export class Moves {
  readonly #options: MovesOptions;
  readonly #steps: ViewSteps;
  readonly #laggards: Laggards;
  readonly #replayer: Replayer;
  readonly #splice: Splice;
  readonly #batches: Batches;
  readonly #appointments = new Appointments();
  /** Told when no shape is behind. */
  #idleWaiters: (() => void)[] = [];

  constructor(options: MovesOptions) {
    this.#options = options;
    const { limits, log, router, views } = options;
    this.#steps = new ViewSteps(views);
    const laggards = new Laggards(options, this.#steps.position);
    this.#laggards = laggards;
    this.#replayer = new Replayer(router, laggards.tape, this.#steps, log);
    const isCurrent = (gate: Gate) => laggards.isCurrent(gate);
    this.#splice = new Splice({ replayer: this.#replayer, tape: laggards.tape, log, isCurrent });
    this.#batches = new Batches({
      ...{ ...options, laggards, splice: this.#splice, rowBytesMax: limits.rowBytesMax },
      position: () => this.#steps.position,
      step: (xids) => this.#stepBetween(xids),
      settled: () => {
        log.commitMoved();
        this.#settle();
      },
    });
  }

  /** Whether every commit has to be told: a shape is behind. */
  get isFollowing(): boolean {
    return this.#laggards.tape.isRunning;
  }

  /** For metrics: shapes that are behind, batches under way, bytes kept, queries made so far. */
  get figures() {
    const { gates, tape } = this.#laggards;
    const { count: batches, queryCount: queries } = this.#batches;
    return { gated: gates.count, batches, tapeBytes: tape.bytes, queries };
  }

  /** Up to where Postgres may forget; undefined: everything. */
  get lowestHeld(): Lsn | undefined {
    return this.#laggards.gates.firstHeld;
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
    laggards.enforceLimits();
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
  }

  // --- Shapes that come and go -------------------------------------------------------------------

  /**
   * Keeps a new shape behind until it is placed. REQUIRES: a boundary; the shape is routed to.
   */
  begin(id: ShapeId): void {
    this.#laggards.add(id, "placing", this.#steps.position);
  }

  /**
   * Keeps a stored shape, or a view of one, behind until `restore`.
   *
   * @param bounds of the shape's snapshot, if it may lie behind where the stream begins.
   * @param behind if the log is not complete up to there.
   */
  beginRestored(id: ShapeId, bounds?: SnapshotBounds, behind?: BehindSince): void {
    const laggards = this.#laggards;
    const gate = laggards.add(id, "restored", this.#steps.position);
    gate.bounds = bounds;
    gate.behind = behind;
    gate.held = behind?.position ?? this.#options.start;
    // The stream begins with what the furthest behind has not had.
    if (gate.held < laggards.lastCommit.lsn) laggards.lastCommit.lsn = gate.held;
  }

  /**
   * Calls `act` with the place of a snapshot as soon as the stream has got there, at a boundary.
   * Resolves with false if there is no clear place: the snapshot has to be taken again.
   */
  whenReached(id: ShapeId, bounds: SnapshotBounds, act: (mark: Mark) => void): Promise<boolean> {
    const reached = this.#appointments.when(bounds.lsn, () => {
      const mark = this.#placeOf(id, bounds);
      if (mark !== undefined) act(mark);
      return mark !== undefined;
    });
    this.#options.askProgress();
    return reached;
  }

  /**
   * The shape's rows are those of this place: it gets what follows. REQUIRES: a boundary.
   *
   * @param seed of a view: rows that give each value, as the snapshot counted them.
   * @throws {LitzError} CORE_MEMORY_EXHAUSTED.
   */
  place(id: ShapeId, mark: Mark, seed: Seed = []): void {
    const laggards = this.#laggards;
    const gate = laggards.gates.get(id);
    if (gate === undefined) return;
    const { lsn, position } = laggards.tape.anchorOf(mark);
    gate.since = mark;
    gate.position = position;
    gate.state = "moving";
    gate.held = lsn;
    for (const [tuple, count] of seed) {
      if (!this.#options.views.apply(id, tuple, count)) throw outOfMemory();
    }
    if (laggards.isUpToDate(gate)) this.#catchUp(gate);
    else laggards.record([gate], { since: lsn, position: lsn });
    this.#settle();
  }

  /**
   * Makes restored views what they are, once the stream has got to where their seeds lie, and has
   * the shapes catch up that use them. Resolves with the views that have to be seeded again.
   */
  restore(seeds: readonly SeededView[]): Promise<readonly ShapeId[]> {
    const { remove, router, start, views } = this.#options;
    const lsn = seeds.reduce((highest, { bounds }) => maxLsn(highest, bounds.lsn), LSN_ZERO);
    const parts = { laggards: this.#laggards, replayer: this.#replayer, steps: this.#steps };
    const restored = this.#appointments.when(lsn, () => {
      const again = restore({ ...parts, router, views, start, remove }, seeds);
      if (again.length === 0) this.#settle();
      return again;
    });
    this.#options.askProgress();
    return restored;
  }

  /** The shape is being removed. */
  removed(id: ShapeId): void {
    const laggards = this.#laggards;
    const gate = laggards.gates.get(id);
    if (gate !== undefined) laggards.release(gate);
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
    this.#appointments.cancelAll(shuttingDown());
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
    for (const view of step.failed) {
      this.#options.remove(view, "there is no memory for the values of a subquery");
    }
    return step;
  }

  /** The same between two transactions. */
  #stepBetween(xids: readonly number[]): void {
    const step = this.#step(xids, true);
    this.#laggards.lastCommit.position = this.#steps.position;
    if (step !== undefined) this.#spread(step, xids);
  }

  /** Tells the shapes that use the views. Returns whether something was appended. */
  #spread({ transitions, position }: Step, xids: readonly number[]): boolean {
    const laggards = this.#laggards;
    const changed = new Set(transitions.map(({ view }) => view));
    const groups = new EventGroups();
    const { lsn } = laggards.lastCommit;
    const before = (lsn - 1n) as Lsn;
    const behind: Gate[] = [];
    for (const id of laggards.usersOf(changed)) {
      if (laggards.gates.has(id)) continue;
      const template = laggards.templateOf(id);
      const views = laggards.viewsOf(id);
      const find = () => this.#movesBetween(template, views, transitions, xids);
      const moves = groups.movesOf(template, views, (view) => changed.has(view), find);
      if (moves.isInexpressible) {
        this.#options.remove(id, INEXPRESSIBLE);
      } else if (moves.ins.length > 0 || (isView(template) && moves.outs.length > 0)) {
        // What it has to catch up with begins with this very step.
        const gate = laggards.add(id, "moving", previousViewPosition(position));
        gate.held = before;
        behind.push(gate);
      } else if (moves.outs.length > 0) {
        groups.add(template, moves, id);
      }
    }
    const hasAppended = this.#appendMoveOuts(groups);
    laggards.record(behind, { since: lsn, position: before });
    laggards.trim();
    return hasAppended || behind.length > 0;
  }

  #movesBetween(
    template: MovingTemplate,
    views: readonly ShapeId[],
    transitions: readonly ViewTransition[],
    xids: readonly number[],
  ): ShapeMoves {
    const net = (view: ShapeId) =>
      transitions.filter((one) => one.view === view).map((transition) => ({ transition, xids }));
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
    if (mark === undefined) return undefined;
    return this.#laggards.standsFirm(id, tape.anchorOf(mark).position) ? mark : undefined;
  }

  /** What the shape has missed is judged by views that have not changed meanwhile. */
  #catchUp(gate: Gate): void {
    const laggards = this.#laggards;
    this.#splice.playRest(laggards.templateOf(gate.id), gate, this.#steps.position);
    this.#stepBetween([]);
    laggards.release(gate);
    this.#options.log.commitMoved();
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

function shuttingDown(): LitzError {
  return new LitzError("the server is shutting down", {
    code: "SHUTTING_DOWN",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}

function outOfMemory(): LitzError {
  const why = "there is no memory for the values of a subquery; raise LITZ_CORE_MEMORY_MAX";
  return new LitzError(why, {
    code: "CORE_MEMORY_EXHAUSTED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
