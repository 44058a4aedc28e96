/**
 * What ids, the container and sharing give for subqueries, each on its own: four ways to keep the
 * same sets of values, each one step from the one before.
 *
 *     by handles ──ids──> by integers ──container──> in the core ──sharing──> shared, in the core
 *
 * The first three are the engines where every shape has a subquery of its own, the fourth is the
 * core where a hundred shapes have the same. Bytes are those of whole shapes.
 */

import { valueOf, type Comparison } from "../comparison.ts";
import { BYTES_PER_SHAPE } from "../figures.ts";
import { formatBytes, formatCount, formatRatio } from "../format.ts";
import type { EngineName } from "../workload.ts";

const UNSHARED = "subqueries-unshared";
const SHARED = "subqueries-shared";
const UUIDS = "subqueries-uuid";

export const GAINS_TITLE = "What ids, the container and sharing give";

export const GAINS_ABOUT =
  "Bytes per shape with a subquery, all in, and how many times fewer they are with each step: " +
  "handles are replaced by integers, ordinary containers by the core's, and subqueries of one " +
  "shape by those of 100. The last column is what sharing alone gives without the core.";

export const GAINS_HEAD = [
  "values, shapes",
  "by handles",
  "by integers",
  "ids give",
  "in the core",
  "the container gives",
  "in the core, shared",
  "sharing gives",
  "sharing, by integers",
] as const;

/** A row for each size at which all engines were measured; none without subqueries. */
export function gainRows(comparisons: readonly Comparison[]): readonly (readonly string[])[] {
  return comparisons
    .filter(({ workload }) => workload === UNSHARED || workload === UUIDS)
    .flatMap((own) => {
      const isShareable = own.workload === UNSHARED;
      const shared = comparisons.find(
        ({ workload, shapeCount }) =>
          isShareable && workload === SHARED && shapeCount === own.shapeCount,
      );
      const row = rowOf(own, shared);
      return row === undefined ? [] : [row];
    });
}

function rowOf(own: Comparison, shared: Comparison | undefined): readonly string[] | undefined {
  const handles = bytesOf(own, "string-keyed");
  const integers = bytesOf(own, "integer-keyed");
  const core = bytesOf(own, "core");
  if (handles === undefined || integers === undefined || core === undefined) return undefined;
  const coreShared = shared && bytesOf(shared, "core");
  const integersShared = shared && bytesOf(shared, "integer-keyed");
  const values = own.workload === UUIDS ? "50 UUIDs" : "10 integers";
  return [
    `${values}, ${formatCount(own.shapeCount)} shapes`,
    formatBytes(handles),
    formatBytes(integers),
    gain(handles, integers),
    formatBytes(core),
    gain(integers, core),
    coreShared === undefined ? "" : formatBytes(coreShared),
    gain(core, coreShared),
    gain(integers, integersShared),
  ];
}

function bytesOf(comparison: Comparison, engine: EngineName): number | undefined {
  return valueOf(comparison, BYTES_PER_SHAPE, engine)?.median;
}

/** Nothing where the figures do not bear it: of few shapes the heap may seem to shrink. */
function gain(from: number, to: number | undefined): string {
  return to === undefined || from <= 0 || to <= 0 ? "" : formatRatio(from / to);
}
