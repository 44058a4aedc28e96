/** Processes of a benchmark, each told what to do and asked what came of it. */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A process that does what it is told and reports. */
export class Worker<Order extends object, Report> {
  readonly #process: ChildProcess;

  constructor(file: string, environment: Record<string, string> = {}) {
    this.#process = fork(new URL(file, import.meta.url).pathname, {
      // A session of its own: Linux shares processors among sessions first (autogroup). Each
      // backend of Postgres is one, beside which the server and all who ask it would be another.
      detached: true,
      execArgv: [...process.execArgv, "--expose-gc"],
      env: { ...process.env, ...environment },
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** @throws {Error} when the process ends instead of reporting. */
  async ask(order: Order): Promise<Report> {
    this.#process.send(order);
    const stop = new AbortController();
    const { signal } = stop;
    const ended = once(this.#process, "exit", { signal }).then(() => {
      throw new Error(
        `a process of the benchmark ended before it had done ${JSON.stringify(order)}`,
      );
    });
    try {
      const report = once(this.#process, "message", { signal });
      return ((await Promise.race([report, ended])) as [Report])[0];
    } finally {
      stop.abort();
    }
  }

  stop(): void {
    // Not connected: it has ended, as whoever asked it was told.
    if (this.#process.connected) this.#process.disconnect();
  }
}
