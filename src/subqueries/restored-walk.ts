/**
 * The way of restored views from where the stream began to now, one step per commit in which any of
 * them changed. It is walked once for each layer of views, since what a layer did follows from what
 * those below it did, and taken back in between:
 *
 *     layer 0   ──1──2──3──>  what layer 1 did is found out      <── back
 *     0 and 1   ──1──2──3──>  what layer 2 did is found out      <── back
 *     all       ──1──2──3──>  noted: shapes catch up with it
 *
 * So a position of the last walk is one place in time for all views, whatever stands on what.
 */

import type { ShapeId } from "../model/ids.ts";
import type { ViewPosition } from "../model/view.ts";
import type { Steps } from "./sliced-work.ts";
import type { Mark, Tape } from "./tape.ts";
import { TransitionLog } from "./transition-log.ts";
import type { ViewFailure } from "./view-failures.ts";
import type { Delta, Step, ViewSteps } from "./view-steps.ts";

export class RestoredWalk {
  readonly first: Mark;
  readonly #tape: Tape;
  readonly #steps: ViewSteps;
  readonly #isPresent: (view: ShapeId) => boolean;
  /** Of each commit. */
  readonly #deltas: Delta[][];
  /** Of the views at `first`, and behind each commit. */
  #base: ViewPosition;
  #positions: ViewPosition[] = [];
  /** What the views did on the last walk. */
  transitions = new TransitionLog();
  /** These are not what they should be. */
  readonly failed = new Map<ShapeId, ViewFailure>();

  /** @param isPresent whether a view has not been removed. */
  constructor(first: Mark, tape: Tape, steps: ViewSteps, isPresent: (view: ShapeId) => boolean) {
    this.first = first;
    this.#tape = tape;
    this.#steps = steps;
    this.#isPresent = isPresent;
    this.#base = steps.position;
    this.#deltas = Array.from({ length: tape.mark - first }, () => []);
  }

  /** The place behind the last commit. */
  get end(): Mark {
    return this.first + this.#deltas.length;
  }

  /** The position of the views at a place, on the last walk. */
  positionAt(mark: Mark): ViewPosition {
    return mark === this.first ? this.#base : this.#positions[mark - this.first - 1]!;
  }

  /** What a commit changed in views. */
  add(commit: Mark, deltas: readonly Delta[]): void {
    const all = this.#deltas[commit - this.first]!;
    for (const delta of deltas) all.push(delta);
  }

  /**
   * Walks. REQUIRES: the views are where they were at `first`.
   *
   * @param noted is told of each step.
   */
  *forward(noted: (commit: Mark, step: Step) => void = () => undefined): Steps {
    this.#base = this.#steps.position;
    this.#positions = [];
    this.transitions = new TransitionLog();
    for (const [index, deltas] of this.#deltas.entries()) {
      yield;
      const commit = this.first + index;
      const step = this.#step(deltas);
      if (step !== undefined) {
        const { xid } = this.#tape.commitAt(commit);
        this.transitions.add(step.position, [xid], step.transitions, false);
        noted(commit, step);
      }
      this.#positions.push(this.#steps.position);
    }
  }

  /** Takes the walk back. The views are where they were at `first` then. */
  back(): void {
    this.#step(this.#deltas.flat().map(({ count, ...delta }) => ({ ...delta, count: -count })));
  }

  #step(deltas: readonly Delta[]): Step | undefined {
    const present = deltas.flatMap((delta) => {
      const views = delta.views.filter(this.#isPresent);
      return views.length > 0 ? [{ ...delta, views }] : [];
    });
    if (present.length === 0 && this.#steps.isEmpty) return undefined;
    this.#steps.put(present);
    const step = this.#steps.apply();
    for (const [view, failure] of step.failed) this.failed.set(view, failure);
    return step;
  }
}
