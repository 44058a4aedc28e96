/** Processor time of processes that are not ours to ask, as Linux counts it (proc(5), `stat`). */

import { readdirSync, readFileSync } from "node:fs";

/** Of a second: what `getconf CLK_TCK` says on every Linux that matters. */
const TICKS = 100;

/** Of a process and its children, dead ones included, in milliseconds. 0 where it is unknown. */
export function processCpuMs(parent: number): number {
  let ticks = 0;
  for (const name of readNames()) {
    const stat = readStat(name);
    if (stat === undefined) continue;
    const [user, system, deadUser, deadSystem] = stat.times as [number, number, number, number];
    if (name === `${parent}`) ticks += user + system + deadUser + deadSystem;
    else if (stat.parent === parent) ticks += user + system;
  }
  return (ticks * 1000) / TICKS;
}

/** The process that has started a process. */
export function parentOf(pid: number): number | undefined {
  return readStat(`${pid}`)?.parent;
}

function readNames(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

interface Stat {
  readonly parent: number;
  /** In user and system mode; the same of children that have ended. */
  readonly times: readonly number[];
}

/** Undefined: it has ended. */
function readStat(name: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${name}/stat`, "latin1");
    // The name of the program, in parentheses, may contain anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), times: fields.slice(11, 15).map(Number) };
  } catch {
    return undefined;
  }
}
