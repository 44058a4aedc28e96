/** One equality clause, `tenant_id = n`, a shape for every n: the case that must be cheapest. */

import { IntegerKeyedEngine } from "../baseline/integer-keyed.ts";
import type { RoutingEngine } from "../baseline/routing-engine.ts";
import { StringKeyedEngine } from "../baseline/string-keyed.ts";
import { createCoreEngine } from "../core-engine.ts";
import { ALL_COLUMNS, ORDERS, TENANT_COLUMN } from "../wal-stream.ts";
import type { EngineName, Population, PopulationOptions } from "../workload.ts";

export function createEqualityPopulation({ engine: name }: PopulationOptions): Population {
  const engine = createEngine(name);
  const template = engine.addTemplate(engine.addRelation(ORDERS), {
    terms: [{ column: TENANT_COLUMN, kind: "int" }],
    columns: ALL_COLUMNS,
    replica: "default",
  });
  const constantsOf = (shape: number): readonly string[] => [String(shape + 1)];
  return {
    add: (shape) => void engine.add(template, constantsOf(shape)),
    remove: (shape) => engine.remove(engine.find(template, constantsOf(shape))!),
    has: (shape) => engine.find(template, constantsOf(shape)) !== undefined,
    structures: () => engine.structures?.(),
  };
}

/** Callers treat references as opaque, so one type stands for all. */
function createEngine(name: EngineName): RoutingEngine {
  switch (name) {
    case "string-keyed":
      return new StringKeyedEngine();
    case "integer-keyed":
      return new IntegerKeyedEngine();
    case "core":
      return createCoreEngine();
  }
}
