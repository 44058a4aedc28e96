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

export interface Moment {
  /** As the clock has it. */
  readonly nowMs: number;
  /** Of the thread that the process began with, since then. */
  readonly waitedMs: number;
}

/**
 * The clock and what the main thread has waited so far, at one moment. Between two readings a
 * thread may lose its processor, which is likely when it does little but read: its wait would be
 * in one span and the time that it took in the next. So they are read again until nothing was
 * waited for between them.
 *
 * @param clock in milliseconds.
 */
export function mainThreadMoment(clock: () => number): Moment {
  let waited = mainThreadWaitedMs();
  for (;;) {
    const nowMs = clock();
    const waitedMs = mainThreadWaitedMs();
    if (waitedMs === waited) return { nowMs, waitedMs };
    waited = waitedMs;
  }
}

function mainThreadWaitedMs(): number {
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
