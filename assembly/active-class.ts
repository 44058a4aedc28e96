/**
 * Classes of hits: shapes of one projection for which the same literals of the WHERE are true of a
 * row, hence share its body (protocol 14.3, `active_conditions`). Only templates with several
 * disjuncts have them: if there is one, all its literals are true.
 *
 *     projection.firstClass ──> class ──> class
 *                        ┌──────────────────────┬──────────────────────┐
 *                        │ next, hits per group │ a byte per literal   │     at the end of BYTES
 *                        └──────────────────────┴──────────────────────┘
 *
 * TypeScript makes them while it judges, each once per change; `forget` ends them.
 *
 * Invariant: between two changes no projection has a class.
 *
 * Allocates nothing.
 */

import { Projection } from "./projection";
import * as regions from "./regions";
import { literalCount } from "./tag-writer";

@unmanaged
export class ActiveClass {
  next: ActiveClass | null;
  /** The one that was made before, of whatever projection. */
  older: ActiveClass | null;
  projection: Projection;
  /** As those of a `Projection`. */
  firstDelete: u32;
  lastDelete: u32;
  firstUpdate: u32;
  lastUpdate: u32;
  firstInsert: u32;
  lastInsert: u32;
}

const CLASS_SIZE: usize = 36;
if (offsetof<ActiveClass>() != CLASS_SIZE) ERROR("the literals must follow the ActiveClass");

let youngest: ActiveClass | null = null;

/** A new class of a projection. Null: there is no room, which the regions have noted. */
export function add(projection: Projection): ActiveClass | null {
  const address = regions.putAside(CLASS_SIZE + <usize>literalCount(projection));
  if (address == 0) return null;
  memory.fill(address, 0, CLASS_SIZE);
  const made = changetype<ActiveClass>(address);
  made.projection = projection;
  made.next = firstOf(projection);
  made.older = youngest;
  youngest = made;
  projection.firstClass = <u32>address;
  return made;
}

export function firstOf(projection: Projection): ActiveClass | null {
  return changetype<ActiveClass | null>(<usize>projection.firstClass);
}

/** A byte for each literal: whether it is true. */
export function literalsOf(active: ActiveClass): usize {
  return changetype<usize>(active) + CLASS_SIZE;
}

/** The class whose literals are there. */
export function classOf(literals: u32): ActiveClass | null {
  return literals == 0 ? null : changetype<ActiveClass>(<usize>literals - CLASS_SIZE);
}

/** Ends all classes. */
export function forget(): void {
  let active = youngest;
  if (!active) return;
  while (active) {
    active.projection.firstClass = 0;
    active = active.older;
  }
  youngest = null;
  regions.forgetAside();
}
