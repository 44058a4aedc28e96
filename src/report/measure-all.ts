/**
 * All runs of a report, one process each. Engines take turns within a repetition, so that a busy
 * minute of the machine falls on all of them. What fails once is not tried again.
 */

import type { HeapBreakdown, Parameters, Run } from "./document.ts";
import type { Failures } from "./failures.ts";
import { BYTES_PER_SHAPE } from "./figures.ts";
import { formatBytes, formatCount } from "./format.ts";
import { heapSharesInChild, measureInChild } from "./run-child.ts";
import { ENGINE_NAMES } from "./workload.ts";
import { sizesOf, workloadNamed } from "./workloads.ts";

/** Is told what has been done, a line each. */
export type Progress = (line: string) => void;

/** V8 stops for a snapshot, and writes three bytes for each of the heap. */
const HEAP_SHAPES_MAX = 100_000;

/** Where a shape is much, fewer of them. */
function heapShapesMax(workload: string): number {
  const { shapesMax = Infinity } = workloadNamed(workload);
  return Math.min(HEAP_SHAPES_MAX, shapesMax / 10);
}

export async function measureRuns(
  parameters: Parameters,
  failures: Failures,
  progress: Progress,
): Promise<Run[]> {
  const { repetitions, seed } = parameters;
  const planned = planRuns(parameters);
  const runs: Run[] = [];
  for (const [index, { workload, engine, shapeCount, repetition }] of planned.entries()) {
    const what = `${workload}, ${formatCount(shapeCount)} shapes, ${engine}`;
    const measurement = await failures.attempt(what, () =>
      measureInChild({ workload, engine, shapeCount, seed }),
    );
    if (measurement === undefined) continue;
    runs.push({ workload, engine, shapeCount, repetition, measurement });
    const bytes = formatBytes(BYTES_PER_SHAPE.of(measurement, shapeCount)!);
    const which = `repetition ${repetition} of ${repetitions}`;
    progress(`[${index + 1}/${planned.length}] ${what}, ${which}: ${bytes} bytes per shape`);
  }
  return runs;
}

/** In the order in which they are made. */
function planRuns({
  workloads,
  shapeCounts,
  repetitions,
}: Parameters): readonly Omit<Run, "measurement">[] {
  const repetitionNumbers = Array.from({ length: repetitions }, (_, index) => index + 1);
  return workloads.flatMap((workload) =>
    sizesOf(workload, shapeCounts).flatMap((shapeCount) =>
      repetitionNumbers.flatMap((repetition) =>
        ENGINE_NAMES.map((engine) => ({ workload, engine, shapeCount, repetition })),
      ),
    ),
  );
}

/** Once for each workload and engine, at the largest size of which a snapshot can be taken. */
export async function measureHeaps(
  { workloads, shapeCounts, seed }: Parameters,
  failures: Failures,
  progress: Progress,
): Promise<HeapBreakdown[]> {
  const heaps: HeapBreakdown[] = [];
  for (const workload of workloads) {
    const largest = sizesOf(workload, shapeCounts).at(-1);
    if (largest === undefined) continue;
    const shapeCount = Math.min(largest, heapShapesMax(workload));
    for (const engine of ENGINE_NAMES) {
      const what = `heap of ${workload}, ${formatCount(shapeCount)} shapes, ${engine}`;
      const shares = await failures.attempt(what, () =>
        heapSharesInChild({ workload, engine, shapeCount, seed }),
      );
      if (shares === undefined) continue;
      heaps.push({ workload, engine, shapeCount, shares });
      progress(what);
    }
  }
  return heaps;
}
