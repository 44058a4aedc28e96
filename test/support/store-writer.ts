/**
 * A process that writes to a store until it is killed, and prints what was acknowledged. What it
 * writes is a function of the position, so that the test knows it too.
 */

import type { Lsn } from "../../src/model/lsn.ts";
import { appendTo, bodyOf, createShape, startStore } from "./store-harness.ts";

export const SHAPES = 6;
export const KILL_OPTIONS = {
  isCheckpointInline: false,
  capacity: 400,
  limits: { segmentBytes: 30_000, frameBytes: 3000, runsPerLevel: 3, checkpointPostings: 300 },
};

/** Three to ten changes; shape n takes part in every (n + 1)th transaction. */
export function changesOf(lsn: bigint): string[] {
  const count = 3 + Number(lsn % 8n);
  return Array.from({ length: count }, (_, index) => bodyOf(`k${lsn}`, lsn, 2 * index, 40));
}

export function isReached(lsn: bigint, shape: number): boolean {
  return Number(lsn / 8n) % (shape + 1) === 0;
}

async function main(directory: string): Promise<void> {
  const harness = await startStore(directory, KILL_OPTIONS);
  const { store } = harness;
  while (harness.slots.size < SHAPES) await createShape(harness, ['{"r":1}']);
  const keys = [...harness.slots.keys()].sort((a, b) => a - b);
  process.stdout.write(`ready ${keys.join(",")}\n`);
  for (let lsn = store.position + 8n - (store.position % 8n); ; lsn += 8n) {
    const reached = keys.filter((_, shape) => isReached(lsn, shape));
    changesOf(lsn).forEach((body, index) => appendTo(harness, lsn, 2 * index, body, reached));
    store.commit(lsn as Lsn);
    if (lsn % 40n === 0n) void store.flushed().then(() => process.stdout.write(`${lsn}\n`));
    if (lsn % 120n === 0n) await new Promise((resolve) => setImmediate(resolve));
    await store.relieved();
  }
}

if (process.argv[1]?.endsWith("store-writer.ts") === true) await main(process.argv[2]!);
