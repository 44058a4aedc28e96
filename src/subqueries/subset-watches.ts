/**
 * Subsets of a shape with subqueries (protocol 12), for clients that go on in its log from where
 * they were. So there has to be a place in the log at which the shape is what the subset's snapshot
 * shows. While a shape is behind there may be none: its rows go on with views that stay, and then
 * the views jump, perhaps over what they were at the time.
 *
 *     commits      41    42    43    44    45    46
 *     the shape    ────────┤ moves rows in    ├───     behind from 43 until it is brought up
 *     the rows                      ╵                  of the batch that does so: as of 44
 *     a subset     ok    ok   no   ok    ok   ok
 *
 * From where a batch's rows lie in time on, the log has the rows and the views of one moment again,
 * unless the views have changed since it began. So subsets find their place however often rows
 * move. One that has none is taken again.
 *
 * What cannot be mended from here: a client drops rows of the subset when it reads of a move out
 * that lies in front of it, be that undone by then. They come again if they moved in, but not if
 * they were in the shape otherwise at the time, and the value is theirs since.
 *
 * Invariants:
 *
 *   1. A watch knows all gaps since it began: places at which the log never had what Postgres
 *      shows. Only the last may be open, and then its shape is behind.
 *   2. Of a shape that stands on nested views, what they were is not known while any was behind:
 *      all of the time that the shape is behind is a gap.
 */

import type { ShapeId } from "../model/ids.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { Router } from "../router/router.ts";
import type { Appointments } from "./appointments.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { placeOf } from "./snapshot-place.ts";
import type { Mark, Tape } from "./tape.ts";

export interface SubsetWatchesOptions {
  readonly router: Router;
  readonly laggards: Laggards;
  readonly appointments: Appointments;
  /** Of the views. */
  readonly position: () => ViewPosition;
  /** Asks Postgres how far the stream has got. */
  readonly askProgress: () => void;
}

/** A shape of which a subset is being read. */
export interface SubsetWatch {
  readonly id: ShapeId;
  readonly since: Mark;
  readonly gaps: Gap[];
  /** Looks again whether the subset has a place. */
  decide: () => void;
  giveUp: (error: Error) => void;
}

/** From one place to another, the latter not included; `Infinity`: nobody knows yet. */
interface Gap {
  readonly from: Mark;
  to: Mark;
}

export class SubsetWatches {
  readonly #options: SubsetWatchesOptions;
  readonly #watches = new Map<ShapeId, Set<SubsetWatch>>();

  constructor(options: SubsetWatchesOptions) {
    this.#options = options;
  }

  /** The shape of this gate has just fallen behind. */
  fellBehind({ id, since }: Gate): void {
    for (const { gaps } of this.#watchesOf(id)) gaps.push({ from: since, to: Infinity });
  }

  /** It is behind no more. */
  released({ id }: Gate): void {
    for (const watch of this.#watchesOf(id)) {
      watch.gaps.at(-1)!.to = this.#options.laggards.tape.mark;
      watch.decide();
    }
  }

  /** To be called before the subset's snapshot is taken. REQUIRES: a boundary. */
  watch(id: ShapeId): SubsetWatch {
    const { laggards, position } = this.#options;
    const since = laggards.follow(position());
    const gaps = laggards.gates.has(id) ? [{ from: since, to: Infinity }] : [];
    const watch = { id, since, gaps, decide: () => undefined, giveUp: () => undefined };
    const watches = this.#watches.get(id);
    if (watches === undefined) this.#watches.set(id, new Set([watch]));
    else watches.add(watch);
    return watch;
  }

  unwatch(watch: SubsetWatch): void {
    const watches = this.#watches.get(watch.id)!;
    watches.delete(watch);
    if (watches.size === 0) this.#watches.delete(watch.id);
    this.#options.laggards.unfollow(watch.since);
  }

  /**
   * Whether the log has a place at which the shape is what a snapshot shows. Resolves as soon as
   * the stream has got there, and what the shape has missed is in its log.
   */
  async shows(watch: SubsetWatch, bounds: SnapshotBounds): Promise<boolean> {
    const { appointments, askProgress, laggards, router } = this.#options;
    const placed = appointments.when(bounds.lsn, () => {
      const place = placeOf(bounds, watch.since, laggards.tape, router);
      return place === undefined ? { isShown: false } : { isShown: isShownAt(watch, place), place };
    });
    askProgress();
    const { isShown, place } = await placed;
    return (
      isShown ??
      new Promise((resolve, reject) => {
        watch.giveUp = reject;
        watch.decide = () => {
          const isShownNow = isShownAt(watch, place);
          if (isShownNow !== undefined) resolve(isShownNow);
        };
        watch.decide();
      })
    );
  }

  /**
   * A batch of moves has entered the log of a shape that was behind.
   *
   * @param until the position of the views that it leads to.
   * @param place of its rows.
   */
  spliced(gate: Gate, until: ViewPosition, place: Mark): void {
    const watches = this.#watchesOf(gate.id);
    if (watches.size === 0 || gate.nestedViews.length > 0) return;
    const { laggards } = this.#options;
    const { tape, transitions } = laggards;
    const views = laggards.viewsOf(gate.id);
    const changed = Math.min(
      ...views.map((view) => transitions.nextChange(view, until) ?? Infinity),
    );
    // Then the log never has what Postgres showed with the rows.
    if (changed <= tape.anchorOf(place).position) return;
    const reached = Math.max(...views.map((view) => transitions.lastChange(view, until) ?? 0));
    const from = this.#firstShown(gate, place, reached);
    const to = firstPlaceAt(tape, place, changed);
    for (const { decide, gaps } of watches) {
      const gap = gaps.at(-1)!;
      gap.to = Math.max(gap.from, from);
      gaps.push({ from: to, to: Infinity });
      decide();
    }
  }

  /** The first place with the views at `reached` from which on the rows are as at `place`. */
  #firstShown({ relation, since }: Gate, place: Mark, reached: number): Mark {
    const { tape } = this.#options.laggards;
    let first = place;
    while (first > since && tape.anchorOf(first - 1).position >= reached) {
      if (tape.hasChange(relation, first - 1)) break;
      first -= 1;
    }
    return first;
  }

  /** Nobody waits for anything any more. */
  close(error: Error): void {
    for (const watches of this.#watches.values()) for (const { giveUp } of watches) giveUp(error);
  }

  #watchesOf(id: ShapeId): ReadonlySet<SubsetWatch> {
    return this.#watches.get(id) ?? NONE;
  }
}

const NONE: ReadonlySet<SubsetWatch> = new Set();

/** The first place behind `place` at which the views are at `position`, or the end of the tape. */
function firstPlaceAt(tape: Tape, place: Mark, position: number): Mark {
  let next = place + 1;
  while (next < tape.mark && tape.anchorOf(next).position < position) next += 1;
  return Math.min(next, tape.mark);
}

/** Undefined: that is not known yet. */
function isShownAt({ gaps }: SubsetWatch, place: Mark): boolean | undefined {
  const gap = gaps.find(({ from, to }) => from <= place && place < to);
  if (gap === undefined) return true;
  return gap.to === Infinity ? undefined : false;
}
