/**
 * Views: the value sets of subqueries, and how they change (protocol section 14).
 *
 * A position is a number that grows by one with every step in which views change. A shape in the
 * middle of a move is at an earlier position than the others, until its move is done.
 */

import type { ShapeId } from "./ids.ts";

declare const brand: unique symbol;

export type ViewPosition = number & { readonly [brand]: "ViewPosition" };

/** Before every step. */
export const VIEW_POSITION_ZERO = 0 as ViewPosition;

export function nextViewPosition(position: ViewPosition): ViewPosition {
  return (position + 1) as ViewPosition;
}

/** REQUIRES: not the first. */
export function previousViewPosition(position: ViewPosition): ViewPosition {
  return (position - 1) as ViewPosition;
}

/**
 * What a step did to a view, net.
 *
 *     value    a value entered or left
 *     null     the first tuple with a NULL in it came, or the last one went
 *     empty    the view became empty (entering), or is no longer
 */
export type ViewTransition =
  | {
      readonly view: ShapeId;
      readonly kind: "value";
      readonly isEntering: boolean;
      /** Canonical texts, one for each column of the projection. */
      readonly values: readonly string[];
    }
  | { readonly view: ShapeId; readonly kind: "null" | "empty"; readonly isEntering: boolean };
