/**
 * For how long threads were ready to run and had no processor, as Linux counts it (the second
 * number of `schedstat`, see scheduler/sched-stats in the kernel's documentation): what other work
 * on the machine adds to a time. 0 where the system does not say.
 */

import { openSync, readdirSync, readFileSync, readSync } from "node:fs";

const TASKS = "/proc/self/task";

/** Open for good: reading again takes 3 us, opening it 240. */
let mainThread: number | undefined;
const text = Buffer.alloc(64);

/** Of the thread that a process begins with, in milliseconds since then. */
export function mainThreadWaitedMs(): number {
  try {
    mainThread ??= openSync(`${TASKS}/${process.pid}/schedstat`, "r");
    return waitedMs(text.toString("latin1", 0, readSync(mainThread, text, 0, text.length, 0)));
  } catch {
    return 0;
  }
}

/**
 * Of all threads of the process, added up, in milliseconds. A collection has helpers, and its pause
 * lasts until the last of them was given a processor.
 */
export function processWaitedMs(): number {
  try {
    return readdirSync(TASKS)
      .map((thread) => waitedMs(readFileSync(`${TASKS}/${thread}/schedstat`, "latin1")))
      .reduce((sum, ms) => sum + ms, 0);
  } catch {
    return 0;
  }
}

function waitedMs(schedstat: string): number {
  return Number(schedstat.split(" ")[1]) / 1e6;
}
