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
  #waiting: (() => void)[] = [];

  /**
   * @param request asks for a call of `runAll` at the next boundary, perhaps at once.
   * @param onTrap is told, beside whoever wanted the work, when the core has trapped.
   */
  constructor(request: () => void, onTrap: (error: Error) => void) {
    this.#request = request;
    this.#onTrap = onTrap;
  }

  /** Runs `work` at the next boundary and resolves with what it returns. */
  run<T>(work: () => T): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          if (isTrap(error)) this.#onTrap(asError(error));
          reject(asError(error));
        }
      });
    });
    this.#request();
    return promise;
  }

  /** Called by the collector, at a boundary. */
  runAll(): void {
    const works = this.#waiting;
    this.#waiting = [];
    for (const work of works) work();
  }
}
