/** Processes of a benchmark, each told what to do and asked what came of it. */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A process that does what it is told and reports. */
export class Worker<Order extends object, Report> {
  readonly #process: ChildProcess;

  constructor(file: string, environment: Record<string, string> = {}) {
    this.#process = fork(new URL(file, import.meta.url).pathname, {
      execArgv: [...process.execArgv, "--expose-gc"],
      env: { ...process.env, ...environment },
    });
  }

  async ask(order: Order): Promise<Report> {
    this.#process.send(order);
    const [report] = (await once(this.#process, "message")) as [Report];
    return report;
  }

  stop(): void {
    this.#process.kill();
  }
}
