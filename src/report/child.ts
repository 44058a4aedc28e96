/** One run in a process of its own: `run-child.ts` starts it, is answered, and that was it. */

import { measureHeapShares } from "./heap-shares.ts";
import { measurePopulation } from "./measure-population.ts";
import type { Answer, Order } from "./run-child.ts";

// Nobody is left to be answered.
process.once("disconnect", () => process.exit(1));

process.once("message", (order: Order) => {
  void obey(order).then((answer) => {
    process.send!(answer, () => process.exit(0));
  });
});

async function obey({ kind, options }: Order): Promise<Answer> {
  if (kind === "heap") return { kind, shares: await measureHeapShares(options) };
  return { kind, measurement: await measurePopulation(options) };
}
