/** One workload on one engine in a process of its own: `index.ts` starts it and is answered. */

import { runWorkload, type WorkloadOptions } from "./workloads.ts";

// Nobody is left to be answered.
process.once("disconnect", () => process.exit(1));

process.once("message", (options: WorkloadOptions) => {
  void runWorkload(options).then((measurements) => {
    process.send!(measurements, () => process.exit(0));
  });
});
