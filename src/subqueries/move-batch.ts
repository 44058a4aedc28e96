/**
 * Shapes of one template that are brought up together: which of them move how, and the rows that
 * may move in, read by one query for all of them.
 */

import { LitzError } from "../lib/errors.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import type { FetchedRow, RowsWanted, WantedSide } from "../postgres/move-query.ts";
import { EventGroups } from "./event-groups.ts";
import type { Gate } from "./gates.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { Pattern, ShapeMoves } from "./shape-moves.ts";

/** Reads rows; `postgres/move-query.ts`. */
export interface MoveQuery {
  /**
   * @param placed is called before any row.
   * @param row is called for each.
   */
  read(
    wanted: RowsWanted,
    placed: (bounds: SnapshotBounds) => void,
    row: (row: FetchedRow) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** With more shapes than this, what else each asks of a row does not narrow the query. */
const CONDITIONS_MAX = 20;
/** What an array of texts and its place in a list come to, roughly. */
const ROW_OVERHEAD_BYTES = 100;
const VALUE_OVERHEAD_BYTES = 24;
/** Pauses before rows are read again whose snapshot had no clear place. */
const RETRY_DELAYS_MS = [0, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

export interface BatchParts {
  readonly template: MovingTemplate;
  readonly gates: readonly Gate[];
  /** Where the views are, and the last commit: its shapes will be there. */
  readonly until: ViewPosition;
  readonly untilLsn: Lsn;
  /** How a shape moves; the same object for shapes to which the same happens. */
  readonly moves: (gate: Gate, groups: EventGroups) => ShapeMoves;
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
  readonly groups = new EventGroups();
  /** Shapes that cannot be kept. */
  readonly inexpressible: ShapeId[] = [];
  /** Transactions that caused it. */
  readonly xids: readonly number[];
  readonly #sides = new Map<string, { columns: readonly number[]; values: Map<string, Pattern> }>();
  readonly #byShape = new Map<ShapeId, Gate>();
  readonly #stop = new AbortController();
  #constants: readonly Constants[] | undefined;
  #attempts = 0;
  #bounds: SnapshotBounds | undefined;
  #rows: FetchedRow[] = [];
  #isRead = false;

  constructor({ template, gates, until, untilLsn, moves: movesOf, constantsOf }: BatchParts) {
    this.template = template;
    this.gates = gates;
    this.until = until;
    this.untilLsn = untilLsn;
    const xids = new Set<number>();
    const seen = new Set<ShapeMoves>();
    for (const gate of gates) {
      gate.isInBatch = true;
      this.#byShape.set(gate.id, gate);
      const moves = movesOf(gate, this.groups);
      this.groups.add(template, moves, gate.id);
      if (moves.isInexpressible) this.inexpressible.push(gate.id);
      if (seen.has(moves)) continue;
      seen.add(moves);
      for (const xid of moves.xids) xids.add(xid);
      this.#want(moves.ins);
      // Rows that leave a view take their values along.
      if (isView(template)) this.#want(moves.outs);
    }
    this.xids = [...xids];
    if (gates.length <= CONDITIONS_MAX) this.#constants = gates.map(({ id }) => constantsOf(id));
  }

  get needsRows(): boolean {
    return this.#sides.size > 0;
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

  /** @throws {LitzError} MOVE_TOO_LARGE, POSTGRES_*. */
  async fetch(query: MoveQuery, bytesMax: number): Promise<void> {
    const delay = RETRY_DELAYS_MS[this.#attempts];
    if (delay === undefined) {
      throw new LitzError("no snapshot was found that shows all transactions in their order", {
        code: "SNAPSHOT_TOO_EARLY",
      });
    }
    this.#attempts += 1;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    let bytes = 0;
    const sides = [...this.#sides.values()].map(wantedSide);
    await query.read(
      { template: this.template.template, sides, constants: this.#constants },
      (bounds) => {
        this.#bounds = bounds;
      },
      (row) => {
        bytes += ROW_OVERHEAD_BYTES;
        for (const value of row) bytes += VALUE_OVERHEAD_BYTES + (value?.length ?? 0);
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        this.#rows.push(row);
      },
      this.#stop.signal,
    );
    this.#isRead = true;
  }

  /** Forgets the rows: they have to be read again. */
  again(): void {
    this.#bounds = undefined;
    this.#rows = [];
    this.#isRead = false;
  }

  stop(): void {
    this.#stop.abort(new LitzError("the server is shutting down", { code: "SHUTTING_DOWN" }));
  }

  #want(patterns: readonly Pattern[]): void {
    for (const pattern of patterns) {
      const { columns } = pattern.membership;
      const key = columns.join();
      let side = this.#sides.get(key);
      if (side === undefined) {
        side = { columns, values: new Map() };
        this.#sides.set(key, side);
      }
      side.values.set(JSON.stringify(pattern.values), pattern);
    }
  }
}

function wantedSide({
  columns,
  values,
}: {
  columns: readonly number[];
  values: ReadonlyMap<string, Pattern>;
}): WantedSide {
  const tuples: (readonly string[])[] = [];
  let isNullWanted = false;
  for (const pattern of values.values()) {
    if (pattern.values === null) isNullWanted = true;
    else tuples.push(pattern.values);
  }
  return { columns, tuples, isNullWanted };
}

function tooLarge(bytesMax: number): LitzError {
  return new LitzError(
    `the rows that move in have more than ${bytesMax} bytes; raise LITZ_MOVE_BUFFER_MAX`,
    { code: "MOVE_TOO_LARGE" },
  );
}
