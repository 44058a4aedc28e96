/**
 * Keeps the number of shapes at ELECTRIC_MAX_SHAPES (protocol 11.3): once a minute those that were
 * asked for longest ago go, and their clients start again with the next request.
 *
 * All that is kept per shape is two bytes of its row, the minute of its last request. What to
 * remove is found by walking over the ids:
 *
 *     how many shapes have been idle for n minutes?   65,536 counters, for the length of the walk
 *         │
 *     the fewest minutes by which enough shapes go ─> remove whoever was idle for as long
 *
 * Some 0.1 us a shape and walk, in slices between which others have their turn: a million shapes
 * are looked through in a hundred slices of a millisecond. Below the limit nothing is looked at.
 *
 * The minutes begin again after 45 days. A shape that nobody asked for since then may stay longer
 * than it should; whoever has had more shapes than the limit for a day has none of these.
 */

import { asError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { CancelTimer, Timers } from "../lib/timers.ts";
import type { ShapeId } from "../model/ids.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";

export interface ShapeLimitOptions {
  readonly registry: Pick<ShapeRegistry, "count" | "idleMinutes" | "keyOf" | "next">;
  readonly cleaner: Pick<ShapeCleaner, "removeNow">;
  readonly boundaries: Pick<BoundaryQueue, "run">;
  readonly logger: Logger;
  /** Undefined: there is none. */
  readonly shapesMax: number | undefined;
}

const PERIOD_MS = 60_000;
const MINUTES_MAX = 0xffff;
/** Shapes that are looked at in one turn of the event loop. */
const LOOK_SLICE = 10_000;
/** Shapes that are removed in one: some 5 ms. */
const REMOVAL_SLICE = 250;

export class ShapeLimit {
  readonly #options: ShapeLimitOptions;
  #isEnforcing = false;
  #stop: CancelTimer = () => undefined;

  constructor(options: ShapeLimitOptions) {
    this.#options = options;
  }

  /** Enforces the limit now and then, until `stop`. */
  start(timers: Timers): void {
    const { logger, shapesMax } = this.#options;
    if (shapesMax === undefined) return;
    this.#stop = timers.every(PERIOD_MS, () => {
      this.enforce().catch((error: unknown) => {
        logger.warn({ error: asError(error).message }, "shapes over the limit were not removed");
      });
    });
  }

  stop(): void {
    this.#stop();
  }

  /** Removes what is too much, unless that is being done already. Resolves when it is gone. */
  async enforce(): Promise<void> {
    const { logger, registry, shapesMax } = this.#options;
    const excess = registry.count - (shapesMax ?? Infinity);
    if (excess <= 0 || this.#isEnforcing) return;
    this.#isEnforcing = true;
    try {
      const idleMinutes = await this.#idleMinutesOf(excess);
      await this.#remove(excess, idleMinutes);
      logger.info({ shapes: excess, idleMinutes, shapesMax }, "shapes over the limit are removed");
    } finally {
      this.#isEnforcing = false;
    }
  }

  /** The most minutes for which at least `count` shapes have been idle. */
  async #idleMinutesOf(count: number): Promise<number> {
    const { registry } = this.#options;
    const shapes = new Uint32Array(MINUTES_MAX + 1);
    for await (const slice of this.#slices(LOOK_SLICE)) {
      for (const id of slice) shapes[registry.idleMinutes(id)]! += 1;
    }
    let minutes = MINUTES_MAX;
    for (let sum = shapes[minutes]!; sum < count && minutes > 0; sum += shapes[minutes]!) minutes--;
    return minutes;
  }

  /** First those that were idle for longer, fewer than `count`, then as many as it takes. */
  async #remove(count: number, idleMinutes: number): Promise<void> {
    const { boundaries, cleaner, registry } = this.#options;
    let rest = count;
    for (const isEnough of [
      (minutes: number) => minutes > idleMinutes,
      (minutes: number) => minutes >= idleMinutes,
    ]) {
      for await (const slice of this.#slices(LOOK_SLICE)) {
        const ids = slice.filter((id) => isEnough(registry.idleMinutes(id))).slice(0, rest);
        for (let first = 0; first < ids.length; first += REMOVAL_SLICE) {
          await boundaries.run(() => {
            for (const id of ids.slice(first, first + REMOVAL_SLICE)) {
              // It may have gone by itself, or have been asked for.
              if (registry.keyOf(id) === undefined || !isEnough(registry.idleMinutes(id))) continue;
              // A failing store says so by itself.
              cleaner.removeNow(id).catch(() => undefined);
              rest -= 1;
            }
          });
        }
        if (rest === 0) return;
      }
    }
  }

  /** All ids, a slice for each turn of the event loop. */
  async *#slices(size: number): AsyncGenerator<ShapeId[], void, void> {
    const { registry } = this.#options;
    let id = registry.next(undefined);
    while (id !== undefined) {
      const slice: ShapeId[] = [];
      for (; id !== undefined && slice.length < size; id = registry.next(id)) slice.push(id);
      yield slice;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
