/**
 * Whoever waits for a shape's log to grow. Which shape has whom waiting is kept in the core, a few
 * bytes for each; here is only who is to be told, in a slot of the waiter's number:
 *
 *     waiter id     1         2        3         4
 *               ┌────────┬─────────┬────────┬─────────┐
 *               │ one    │ many    │  none  │ one     │    a promise, or requests by the thousand
 *               │ request│ requests│        │ request │    that wait for the same thing
 *               └────────┴─────────┴────────┴─────────┘
 *
 * 1. A watcher is told once, when it and all who are told with it have been forgotten: it may begin
 *    to wait again at once, under a number that was theirs.
 * 2. What happened just before somebody began to wait is not slept through: `isDone` is asked when
 *    nothing can come in between any more.
 */

import type { ShapeId, WaiterId } from "../model/ids.ts";
import type { Waiters } from "../router/waiters.ts";
import type { WaitOutcome, Watcher } from "./shape-service.ts";

export class WaitingRoom {
  readonly #waiters: Waiters;
  /** Indexed by waiter id, which the core hands out densely. */
  readonly #watchers: (Watcher | undefined)[] = [];
  #count = 0;

  constructor(waiters: Waiters) {
    this.#waiters = waiters;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether somebody waits for the shape. REQUIRES: the id was minted once. */
  isAwaited(id: ShapeId): boolean {
    return this.#waiters.isAwaited(id);
  }

  /** Tells the watcher when the shape's log grows or the shape goes. Undefined: no memory left. */
  watch(id: ShapeId, watcher: Watcher): WaiterId | undefined {
    const waiter = this.#waiters.park(id);
    if (waiter === undefined) return undefined;
    // Ids begin at 1, and an array with a hole at its beginning is slower than one without.
    while (this.#watchers.length <= waiter) this.#watchers.push(undefined);
    this.#watchers[waiter] = watcher;
    this.#count += 1;
    return waiter;
  }

  /** REQUIRES: the watcher has not been told. */
  leave(waiter: WaiterId): void {
    this.#waiters.leave(waiter);
    this.#forget(waiter);
  }

  /** Resolves when the log grows, the shape goes, `timeoutMs` pass or the signal aborts. */
  wait(
    id: ShapeId,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    isDone: () => WaitOutcome | undefined,
  ): Promise<WaitOutcome> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve("aborted");
        return;
      }
      const finish = (outcome: WaitOutcome): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const waiter = this.watch(id, { news: finish });
      const leave = (outcome: WaitOutcome): void => {
        if (waiter !== undefined) this.leave(waiter);
        finish(outcome);
      };
      const onAbort = (): void => leave("aborted");
      // Without memory for a few bytes the client asks again, as after any timeout.
      const timer = setTimeout(leave, waiter === undefined ? 0 : timeoutMs, "timeout");
      signal?.addEventListener("abort", onAbort, { once: true });

      const done = isDone();
      if (done !== undefined) leave(done);
    });
  }

  /** The logs of these shapes have grown. An id may stand more than once. */
  grown(ids: Uint32Array, count: number): void {
    const told: Watcher[] = [];
    this.#waiters.wake(ids, count, (waiter) => told.push(this.#forget(waiter)));
    for (const watcher of told) watcher.news("changed");
  }

  /** The shape is gone. */
  removed(id: ShapeId): void {
    const told: Watcher[] = [];
    this.#waiters.wakeAll(id, (waiter) => told.push(this.#forget(waiter)));
    for (const watcher of told) watcher.news("removed");
  }

  #forget(waiter: WaiterId): Watcher {
    const watcher = this.#watchers[waiter]!;
    this.#watchers[waiter] = undefined;
    this.#count -= 1;
    return watcher;
  }
}
