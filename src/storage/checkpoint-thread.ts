/** Where checkpoints are written: a worker thread, or for tests the calling one. */

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { CheckpointJob, CheckpointResult } from "./checkpoint-job.ts";
import { runCheckpoint, runMerges } from "./checkpoint-job.ts";
import type { CheckpointWorkerData, CheckpointWorkerMessage } from "./checkpoint-worker.ts";
import type { SqliteDatabase } from "./database.ts";
import { openForWriting } from "./database.ts";

export interface CheckpointThread {
  /** Writes a checkpoint. One at a time. The job's arrays may be taken away. */
  write(job: CheckpointJob): Promise<CheckpointResult>;
  close(): Promise<void>;
}

interface Settler {
  readonly resolve: (result: CheckpointResult) => void;
  readonly reject: (error: Error) => void;
}

/** The thread starts with the first job: most tests and short-lived tools never need it. */
export class WorkerCheckpointThread implements CheckpointThread {
  readonly #data: CheckpointWorkerData;
  readonly #failed: (error: Error) => void;
  #worker: Worker | undefined;
  #waiting: Settler | undefined;
  #closed: (() => void) | undefined;

  /** `failed` is told of what no job is waiting for: a merge that broke, a thread that died. */
  constructor(data: CheckpointWorkerData, failed: (error: Error) => void) {
    this.#data = data;
    this.#failed = failed;
  }

  write(job: CheckpointJob): Promise<CheckpointResult> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      worker.ref();
      worker.postMessage(job, [
        job.postings.keys.buffer as ArrayBuffer,
        job.postings.seqs.buffer as ArrayBuffer,
      ]);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      worker.ref();
      worker.postMessage("close");
    });
    await worker.terminate();
  }

  #start(): Worker {
    const worker = startWorker("checkpoint-worker", this.#data);
    worker.on("message", (message: CheckpointWorkerMessage) => this.#receive(message));
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", () => this.#fail(new Error("the checkpoint thread has ended")));
    return worker;
  }

  #receive(message: CheckpointWorkerMessage): void {
    switch (message.type) {
      case "written":
        this.#waiting?.resolve(message.result);
        this.#waiting = undefined;
        // An idle thread must not keep a process alive that forgot to close its store.
        this.#worker?.unref();
        break;
      case "failed": {
        const error = new Error(`checkpoint: ${message.message}`);
        if (message.stack !== undefined) error.stack = message.stack;
        this.#fail(error);
        break;
      }
      case "closed":
        this.#closed?.();
        break;
      case "merged":
        break;
    }
  }

  #fail(error: Error): void {
    if (this.#closed !== undefined) {
      this.#closed();
      return;
    }
    if (this.#waiting === undefined) this.#failed(error);
    else this.#waiting.reject(error);
    this.#waiting = undefined;
  }
}

/** In place, and therefore blocking. For tests: they need no thread and can stop at any point. */
export class InlineCheckpointThread implements CheckpointThread {
  readonly #database: SqliteDatabase;
  readonly #runsPerLevel: number;

  constructor(data: CheckpointWorkerData) {
    this.#database = openForWriting(data.databasePath);
    this.#runsPerLevel = data.runsPerLevel;
  }

  write(job: CheckpointJob): Promise<CheckpointResult> {
    const result = runCheckpoint(this.#database, job);
    const runCount = runMerges(this.#database, job, this.#runsPerLevel);
    return Promise.resolve({ ...result, runCount });
  }

  close(): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }
}

/**
 * Starts a module of this directory as a thread. From the sources that is TypeScript, which a
 * worker of Node 20 cannot read by itself, whatever the main thread was started with: a line of
 * script first teaches it to.
 */
function startWorker(name: string, workerData: unknown): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(`./${name}${isSource ? ".ts" : ".js"}`, import.meta.url);
  if (!isSource) return new Worker(url, { workerData });
  const require = createRequire(import.meta.url);
  const manifest = require("tsx/package.json") as {
    readonly exports: { readonly "./esm/api": { readonly import: { readonly default: string } } };
  };
  const api = new URL(
    manifest.exports["./esm/api"].import.default,
    pathToFileURL(require.resolve("tsx/package.json")),
  );
  const script =
    `import(${JSON.stringify(api.href)})` +
    `.then((tsx) => { tsx.register(); return import(${JSON.stringify(url.href)}); })`;
  return new Worker(script, { eval: true, workerData });
}
