/**
 * Subsets of shapes (protocol 12): what a client asks for, checked against the table, and the rows
 * that Postgres has for it. A subset leaves nothing behind: neither the log nor the core knows.
 */

import { InvalidParameter } from "../lib/errors.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import { PostgresError } from "../postgres/postgres-error.ts";
import { queryableColumns, type ColumnList } from "../where/column-selection.ts";
import { parseOrderBy } from "../where/order-by.ts";
import { compileSubsetWhere } from "../where/subset-filter.ts";
import type { SubsetRequest } from "./shape-service.ts";

/** Reads the rows; `postgres/subset-query.ts`. */
export interface SubsetSource {
  /** @param tagPrefix stack id and handle, for the tags of a template with subqueries. */
  read(
    definition: ShapeDefinition,
    subset: Subset,
    signal: AbortSignal,
    tagPrefix: string,
  ): Promise<SubsetSnapshot>;
}

/**
 * What comes first is reported first: the order, then the condition (protocol 3.3).
 *
 * @param queryable the request's `queryable_columns`: nothing else may be spoken of.
 * @throws {InvalidParameter} naming the member. @throws {LitzError} PARSER_RESTARTING (503).
 */
export function defineSubset(
  { template: { table } }: ShapeDefinition,
  { where, params, orderBy, limit, offset }: SubsetRequest,
  queryable: ColumnList | undefined,
): Subset {
  const columns = queryableColumns(table, queryable);
  const names = columns.map((index) => table.columns[index]!);
  const order = orderBy === undefined ? undefined : parseOrderBy(orderBy, table, names);
  const condition =
    where === undefined
      ? undefined
      : compileSubsetWhere(table, where, params, { queryableColumns: columns });
  return {
    where: condition?.sql,
    parameters: condition?.parameters ?? [],
    orderBy: order,
    limit,
    offset,
  };
}

/** SQLSTATEs of class 22 are data exceptions (Postgres manual, appendix A). */
const DATA_EXCEPTION = "22";

/**
 * @throws {InvalidParameter} naming `where`, in Postgres' words: a value is none of its enum's, or
 *   an operator cannot be applied to it.
 * @throws {LitzError} see `SubsetSource`.
 */
export async function readSubset(
  source: SubsetSource,
  definition: ShapeDefinition,
  subset: Subset,
  signal: AbortSignal,
  tagPrefix: string,
): Promise<SubsetSnapshot> {
  try {
    return await source.read(definition, subset, signal, tagPrefix);
  } catch (error) {
    const isRefused =
      error instanceof PostgresError && error.sqlState?.startsWith(DATA_EXCEPTION) === true;
    throw isRefused ? new InvalidParameter("where", error.postgresMessage) : error;
  }
}
