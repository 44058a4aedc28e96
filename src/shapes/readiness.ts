/**
 * How far the service has come, and what a request is told that waited for it in vain.
 *
 *     starting ──> readable ──────────────> active
 *                  stored shapes are read,  <──   shapes are made, too
 *                  logs may be behind
 *
 * 1. What is readable stays so until the service stops: while the stream is lost, logs do not grow,
 *    and all that is in them holds.
 * 2. What is active is readable.
 */

import { LitzError } from "../lib/errors.ts";
import type { ServiceStatus } from "./shape-service.ts";

export class Readiness {
  #status: ServiceStatus = "starting";
  #reason = "database connection pool (metadata) to be ready";
  readonly #toRead = new Gate();
  readonly #toBeActive = new Gate();

  get status(): ServiceStatus {
    return this.#status;
  }

  /** @param reason completes "Timeout waiting for ..." (protocol 3.2). */
  starting(reason: string): void {
    this.#status = "starting";
    this.#reason = reason;
    this.#toBeActive.close();
  }

  /** Storage is open: from now on what is in it can be read. */
  restored(): void {
    this.#toRead.open();
  }

  /** Another instance is active; this one waits for its lock. */
  waiting(): void {
    this.#status = "waiting";
    this.#reason = "Postgres lock acquisition";
    this.#toBeActive.close();
  }

  active(): void {
    this.#status = "active";
    this.#toRead.open();
    this.#toBeActive.open();
  }

  /** Storage is about to be closed. */
  stopping(): void {
    this.starting("stack restart");
    this.#toRead.close();
  }

  /**
   * Undefined: stored shapes can be read.
   *
   * @throws {LitzError} NOT_READY, 503, after `timeoutMs`: they cannot.
   */
  readable(timeoutMs: number): Promise<void> | undefined {
    return this.#toRead.isOpen ? undefined : this.#passed(this.#toRead, timeoutMs);
  }

  /**
   * Undefined: shapes can be made.
   *
   * @throws {LitzError} NOT_READY, 503, after `timeoutMs`: they cannot.
   */
  ready(timeoutMs: number): Promise<void> | undefined {
    return this.#toBeActive.isOpen ? undefined : this.#passed(this.#toBeActive, timeoutMs);
  }

  async #passed(gate: Gate, timeoutMs: number): Promise<void> {
    if (await gate.passed(timeoutMs)) return;
    throw new LitzError(`Timeout waiting for ${this.#reason}`, {
      code: "NOT_READY",
      httpStatus: 503,
      retriable: true,
      retryAfterSeconds: 5,
    });
  }
}

/** Holds those who come while it is closed. */
class Gate {
  #isOpen = false;
  #waiting = new Set<() => void>();

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    this.#isOpen = true;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  close(): void {
    this.#isOpen = false;
  }

  /** False: it did not open within the time. REQUIRES: it is closed. */
  passed(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(wake);
        resolve(false);
      }, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
