/**
 * Keeps what grows with the number of shapes within its budgets: their number itself, the core's
 * memory, the disk. Whatever is short, the same thing is done about it: the shapes go that were
 * asked for longest ago, and their clients start again with the next request (protocol 11.3).
 *
 *     a budget says how many ─> idlest first ─> removed, a step at a time ─> asked again
 *                                    │
 *                 kept: somebody waits for it, its snapshot is under way, others rest on it
 *
 * All that is kept per shape is two bytes of its row, the minute of its last request. Who is the
 * idlest is found by walking over the ids:
 *
 *     how many shapes have been idle for n minutes?   65,536 counters, for the length of the walk
 *         │
 *     the fewest minutes by which enough shapes go ─> remove whoever was idle for as long
 *
 * Some 0.1 us a shape and walk, in slices between which others have their turn: a million shapes
 * are looked through in a hundred slices of a millisecond. Within the budgets nothing is looked at.
 *
 * The minutes begin again after 45 days. A shape that nobody asked for since then may stay longer
 * than it should; whoever has been over budget for a day has none of these.
 *
 * Invariants:
 *
 *   1. A shape that is in use is not removed.
 *   2. One enforcement at a time; after one that freed nothing the next waits, longer each time.
 *   3. No turn of the event loop removes shapes for more than STEP_MICROSECONDS, or one shape.
 */

import type { Clock } from "../lib/clock.ts";
import { asError, LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { nextTurn } from "../lib/next-turn.ts";
import type { CancelTimer, Timers } from "../lib/timers.ts";
import type { ShapeId } from "../model/ids.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";

export type BudgetName = "shapes" | "memory" | "disk";

/** Something that there is only so much of, and that shapes use up. */
export interface Budget {
  readonly name: BudgetName;
  /** The variable that sets it: operators read it in messages. */
  readonly setting: string;
  /** Whether `excess` is worth asking. Cheap: it is read before every shape that is made. */
  readonly isPressed: boolean;
  /** Whether not even one more shape may be made. As cheap. */
  readonly isExhausted: boolean;
  /** How many shapes have to go, as well as can be told: asked again once they have gone. */
  excess(): number | Promise<number>;
}

export interface EvictionOptions {
  readonly registry: Pick<ShapeRegistry, "count" | "idleMinutes" | "keyOf" | "next">;
  readonly cleaner: Pick<ShapeCleaner, "removeNow">;
  readonly boundaries: Pick<BoundaryQueue, "run">;
  /** Whether a live shape has to stay, whatever is short. */
  readonly isInUse: (id: ShapeId) => boolean;
  readonly budgets: readonly Budget[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 60_000;
const MINUTES_MAX = 0xffff;
/** Shapes that are looked at in one turn of the event loop: a millisecond. */
const LOOK_SLICE = 10_000;
/** For how long shapes are removed in one turn. */
const STEP_MICROSECONDS = 4_000;
/** How long to wait after an enforcement that freed nothing; doubled each time. */
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;

export class Eviction {
  readonly #options: EvictionOptions;
  readonly #evicted: Record<BudgetName, number> = { shapes: 0, memory: 0, disk: 0 };
  #enforcing: Promise<void> | undefined;
  #pauseMs = 0;
  #pausedUntilMs = 0;
  #isStopped = false;
  #cancelTimer: CancelTimer = () => undefined;

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  /** How many shapes each budget has cost since the start. */
  get evicted(): Readonly<Record<BudgetName, number>> {
    return this.#evicted;
  }

  /** Enforces the budgets, now and every minute, until `stop`. */
  start(timers: Timers): void {
    if (this.#options.budgets.length === 0) return;
    this.#cancelTimer = timers.every(PERIOD_MS, () => void this.enforce());
    void this.enforce();
  }

  /** Nothing more is removed. Does not wait for a boundary, which may never come. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  /**
   * Somebody wants another shape. Begins to make room where it is getting short.
   *
   * @throws {LitzError} BUDGET_EXHAUSTED (503, protocol 3.2) when there is none.
   */
  admit(): void {
    this.consider();
    const exhausted = this.#options.budgets.find(({ isExhausted }) => isExhausted);
    if (exhausted !== undefined) throw budgetExhausted(exhausted);
  }

  /** Begins to make room if there is reason to, and hope. */
  consider(): void {
    const { budgets, clock } = this.#options;
    if (this.#enforcing !== undefined || !budgets.some(({ isPressed }) => isPressed)) return;
    if (clock.nowMilliseconds() >= this.#pausedUntilMs) void this.enforce();
  }

  /** Removes what is too much. Resolves when it is gone, or nothing more can go. Never rejects. */
  enforce(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return (this.#enforcing ??= this.#enforceAll().finally(() => (this.#enforcing = undefined)));
  }

  async #enforceAll(): Promise<void> {
    const { budgets, clock, logger } = this.#options;
    let isFruitless = false;
    for (const budget of budgets) {
      try {
        if (!(await this.#enforceOne(budget))) isFruitless = true;
      } catch (error) {
        isFruitless = true;
        const { message } = asError(error);
        logger.warn({ error: message, setting: budget.setting }, "a budget was not enforced");
      }
    }
    this.#pauseMs = isFruitless
      ? Math.min(Math.max(PAUSE_MS_MIN, 2 * this.#pauseMs), PAUSE_MS_MAX)
      : 0;
    this.#pausedUntilMs = clock.nowMilliseconds() + this.#pauseMs;
  }

  /** Returns whether the budget is kept now. */
  async #enforceOne(budget: Budget): Promise<boolean> {
    const { logger } = this.#options;
    const { name, setting } = budget;
    let shapes = 0;
    let excess = await budget.excess();
    while (excess > 0 && !this.#isStopped) {
      const idleMinutes = await this.#idleMinutesOf(excess);
      const removed = await this.#remove(excess, idleMinutes);
      if (removed === 0) break;
      this.#evicted[name] += removed;
      shapes += removed;
      excess = await budget.excess();
    }
    if (shapes > 0) logger.info({ shapes, setting }, "shapes over a budget were removed");
    if (excess > 0) logger.warn({ excess, setting }, "over a budget, and nothing more can go");
    return excess <= 0;
  }

  /** The most minutes for which at least `count` shapes that may go have been idle. */
  async #idleMinutesOf(count: number): Promise<number> {
    const { registry } = this.#options;
    const shapes = new Uint32Array(MINUTES_MAX + 1);
    for await (const slice of this.#slices()) {
      for (const id of slice) if (this.#mayGo(id, 0)) shapes[registry.idleMinutes(id)]! += 1;
    }
    let minutes = MINUTES_MAX;
    for (let sum = shapes[minutes]!; sum < count && minutes > 0; sum += shapes[minutes]!) minutes--;
    return minutes;
  }

  /**
   * First those that were idle for longer, fewer than `count`, then as many as it takes. Returns
   * how many have gone.
   */
  async #remove(count: number, idleMinutes: number): Promise<number> {
    let removed = 0;
    for (const minutesMin of [idleMinutes + 1, idleMinutes]) {
      for await (const slice of this.#slices()) {
        const ids = slice.filter((id) => this.#mayGo(id, minutesMin)).slice(0, count - removed);
        for (let next = 0; next < ids.length && !this.#isStopped;) {
          const step = await this.#removeSome(ids, next, minutesMin);
          next = step.next;
          removed += step.removed;
          await nextTurn();
        }
        if (removed >= count || this.#isStopped) return removed;
      }
    }
    return removed;
  }

  /** At the next boundary, and for as long as a step may take. */
  #removeSome(
    ids: readonly ShapeId[],
    first: number,
    minutesMin: number,
  ): Promise<{ readonly next: number; readonly removed: number }> {
    const { boundaries, cleaner, clock } = this.#options;
    return boundaries.run(() => {
      const end = clock.nowMicroseconds() + STEP_MICROSECONDS;
      let next = first;
      let removed = 0;
      do {
        const id = ids[next++]!;
        // It may have gone by itself, or have been asked for.
        if (!this.#mayGo(id, minutesMin)) continue;
        // A failing store says so by itself.
        cleaner.removeNow(id).catch(() => undefined);
        removed += 1;
      } while (next < ids.length && clock.nowMicroseconds() < end);
      return { next, removed };
    });
  }

  #mayGo(id: ShapeId, minutesMin: number): boolean {
    const { isInUse, registry } = this.#options;
    if (registry.keyOf(id) === undefined || isInUse(id)) return false;
    return registry.idleMinutes(id) >= minutesMin;
  }

  /** All ids, a slice for each turn of the event loop. */
  async *#slices(): AsyncGenerator<ShapeId[], void, void> {
    const { registry } = this.#options;
    let id = registry.next(undefined);
    while (id !== undefined) {
      const slice: ShapeId[] = [];
      for (; id !== undefined && slice.length < LOOK_SLICE; id = registry.next(id)) slice.push(id);
      yield slice;
      await nextTurn();
    }
  }
}

function budgetExhausted({ setting }: Budget): LitzError {
  return new LitzError(`Failed to create shape: ${setting} is used up, please retry`, {
    code: "BUDGET_EXHAUSTED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 5,
  });
}
