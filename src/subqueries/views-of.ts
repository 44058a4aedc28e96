/** The views of a shape: the ids behind its other constants, one for each dependency. */

import type { ShapeId } from "../model/ids.ts";
import type { Router } from "../router/router.ts";
import { viewIdsAmong } from "../router/view-ids.ts";
import type { MovingTemplate } from "./moving-template.ts";

/** By dependency; none for a shape without subqueries. REQUIRES: the shape is routed to. */
export function viewsOf(
  router: Pick<Router, "constantsOf">,
  { template }: MovingTemplate,
  id: ShapeId,
): readonly ShapeId[] {
  const count = template.where?.subqueries?.dependencies.length ?? 0;
  return count === 0 ? [] : viewIdsAmong(router.constantsOf(id), count);
}
