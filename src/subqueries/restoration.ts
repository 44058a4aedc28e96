/**
 * Views after a restart. What a stored shape's views were at its place in the stream nobody has
 * written down; what they are now Postgres knows; and the stream sends what lies between. So the
 * difference is taken off again, and the views walk forward once more, with their history:
 *
 *     seed      rows that give each value, as of a snapshot
 *     ‒ deltas of the taped commits that the snapshot shows   ─> the views at `first`
 *     + deltas of every taped commit, one step each           ─> the views now, and transitions
 *
 * A view that stands on others has changed with these, too. The rows that this concerned are read
 * again, as for any move, and judged in both directions. With R the rows of its table and V the
 * views that it stands on, each at a place, and rows that were read at place p:
 *
 *     from (R a, V a) to (R b, V b)  =  + deltas of a..p by V a     now it is at (R p, V a)
 *                                       + the rows, by V a and V b               (R p, V b)
 *                                       ‒ deltas of b..p by V b                  (R b, V b)
 *
 * So it goes from its seed back to `first`, and from there to each *cut*: a place at which some
 * shape stands, or at which the seed of a view above lies. At the last of them it is a view that is
 * behind, like any other, and is brought up like any other (`batches.ts`).
 *
 *     first ──> cut ──> cut ··> now                ──> walked here     ··> a batch of moves
 */

import { LitzError } from "../lib/errors.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { ViewSeed } from "../model/view-seed.ts";
import type { FetchedRow } from "../postgres/move-query.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import { INEXPRESSIBLE } from "./batches.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { Replayer } from "./replayer.ts";
import { RestoredWalk } from "./restored-walk.ts";
import { movesOf } from "./shape-moves.ts";
import type { Steps } from "./sliced-work.ts";
import { placeOf } from "./snapshot-place.ts";
import type { Mark } from "./tape.ts";
import type { ViewFailure } from "./view-failures.ts";
import type { Delta, ViewSteps } from "./view-steps.ts";
import { narrowing, readRows, WantedRows, type MoveQuery } from "./wanted-rows.ts";

export interface SeededView {
  readonly view: ShapeId;
  readonly template: MovingTemplate;
  readonly bounds: SnapshotBounds;
  readonly seed: ViewSeed;
}

/** A view, and the place of its seed among the commits. */
interface PlacedView extends SeededView {
  readonly place: Mark;
}

/** A shape, up to where its log is complete, and with the views as they were where. */
interface PlacedShape {
  readonly gate: Gate;
  readonly since: Mark;
  readonly position: Mark;
}

/** Views of a template that have changed with those they stand on. */
interface MovedViews {
  readonly template: MovingTemplate;
  readonly views: readonly PlacedView[];
  readonly wanted: WantedRows;
}

interface Fetched {
  readonly wanted: WantedRows;
  readonly bounds: SnapshotBounds;
  readonly rows: readonly FetchedRow[];
}

export interface RestorationOptions {
  readonly router: Router;
  readonly views: Views;
  readonly laggards: Laggards;
  readonly replayer: Replayer;
  readonly steps: ViewSteps;
  readonly remove: (id: ShapeId, why: string) => void;
  readonly giveUp: (view: ShapeId, failure: ViewFailure) => void;
  readonly query: MoveQuery;
  readonly rowBytesMax: number;
  readonly signal: AbortSignal;
}

export type RestorationOutcome =
  | { readonly is: "done" }
  /** Their seeds have no clear place. */
  | { readonly is: "unclear"; readonly views: readonly ShapeId[] }
  /** Rows are to be fetched. */
  | { readonly is: "wanting"; readonly moved: readonly MovedViews[] };

export class Restoration {
  readonly #options: RestorationOptions;
  /** Views that have the values they had at `first`. */
  readonly #based = new Set<ShapeId>();
  readonly #fetched = new Map<TemplateId, Fetched>();

  constructor(options: RestorationOptions) {
    this.#options = options;
  }

  /**
   * Makes restored views what they are now, and says of the shapes that use them where they are;
   * unless something is missing, then it is to be called again. REQUIRES: a boundary; the stream
   * has been read up to where the seeds, and rows that were fetched, lie.
   *
   * @param seeds of all restored views.
   */
  *attempt(seeds: readonly SeededView[]): Steps<RestorationOutcome> {
    const { laggards, steps } = this.#options;
    laggards.keepHistory(steps.position);
    const restored = [...laggards.gates.all()].filter(({ state }) => state === "restored");
    if (restored.length === 0) return { is: "done" };
    const first = laggards.firstMarkOf(restored);
    // Shapes may go meanwhile, and would have it trimmed.
    laggards.tape.followFrom(first);
    try {
      return yield* this.#attempt(seeds, restored, first);
    } finally {
      laggards.unfollow(first);
    }
  }

  *#attempt(
    seeds: readonly SeededView[],
    restored: readonly Gate[],
    first: Mark,
  ): Steps<RestorationOutcome> {
    const { laggards, steps } = this.#options;
    const { gates, tape } = laggards;
    const placed: PlacedView[] = [];
    const unclear: ShapeId[] = [];
    for (const seeded of seeds) {
      if (!gates.has(seeded.view)) continue;
      const place = this.#placeOf(seeded.bounds, first);
      if (place === undefined) unclear.push(seeded.view);
      else placed.push({ ...seeded, place });
    }
    if (unclear.length > 0) return { is: "unclear", views: unclear };

    const shapes = yield* this.#placeShapes(restored, first);
    const cuts = cutsOf(shapes, placed);
    const walk = new RestoredWalk(first, tape, steps, (view) => gates.has(view));
    const moved = new Set<ShapeId>();
    for (const [number, layer] of layersOf(placed).entries()) {
      if (number > 0) yield* walk.forward();
      const found = yield* this.#layer(walk, layer, cuts);
      if (number > 0) walk.back();
      if ("wanting" in found) return { is: "wanting", moved: found.wanting };
      yield* this.#base(found.bases);
      for (const [commit, deltas] of found.deltas) walk.add(commit, deltas);
      for (const view of found.moved) moved.add(view);
    }
    yield* this.#finish(walk, moved, shapes, cuts);
    return { is: "done" };
  }

  /**
   * Reads what was wanted. Resolves with where the stream has to have got before the next attempt.
   *
   * @throws {LitzError} POSTGRES_*, when that may be tried again.
   */
  async fetch(moved: readonly MovedViews[]): Promise<Lsn> {
    const { laggards, query, remove, router, rowBytesMax, signal } = this.#options;
    let lsn = LSN_ZERO;
    for (const { template, views, wanted } of moved) {
      const constants = narrowing(views, ({ view }) => router.constantsOf(view));
      const rowsWanted = { template: template.template, sides: wanted.sides(), constants };
      let bounds: SnapshotBounds | undefined;
      try {
        const placed = (known: SnapshotBounds) => (bounds = known);
        const rows = await readRows(query, rowsWanted, rowBytesMax, placed, signal);
        this.#fetched.set(template.id, { wanted, bounds: bounds!, rows });
        lsn = maxLsn(lsn, bounds!.lsn);
      } catch (error) {
        if (signal.aborted || (error instanceof LitzError && error.retriable)) throw error;
        for (const { view } of views) {
          const why = `rows that it depends on could not be read: ${String(error)}`;
          if (laggards.gates.has(view)) remove(view, why);
        }
      }
    }
    return lsn;
  }

  #placeOf(bounds: SnapshotBounds, first: Mark): Mark | undefined {
    return placeOf(bounds, first, this.#options.laggards.tape, this.#options.router);
  }

  // --- Shapes ------------------------------------------------------------------------------------

  *#placeShapes(restored: readonly Gate[], first: Mark): Steps<readonly PlacedShape[]> {
    const { laggards, remove } = this.#options;
    const placed: PlacedShape[] = [];
    for (const gate of restored) {
      yield;
      if (!laggards.isCurrent(gate) || isView(laggards.templateOf(gate.id))) continue;
      const shape = this.#placeShape(gate, first);
      if (shape !== undefined) placed.push(shape);
      else remove(gate.id, "its first rows have no clear place in the stream");
    }
    return placed;
  }

  /** Where the journal says that it is, or at its snapshot, if that lies behind. */
  #placeShape(gate: Gate, first: Mark): PlacedShape | undefined {
    const { laggards } = this.#options;
    const { since, position } = gate.behind!;
    const recorded = {
      gate,
      since: laggards.tape.markBehind(since, first),
      position: laggards.tape.markBehind(position, first),
    };
    if (gate.bounds === undefined) return recorded;
    const place = this.#placeOf(gate.bounds, first);
    if (place === undefined) return undefined;
    return place > recorded.since ? { gate, since: place, position: place } : recorded;
  }

  // --- Views -------------------------------------------------------------------------------------

  /**
   * Finds out what the views of one layer were at `first`, and what they have done since. REQUIRES:
   * those that they stand on have walked.
   */
  *#layer(
    walk: RestoredWalk,
    layer: readonly PlacedView[],
    cuts: readonly Mark[],
  ): Steps<FoundLayer> {
    const { laggards } = this.#options;
    const base = walk.positionAt(walk.first);
    const still: PlacedView[] = [];
    const changed: PlacedView[] = [];
    for (const one of layer) {
      if (!laggards.gates.has(one.view)) continue;
      const below = laggards.viewsOf(one.view);
      const hasChanged = below.some((view) => walk.transitions.hasChanged(view, base));
      (hasChanged ? changed : still).push(one);
    }
    const last = cuts.at(-1) ?? walk.first;
    const moved = groupsOf(changed).map((views) => this.#movedViews(walk, views, last));
    const wanting = moved.filter((each) => !this.#isFetched(each, walk.first, last));
    if (wanting.length > 0) return { wanting };

    const found: Found = { bases: [], deltas: [] };
    for (const views of groupsOf(still)) yield* this.#still(walk, views, found);
    for (const each of moved) yield* this.#moved(walk, each, cuts, found);
    return { ...found, moved: moved.flatMap(({ views }) => views.map(({ view }) => view)) };
  }

  /** Views below which nothing has changed: what they did the tape says. */
  *#still(walk: RestoredWalk, views: readonly PlacedView[], found: Found): Steps {
    const position = walk.positionAt(walk.first);
    const { template } = views[0]!;
    const places = new Map(views.map(({ view, place }) => [view, place]));
    const all: Delta[] = [];
    for (let commit = walk.first; commit < walk.end; commit++) {
      const deltas = yield* this.#tapeDeltas(template, commit, commit + 1, position, places);
      if (deltas.length === 0) continue;
      found.deltas.push([commit, deltas]);
      for (const delta of deltas) {
        const shown = delta.views.filter((view) => commit < places.get(view)!);
        if (shown.length > 0) all.push({ ...delta, views: shown, count: -delta.count });
      }
    }
    found.bases.push({ views, deltas: all });
  }

  /** Views that have changed with those below: see above. */
  *#moved(walk: RestoredWalk, moved: MovedViews, cuts: readonly Mark[], found: Found): Steps {
    const { template, views } = moved;
    const fetched = this.#fetchedOf(moved, walk.first, cuts.at(-1) ?? walk.first);
    for (const group of groupsOf(views, ({ place }) => place)) {
      const ids = new Set(group.map(({ view }) => view));
      const way = { template, ids, fetched, from: group[0]!.place, to: walk.first };
      const deltas = yield* this.#way(walk, way);
      found.bases.push({ views: group, deltas });
    }
    const ids = new Set(views.map(({ view }) => view));
    let from = walk.first;
    for (const to of cuts) {
      if (to > from) {
        const deltas = yield* this.#way(walk, { template, ids, fetched, from, to });
        found.deltas.push([to - 1, deltas]);
      }
      from = to;
    }
  }

  /** What leads from one place to another, be that in front of it. */
  *#way(walk: RestoredWalk, { template, ids, fetched, from, to }: Way): Steps<readonly Delta[]> {
    const { laggards, replayer, steps } = this.#options;
    const [old, young] = [walk.positionAt(from), walk.positionAt(to)];
    const deltas = yield* this.#tapeDeltas(template, from, fetched.place, old, ids);
    const anchor = laggards.tape.anchorOf(fetched.place);
    const stanceOf = (id: ShapeId) => (ids.has(id) ? { old, new: young } : undefined);
    yield* replayer.playRows(template, fetched.rows, anchor, stanceOf);
    // One by one: there may be more than a call has room for.
    for (const delta of steps.drain()) deltas.push(delta);
    const backwards = yield* this.#tapeDeltas(template, to, fetched.place, young, ids);
    for (const { count, ...delta } of backwards) deltas.push({ ...delta, count: -count });
    return deltas;
  }

  /** What taped commits did to views, with those below as they were at one position. */
  *#tapeDeltas(
    template: MovingTemplate,
    from: Mark,
    to: Mark,
    position: ViewPosition,
    meant: { has(view: ShapeId): boolean },
  ): Steps<Delta[]> {
    const { replayer, steps } = this.#options;
    const stance = { old: position, new: position };
    yield* replayer.playTape(template, from, to, (id) => (meant.has(id) ? stance : undefined));
    return steps.drain();
  }

  /** Gives views the values that they had at `first`. */
  *#base(bases: readonly Base[]): Steps {
    const { giveUp, laggards, views } = this.#options;
    const failed = new Map<ShapeId, ViewFailure>();
    const based = new Set<ShapeId>();
    for (const each of bases) {
      const isNew = (view: ShapeId) => !this.#based.has(view) && laggards.gates.has(view);
      const apply = (view: ShapeId, tuple: Uint8Array, count: number) => {
        if (!isNew(view) || failed.has(view)) return;
        const outcome = views.apply(view, tuple, count);
        if (outcome !== "applied") failed.set(view, outcome);
      };
      for (const { view, seed } of each.views) {
        based.add(view);
        for (const [tuple, count] of seed) {
          yield;
          apply(view, tuple, count);
        }
      }
      // What comes before what goes: a count is never less than none.
      for (const isComing of [true, false]) {
        for (const { tuple, count, views: ids } of each.deltas) {
          yield;
          if (count > 0 === isComing) for (const view of ids) apply(view, tuple, count);
        }
      }
    }
    for (const view of based) this.#based.add(view);
    for (const [view, failure] of failed) if (laggards.gates.has(view)) giveUp(view, failure);
  }

  // --- Rows --------------------------------------------------------------------------------------

  /** Which rows say what the views have done up to the last cut, and between seed and `first`. */
  #movedViews(walk: RestoredWalk, views: readonly PlacedView[], last: Mark): MovedViews {
    const { laggards, remove, views: values } = this.#options;
    const wanted = new WantedRows();
    const { template } = views[0]!;
    const until = walk.positionAt(views.reduce((mark, { place }) => Math.max(mark, place), last));
    const touched = (view: ShapeId) =>
      walk.transitions.touched(view, walk.positionAt(walk.first), until);
    const state = { hasNull: (view: ShapeId) => values.hasNull(view) };
    const kept = views.filter(({ view }) => {
      // With another one's shapes it may have gone just now.
      if (!laggards.gates.has(view)) return false;
      const { subqueries } = template.template.where!;
      const moves = movesOf(subqueries!, laggards.viewsOf(view), touched, state);
      wanted.add(moves.ins);
      wanted.add(moves.outs);
      if (moves.isInexpressible) remove(view, INEXPRESSIBLE);
      return !moves.isInexpressible;
    });
    return { template, views: kept, wanted };
  }

  #isFetched(moved: MovedViews, first: Mark, last: Mark): boolean {
    if (moved.views.length === 0 || moved.wanted.isEmpty) return true;
    const fetched = this.#fetched.get(moved.template.id);
    if (fetched === undefined || !fetched.wanted.covers(moved.wanted)) return false;
    const place = this.#placeOf(fetched.bounds, first);
    return place !== undefined && place >= placeBehind(moved, last);
  }

  /** REQUIRES: `#isFetched`. */
  #fetchedOf(moved: MovedViews, first: Mark, last: Mark): PlacedRows {
    if (moved.wanted.isEmpty) return { rows: [], place: placeBehind(moved, last) };
    const { bounds, rows } = this.#fetched.get(moved.template.id)!;
    return { rows, place: this.#placeOf(bounds, first)! };
  }

  // --- The end -----------------------------------------------------------------------------------

  *#finish(
    walk: RestoredWalk,
    moved: ReadonlySet<ShapeId>,
    shapes: readonly PlacedShape[],
    cuts: readonly Mark[],
  ): Steps {
    const { giveUp, laggards, router, steps } = this.#options;
    const { gates, tape } = laggards;
    yield* walk.forward((commit, { position, transitions }) => {
      laggards.note(position, [tape.commitAt(commit).xid], transitions, moved.size > 0);
    });
    for (let mark = walk.first; mark <= walk.end; mark++) {
      tape.anchorOf(mark).position = walk.positionAt(mark);
    }
    laggards.lastCommit.position = steps.position;
    laggards.restoredAt = walk.end;
    const last = cuts.at(-1) ?? walk.first;
    for (const gate of [...gates.all()]) {
      if (gate.state !== "restored" || !isView(laggards.templateOf(gate.id))) continue;
      if (moved.has(gate.id)) moveTo(gate, last, walk.positionAt(last));
      else laggards.release(gate);
    }
    for (const { gate, since, position } of shapes) moveTo(gate, since, walk.positionAt(position));
    for (const [view, failure] of walk.failed) if (router.isRouted(view)) giveUp(view, failure);
  }
}

/** What a view had, or has to be given. */
interface Base {
  readonly views: readonly PlacedView[];
  readonly deltas: readonly Delta[];
}

interface Found {
  readonly bases: Base[];
  readonly deltas: [Mark, readonly Delta[]][];
}

type FoundLayer =
  (Found & { readonly moved: readonly ShapeId[] }) | { readonly wanting: readonly MovedViews[] };

interface PlacedRows {
  readonly rows: readonly FetchedRow[];
  readonly place: Mark;
}

interface Way {
  readonly template: MovingTemplate;
  readonly ids: ReadonlySet<ShapeId>;
  readonly fetched: PlacedRows;
  readonly from: Mark;
  readonly to: Mark;
}

/** Places at which it matters what views were: to a shape, or to a view above with its seed. */
function cutsOf(shapes: readonly PlacedShape[], views: readonly PlacedView[]): readonly Mark[] {
  const nested = views.filter(({ template }) => layerOf(template.template) > 0);
  const marks = [...shapes.map(({ position }) => position), ...nested.map(({ place }) => place)];
  return [...new Set(marks)].sort((a, b) => a - b);
}

function moveTo(gate: Gate, since: Mark, position: ViewPosition): void {
  gate.state = "moving";
  gate.since = since;
  gate.position = position;
}

function placeBehind({ views }: MovedViews, last: Mark): Mark {
  return views.reduce((mark, { place }) => Math.max(mark, place), last);
}

/** By template, or by something else. */
function groupsOf(
  views: readonly PlacedView[],
  keyOf: (view: PlacedView) => number = ({ template }) => template.id,
): readonly (readonly PlacedView[])[] {
  const groups = new Map<number, PlacedView[]>();
  for (const one of views) {
    const others = groups.get(keyOf(one));
    if (others === undefined) groups.set(keyOf(one), [one]);
    else others.push(one);
  }
  return [...groups.values()];
}

/** Views in the order in which they can be restored: those that stand on others after these. */
function layersOf(placed: readonly PlacedView[]): readonly (readonly PlacedView[])[] {
  const groups = groupsOf(placed, ({ template }) => layerOf(template.template));
  const numberOf = (group: readonly PlacedView[]) => layerOf(group[0]!.template.template);
  return [...groups].sort((a, b) => numberOf(a) - numberOf(b));
}

/** 0 for a template without subqueries, otherwise one more than the deepest of them. */
function layerOf({ where }: ShapeTemplate): number {
  const dependencies = where?.subqueries?.dependencies ?? [];
  return dependencies.reduce((layer, { template }) => Math.max(layer, 1 + layerOf(template)), 0);
}
