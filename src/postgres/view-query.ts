/**
 * The values of subqueries, and how many rows give each, as one snapshot shows them. Those that
 * differ in nothing but their constants are counted by one query:
 *
 *     SELECT place, org, n FROM unnest($1, $2) AS litz_view (place, c0),
 *       LATERAL (SELECT org, count(*) AS n FROM members WHERE user_id = c0::int4 GROUP BY 1)
 */

import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { whereSqlOver, type ShapeDefinition } from "../model/shape-definition.ts";
import { quoteIdentifier, quoteTable } from "../model/table.ts";
import { noRoomForValues, ViewSeed } from "../model/view-seed.ts";
import { arrayText } from "./array-text.ts";
import type { Pool } from "./pool.ts";
import { DEFAULT_LIMITS, withSnapshot, type CursorQuery } from "./snapshot-transaction.ts";

export interface ViewValues {
  readonly bounds: SnapshotBounds;
  /** For each subquery. */
  readonly seeds: readonly ViewSeed[];
}

export class ViewReader {
  readonly #pool: Pool;
  readonly #bytesMax: number;

  /** @param bytesMax that the values of one query may take until they are in the core. */
  constructor(pool: Pool, bytesMax: number) {
    this.#pool = pool;
    this.#bytesMax = bytesMax;
  }

  /**
   * @param definitions of views (their template has a `projection`) of one template; at least one.
   * @throws {LitzError} SCHEMA_CHANGED when the table is not the one that was defined, POSTGRES_*,
   *   SUBQUERY_MEMORY_EXHAUSTED when there are too many values.
   */
  async read(definitions: readonly ShapeDefinition[], signal: AbortSignal): Promise<ViewValues> {
    const { template } = definitions[0]!;
    const seeds = definitions.map(() => new ViewSeed());
    let bytes = 0;
    let bounds: SnapshotBounds | undefined;
    await withSnapshot(this.#pool, DEFAULT_LIMITS, template, signal, async (transaction) => {
      bounds = transaction.bounds;
      for await (const rows of transaction.tuples(countQuery(definitions))) {
        signal.throwIfAborted();
        for (const [place, count, ...tuple] of rows) {
          bytes += seeds[Number(place)]!.add(tuple, Number(count));
        }
        if (bytes > this.#bytesMax) throw noRoomForValues();
      }
    });
    return { bounds: bounds!, seeds };
  }
}

function countQuery(definitions: readonly ShapeDefinition[]): CursorQuery {
  const { template, constants } = definitions[0]!;
  const { table, projection, where } = template;
  const columns = projection!.map((column) => quoteIdentifier(table.columns[column]!.name));
  const named = columns.map((column, place) => `${column} AS v${place}`).join(", ");
  const places = columns.map((_, place) => place + 1).join(", ");
  const condition =
    where === undefined ? "" : ` WHERE ${whereSqlOver(where, (index) => `litz_view.c${index}`)}`;
  const parameters = [
    arrayText(definitions.map((_, place) => String(place))),
    ...constants.map((_, index) => arrayText(definitions.map((each) => each.constants[index]!))),
  ];
  const arrays = ["$1::int4[]", ...constants.map((_, index) => `$${index + 2}::text[]`)];
  const names = ["place", ...constants.map((_, index) => `c${index}`)];
  const values = columns.map((_, place) => `litz_counted.v${place}`).join(", ");
  const sql =
    `SELECT litz_view.place, litz_counted.n, ${values} ` +
    `FROM unnest(${arrays.join(", ")}) AS litz_view (${names.join(", ")}), LATERAL (` +
    `SELECT ${named}, count(*) AS n FROM ${quoteTable(table)}${condition} GROUP BY ${places}` +
    ") AS litz_counted";
  return { sql, parameters };
}
