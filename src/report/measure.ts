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

const SETTLING_ROUNDS_MIN = 4;
const SETTLING_ROUNDS_MAX = 12;
/** Asking allocates a little itself. */
const SETTLED_BYTES = 2048;

export interface Memory {
  /** JavaScript heap and what it owns outside: WebAssembly.Memory is in `external`. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

export async function settledMemory(): Promise<Memory> {
  await settle();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}

/**
 * Collects garbage until nothing more is let go of. Needs --expose-gc. What lies outside of the
 * heap is freed by finalisers a turn of the event loop later: hence rounds, and turns between.
 */
export async function settle(): Promise<void> {
  let last = 0;
  for (let round = 0; round < SETTLING_ROUNDS_MAX; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { heapUsed, external } = process.memoryUsage();
    const bytes = heapUsed + external;
    if (round >= SETTLING_ROUNDS_MIN && Math.abs(bytes - last) < SETTLED_BYTES) return;
    last = bytes;
  }
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

/** `share` of the values are not above it; REQUIRES: ascending, at least one. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** How long single calls of `work` take, in nanoseconds, ascending, less the clock's own time. */
export function timeEach(count: number, work: (call: number) => void): Float64Array {
  const durations = new Float64Array(count);
  for (let call = 0; call < count; call += 1) {
    const start = performance.now();
    work(call);
    durations[call] = performance.now() - start;
  }
  const clock = clockMs();
  durations.forEach((ms, call) => (durations[call] = Math.max(0, ms - clock) * 1e6));
  return durations.sort();
}

/** What it takes to read the clock. */
function clockMs(): number {
  const durations = new Float64Array(10_001);
  for (let call = 0; call < durations.length; call += 1) {
    const start = performance.now();
    durations[call] = performance.now() - start;
  }
  return percentile(durations.sort(), 0.5);
}

/** Lets the event loop turn `count` times, `work` in each, and says how long each turn took. */
export async function timeTurns(
  count: number,
  work: (turn: number) => void,
): Promise<Float64Array> {
  const durations = new Float64Array(count);
  await new Promise(setImmediate);
  let began = performance.now();
  for (let turn = 0; turn < count; turn += 1) {
    work(turn);
    await new Promise(setImmediate);
    const ended = performance.now();
    durations[turn] = ended - began;
    began = ended;
  }
  return durations;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
