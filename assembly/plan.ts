/**
 * The plan of a template that is more than one AND of equalities: the accesses that give its shapes
 * as candidates, and how a candidate is judged.
 *
 *     ┌─────────────────────────────────────┬───────────────────┬───────────────────────┐
 *     │ Plan: exact, pattern, counts        │ Access per branch │ Access that is listed │
 *     └─────────────────────────────────────┴───────────────────┴───────────────────────┘
 *
 *     exact      every candidate is a match
 *     pattern    the whole WHERE is `column [NOT] [I]LIKE constant`: `like.ts` judges
 *     neither    TypeScript does: `verdicts.ts`
 *
 * An access that is listed is for finding the shapes that use a view of a subquery; rows are not
 * looked up in it. TypeScript describes a plan as u32 words: exact, pattern kind, negated, column,
 * constant, branches, listed, dependent; and for each access the size of its description and the
 * description, see `access.ts`.
 *
 * Only `add` allocates, and reserves what it needs.
 */

import * as accesses from "./access";
import { Access } from "./access";
import * as blockPool from "./block-pool";
import { Relation } from "./condition-tree";
import * as pagePool from "./page-pool";
import * as viewUsers from "./view-users";

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
  listedCount: u32;
  /** The WHERE has memberships in views. */
  isDependent: u32;
}

const PLAN_SIZE: u32 = 32;
if (offsetof<Plan>() != PLAN_SIZE) ERROR("the accesses must follow the Plan");

/** Makes the plan of a description. Null, with nothing changed, if the budget forbids it. */
export function add(relation: Relation, description: usize): Plan | null {
  const count = load<u32>(description, 20) + load<u32>(description, 24);
  const size = sizeOf(count);
  if (!pagePool.reserve(blockPool.pagesForBlock(size))) return null;
  const plan = changetype<Plan>(blockPool.allocate(accesses.blocks(), size));
  memory.copy(changetype<usize>(plan), description, PLAN_SIZE);
  let at = description + PLAN_SIZE;
  for (let index: u32 = 0; index < count; index += 1) {
    const descriptionSize = load<u32>(at);
    const access = accesses.acquire(relation, at + 4, descriptionSize);
    if (!access) {
      releaseAccesses(plan, index);
      blockPool.release(accesses.blocks(), changetype<usize>(plan), size);
      return null;
    }
    viewUsers.enter(access);
    store<u32>(addressOf(plan, index), <u32>changetype<usize>(access));
    at += 4 + <usize>descriptionSize;
  }
  return plan;
}

/** REQUIRES: no shape has an entry by it. */
export function remove(plan: Plan): void {
  const count = accessCount(plan);
  releaseAccesses(plan, count);
  blockPool.release(accesses.blocks(), changetype<usize>(plan), sizeOf(count));
}

/** Branches come first, then what is listed. */
export function accessAt(plan: Plan, index: u32): Access {
  assert(index < accessCount(plan));
  return changetype<Access>(<usize>load<u32>(addressOf(plan, index)));
}

function accessCount(plan: Plan): u32 {
  return plan.branchCount + plan.listedCount;
}

function releaseAccesses(plan: Plan, count: u32): void {
  for (let index: u32 = 0; index < count; index += 1) {
    const access = changetype<Access>(<usize>load<u32>(addressOf(plan, index)));
    viewUsers.leave(access);
    accesses.release(access);
  }
}

function addressOf(plan: Plan, index: u32): usize {
  return changetype<usize>(plan) + <usize>PLAN_SIZE + ((<usize>index) << 2);
}

function sizeOf(accessCount: u32): u32 {
  return PLAN_SIZE + (accessCount << 2);
}
