/**
 * Subsets of shapes (protocol 12): the rows that Postgres has for what a client asks for, which
 * `ShapeDefiner` has checked. A subset leaves nothing behind: neither the log nor the core knows.
 */

import { InvalidParameter } from "../lib/errors.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import { PostgresError } from "../postgres/postgres-error.ts";

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
