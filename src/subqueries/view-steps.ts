/**
 * Steps of the views: what a transaction, or a move of a view that has subqueries itself, changes
 * in them, gathered and applied as one.
 *
 *     delta body    ┌────────┬───────────────────┬───────────────────┐   flags: 1 there is an old
 *     of the core   │ flags  │ old tuple if any  │ new tuple if any  │   tuple, 2 a new one
 *                   └────────┴───────────────────┴───────────────────┘
 *                       tuple: `src/model/view-tuple.ts`
 *
 * A body is for all the views that the inner row is, or was, in. One transaction may write more
 * rows than there is memory for what it gathers: then the views that most of it is for are given
 * up, and it goes on for the others.
 */

import type { ShapeId } from "../model/ids.ts";
import {
  nextViewPosition,
  VIEW_POSITION_ZERO,
  type ViewPosition,
  type ViewTransition,
} from "../model/view.ts";
import { endOfTuple } from "../model/view-tuple.ts";
import type { Views } from "../router/views.ts";
import type { ViewFailure } from "./view-failures.ts";

const HAS_OLD = 1;
const HAS_NEW = 2;
/** Of a delta's object and array, beside its tuple; and of one view in its list, with its work. */
const DELTA_BYTES = 200;
const VIEW_BYTES = 16;

export interface Delta {
  readonly tuple: Uint8Array;
  readonly views: readonly ShapeId[];
  /** Inner rows that have come to give the tuple, negative if they have gone. */
  readonly count: number;
}

export interface Step {
  readonly position: ViewPosition;
  readonly transitions: readonly ViewTransition[];
  /** These are not what they should be. */
  readonly failed: ReadonlyMap<ShapeId, ViewFailure>;
}

export class ViewSteps {
  readonly #views: Views;
  readonly #bytesMax: number;
  #deltas: Delta[] = [];
  /** What the deltas take, about. */
  #bytes = 0;
  /** Views that are given up with the next step; nothing more is gathered for them. */
  readonly #overfull = new Set<ShapeId>();
  /** Removed since the first of the deltas was gathered; another shape may have the id soon. */
  readonly #removed = new Set<ShapeId>();
  #position: ViewPosition = VIEW_POSITION_ZERO;

  /** @param bytesMax that what one transaction changes in views may take. */
  constructor(views: Views, bytesMax: number) {
    this.#views = views;
    this.#bytesMax = bytesMax;
  }

  /** Where the views are. */
  get position(): ViewPosition {
    return this.#position;
  }

  get isEmpty(): boolean {
    return this.#deltas.length === 0 && this.#overfull.size === 0;
  }

  /** Gathers a delta body, in a copy. */
  take(body: Uint8Array, columnCount: number, concerned: readonly ShapeId[]): void {
    const views = this.#notOverfull(concerned);
    if (views.length === 0) return;
    const flags = body[0]!;
    let at = 1;
    for (const [flag, count] of [
      [HAS_OLD, -1],
      [HAS_NEW, 1],
    ] as const) {
      if ((flags & flag) === 0) continue;
      const end = endOfTuple(body, at, columnCount);
      this.#deltas.push({ tuple: new Uint8Array(body.subarray(at, end)), views, count });
      this.#bytes += bytesOf(end - at, views);
      at = end;
    }
    if (this.#bytes > this.#bytesMax) this.#giveUpLargest();
  }

  /** Takes what was gathered away. */
  drain(): Delta[] {
    const deltas = this.#deltas;
    this.#clear();
    return deltas;
  }

  /** Puts such back. */
  put(deltas: readonly Delta[]): void {
    // One by one: there may be more than a call has room for.
    for (const delta of deltas) this.#deltas.push(delta);
  }

  /** Forgets what was gathered: the transaction will be sent again. */
  rollback(): void {
    this.#clear();
    this.#removed.clear();
    this.#overfull.clear();
  }

  /** What was gathered for this view goes nowhere. */
  forget(view: ShapeId): void {
    if (!this.isEmpty) this.#removed.add(view);
    this.#overfull.delete(view);
  }

  /** Applies what was gathered. The views are at the next position then. */
  apply(): Step {
    const deltas = this.drain();
    this.#position = nextViewPosition(this.#position);
    const failed = new Map<ShapeId, ViewFailure>();
    for (const view of this.#overfull) if (!this.#removed.has(view)) failed.set(view, "overfull");
    const isDone = (view: ShapeId) => failed.has(view) || this.#removed.has(view);
    this.#views.beginStep(this.#position);
    // What comes first: so a value whose row was replaced does not leave in between.
    for (const isComing of [true, false]) {
      for (const { tuple, views, count } of deltas) {
        if (count > 0 !== isComing) continue;
        for (const view of views) {
          if (isDone(view)) continue;
          const outcome = this.#views.apply(view, tuple, count);
          if (outcome !== "applied") failed.set(view, outcome);
        }
      }
    }
    this.#removed.clear();
    this.#overfull.clear();
    return { position: this.#position, transitions: this.#views.endStep(), failed };
  }

  #notOverfull(views: readonly ShapeId[]): readonly ShapeId[] {
    if (this.#overfull.size === 0) return views;
    return views.filter((view) => !this.#overfull.has(view));
  }

  /** Those with the most deltas, until half of all, or less, is left. */
  #giveUpLargest(): void {
    const counts = new Map<ShapeId, number>();
    let left = 0;
    for (const { views } of this.#deltas) {
      left += views.length;
      for (const view of views) counts.set(view, (counts.get(view) ?? 0) + 1);
    }
    const half = left / 2;
    for (const [view, count] of [...counts].sort(([, a], [, b]) => b - a)) {
      if (left <= half) break;
      this.#overfull.add(view);
      left -= count;
    }
    const deltas = this.#deltas;
    this.#clear();
    for (const delta of deltas) {
      const views = this.#notOverfull(delta.views);
      if (views.length === 0) continue;
      this.#deltas.push({ ...delta, views });
      this.#bytes += bytesOf(delta.tuple.length, views);
    }
  }

  #clear(): void {
    this.#deltas = [];
    this.#bytes = 0;
  }
}

function bytesOf(tupleSize: number, views: readonly ShapeId[]): number {
  return DELTA_BYTES + tupleSize + VIEW_BYTES * views.length;
}
