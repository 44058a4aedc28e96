/**
 * Steps of the views: what a transaction, or a move of a view that has subqueries itself, changes
 * in them, gathered and applied as one.
 *
 *     delta body    ┌────────┬───────────────────┬───────────────────┐   flags: 1 there is an old
 *     of the core   │ flags  │ old tuple if any  │ new tuple if any  │   tuple, 2 a new one
 *                   └────────┴───────────────────┴───────────────────┘
 *                       tuple: per column u32 size, 0xffffffff for NULL, and the bytes
 *
 * A body is for all the views that the inner row is, or was, in.
 */

import type { ShapeId } from "../model/ids.ts";
import {
  nextViewPosition,
  VIEW_POSITION_ZERO,
  type ViewPosition,
  type ViewTransition,
} from "../model/view.ts";
import type { Views } from "../router/views.ts";

const HAS_OLD = 1;
const HAS_NEW = 2;
const NULL_SIZE = 0xffff_ffff;

export interface Delta {
  readonly tuple: Uint8Array;
  readonly views: readonly ShapeId[];
  /** Inner rows that have come to give the tuple, negative if they have gone. */
  readonly count: number;
}

export interface Step {
  readonly position: ViewPosition;
  readonly transitions: readonly ViewTransition[];
  /** There was no memory for what came into these. */
  readonly failed: ReadonlySet<ShapeId>;
}

export class ViewSteps {
  readonly #views: Views;
  #deltas: Delta[] = [];
  /** Removed since the first of the deltas was gathered; another shape may have the id soon. */
  readonly #removed = new Set<ShapeId>();
  #position: ViewPosition = VIEW_POSITION_ZERO;

  constructor(views: Views) {
    this.#views = views;
  }

  /** Where the views are. */
  get position(): ViewPosition {
    return this.#position;
  }

  get isEmpty(): boolean {
    return this.#deltas.length === 0;
  }

  /** Gathers a delta body, in a copy. */
  take(body: Uint8Array, columnCount: number, views: readonly ShapeId[]): void {
    const flags = body[0]!;
    let at = 1;
    for (const [flag, count] of [
      [HAS_OLD, -1],
      [HAS_NEW, 1],
    ] as const) {
      if ((flags & flag) === 0) continue;
      const end = endOfTuple(body, at, columnCount);
      this.#deltas.push({ tuple: new Uint8Array(body.subarray(at, end)), views, count });
      at = end;
    }
  }

  /** Takes what was gathered away. */
  drain(): Delta[] {
    const deltas = this.#deltas;
    this.#deltas = [];
    return deltas;
  }

  /** Puts such back. */
  put(deltas: readonly Delta[]): void {
    this.#deltas.push(...deltas);
  }

  /** Forgets what was gathered: the transaction will be sent again. */
  rollback(): void {
    this.#deltas = [];
    this.#removed.clear();
  }

  /** What was gathered for this view goes nowhere. */
  forget(view: ShapeId): void {
    if (!this.isEmpty) this.#removed.add(view);
  }

  /** Applies what was gathered. The views are at the next position then. */
  apply(): Step {
    const deltas = this.#deltas;
    this.#deltas = [];
    this.#position = nextViewPosition(this.#position);
    const failed = new Set<ShapeId>();
    const isDone = (view: ShapeId) => failed.has(view) || this.#removed.has(view);
    this.#views.beginStep(this.#position);
    // What comes first: so a value whose row was replaced does not leave in between.
    for (const isComing of [true, false]) {
      for (const { tuple, views, count } of deltas) {
        if (count > 0 !== isComing) continue;
        for (const view of views) {
          if (!isDone(view) && !this.#views.apply(view, tuple, count)) failed.add(view);
        }
      }
    }
    this.#removed.clear();
    return { position: this.#position, transitions: this.#views.endStep(), failed };
  }
}

/** A tuple of texts as the core takes it. */
export function encodeTuple(values: readonly (string | null)[]): Uint8Array {
  const texts = values.map((value) => (value === null ? null : Buffer.from(value)));
  const bytes = Buffer.alloc(texts.reduce((size, text) => size + 4 + (text?.length ?? 0), 0));
  let at = 0;
  for (const text of texts) {
    at = bytes.writeUInt32LE(text?.length ?? NULL_SIZE, at);
    if (text !== null) at += text.copy(bytes, at);
  }
  return bytes;
}

function endOfTuple(body: Uint8Array, start: number, columnCount: number): number {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = start;
  for (let column = 0; column < columnCount; column++) {
    const size = view.getUint32(at, true);
    at += 4 + (size === NULL_SIZE ? 0 : size);
  }
  return at;
}
