/** All classes of WHERE that have an index, one after the other. */

import { classClauses } from "../classes/classes.ts";
import type { Population, PopulationOptions } from "../workload.ts";
import { createClausePopulation } from "./clauses.ts";

export function createClassPopulation(options: PopulationOptions): Population {
  return createClausePopulation(classClauses("mix"), options);
}
