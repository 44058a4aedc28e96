/**
 * Rows that are asked for because values entered or left subqueries: those whose left side, at some
 * place of the WHERE, is one of the values. Places with the same columns are one *side*.
 */

import { LitzError } from "../lib/errors.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { FetchedRow, RowsWanted, WantedSide } from "../postgres/move-query.ts";
import type { Pattern } from "./shape-moves.ts";

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

interface Side {
  readonly columns: readonly number[];
  readonly values: Map<string, readonly string[] | null>;
}

export class WantedRows {
  readonly #sides = new Map<string, Side>();

  get isEmpty(): boolean {
    return this.#sides.size === 0;
  }

  add(patterns: readonly Pattern[]): void {
    for (const { membership, values } of patterns) {
      const { columns } = membership;
      const key = columns.join();
      let side = this.#sides.get(key);
      if (side === undefined) {
        side = { columns, values: new Map() };
        this.#sides.set(key, side);
      }
      side.values.set(JSON.stringify(values), values);
    }
  }

  /** Whether every row that the other asks for is asked for here, too. */
  covers(other: WantedRows): boolean {
    for (const [key, { values }] of other.#sides) {
      const own = this.#sides.get(key)?.values;
      for (const value of values.keys()) if (own?.has(value) !== true) return false;
    }
    return true;
  }

  sides(): readonly WantedSide[] {
    return Array.from(this.#sides.values(), ({ columns, values }) => ({
      columns,
      tuples: [...values.values()].filter((tuple) => tuple !== null),
      isNullWanted: values.has("null"),
    }));
  }
}

/** What the shapes ask of a row besides, if that is of use. */
export function narrowing<Shape>(
  shapes: readonly Shape[],
  constantsOf: (shape: Shape) => Constants,
): readonly Constants[] | undefined {
  return shapes.length <= CONDITIONS_MAX ? shapes.map(constantsOf) : undefined;
}

/**
 * Reads rows, in memory.
 *
 * @param placed is told where they lie in time, before any is read.
 * @throws {LitzError} MOVE_TOO_LARGE, POSTGRES_*.
 */
export async function readRows(
  query: MoveQuery,
  wanted: RowsWanted,
  bytesMax: number,
  placed: (bounds: SnapshotBounds) => void,
  signal: AbortSignal,
): Promise<readonly FetchedRow[]> {
  const rows: FetchedRow[] = [];
  let bytes = 0;
  const take = (row: FetchedRow): void => {
    bytes += ROW_OVERHEAD_BYTES;
    for (const value of row) bytes += VALUE_OVERHEAD_BYTES + (value?.length ?? 0);
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    rows.push(row);
  };
  await query.read(wanted, placed, take, signal);
  return rows;
}

function tooLarge(bytesMax: number): LitzError {
  return new LitzError(
    `the rows that move in have more than ${bytesMax} bytes; raise LITZ_MOVE_BUFFER_MAX`,
    { code: "MOVE_TOO_LARGE" },
  );
}
