/**
 * LITZ_CORE_MEMORY_MAX: how much linear memory shapes may take.
 *
 * Pages tell when it is getting short, but not how much has to go: most structures keep their pages
 * when a shape goes and give its place to the next one. So the bytes that are live are what is
 * brought down, and how many of them fit is learnt when the pages run short:
 *
 *     pages  ──────────────────┐ HIGH: "full"
 *     live   ────────────┐     │
 *                        └─────┴── fits = live now; shapes go until live = LOW x fits
 *
 * From then on there is room for what has gone, although not one page is free. What fits is learnt
 * anew when a shape is refused although it should have found room, and forgotten when pages come
 * back.
 */

import type { Accounting } from "../router/accounting.ts";
import type { Budget } from "./eviction.ts";
import type { ShapeRegistry } from "./registry.ts";

/** Share of the budget in pages at which shapes begin to go: what is left is made in a second. */
const HIGH = 15 / 16;
/** Share of the live bytes that fit at which they stop going. */
const LOW = 15 / 16;

export type MemoryUse = Pick<Accounting, "usedBytes" | "shapeBytes">;

export class MemoryBudget implements Budget {
  readonly name = "memory";
  readonly setting = "LITZ_CORE_MEMORY_MAX";
  /** The core itself refuses what does not fit. */
  readonly isExhausted = false;
  readonly #registry: Pick<ShapeRegistry, "count">;
  readonly #use: MemoryUse;
  readonly #highBytes: number;
  /** Live bytes that the budget holds. Infinity: nobody knows yet. */
  #fits = Infinity;
  #isRefusing = false;

  constructor(registry: Pick<ShapeRegistry, "count">, use: MemoryUse, bytesMax: number) {
    this.#registry = registry;
    this.#use = use;
    this.#highBytes = HIGH * bytesMax;
  }

  /** The core had no room for a shape. */
  refused(): void {
    this.#isRefusing = true;
  }

  get isPressed(): boolean {
    if (this.#isRefusing) return true;
    if (this.#use.usedBytes < this.#highBytes) return false;
    return this.#fits === Infinity || this.#use.shapeBytes >= this.#fits;
  }

  excess(): number {
    const live = this.#use.shapeBytes;
    const isFull = this.#use.usedBytes >= this.#highBytes;
    if (this.#isRefusing) this.#fits = Math.min(this.#fits, HIGH * live);
    else if (!isFull) this.#fits = Infinity;
    else if (this.#fits === Infinity) this.#fits = live;
    this.#isRefusing = false;
    if (live === 0 || live < this.#fits) return 0;
    // As if all shapes were alike: who asks will ask again.
    return Math.ceil((1 - (this.#fits * LOW) / live) * this.#registry.count);
  }
}
