/** Shapes with a subquery, kept by any engine. */

import { HandleNames, IntegerNames } from "../baseline/shape-names.ts";
import { createCore } from "../core-engine.ts";
import { CoreSubqueries } from "../subqueries/core.ts";
import { OrdinarySubqueries } from "../subqueries/ordinary.ts";
import { drawnSet, type SubquerySet } from "../subqueries/subquery-set.ts";
import type { Population, PopulationFactory, PopulationOptions } from "../workload.ts";

const INTEGERS = { kind: "int", valuesPerSubselect: 10, valuesInAll: 100_000 } as const;
const UUIDS = { kind: "uuid", valuesPerSubselect: 50, valuesInAll: undefined } as const;

export const createUnsharedPopulation = factoryOf(drawnSet(INTEGERS, 1));

export const createSharedPopulation = factoryOf(drawnSet(INTEGERS, 100));

/** As the upstream of this protocol measures its own: 50 values that nobody else has. */
export const createUuidPopulation = factoryOf(drawnSet(UUIDS, 1));

function factoryOf(set: SubquerySet): PopulationFactory {
  return (options) => createPopulation(set, options);
}

function createPopulation(set: SubquerySet, { engine }: PopulationOptions): Population {
  const asText = (text: string): string => text;
  switch (engine) {
    case "string-keyed":
      return new OrdinarySubqueries<string, string>(
        set,
        new HandleNames(),
        new HandleNames(),
        asText,
      );
    case "integer-keyed": {
      const toValue = set.kind === "int" ? Number : asText;
      return new OrdinarySubqueries<number, string | number>(
        set,
        new IntegerNames(),
        new IntegerNames(),
        toValue,
      );
    }
    case "core":
      return new CoreSubqueries(set, createCore());
  }
}
