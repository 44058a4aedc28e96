/**
 * The constants that a shape with subqueries is routed with end with the ids of its views, one for
 * each dependency, as decimal text (`model/shape-definition.ts`).
 */

import type { ShapeId } from "../model/ids.ts";
import type { Constants } from "../model/shape-definition.ts";

/** @param count of dependencies. */
export function viewIdsAmong(routed: Constants, count: number): readonly ShapeId[] {
  return count === 0 ? [] : routed.slice(-count).map((text) => Number(text) as ShapeId);
}
