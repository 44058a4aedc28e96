/**
 * What changed in which view since some shape fell behind: from it follows what such a shape has to
 * catch up with. (The core has the same history, in a form that answers whether a value was in a
 * view; this one answers which values went in and out, and why.)
 *
 * Kept while shapes are gated, and no longer; `bytes` counts towards what may be kept for them.
 */

import { partitionPoint } from "../lib/partition-point.ts";
import type { ShapeId } from "../model/ids.ts";
import type { ViewPosition, ViewTransition } from "../model/view.ts";

/** The difference between two positions of a view, for one value, or for NULL or emptiness. */
export interface NetTransition {
  readonly transition: ViewTransition;
  /** Transactions that had to do with it. */
  readonly xids: readonly number[];
}

interface Logged {
  readonly position: ViewPosition;
  /** The view made up for something: Postgres had shown that before. */
  readonly isLate: boolean;
  readonly xids: readonly number[];
  readonly transition: ViewTransition;
}

/** What an entry takes beside its texts: it, its transition and its place in a list; measured. */
const ENTRY_BYTES = 400;

export class TransitionLog {
  readonly #byView = new Map<ShapeId, Logged[]>();
  #bytes = 0;

  /** What it takes, about. */
  get bytes(): number {
    return this.#bytes;
  }

  add(
    position: ViewPosition,
    xids: readonly number[],
    transitions: readonly ViewTransition[],
    isLate: boolean,
  ): void {
    for (const transition of transitions) {
      const logged = { position, xids, transition, isLate };
      const list = this.#byView.get(transition.view);
      if (list === undefined) this.#byView.set(transition.view, [logged]);
      else list.push(logged);
      this.#bytes += bytesOf(logged);
    }
  }

  /** Whether the view changed behind `after`, be it back and forth. */
  hasChanged(view: ShapeId, after: ViewPosition): boolean {
    const last = this.#byView.get(view)?.at(-1);
    return last !== undefined && last.position > after;
  }

  /** Where the view changed last up to `position`, as far as that is kept. */
  lastChange(view: ShapeId, position: ViewPosition): ViewPosition | undefined {
    const list = this.#byView.get(view) ?? [];
    return list[firstBehind(list, position) - 1]?.position;
  }

  /** Where the view changed first behind `position`. */
  nextChange(view: ShapeId, position: ViewPosition): ViewPosition | undefined {
    const list = this.#byView.get(view) ?? [];
    return list[firstBehind(list, position)]?.position;
  }

  /** Whether the view made up for something behind `after`. */
  wasLate(view: ShapeId, after: ViewPosition): boolean {
    const list = this.#byView.get(view) ?? [];
    return list.some(({ position, isLate }) => isLate && position > after);
  }

  /**
   * What distinguishes the view at `until` from what it was at `after`. A value that entered and
   * left again is not in it.
   */
  net(view: ShapeId, after: ViewPosition, until: ViewPosition): readonly NetTransition[] {
    const byValue = new Map<
      string,
      { transition: ViewTransition; xids: number[]; count: number }
    >();
    for (const { position, xids, transition } of this.#byView.get(view) ?? []) {
      if (position <= after || position > until) continue;
      const key = keyOf(transition);
      const known = byValue.get(key) ?? { transition, xids: [], count: 0 };
      known.transition = transition;
      known.count += 1;
      for (const xid of xids) known.xids.push(xid);
      byValue.set(key, known);
    }
    return [...byValue.values()].filter(({ count }) => count % 2 === 1);
  }

  /** Every value that entered or left the view behind `after`, up to `until`, each once. */
  touched(view: ShapeId, after: ViewPosition, until: ViewPosition): readonly NetTransition[] {
    const byValue = new Map<string, NetTransition>();
    for (const { position, xids, transition } of this.#byView.get(view) ?? []) {
      if (position <= after || position > until) continue;
      byValue.set(keyOf(transition), { transition, xids });
    }
    return [...byValue.values()];
  }

  /** Nobody asks for anything at or in front of this position any more; undefined: for nothing. */
  keepSince(position: ViewPosition | undefined): void {
    if (position === undefined) {
      this.#byView.clear();
      this.#bytes = 0;
      return;
    }
    for (const [view, list] of this.#byView) {
      const kept = list.findIndex((logged) => logged.position > position);
      if (kept < 0) this.forget(view);
      else if (kept > 0) this.#subtract(list.splice(0, kept));
    }
  }

  /** Views, and what each takes, about; the largest first. */
  bySize(): readonly { readonly id: ShapeId; readonly bytes: number }[] {
    const sizes = Array.from(this.#byView, ([id, list]) => ({
      id,
      bytes: list.reduce((sum, logged) => sum + bytesOf(logged), 0),
    }));
    return sizes.sort((a, b) => b.bytes - a.bytes);
  }

  /** The view is gone, or nobody asks for what it has done up to now. */
  forget(view: ShapeId): void {
    this.#subtract(this.#byView.get(view) ?? []);
    this.#byView.delete(view);
  }

  #subtract(gone: readonly Logged[]): void {
    for (const logged of gone) this.#bytes -= bytesOf(logged);
  }
}

/** What each view has done in one step. */
export function netOfStep(
  transitions: readonly ViewTransition[],
  xids: readonly number[],
): ReadonlyMap<ShapeId, readonly NetTransition[]> {
  const byView = new Map<ShapeId, NetTransition[]>();
  for (const transition of transitions) {
    const list = byView.get(transition.view);
    if (list === undefined) byView.set(transition.view, [{ transition, xids }]);
    else list.push({ transition, xids });
  }
  return byView;
}

/** Of a list whose positions ascend. */
function firstBehind(list: readonly Logged[], position: ViewPosition): number {
  return partitionPoint(list.length, (at) => list[at]!.position <= position);
}

function keyOf(transition: ViewTransition): string {
  return transition.kind === "value" ? JSON.stringify(transition.values) : transition.kind;
}

function bytesOf({ transition }: Logged): number {
  const texts = transition.kind === "value" ? transition.values : [];
  return texts.reduce((sum, text) => sum + text.length, ENTRY_BYTES);
}
