/**
 * Shapes of one template that are brought up together: which of them move how, and the rows that
 * may move in, read by one query for all of them.
 */

import { shuttingDown } from "../lib/errors.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { FetchedRow } from "../postgres/move-query.ts";
import type { EventGroups } from "./event-groups.ts";
import type { Gate } from "./gates.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { ShapeMoves } from "./shape-moves.ts";
import { narrowing, readRows, WantedRows, type MoveQuery } from "./wanted-rows.ts";

/** Pauses before rows are read again whose snapshot had no clear place. */
const RETRY_DELAYS_MS = [0, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

export interface BatchParts {
  readonly template: MovingTemplate;
  /** How each of its shapes moves; the same object for shapes to which the same happens. */
  readonly moves: readonly (readonly [Gate, ShapeMoves])[];
  /** Whose these objects are. */
  readonly groups: EventGroups;
  /** Where the views are, and the last commit: its shapes will be there. */
  readonly until: ViewPosition;
  readonly untilLsn: Lsn;
  readonly constantsOf: (id: ShapeId) => Constants;
}

export class MoveBatch {
  readonly template: MovingTemplate;
  readonly gates: readonly Gate[];
  /** Where the views were when it was put together, and where its shapes will be. */
  readonly until: ViewPosition;
  /** Of the last commit by then. */
  readonly untilLsn: Lsn;
  /** Shapes to which the same happens. */
  readonly groups: EventGroups;
  /** Shapes that cannot be kept. */
  readonly inexpressible: ShapeId[] = [];
  /** Why its rows cannot be read. */
  failure: string | undefined;
  /** Transactions that caused it. */
  readonly xids: readonly number[];
  readonly #wanted = new WantedRows();
  readonly #byShape = new Map<ShapeId, Gate>();
  readonly #stop = new AbortController();
  readonly #constants: readonly Constants[] | undefined;
  /** Gates whose shapes are there. */
  #presentCount: number;
  #attempts = 0;
  #unclearCount = 0;
  #bounds: SnapshotBounds | undefined;
  #rows: readonly FetchedRow[] = [];
  #isRead = false;

  constructor({ template, moves: all, groups, until, untilLsn, constantsOf }: BatchParts) {
    this.template = template;
    this.gates = all.map(([gate]) => gate);
    this.groups = groups;
    this.#presentCount = all.length;
    this.until = until;
    this.untilLsn = untilLsn;
    const xids = new Set<number>();
    const seen = new Set<ShapeMoves>();
    for (const [gate, moves] of all) {
      gate.isInBatch = true;
      this.#byShape.set(gate.id, gate);
      this.groups.add(template, moves, gate.id);
      if (moves.isInexpressible) this.inexpressible.push(gate.id);
      if (seen.has(moves)) continue;
      seen.add(moves);
      for (const xid of moves.xids) xids.add(xid);
      this.#wanted.add(moves.ins);
      // Rows that leave a view take their values along.
      if (isView(template)) this.#wanted.add(moves.outs);
    }
    this.xids = [...xids];
    this.#constants = narrowing(this.gates, ({ id }) => constantsOf(id));
  }

  get needsRows(): boolean {
    return !this.#wanted.isEmpty;
  }

  /** Where the rows lie in time, once they are being read. */
  get bounds(): SnapshotBounds | undefined {
    return this.#bounds;
  }

  /** Whether all rows are here. */
  get isReady(): boolean {
    return this.#isRead;
  }

  get rows(): readonly FetchedRow[] {
    return this.#rows;
  }

  gateOf(id: ShapeId): Gate | undefined {
    return this.#byShape.get(id);
  }

  /** One of its shapes is gone. */
  leave(): void {
    this.#presentCount -= 1;
  }

  /** Whether all of them are. */
  get isLeft(): boolean {
    return this.#presentCount === 0;
  }

  /** @throws {LitzError} MOVE_TOO_LARGE, POSTGRES_*. */
  async fetch(query: MoveQuery, bytesMax: number): Promise<void> {
    const delay = RETRY_DELAYS_MS[this.#attempts] ?? RETRY_DELAYS_MS.at(-1)!;
    this.#attempts += 1;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    const { template } = this.template;
    const wanted = { template, sides: this.#wanted.sides(), constants: this.#constants };
    const placed = (bounds: SnapshotBounds) => (this.#bounds = bounds);
    this.#rows = await readRows(query, wanted, bytesMax, placed, this.#stop.signal);
    this.#isRead = true;
  }

  /** Whether rows without a clear place have been read so often that there seems to be none. */
  get isHopeless(): boolean {
    return this.#unclearCount >= RETRY_DELAYS_MS.length;
  }

  /** Forgets the rows, which have no clear place: they have to be read again. */
  again(): void {
    this.#unclearCount += 1;
    this.#bounds = undefined;
    this.#rows = [];
    this.#isRead = false;
  }

  stop(): void {
    this.#stop.abort(shuttingDown());
  }
}
