/**
 * Requests that wait for a shape's log to grow. Which shape has whom waiting is kept in the core, a
 * few bytes for each; here is only what a wait needs to end: its promise and its timer.
 */

import type { ShapeId, WaiterId } from "../model/ids.ts";
import type { Waiters } from "../router/waiters.ts";
import type { WaitOutcome } from "./shape-service.ts";

export class WaitingRoom {
  readonly #waiters: Waiters;
  /** Indexed by waiter id, which the core hands out densely. */
  readonly #wake = new Map<WaiterId, (outcome: WaitOutcome) => void>();

  constructor(waiters: Waiters) {
    this.#waiters = waiters;
  }

  get count(): number {
    return this.#wake.size;
  }

  /**
   * Parks until the shape's log grows, the shape goes, `timeoutMs` pass or the signal aborts.
   * `isDone` is asked once after parking: what happened just before is not slept through.
   */
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
      const waiter = this.#waiters.park(id);
      if (waiter === undefined) {
        // No memory for a few bytes: the client asks again, as after any timeout.
        resolve("timeout");
        return;
      }
      const finish = (outcome: WaitOutcome): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#wake.delete(waiter);
        resolve(outcome);
      };
      const leave = (outcome: WaitOutcome): void => {
        this.#waiters.leave(waiter);
        finish(outcome);
      };
      const onAbort = (): void => leave("aborted");
      const timer = setTimeout(leave, timeoutMs, "timeout");
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#wake.set(waiter, finish);

      const done = isDone();
      if (done !== undefined) leave(done);
    });
  }

  /** The logs of these shapes have grown. An id may stand more than once. */
  grown(ids: Uint32Array, count: number): void {
    this.#waiters.wake(ids, count, (waiter) => this.#wake.get(waiter)?.("changed"));
  }

  /** The shape is gone. */
  removed(id: ShapeId): void {
    this.#waiters.wakeAll(id, (waiter) => this.#wake.get(waiter)?.("removed"));
  }
}
