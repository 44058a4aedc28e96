/**
 * The thread that writes checkpoints: it sorts, encodes and inserts a million postings in 0.1 s,
 * which the event loop does not have. One job at a time, in order; merges come after the answer. So
 * does what gives the disk back bytes, a job of its own.
 */

import { parentPort, workerData } from "node:worker_threads";
import type { CheckpointJob, CheckpointResult } from "./checkpoint-job.ts";
import { runCheckpoint, runMerges } from "./checkpoint-job.ts";
import { openForWriting } from "./database.ts";
import { runReclaim, type ReclaimJob, type ReclaimResult } from "./reclaim-job.ts";

export interface CheckpointWorkerData {
  readonly databasePath: string;
  readonly runsPerLevel: number;
}

export type CheckpointWorkerOrder =
  | { readonly type: "write"; readonly job: CheckpointJob }
  | { readonly type: "reclaim"; readonly job: ReclaimJob }
  | { readonly type: "close" };

export type CheckpointWorkerMessage =
  | { readonly type: "written"; readonly result: CheckpointResult }
  | { readonly type: "merged"; readonly runCount: number }
  | { readonly type: "reclaimed"; readonly result: ReclaimResult }
  | { readonly type: "failed"; readonly message: string; readonly stack: string | undefined }
  | { readonly type: "closed" };

const { databasePath, runsPerLevel } = workerData as CheckpointWorkerData;
const port = parentPort!;
const database = openForWriting(databasePath);

port.on("message", (order: CheckpointWorkerOrder) => {
  try {
    obey(order);
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ type: "failed", message, stack });
  }
});

function obey(order: CheckpointWorkerOrder): void {
  switch (order.type) {
    case "write":
      send({ type: "written", result: runCheckpoint(database, order.job) });
      send({ type: "merged", runCount: runMerges(database, order.job, runsPerLevel) });
      break;
    case "reclaim":
      send({ type: "reclaimed", result: runReclaim(database, order.job) });
      break;
    case "close":
      database.close();
      send({ type: "closed" });
      port.close();
      break;
  }
}

function send(message: CheckpointWorkerMessage): void {
  port.postMessage(message);
}
