/** Whether shapes can be served, and what a request is told that waited for it in vain. */

import { LitzError } from "../lib/errors.ts";
import type { ServiceStatus } from "./shape-service.ts";

export class Readiness {
  #status: ServiceStatus = "starting";
  #reason = "database connection pool (metadata) to be ready";
  #waiting = new Set<() => void>();

  get status(): ServiceStatus {
    return this.#status;
  }

  /** @param reason completes "Timeout waiting for ..." (protocol 3.2). */
  starting(reason: string): void {
    this.#status = "starting";
    this.#reason = reason;
  }

  /** Another instance is active; this one waits for its lock. */
  waiting(): void {
    this.#status = "waiting";
    this.#reason = "Postgres lock acquisition";
  }

  active(): void {
    this.#status = "active";
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** @throws {LitzError} NOT_READY, 503. */
  async ready(timeoutMs: number): Promise<void> {
    if (this.#status === "active") return;
    await new Promise<void>((resolve, reject) => {
      const wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(wake);
        reject(
          new LitzError(`Timeout waiting for ${this.#reason}`, {
            code: "NOT_READY",
            httpStatus: 503,
            retriable: true,
            retryAfterSeconds: 5,
          }),
        );
      }, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
