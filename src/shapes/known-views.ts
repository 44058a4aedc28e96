/**
 * What the server keeps of a definition's subqueries, to explain it: asked when somebody asks.
 */

import type { ShapeId } from "../model/ids.ts";
import { MembershipBit } from "../model/row-filter.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import { encodeTuple } from "../model/view-tuple.ts";
import type { Router } from "../router/router.ts";
import { LIVE, type Views } from "../router/views.ts";
import type { KnownView, KnownViews } from "../where/explain.ts";
import type { ViewKeeper } from "./view-keeper.ts";

/** Of a view; 10 ms. */
const USERS_COUNTED_MAX = 100_000;

export interface KnownViewsOptions {
  readonly router: Pick<Router, "usersOf">;
  readonly viewKeeper: Pick<ViewKeeper, "isReady" | "viewOf">;
  readonly views: Pick<Views, "countOf" | "hasNull" | "membershipBits">;
}

export function knownViews(
  { template, constants }: ShapeDefinition,
  options: KnownViewsOptions,
): KnownViews {
  return (template.where?.subqueries?.dependencies ?? []).map((dependency) => {
    const view = options.viewKeeper.viewOf(dependency, constants);
    return view === undefined ? undefined : knownView(view, options);
  });
}

function knownView(view: ShapeId, { router, viewKeeper, views }: KnownViewsOptions): KnownView {
  const summary = {
    valueCount: views.countOf(view),
    hasNull: views.hasNull(view),
    userCount: countUsersOf(view, router),
    isReady: viewKeeper.isReady(view),
  };
  const bitsOf = (tuple: readonly (string | null)[]): number => {
    const bits = views.membershipBits(view, encodeTuple(tuple), LIVE);
    // To the core, all tuples with a NULL are one.
    return tuple.includes(null) ? bits & ~MembershipBit.IS_MEMBER : bits;
  };
  return { summary, bitsOf };
}

function countUsersOf(view: ShapeId, router: KnownViewsOptions["router"]): number {
  let count = 0;
  let after: ShapeId | undefined;
  do {
    const { ids, next } = router.usersOf(view, after);
    count += ids.length;
    after = next;
  } while (after !== undefined && count < USERS_COUNTED_MAX);
  return count;
}
