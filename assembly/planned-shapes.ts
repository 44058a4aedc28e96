/**
 * Shapes of templates that have a plan: added to the definition index and to every access that they
 * have entries in, and removed from all of them.
 *
 *     routed through    definition index    template + constants -> id, constants of an id
 *                       accesses            entries -> id
 *
 * There is no list of a shape's entries: who removes it makes them again from its constants.
 *
 * `add` may allocate and changes nothing if it is refused or an entry is invalid. An IN list may
 * have thousands of entries, so each reserves its own memory. `remove` never allocates.
 */

import * as accessEntry from "./access-entry";
import { FOUND, INVALID } from "./access-key";
import * as tree from "./condition-tree";
import * as definitionIndex from "./definition-index";
import * as plans from "./plan";
import { Plan } from "./plan";
import * as shapeTable from "./shape-table";
import { STATE_GATED } from "./shape-table";

/** What `add` did. */
export const REFUSED: u32 = 0;
export const ADDED: u32 = 1;
export const ENTRY_INVALID: u32 = 2;

/** REQUIRES: the id is minted and not routed to; no shape has the same template and constants. */
export function add(
  id: u32,
  template: u32,
  constants: usize,
  constantsSize: u32,
  entriesSize: u32,
): u32 {
  assert(shapeTable.isLive(id) && shapeTable.template(id) == 0);
  if (!definitionIndex.add(id, template, constants, constantsSize)) return REFUSED;
  const plan = planOf(template);
  const first = constants + <usize>constantsSize;
  const end = first + <usize>entriesSize;
  let at = first;
  while (at < end) {
    const access = plans.accessAt(plan, accessEntry.branchOf(at));
    const outcome = accessEntry.add(access, at, id);
    if (outcome != FOUND) {
      removeEntries(plan, first, at, id);
      definitionIndex.remove(id);
      return outcome == INVALID ? ENTRY_INVALID : REFUSED;
    }
    at = accessEntry.end();
  }
  tree.countShape(template, 1);
  return ADDED;
}

/** REQUIRES: the shape was added with these entries. */
export function remove(id: u32, entries: usize, entriesSize: u32): void {
  const template = shapeTable.template(id);
  removeEntries(planOf(template), entries, entries + <usize>entriesSize, id);
  definitionIndex.remove(id);
  shapeTable.setStateBit(id, STATE_GATED, false);
  tree.countShape(template, -1);
}

/** The plan of a template. REQUIRES: it has one. */
export function planOf(template: u32): Plan {
  return changetype<Plan>(tree.templateAt(template).plan);
}

function removeEntries(plan: Plan, first: usize, end: usize, id: u32): void {
  let at = first;
  while (at < end) {
    accessEntry.remove(plans.accessAt(plan, accessEntry.branchOf(at)), at, id);
    at = accessEntry.end();
  }
}
