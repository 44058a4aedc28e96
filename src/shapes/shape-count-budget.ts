/**
 * ELECTRIC_MAX_SHAPES: how many shapes there may be. It is enforced once a minute, as upstream
 * does; and at once where a sixteenth is too much, so that walking over all shapes costs each one
 * that is made next to nothing.
 */

import type { Budget } from "./eviction.ts";
import type { ShapeRegistry } from "./registry.ts";

export class ShapeCountBudget implements Budget {
  readonly name = "shapes";
  readonly setting = "ELECTRIC_MAX_SHAPES";
  readonly isExhausted = false;
  readonly #registry: Pick<ShapeRegistry, "count">;
  readonly #shapesMax: number;

  constructor(registry: Pick<ShapeRegistry, "count">, shapesMax: number) {
    this.#registry = registry;
    this.#shapesMax = shapesMax;
  }

  get isPressed(): boolean {
    return this.excess() > this.#shapesMax / 16;
  }

  excess(): number {
    return Math.max(0, this.#registry.count - this.#shapesMax);
  }
}
