/**
 * What is measured and how. Rates are per second of processor time: the machine may be shared, and
 * time spent waiting for its turn says nothing about the engine. That includes the threads of the
 * garbage collector, which is as it should be. Pauses are wall time, because that is what a client
 * waits; on a busy machine they are too long for every engine alike.
 */

import { PerformanceObserver } from "node:perf_hooks";

export interface Timing {
  readonly cpuMs: number;
  readonly wallMs: number;
}

export function time(work: () => void): Timing {
  const cpu = process.cpuUsage();
  const start = performance.now();
  work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000, wallMs };
}

/** The longest of many steps, in milliseconds. */
export class Longest {
  ms = 0;

  step(work: () => void): void {
    const start = performance.now();
    work();
    const elapsed = performance.now() - start;
    if (elapsed > this.ms) this.ms = elapsed;
  }
}

export interface Memory {
  /** JavaScript heap and what it owns outside: WebAssembly.Memory is in `external`. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/**
 * Needs --expose-gc. Four times, with a turn of the event loop between: what lies outside of the
 * heap is let go of by finalisers, which take several rounds.
 */
export async function settledMemory(): Promise<Memory> {
  for (let round = 0; round < 4; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}

export function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error("run node with --expose-gc");
  globalThis.gc();
}

/** What the garbage collector did between `start` and `stop`. */
export class GcWatch {
  count = 0;
  totalMs = 0;
  longestMs = 0;
  readonly #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      this.count += 1;
      this.totalMs += duration;
      if (duration > this.longestMs) this.longestMs = duration;
    }
  });

  start(): void {
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  /** Entries arrive a turn of the event loop later. */
  async stop(): Promise<this> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.#observer.disconnect();
    return this;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
