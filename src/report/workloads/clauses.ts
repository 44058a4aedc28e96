/** The shapes of a clause set, kept by any engine. */

import { HandleNames, IntegerNames } from "../baseline/shape-names.ts";
import type { ClauseSet } from "../classes/clause-set.ts";
import { CoreClauseEngine } from "../classes/core.ts";
import { OrdinaryEngine } from "../classes/ordinary.ts";
import { createCore } from "../core-engine.ts";
import type { Population, PopulationOptions } from "../workload.ts";

export function createClausePopulation(
  clauses: ClauseSet,
  { engine }: PopulationOptions,
): Population {
  switch (engine) {
    case "string-keyed":
      return new OrdinaryEngine(clauses, new HandleNames());
    case "integer-keyed":
      return new OrdinaryEngine(clauses, new IntegerNames());
    case "core":
      return new CoreClauseEngine(clauses, createCore());
  }
}
