/** Starts a fresh process for every run, so that none inherits a heap from another. */

import { fork } from "node:child_process";
import { extname } from "node:path";
import { LitzError } from "../lib/errors.ts";
import type { HeapShare, Measurement, RunOptions } from "./measurement.ts";

export interface Order {
  readonly kind: "measure" | "heap";
  readonly options: RunOptions;
}

export type Answer =
  | { readonly kind: "measure"; readonly measurement: Measurement }
  | { readonly kind: "heap"; readonly shares: readonly HeapShare[] };

const V8_FLAGS = [
  "--expose-gc",
  // Code that is let go of between two readings would count as memory that shapes gave back.
  "--no-flush-bytecode",
  // Enough for the baselines at several million shapes.
  "--max-old-space-size=8192",
];

export async function measureInChild(options: RunOptions): Promise<Measurement> {
  const answer = await runChild({ kind: "measure", options });
  return (answer as Answer & { kind: "measure" }).measurement;
}

export async function heapSharesInChild(options: RunOptions): Promise<readonly HeapShare[]> {
  const answer = await runChild({ kind: "heap", options });
  return (answer as Answer & { kind: "heap" }).shares;
}

/** @throws {LitzError} REPORT_RUN_FAILED when its process ends unanswered. */
function runChild(order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // From sources the child needs the same loader as this process.
    const execArgv = [...process.execArgv, ...V8_FLAGS];
    const extension = extname(import.meta.url);
    const child = fork(new URL(`./child${extension}`, import.meta.url), { execArgv });
    child.once("message", (answer) => resolve(answer as Answer));
    child.on("error", (error) => {
      // One that has ended before it was told what to do says so itself.
      if (child.pid === undefined) reject(error);
    });
    child.once("exit", (code, signal) => {
      const end = `its process ended with ${code ?? signal ?? "nothing"}`;
      const advice = "is there memory enough? fewer shapes are asked for with --shapes";
      reject(new LitzError(`${end}; ${advice}`, { code: "REPORT_RUN_FAILED" }));
    });
    child.send(order);
  });
}
