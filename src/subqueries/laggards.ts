/**
 * Shapes that are behind, and all that is kept for their sake: their gates, the tape of their
 * tables, what has changed in the views, and the core's history of these. Everything is let go of
 * as soon as nobody needs it.
 *
 *     gate      who is behind, since when, at which position of the views
 *     tape      what has happened in the tables since
 *     log       what has happened in the views since
 */

import { maxLsn, minLsn, type Lsn } from "../model/lsn.ts";
import type { ShapeId } from "../model/ids.ts";
import type { ViewPosition, ViewTransition } from "../model/view.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import type { BehindSince } from "../storage/storage.ts";
import { Gate, Gates, type GateState } from "./gates.ts";
import { Holds } from "./holds.ts";
import { isView, type MovingTemplate, type MovingTemplates } from "./moving-template.ts";
import type { MoveLog } from "./replayer.ts";
import { Tape, type Mark, type TapedCommit } from "./tape.ts";
import { TransitionLog } from "./transition-log.ts";
import { viewsOf } from "./views-of.ts";

export interface LaggardsOptions {
  readonly router: Router;
  readonly views: Views;
  readonly templates: MovingTemplates;
  readonly log: MoveLog;
  /** Up to where logs are complete when the process starts. */
  readonly start: Lsn;
}

/** Who is told of gates. */
export interface GateWatcher {
  /** A shape has fallen behind. */
  fellBehind(gate: Gate): void;
  /** It is behind no more. */
  released(gate: Gate): void;
}

export class Laggards {
  readonly gates = new Gates();
  readonly holds = new Holds();
  readonly tape: Tape;
  readonly transitions = new TransitionLog();
  /** The last transaction that was read. */
  lastCommit: TapedCommit;
  /** In front of it, commits do not say where views were: they were restored behind it. */
  restoredAt: Mark = 0;
  readonly #options: LaggardsOptions;
  readonly #watcher: GateWatcher;

  constructor(options: LaggardsOptions, position: ViewPosition, watcher: GateWatcher) {
    this.#options = options;
    this.#watcher = watcher;
    const { router } = options;
    this.tape = new Tape((relation, isTaped) => router.setTaped(relation, isTaped));
    this.lastCommit = { lsn: maxLsn(options.start, LSN_FIRST), xid: 0, position, nextOp: 0 };
    router.onTape = (relation, op, message) => {
      // After a reconnect Postgres sends what it was not told of once more.
      if (router.transactionLsn > this.lastCommit.lsn) this.tape.record(relation, op, message);
    };
  }

  /** A transaction has ended. */
  commit(commit: TapedCommit): void {
    this.lastCommit = commit;
    this.tape.commit(commit);
  }

  /** The shape falls behind, from this boundary on. REQUIRES: it is routed to. */
  add(id: ShapeId, state: GateState, position: ViewPosition): Gate {
    const { router } = this.#options;
    this.#noteCommit(position);
    const live = this.templateOf(id);
    const { id: template, relation } = live;
    this.tape.hold(relation.id, this.lastCommit);
    const gate = new Gate({
      ...{ id, template, relation: relation.id, state, position },
      nestedViews: this.#nestedViewsOf(id, live),
      since: this.tape.mark,
    });
    this.gates.add(gate);
    router.setGated(id, true);
    this.#watcher.fellBehind(gate);
    return gate;
  }

  /** The shape is where the views are, or gone. */
  release(gate: Gate): void {
    if (!this.gates.remove(gate)) return;
    if (gate.held !== undefined) this.holds.loosen(gate.held);
    if (this.#options.router.isRouted(gate.id)) this.#options.router.setGated(gate.id, false);
    this.tape.release(gate.relation);
    this.#watcher.released(gate);
  }

  /** Commits are on the tape from this boundary on, whether a shape is behind or not. */
  follow(position: ViewPosition): Mark {
    this.#noteCommit(position);
    return this.tape.follow(this.lastCommit);
  }

  /** @param since what `follow` returned. */
  unfollow(since: Mark): void {
    this.tape.unfollow(since);
    this.tape.trim(this.gates.firstMark);
  }

  isCurrent(gate: Gate): boolean {
    return this.gates.get(gate.id) === gate;
  }

  /** Whether the shape's views are where Postgres is, and have not changed since `position`. */
  isUpToDate(gate: Gate, position: ViewPosition): boolean {
    if (this.gates.isAboveLaggard(gate)) return false;
    return this.viewsOf(gate.id).every((view) => !this.transitions.hasChanged(view, position));
  }

  /**
   * Whether the views that a shape stands on, and those that these stand on, have been where
   * Postgres was at every commit since `position`. If not, a snapshot of then shows what they made
   * up for only later.
   */
  standsFirm(id: ShapeId, position: ViewPosition): boolean {
    return this.viewsOf(id).every((view) => {
      if (this.gates.has(view) || this.transitions.wasLate(view, position)) return false;
      return this.standsFirm(view, position);
    });
  }

  /** Notes in storage where logs end that are not complete, or that they are complete again. */
  record(gates: readonly Gate[], behind: BehindSince | undefined): void {
    const ids = gates.flatMap(({ id }) => (isView(this.templateOf(id)) ? [] : [id]));
    if (ids.length > 0) this.#options.log.recordBehind(ids, behind);
  }

  /** What comes from `lsn` on is needed once more, should the process end. */
  hold(gate: Gate, lsn: Lsn): void {
    if (gate.held !== undefined) this.holds.loosen(gate.held);
    gate.held = lsn;
  }

  /** What must not be confirmed to Postgres. */
  get lowestHeld(): Lsn | undefined {
    const [ofGates, ofOthers] = [this.gates.firstHeld, this.holds.lowest];
    if (ofGates === undefined || ofOthers === undefined) return ofGates ?? ofOthers;
    return minLsn(ofGates, ofOthers);
  }

  /**
   * Up to where the log of a shape is complete and durable. Undefined: wherever the stream is. (Of
   * what is not durable yet it is not remembered whose it is: that is over in milliseconds.)
   */
  heldOf(id: ShapeId): Lsn | undefined {
    const [own, ofOthers] = [this.gates.get(id)?.held, this.holds.lowest];
    if (own === undefined || ofOthers === undefined) return own ?? ofOthers;
    return minLsn(own, ofOthers);
  }

  /** What the views have done, for those who have to make up for it. */
  note(
    position: ViewPosition,
    xids: readonly number[],
    transitions: readonly ViewTransition[],
    isLate = false,
  ): void {
    this.transitions.add(position, xids, transitions, isLate);
  }

  /** From now on the views' history is kept: somebody may fall behind at `position`. */
  keepHistory(position: ViewPosition): void {
    this.#options.views.keepSince(this.gates.firstPosition ?? position);
  }

  /** Lets go of what nobody needs any more. */
  trim(): void {
    const position = this.gates.firstPosition;
    this.#options.views.keepSince(position);
    this.transitions.keepSince(position);
    this.tape.trim(this.gates.firstMark);
  }

  /** Each once. */
  *usersOf(views: Iterable<ShapeId>): Generator<ShapeId, void, void> {
    const seen = new Set<ShapeId>();
    for (const view of views) {
      // It may have gone in the step that changed it.
      if (!this.#options.router.isRouted(view)) continue;
      let after: ShapeId | undefined;
      do {
        const { ids, next } = this.#options.router.usersOf(view, after);
        for (const id of ids) {
          if (seen.has(id)) continue;
          seen.add(id);
          yield id;
        }
        after = next;
      } while (after !== undefined);
    }
  }

  templateOf(id: ShapeId): MovingTemplate {
    return this.#options.templates.get(this.#options.router.templateOf(id));
  }

  /** The views of a shape, by dependency. */
  viewsOf(id: ShapeId): readonly ShapeId[] {
    return viewsOf(this.#options.router, this.templateOf(id), id);
  }

  /** The earliest place that one of these goes back to. */
  firstMarkOf(gates: readonly Gate[]): Mark {
    return gates.reduce((least, { since }) => Math.min(least, since), Infinity);
  }

  #nestedViewsOf(id: ShapeId, { template }: MovingTemplate): readonly ShapeId[] {
    const dependencies = template.where?.subqueries?.dependencies ?? [];
    const isNested = dependencies.map((each) => each.template.where?.subqueries !== undefined);
    if (!isNested.includes(true)) return NONE;
    return this.viewsOf(id).filter((_, dependency) => isNested[dependency]);
  }

  /** Transactions pass unnoticed while nobody follows them. */
  #noteCommit(position: ViewPosition): void {
    const { commitLsn, op, xid } = this.#options.router;
    if (commitLsn <= this.lastCommit.lsn) return;
    this.lastCommit = { lsn: commitLsn, xid, position, nextOp: op };
  }
}

/** In front of every transaction. LSN 0 is where snapshots are, and in records means "complete". */
const LSN_FIRST = 1n as Lsn;

const NONE: readonly ShapeId[] = [];
