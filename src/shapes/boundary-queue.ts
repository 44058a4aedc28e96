/**
 * Work that may only be done between two transactions: adding shapes to the router and taking them
 * out (law 4). Callers wait here; the collector runs the queue at the next boundary, which is at
 * once unless a transaction is being read.
 */

import { asError } from "../lib/errors.ts";
import { isTrap } from "../router/core.ts";

export class BoundaryQueue {
  readonly #request: () => void;
  readonly #onTrap: (error: Error) => void;
  readonly #isHeldUp: () => boolean;
  #waiting: (() => void)[] = [];

  /**
   * @param request asks for a call of `runAll` at the next boundary, perhaps at once.
   * @param onTrap is told, beside whoever wanted the work, when the core has trapped.
   * @param isHeldUp whether what some work has begun has to be finished before more is done.
   */
  constructor(
    request: () => void,
    onTrap: (error: Error) => void,
    isHeldUp: () => boolean = () => false,
  ) {
    this.#request = request;
    this.#onTrap = onTrap;
    this.#isHeldUp = isHeldUp;
  }

  /** Runs `work` at the next boundary and resolves with what it returns. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(this.runNow(work));
        } catch (error) {
          reject(asError(error));
        }
      });
    });
    this.#request();
    return promise;
  }

  /** For what may be done whatever is being read. A trap is told all the same. */
  runNow<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isTrap(error)) this.#onTrap(asError(error));
      throw error;
    }
  }

  /** Called by the collector, at a boundary. What is held up asks for another. */
  runAll(): void {
    const works = this.#waiting;
    this.#waiting = [];
    for (const [index, work] of works.entries()) {
      work();
      if (!this.#isHeldUp()) continue;
      const rest = works.slice(index + 1);
      if (rest.length === 0) return;
      this.#waiting = [...rest, ...this.#waiting];
      this.#request();
      return;
    }
  }
}
