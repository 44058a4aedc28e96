/** Where checkpoints are written: a worker thread, or for tests the calling one. */

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { CheckpointJob, CheckpointResult } from "./checkpoint-job.ts";
import { runCheckpoint, runMerges } from "./checkpoint-job.ts";
import type {
  CheckpointWorkerData,
  CheckpointWorkerMessage,
  CheckpointWorkerOrder,
} from "./checkpoint-worker.ts";
import type { SqliteDatabase } from "./database.ts";
import { openForWriting } from "./database.ts";
import { StoreClosed } from "./errors.ts";
import { runReclaim, type ReclaimJob, type ReclaimResult } from "./reclaim-job.ts";

export interface CheckpointThread {
  /** Writes a checkpoint. One at a time. The job's arrays may be taken away. */
  write(job: CheckpointJob): Promise<CheckpointResult>;
  /** Gives the disk back bytes, behind the checkpoints ordered so far. One at a time. */
  reclaim(job: ReclaimJob): Promise<ReclaimResult>;
  /** Returns when nothing is written any more; whoever waits for a job has been answered. */
  close(): Promise<void>;
}

interface Settler<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** The thread starts with the first job: most tests and short-lived tools never need it. */
export class WorkerCheckpointThread implements CheckpointThread {
  readonly #data: CheckpointWorkerData;
  readonly #failed: (error: Error) => void;
  #worker: Worker | undefined;
  /** Why nothing is written any more. */
  #end: Error | undefined;
  #writing: Settler<CheckpointResult> | undefined;
  #reclaiming: Settler<ReclaimResult> | undefined;
  #closed: (() => void) | undefined;

  /** `failed` is told of what no job is waiting for: a merge that broke, a thread that died. */
  constructor(data: CheckpointWorkerData, failed: (error: Error) => void) {
    this.#data = data;
    this.#failed = failed;
  }

  write(job: CheckpointJob): Promise<CheckpointResult> {
    // What a job is made of takes some turns: meanwhile the directory may have been given up.
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#writing = { resolve, reject };
      const { own, members, shared } = job.postings;
      const { keys, ends, bytes, removedKeys } = job.shapes;
      const columns = [
        ...[own, members, shared].flatMap((postings) => [postings.keys, postings.seqs]),
        ...[keys, ends, bytes, removedKeys],
      ];
      this.#order(
        { type: "write", job },
        columns.map((column) => column.buffer as ArrayBuffer),
      );
    });
  }

  reclaim(job: ReclaimJob): Promise<ReclaimResult> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#reclaiming = { resolve, reject };
      this.#order({ type: "reclaim", job });
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    const isDead = this.#end !== undefined;
    this.#end ??= new StoreClosed();
    if (worker === undefined) return;
    if (!isDead) {
      await new Promise<void>((resolve) => {
        this.#closed = resolve;
        this.#order({ type: "close" });
      });
    }
    await worker.terminate();
  }

  #order(order: CheckpointWorkerOrder, transfer: readonly ArrayBuffer[] = []): void {
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    worker.postMessage(order, transfer);
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
        this.#writing?.resolve(message.result);
        this.#writing = undefined;
        this.#rest();
        break;
      case "reclaimed":
        this.#reclaiming?.resolve(message.result);
        this.#reclaiming = undefined;
        this.#rest();
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
    const isAwaited = this.#writing !== undefined || this.#reclaiming !== undefined;
    // A thread that has failed, or was closed, ends a second time when it exits.
    if (!isAwaited && this.#end === undefined) this.#failed(error);
    this.#end ??= error;
    this.#writing?.reject(error);
    this.#reclaiming?.reject(error);
    this.#writing = undefined;
    this.#reclaiming = undefined;
    this.#closed?.();
  }

  /** An idle thread must not keep a process alive that forgot to close its store. */
  #rest(): void {
    if (this.#writing === undefined && this.#reclaiming === undefined) this.#worker?.unref();
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

  reclaim(job: ReclaimJob): Promise<ReclaimResult> {
    return Promise.resolve(runReclaim(this.#database, job));
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
