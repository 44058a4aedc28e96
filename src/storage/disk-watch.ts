/** How large a data directory is, for those who ask now and then: each file has to be asked for. */

import type { Clock } from "../lib/clock.ts";
import { Refreshed } from "../lib/refreshed.ts";
import type { Timers } from "../lib/timers.ts";
import { diskUsage } from "./disk-usage.ts";

/** A million files take 20 s of a thread: some of the disk's time, not all of it. */
const INTERVAL_MS = 60_000;
const PATIENCE_MS = 200;

export interface DiskWatchOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly timers: Timers;
}

export class DiskWatch {
  readonly #bytes: Refreshed<number>;

  constructor({ directory, clock, timers }: DiskWatchOptions) {
    this.#bytes = new Refreshed({
      clock,
      timers,
      intervalMs: INTERVAL_MS,
      patienceMs: PATIENCE_MS,
      read: () => diskUsage(directory),
    });
  }

  /** At most a minute old. Undefined: not measured yet. */
  bytes(): Promise<number | undefined> {
    return this.#bytes.get();
  }
}
