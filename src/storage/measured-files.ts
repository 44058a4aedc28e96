/** The same files, with a note of how long each sync took. */

import type { Clock } from "../lib/clock.ts";
import type { DurationHistogram } from "../lib/duration-histogram.ts";
import type { Files } from "./files.ts";

/** @param syncs is told of those that succeeded: a failed one is the last. */
export function measuredFiles(files: Files, clock: Clock, syncs: DurationHistogram): Files {
  return {
    ...files,
    sync: async (descriptor) => {
      const start = clock.nowMicroseconds();
      await files.sync(descriptor);
      syncs.observe((clock.nowMicroseconds() - start) / 1e6);
    },
  };
}
