/** The same snapshots, with a note of how long each took and how many failed. */

import type { Clock } from "../lib/clock.ts";
import { DurationHistogram, type HistogramReport } from "../lib/duration-histogram.ts";
import type { SnapshotSource } from "./shape-creator.ts";

/** From one that came with its neighbours to one that reads a large table. */
const BOUNDS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600];

export class MeasuredSnapshots implements SnapshotSource {
  readonly #source: SnapshotSource;
  readonly #clock: Clock;
  readonly #durations = new DurationHistogram(BOUNDS_SECONDS);
  #failedCount = 0;

  constructor(source: SnapshotSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  read(...parameters: Parameters<SnapshotSource["read"]>): Promise<void> {
    const start = this.#clock.nowMicroseconds();
    return this.#source.read(...parameters).then(
      () => this.#durations.observe((this.#clock.nowMicroseconds() - start) / 1e6),
      (error: unknown) => {
        this.#failedCount += 1;
        throw error;
      },
    );
  }

  /** Of those that were read to their end. */
  get durations(): HistogramReport {
    return this.#durations.report();
  }

  /** Given up ones among them. */
  get failedCount(): number {
    return this.#failedCount;
  }
}
