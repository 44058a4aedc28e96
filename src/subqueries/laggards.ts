/**
 * Shapes that are behind, and all that is kept for their sake: their gates, the tape of their
 * tables, what has changed in the views, and the core's history of these. Everything is let go of
 * as soon as nobody needs it.
 *
 *     gate      who is behind, since when, at which position of the views
 *     tape      what has happened in the tables since
 *     log       what has happened in the views since
 */

import type { Lsn } from "../model/lsn.ts";
import type { ShapeId } from "../model/ids.ts";
import type { ViewPosition, ViewTransition } from "../model/view.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import { BEHIND_UNKNOWN, type BehindSince } from "../storage/storage.ts";
import { Gates, type Gate } from "./gates.ts";
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
  /** The shape cannot be kept. The rest of a transaction being read does not reach it any more. */
  readonly remove: (id: ShapeId, why: string) => void;
  readonly limits: MoveLimits;
}

export interface MoveLimits {
  /** Bytes of row changes that are kept for shapes that are behind. */
  readonly tapeBytesMax: number;
  /** Transactions that a shape may be behind (`ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS`). */
  readonly transactionsMax: number;
  /** Bytes of rows of one batch. */
  readonly rowBytesMax: number;
}

export class Laggards {
  readonly gates = new Gates();
  readonly tape: Tape;
  readonly transitions = new TransitionLog();
  /** The last transaction that was read. */
  lastCommit: TapedCommit;
  readonly #options: LaggardsOptions;

  constructor(options: LaggardsOptions, position: ViewPosition) {
    this.#options = options;
    const { router } = options;
    this.tape = new Tape((relation, isTaped) => router.setTaped(relation, isTaped));
    this.lastCommit = { lsn: options.start, xid: 0, position, nextOp: 0 };
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
  add(id: ShapeId, state: Gate["state"], position: ViewPosition): Gate {
    const { router } = this.#options;
    if (router.commitLsn > this.lastCommit.lsn) this.#noteCommit(position);
    const { id: template, relation } = this.templateOf(id);
    this.tape.hold(relation.id, this.lastCommit);
    const gate: Gate = {
      ...{ id, template, relation: relation.id, state, position },
      since: this.tape.mark,
      held: undefined,
      isInBatch: false,
      isRestored: state === "restored",
    };
    this.gates.add(gate);
    router.setGated(id, true);
    return gate;
  }

  /** The shape is where the views are, or gone. */
  release(gate: Gate): void {
    if (!this.gates.remove(gate)) return;
    if (this.#options.router.isRouted(gate.id)) this.#options.router.setGated(gate.id, false);
    this.tape.release(gate.relation);
  }

  isCurrent(gate: Gate): boolean {
    return this.gates.get(gate.id) === gate;
  }

  /** Whether none of the shape's views has changed since. */
  isUpToDate({ id, position }: Gate): boolean {
    return this.viewsOf(id).every((view) => !this.transitions.hasChanged(view, position));
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

  /**
   * Notes in storage where logs end that are not complete, or that they are complete again. Of a
   * shape above a view that is itself behind it cannot be said where its log ends.
   */
  record(gates: readonly Gate[], behind: BehindSince | undefined): void {
    const { log } = this.#options;
    const known: ShapeId[] = [];
    const unknown: ShapeId[] = [];
    for (const { id } of gates) {
      if (isView(this.templateOf(id))) unknown.push(...this.#shapesAbove(id));
      else if (behind === undefined && !this.#isAboveLaggard(id)) known.push(id);
      else if (behind === undefined || this.#isNested(id)) unknown.push(id);
      else known.push(id);
    }
    if (known.length > 0) log.recordBehind(known, behind);
    const settled = behind === undefined ? unknown.filter((id) => !this.#isAboveLaggard(id)) : [];
    const lost = unknown.filter((id) => !settled.includes(id));
    if (lost.length > 0) log.recordBehind(lost, BEHIND_UNKNOWN);
    if (settled.length > 0) log.recordBehind(settled, undefined);
  }

  /** Shapes that stand on a view, be there other views between. Those that are behind themselves
   * have a record of their own.
   */
  *#shapesAbove(view: ShapeId): Generator<ShapeId, void, void> {
    for (const id of this.usersOf([view])) {
      if (isView(this.templateOf(id))) yield* this.#shapesAbove(id);
      else if (!this.gates.has(id)) yield id;
    }
  }

  #isAboveLaggard(id: ShapeId): boolean {
    return this.viewsOf(id).some((view) => this.gates.has(view) || this.#isAboveLaggard(view));
  }

  #isNested(id: ShapeId): boolean {
    return this.viewsOf(id).some((view) => this.viewsOf(view).length > 0);
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
    const mark = this.gates.firstMark;
    if (mark !== undefined) this.tape.trim(mark);
  }

  /** Ends the shapes for which too much had to be kept. */
  enforceLimits(): void {
    const { limits, remove } = this.#options;
    if (this.gates.count === 0) return;
    const isTooLong = this.tape.bytes > limits.tapeBytesMax;
    const known = new Map<string, number>();
    const behind = ({ relation, since }: Gate): number => {
      const key = `${relation}/${since}`;
      const count = known.get(key) ?? this.tape.transactionsSince(relation, since);
      known.set(key, count);
      return count;
    };
    for (const gate of [...this.gates.all()]) {
      if (isTooLong || (!gate.isRestored && behind(gate) > limits.transactionsMax)) {
        remove(gate.id, "too much happened in its table while rows moved in");
      }
    }
  }

  /** Each once. */
  *usersOf(views: Iterable<ShapeId>): Generator<ShapeId, void, void> {
    const seen = new Set<ShapeId>();
    for (const view of views) {
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

  /** Transactions pass unnoticed while nobody is behind. */
  #noteCommit(position: ViewPosition): void {
    const { commitLsn, op, xid } = this.#options.router;
    this.lastCommit = { lsn: commitLsn, xid, position, nextOp: op };
  }
}
