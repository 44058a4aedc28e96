/**
 * Shapes that are behind: the core delivers nothing to them, and what happens in their tables is on
 * the tape. There are none when nothing moves; an idle shape has no gate.
 *
 *     restored   the process has begun: what its views were at its place is not known
 *     placing    its snapshot is under way: where it lies in time is not known
 *     moving     its log is complete up to `since`, with the views as they were at `position`
 *
 * Invariants:
 *
 *   1. Whatever stands on a view that is behind is behind too. So a view that is not is exactly
 *      what Postgres has at the last commit, and so was every view at each position of a gate.
 *   2. A shape waits for the views that it stands on.
 *   3. What is counted of gates is what those have that were added and not removed: ten thousand
 *      may be behind at once, and at every commit it is asked for the earliest.
 */

import { assert } from "../lib/assert.ts";
import type { RelationId, ShapeId, TemplateId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { BehindSince } from "../storage/storage.ts";
import { LeastOf } from "./least-of.ts";
import type { Mark } from "./tape.ts";

export type GateState = "restored" | "placing" | "moving";

export interface GateFields {
  readonly id: ShapeId;
  readonly template: TemplateId;
  readonly relation: RelationId;
  readonly nestedViews: readonly ShapeId[];
  readonly since: Mark;
  readonly position: ViewPosition;
  readonly state: GateState;
}

export class Gate {
  readonly id: ShapeId;
  readonly template: TemplateId;
  readonly relation: RelationId;
  /** Those of its views that stand on others: only they can be behind themselves. */
  readonly nestedViews: readonly ShapeId[];
  /** Of a restored shape: where its log ends. */
  behind: BehindSince | undefined;
  /** Of a restored shape: where its snapshot lies, if that is to be found out. */
  bounds: SnapshotBounds | undefined;
  #since: Mark;
  #position: ViewPosition;
  #state: GateState;
  #isRestored: boolean;
  #held: Lsn | undefined;
  #isInBatch = false;
  /** Where it counts. */
  #tally: Tally | undefined;

  constructor({ id, template, relation, nestedViews, since, position, state }: GateFields) {
    this.id = id;
    this.template = template;
    this.relation = relation;
    this.nestedViews = nestedViews;
    this.#since = since;
    this.#position = position;
    this.#state = state;
    this.#isRestored = state === "restored";
  }

  get since(): Mark {
    return this.#since;
  }

  set since(mark: Mark) {
    this.#change(() => (this.#since = mark));
  }

  /** At which position of the views its log is. */
  get position(): ViewPosition {
    return this.#position;
  }

  set position(position: ViewPosition) {
    this.#change(() => (this.#position = position));
  }

  get state(): GateState {
    return this.#state;
  }

  set state(state: GateState) {
    this.#change(() => (this.#state = state));
  }

  /** It has been behind since before the process began, be that as long as it may. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  set isRestored(isRestored: boolean) {
    this.#change(() => (this.#isRestored = isRestored));
  }

  /** What Postgres sends from here on has to be had again, should the process end. */
  get held(): Lsn | undefined {
    return this.#held;
  }

  set held(lsn: Lsn | undefined) {
    this.#change(() => (this.#held = lsn));
  }

  /** Whether a batch of moves is bringing it up. */
  get isInBatch(): boolean {
    return this.#isInBatch;
  }

  set isInBatch(isInBatch: boolean) {
    this.#change(() => (this.#isInBatch = isInBatch));
  }

  /** Begins to count; undefined: counts no more. */
  countIn(tally: Tally | undefined): void {
    this.#tally?.remove(this);
    this.#tally = tally;
    tally?.add(this);
  }

  #change(change: () => void): void {
    this.#tally?.remove(this);
    change();
    this.#tally?.add(this);
  }
}

/** What is counted of gates, so that nobody has to look at all of them. */
class Tally {
  readonly marks = new LeastOf<Mark>();
  readonly positions = new LeastOf<ViewPosition>();
  readonly held = new LeastOf<Lsn>();
  /** Marks by table, but those of gates that may be behind as long as it takes. */
  readonly limited = new Map<RelationId, LeastOf<Mark>>();
  /** By template, those that a batch may take as far as they themselves are concerned. */
  readonly waiting = new Map<TemplateId, Set<Gate>>();

  add(gate: Gate): void {
    this.marks.add(gate.since);
    this.positions.add(gate.position);
    if (gate.held !== undefined) this.held.add(gate.held);
    if (!gate.isRestored) this.#limitedOf(gate.relation).add(gate.since);
    if (isReady(gate)) this.#waitingOf(gate.template).add(gate);
  }

  remove(gate: Gate): void {
    this.marks.remove(gate.since);
    this.positions.remove(gate.position);
    if (gate.held !== undefined) this.held.remove(gate.held);
    if (!gate.isRestored) this.#removeLimited(gate);
    if (isReady(gate)) this.#removeWaiting(gate);
  }

  #limitedOf(relation: RelationId): LeastOf<Mark> {
    let marks = this.limited.get(relation);
    if (marks === undefined) {
      marks = new LeastOf();
      this.limited.set(relation, marks);
    }
    return marks;
  }

  #removeLimited({ relation, since }: Gate): void {
    const marks = this.limited.get(relation)!;
    marks.remove(since);
    if (marks.isEmpty) this.limited.delete(relation);
  }

  #waitingOf(template: TemplateId): Set<Gate> {
    let gates = this.waiting.get(template);
    if (gates === undefined) {
      gates = new Set();
      this.waiting.set(template, gates);
    }
    return gates;
  }

  #removeWaiting(gate: Gate): void {
    const gates = this.waiting.get(gate.template)!;
    gates.delete(gate);
    if (gates.size === 0) this.waiting.delete(gate.template);
  }
}

function isReady({ state, isInBatch }: Gate): boolean {
  return state === "moving" && !isInBatch;
}

export class Gates {
  readonly #gates = new Map<ShapeId, Gate>();
  readonly #tally = new Tally();

  get count(): number {
    return this.#gates.size;
  }

  get(id: ShapeId): Gate | undefined {
    return this.#gates.get(id);
  }

  has(id: ShapeId): boolean {
    return this.#gates.has(id);
  }

  add(gate: Gate): void {
    assert(!this.#gates.has(gate.id), "a shape has one gate");
    this.#gates.set(gate.id, gate);
    gate.countIn(this.#tally);
  }

  /** Returns whether there was one. */
  remove(gate: Gate): boolean {
    if (this.#gates.get(gate.id) !== gate) return false;
    this.#gates.delete(gate.id);
    gate.countIn(undefined);
    return true;
  }

  /** Templates of which a shape waits for a batch to take it. */
  *templatesThatWait(): Generator<TemplateId, void, void> {
    for (const [template, gates] of this.#tally.waiting) {
      for (const gate of gates) {
        if (this.isAboveLaggard(gate)) continue;
        yield template;
        break;
      }
    }
  }

  /** Those of a template that wait for a batch to take them. */
  waitingOf(template: TemplateId): readonly Gate[] {
    const gates = [...(this.#tally.waiting.get(template) ?? [])];
    return gates.filter((gate) => !this.isAboveLaggard(gate));
  }

  /** Whether a view that the shape stands on is behind. */
  isAboveLaggard({ nestedViews }: Gate): boolean {
    return nestedViews.some((view) => this.#gates.has(view));
  }

  all(): IterableIterator<Gate> {
    return this.#gates.values();
  }

  /** The earliest place that somebody goes back to. */
  get firstMark(): Mark | undefined {
    return this.#tally.marks.least;
  }

  /** The earliest in each table, of those that may not be behind as long as it takes. */
  *firstLimitedMarks(): Generator<[RelationId, Mark], void, void> {
    for (const [relation, marks] of this.#tally.limited) yield [relation, marks.least!];
  }

  /** What must not be confirmed to Postgres. */
  get firstHeld(): Lsn | undefined {
    return this.#tally.held.least;
  }

  /** The earliest position of the views that somebody asks for. */
  get firstPosition(): ViewPosition | undefined {
    return this.#tally.positions.least;
  }
}
