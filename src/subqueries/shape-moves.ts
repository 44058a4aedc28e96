/**
 * What a difference between two positions of its views means for a shape (protocol 14.5):
 *
 *     value      IN          NOT IN
 *     enters     move-in     move-out
 *     leaves     move-out    move-in
 *
 * NULL under NOT IN is as in Postgres. A NULL in the view makes NOT IN true of nothing but of an
 * empty view; so when the first one comes or the last one goes, every row's truth changes, which
 * patterns cannot say. A row whose left side is NULL is in `NOT IN` exactly while the view is
 * empty; its tag is the hash of NULL.
 */

import type { ShapeId } from "../model/ids.ts";
import type { Subqueries } from "../model/shape-definition.ts";
import type { Membership } from "../model/subquery.ts";
import type { NetTransition } from "./transition-log.ts";

/** Rows whose left side at a literal is this value are concerned. */
export interface Pattern {
  readonly literal: number;
  readonly membership: Membership;
  /** Null: a left side that is NULL. */
  readonly values: readonly string[] | null;
}

export interface ShapeMoves {
  readonly ins: readonly Pattern[];
  readonly outs: readonly Pattern[];
  /** Transactions that caused them, ascending, each once. */
  readonly xids: readonly number[];
  /** There is more to it than patterns can say: the shape cannot be kept. */
  readonly isInexpressible: boolean;
}

/** Views as they are where the moves lead. */
export interface ViewState {
  readonly hasNull: (view: ShapeId) => boolean;
}

/**
 * @param views of the shape, by dependency.
 * @param net what has become of a view.
 */
export function movesOf(
  { literals }: Subqueries,
  views: readonly ShapeId[],
  net: (view: ShapeId) => readonly NetTransition[],
  state: ViewState,
): ShapeMoves {
  const ins: Pattern[] = [];
  const outs: Pattern[] = [];
  const xids = new Set<number>();
  let isInexpressible = false;
  for (const [index, literal] of literals.entries()) {
    if (literal.is !== "membership") continue;
    const view = views[literal.dependency]!;
    for (const { transition, xids: causes } of net(view)) {
      const effect = effectOf(literal, transition.kind, transition.isEntering, () => {
        return state.hasNull(view);
      });
      if (effect === "none") continue;
      if (effect === "inexpressible") isInexpressible = true;
      const values = transition.kind === "value" ? transition.values : null;
      const pattern = { literal: index, membership: literal, values };
      if (effect === "in") ins.push(pattern);
      if (effect === "out") outs.push(pattern);
      for (const xid of causes) xids.add(xid);
    }
  }
  return { ins, outs, xids: [...xids].sort((a, b) => a - b), isInexpressible };
}

function effectOf(
  { isNegated, columns }: Membership,
  kind: "value" | "null" | "empty",
  isEntering: boolean,
  hasNull: () => boolean,
): "in" | "out" | "none" | "inexpressible" {
  if (!isNegated) {
    if (kind !== "value") return "none";
    return isEntering ? "in" : "out";
  }
  if (kind === "null") return "inexpressible";
  if (kind === "empty") {
    // Of several columns none may be NULL (`where/dependencies.ts`).
    if (columns.length > 1) return "none";
    return isEntering ? "in" : "out";
  }
  // Then it is true of nothing, be the value there or not.
  if (hasNull()) return "none";
  return isEntering ? "out" : "in";
}
