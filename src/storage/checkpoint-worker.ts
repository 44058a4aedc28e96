/**
 * The thread that writes checkpoints: it sorts, encodes and inserts a million postings in 0.1 s,
 * which the event loop does not have. One job at a time, in order; merges come after the answer.
 */

import { parentPort, workerData } from "node:worker_threads";
import type { CheckpointJob, CheckpointResult } from "./checkpoint-job.ts";
import { runCheckpoint, runMerges } from "./checkpoint-job.ts";
import { openForWriting } from "./database.ts";

export interface CheckpointWorkerData {
  readonly databasePath: string;
  readonly runsPerLevel: number;
}

export type CheckpointWorkerMessage =
  | { readonly type: "written"; readonly result: CheckpointResult }
  | { readonly type: "merged"; readonly runCount: number }
  | { readonly type: "failed"; readonly message: string; readonly stack: string | undefined }
  | { readonly type: "closed" };

const { databasePath, runsPerLevel } = workerData as CheckpointWorkerData;
const port = parentPort!;
const database = openForWriting(databasePath);

port.on("message", (job: CheckpointJob | "close") => {
  if (job === "close") {
    database.close();
    send({ type: "closed" });
    port.close();
    return;
  }
  try {
    send({ type: "written", result: runCheckpoint(database, job) });
    send({ type: "merged", runCount: runMerges(database, job, runsPerLevel) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ type: "failed", message, stack });
  }
});

function send(message: CheckpointWorkerMessage): void {
  port.postMessage(message);
}
