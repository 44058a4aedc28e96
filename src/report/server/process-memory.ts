/** RSS of another process, as Linux tells it. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LitzError } from "../../lib/errors.ts";

export interface ResidentMemory {
  readonly rssBytes: number;
  /** The most it has ever been. */
  readonly peakRssBytes: number;
}

const LOOK_EVERY_MS = 500;
/** Looks in a row between which RSS changed by less than a hundredth. */
const LOOKS_ALIKE = 4;
const SETTLED_AFTER_MS_MAX = 30_000;

/** @throws {LitzError} REPORT_PROCESS_UNREADABLE */
export function residentMemory(pid: number): ResidentMemory {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch (cause) {
    const advice = "name a process of this machine, which has to be Linux, or leave --pid out";
    throw unreadable(`--pid ${pid}: there is no /proc/${pid}/status; ${advice}`, cause);
  }
  const read = (field: string): number => {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kib === undefined)
      throw unreadable(`--pid ${pid}: the process has no ${field}, is it gone?`);
    return Number(kib) * 1024;
  };
  return { rssBytes: read("VmRSS"), peakRssBytes: read("VmHWM") };
}

/** Waits until the process has come to rest, 30 seconds at most. */
export async function settledResidentMemory(pid: number): Promise<ResidentMemory> {
  let last = residentMemory(pid);
  let alike = 0;
  for (let waited = 0; waited < SETTLED_AFTER_MS_MAX; waited += LOOK_EVERY_MS) {
    await sleep(LOOK_EVERY_MS);
    const now = residentMemory(pid);
    alike = Math.abs(now.rssBytes - last.rssBytes) < last.rssBytes / 100 ? alike + 1 : 0;
    last = now;
    if (alike === LOOKS_ALIKE) break;
  }
  return last;
}

function unreadable(message: string, cause?: unknown): LitzError {
  return new LitzError(message, { code: "REPORT_PROCESS_UNREADABLE", cause });
}
