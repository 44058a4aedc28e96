/**
 * Views after a restart. What a stored shape's views were at its place in the stream nobody has
 * written down; what they are now Postgres knows; and the stream sends what lies between. So the
 * difference is taken off again, and the views walk forward once more, with their history:
 *
 *     seed      rows that give each value, as of a snapshot
 *     ‒ deltas of the taped commits that the snapshot shows   ─> the views at the shapes' place
 *     + deltas of every taped commit, one step each           ─> the views now, and transitions
 *
 * A view that itself has subqueries can be taken back only while those have not changed: its
 * shapes begin anew otherwise.
 */

import { assert } from "../lib/assert.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { Replayer } from "./replayer.ts";
import { placeOf } from "./snapshot-place.ts";
import type { Mark } from "./tape.ts";
import type { Delta, ViewSteps } from "./view-steps.ts";

/** Tuples, and how many inner rows give each. */
export type Seed = readonly (readonly [tuple: Uint8Array, count: number])[];

export interface SeededView {
  readonly view: ShapeId;
  readonly template: MovingTemplate;
  readonly bounds: SnapshotBounds;
  readonly seed: Seed;
}

/** A view, and the place of its seed among the commits. */
interface PlacedView extends SeededView {
  readonly place: Mark;
}

export interface RestorationOptions {
  readonly router: Router;
  readonly views: Views;
  readonly laggards: Laggards;
  readonly replayer: Replayer;
  readonly steps: ViewSteps;
  /** Up to where logs are complete unless something else is known. */
  readonly start: Lsn;
  readonly remove: (id: ShapeId, why: string) => void;
}

/**
 * Makes restored views what they are now, and says of the shapes that use them where they are.
 * Returns the views whose seeds have no clear place; then nothing has happened. REQUIRES: the
 * stream has been read up to where the seeds lie.
 *
 * @param seeds of all restored views.
 */
export function restore(
  options: RestorationOptions,
  seeds: readonly SeededView[],
): readonly ShapeId[] {
  const { laggards, remove, router, steps, views } = options;
  const { gates, tape, transitions } = laggards;
  const restored = [...gates.all()].filter(({ state }) => state === "restored");
  const first = laggards.firstMarkOf(restored);
  const position = steps.position;
  const placed: PlacedView[] = [];
  const unclear: ShapeId[] = [];
  for (const seeded of seeds) {
    if (!gates.has(seeded.view)) continue;
    const place = placeOf(seeded.bounds, first, tape, router);
    if (place === undefined) unclear.push(seeded.view);
    else placed.push({ ...seeded, place });
  }
  if (unclear.length > 0) return unclear;
  views.keepSince(position);
  for (let commit = first; commit < tape.mark; commit++) tape.commitAt(commit).position = position;
  for (const layer of layersOf(placed)) {
    for (const { view } of layer) {
      // With a view go its shapes, and with these other views.
      if (!gates.has(view)) continue;
      const dependencies = laggards.viewsOf(view);
      if (dependencies.every((id) => !transitions.hasChanged(id, position))) continue;
      remove(view, "what its subquery depends on changed while the server was down");
    }
    const present = layer.filter(({ view }) => gates.has(view));
    for (const view of restoreLayer(options, present, first, position)) {
      if (gates.has(view)) remove(view, "there is no memory for its values");
    }
  }
  tape.carryPositions(first, position);
  laggards.lastCommit.position = steps.position;
  for (const gate of restored) {
    if (!laggards.isCurrent(gate)) continue;
    if (isView(laggards.templateOf(gate.id))) laggards.release(gate);
    else placeRestored(options, gate, first);
  }
  return [];
}

/** A log is complete up to where the process began, or to the snapshot, if that lies behind. */
function placeRestored(
  { laggards: { tape }, remove, router, start }: RestorationOptions,
  gate: Gate,
  first: Mark,
): void {
  gate.state = "moving";
  if (gate.bounds === undefined || gate.behind !== undefined) {
    const { since, position } = gate.behind ?? { since: start, position: start };
    gate.since = tape.markBehind(since, first);
    gate.position = tape.anchorOf(tape.markBehind(position, first)).position;
    return;
  }
  const place = placeOf(gate.bounds, first, tape, router);
  if (place === undefined) {
    remove(gate.id, "its first rows have no clear place in the stream");
    return;
  }
  gate.since = place;
  gate.position = tape.anchorOf(place).position;
}

/**
 * Brings views of one layer from what their seeds say to what they are now, with all steps since
 * `first`. Views of lower layers have been there before.
 *
 * @param position of the views at `first`.
 * @returns views for which there is no memory.
 */
function restoreLayer(
  { laggards, replayer, steps, views }: RestorationOptions,
  placed: readonly PlacedView[],
  first: Mark,
  position: ViewPosition,
): ReadonlySet<ShapeId> {
  const { tape } = laggards;
  const failed = new Set<ShapeId>();
  const byView = new Map(placed.map((one) => [one.view, one]));
  const templates = new Map(placed.map(({ template }) => [template.id, template]));
  const deltas: Delta[][] = [];
  for (let commit = first; commit < tape.mark; commit++) {
    for (const template of templates.values()) {
      replayer.playTape(template, commit, commit + 1, (id) => {
        return byView.has(id) ? { old: position, new: position } : undefined;
      });
    }
    deltas.push(steps.drain());
  }
  const apply = (view: ShapeId, tuple: Uint8Array, count: number): void => {
    if (!failed.has(view) && !views.apply(view, tuple, count)) failed.add(view);
  };
  for (const { view, seed } of placed) for (const [tuple, count] of seed) apply(view, tuple, count);
  // What went away comes back before what came goes: a count is never less than none.
  for (const isComing of [true, false]) {
    deltas.forEach((ofCommit, index) => {
      for (const { tuple, count, views: ids } of ofCommit) {
        if (-count > 0 !== isComing) continue;
        for (const id of ids) {
          const one = byView.get(id);
          assert(one !== undefined, "deltas are of the views that were played to");
          if (first + index < one.place) apply(id, tuple, -count);
        }
      }
    });
  }
  deltas.forEach((ofCommit, index) => {
    if (ofCommit.length === 0) return;
    const commit = tape.commitAt(first + index);
    steps.put(ofCommit);
    const step = steps.apply();
    commit.position = step.position;
    laggards.note(step.position, [commit.xid], step.transitions);
  });
  return failed;
}

/** Views in the order in which they can be restored: those that stand on others after these. */
function layersOf(placed: readonly PlacedView[]): readonly (readonly PlacedView[])[] {
  const layers = new Map<number, PlacedView[]>();
  for (const one of placed) {
    const layer = layerOf(one.template.template);
    const others = layers.get(layer);
    if (others === undefined) layers.set(layer, [one]);
    else others.push(one);
  }
  return [...layers].sort(([a], [b]) => a - b).map(([, layer]) => layer);
}

/** 0 for a template without subqueries, otherwise one more than the deepest of them. */
function layerOf({ where }: ShapeTemplate): number {
  const dependencies = where?.subqueries?.dependencies ?? [];
  return dependencies.reduce((layer, { template }) => Math.max(layer, 1 + layerOf(template)), 0);
}
