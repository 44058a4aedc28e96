/**
 * The plan of a template that is more than one AND of equalities: the accesses that give its shapes
 * as candidates, and how a candidate is judged.
 *
 *     ┌─────────────────────────────────────┬────────────────┬─ ─ ─
 *     │ Plan: exact, pattern, branch count  │ Access per branch      │
 *     └─────────────────────────────────────┴────────────────┴─ ─ ─
 *
 *     exact      every candidate is a match
 *     pattern    the whole WHERE is `column [NOT] [I]LIKE constant`: `like.ts` judges
 *     neither    TypeScript does: `verdicts.ts`
 *
 * TypeScript describes it as u32 words: exact, pattern kind, negated, column, constant, branches;
 * and for each branch the size of its description and the description, see `access.ts`.
 *
 * Only `add` allocates, and reserves what it needs.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as blockPool from "./block-pool";
import { Relation } from "./condition-tree";
import * as pagePool from "./page-pool";

export const NO_PATTERN: u32 = 0;
export const LIKE: u32 = 1;
export const ILIKE: u32 = 2;

@unmanaged
export class Plan {
  isExact: u32;
  pattern: u32;
  isNegated: u32;
  /** Of the pattern test. */
  column: u32;
  /** Index of the pattern in the constants. */
  constant: u32;
  branchCount: u32;
}

const PLAN_SIZE: u32 = 24;
if (offsetof<Plan>() != PLAN_SIZE) ERROR("the branches must follow the Plan");

/** Makes the plan of a description. Null, with nothing changed, if the budget forbids it. */
export function add(relation: Relation, description: usize): Plan | null {
  const count = load<u32>(description, 20);
  const size = sizeOf(count);
  if (!pagePool.reserve(blockPool.pagesForBlock(size))) return null;
  const plan = changetype<Plan>(blockPool.allocate(accesses.blocks(), size));
  memory.copy(changetype<usize>(plan), description, PLAN_SIZE);
  let at = description + PLAN_SIZE;
  for (let branch: u32 = 0; branch < count; branch += 1) {
    const descriptionSize = load<u32>(at);
    const access = accesses.acquire(relation, at + 4, descriptionSize);
    if (!access) {
      releaseBranches(plan, branch);
      blockPool.release(accesses.blocks(), changetype<usize>(plan), size);
      return null;
    }
    store<u32>(branchAddress(plan, branch), <u32>changetype<usize>(access));
    at += 4 + <usize>descriptionSize;
  }
  return plan;
}

/** REQUIRES: no shape has an entry by it. */
export function remove(plan: Plan): void {
  releaseBranches(plan, plan.branchCount);
  blockPool.release(accesses.blocks(), changetype<usize>(plan), sizeOf(plan.branchCount));
}

export function accessAt(plan: Plan, branch: u32): Access {
  assert(branch < plan.branchCount);
  return changetype<Access>(<usize>load<u32>(branchAddress(plan, branch)));
}

function releaseBranches(plan: Plan, count: u32): void {
  for (let branch: u32 = 0; branch < count; branch += 1) {
    accesses.release(changetype<Access>(<usize>load<u32>(branchAddress(plan, branch))));
  }
}

function branchAddress(plan: Plan, branch: u32): usize {
  return changetype<usize>(plan) + <usize>PLAN_SIZE + ((<usize>branch) << 2);
}

function sizeOf(branchCount: u32): u32 {
  return PLAN_SIZE + (branchCount << 2);
}
