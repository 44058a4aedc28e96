/**
 * Shapes that are behind: the core delivers nothing to them, and what happens in their tables is on
 * the tape. There are none when nothing moves; an idle shape has no gate.
 *
 *     restored   the process has begun: what its views were at its place is not known
 *     placing    its snapshot is under way: where it lies in time is not known
 *     moving     its log is complete up to `since`, with the views as they were at `position`
 */

import { assert } from "../lib/assert.ts";
import type { RelationId, ShapeId, TemplateId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { BehindSince } from "../storage/storage.ts";
import type { Mark } from "./tape.ts";

export interface Gate {
  readonly id: ShapeId;
  readonly template: TemplateId;
  readonly relation: RelationId;
  since: Mark;
  /** At which position of the views its log is. */
  position: ViewPosition;
  state: "restored" | "placing" | "moving";
  /** It has been behind since before the process began, be that as long as it may. */
  isRestored: boolean;
  /** What Postgres sends behind this has to be had again, should the process end. */
  held: Lsn | undefined;
  /** Of a restored shape. */
  behind?: BehindSince | undefined;
  /** Of a restored shape: where its snapshot lies, if that is to be found out. */
  bounds?: SnapshotBounds | undefined;
  /** Whether a batch of moves is bringing it up. */
  isInBatch: boolean;
}

export class Gates {
  readonly #gates = new Map<ShapeId, Gate>();
  readonly #byTemplate = new Map<TemplateId, Set<Gate>>();

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
    const others = this.#byTemplate.get(gate.template);
    if (others === undefined) this.#byTemplate.set(gate.template, new Set([gate]));
    else others.add(gate);
  }

  /** Returns whether there was one. */
  remove(gate: Gate): boolean {
    if (this.#gates.get(gate.id) !== gate) return false;
    this.#gates.delete(gate.id);
    const others = this.#byTemplate.get(gate.template)!;
    others.delete(gate);
    if (others.size === 0) this.#byTemplate.delete(gate.template);
    return true;
  }

  /** Templates of which a shape waits for a batch to take it. */
  *templatesThatWait(): Generator<TemplateId, void, void> {
    for (const [template, gates] of this.#byTemplate) {
      for (const gate of gates) {
        if (!isWaiting(gate)) continue;
        yield template;
        break;
      }
    }
  }

  /** Those of a template that wait for a batch to take them. */
  waitingOf(template: TemplateId): readonly Gate[] {
    return [...(this.#byTemplate.get(template) ?? [])].filter(isWaiting);
  }

  all(): IterableIterator<Gate> {
    return this.#gates.values();
  }

  /** The earliest place that somebody goes back to. */
  get firstMark(): Mark | undefined {
    return least(this.#gates.values(), ({ since }) => since);
  }

  /** What must not be confirmed to Postgres. */
  get firstHeld(): Lsn | undefined {
    let first: Lsn | undefined;
    for (const { held } of this.#gates.values()) {
      if (held !== undefined && (first === undefined || held < first)) first = held;
    }
    return first;
  }

  /** The earliest position of the views that somebody asks for. */
  get firstPosition(): ViewPosition | undefined {
    return least(this.#gates.values(), ({ position }) => position);
  }
}

function isWaiting({ state, isInBatch }: Gate): boolean {
  return state === "moving" && !isInBatch;
}

function least<Value extends number>(
  gates: Iterable<Gate>,
  valueOf: (gate: Gate) => Value,
): Value | undefined {
  let least: Value | undefined;
  for (const gate of gates) {
    const value = valueOf(gate);
    if (least === undefined || value < least) least = value;
  }
  return least;
}
